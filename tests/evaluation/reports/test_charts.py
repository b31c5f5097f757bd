"""What the charts of a report draw, by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from unmask.evaluation.evaluate import evaluate
from unmask.evaluation.reports.charts import charts
from unmask.evaluation.scores import Scores
from unmask.pages.charts import Chart
from unmask.stats.resample import Draws


def _reliability(make_scores: Callable[..., Scores], probability: list[float]) -> Chart:
    table = make_scores([at % 2 == 0 for at in range(len(probability))], probability)
    (found,) = [chart for chart in charts(evaluate(table, draws=Draws(50, workers=1))) if chart.title == "Reliability"]
    return found


@pytest.mark.parametrize(
    ("probability", "bins", "on_the_line"),
    [
        # Two full bins and one with a single image, which has a mark but no place on the line.
        ([0.1] * 8 + [0.9] * 8 + [0.5], 3, 2),
        # One full bin alone makes no line, nor do many bins of one image.
        ([0.1] * 8 + [0.9], 2, 0),
        ([0.03, 0.1, 0.17, 0.23, 0.3, 0.37], 6, 0),
    ],
)
def test_the_reliability_line_leaves_out_bins_of_few_images(
    probability: list[float], bins: int, on_the_line: int, make_scores: Callable[..., Scores]
) -> None:
    chart = _reliability(make_scores, probability)
    assert len(chart.marks) == len(chart.rows) == bins
    line = chart.lines.get("curve", "")
    assert (line.count("L") + 1 if line else 0) == on_the_line


def test_points_are_as_large_as_their_bins(make_scores: Callable[..., Scores]) -> None:
    # 100 images in one bin, 25 in another, one in a third: the area of a point is its part of the most.
    chart = _reliability(make_scores, [0.1] * 100 + [0.5] * 25 + [0.9])
    radii = [radius for *_, radius in chart.marks]
    assert radii == pytest.approx([6, 3, 6 * 0.05**0.5])
    assert "a larger point stands for more images" in chart.about
