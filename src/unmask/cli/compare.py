"""``unmask compare``: which differences between detectors are significant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmask.cli import options
from unmask.cli.examples import with_examples


@with_examples("unmask compare mine/scores.csv theirs.csv")
def compare(
    scores: Annotated[list[Path], typer.Argument(metavar="SCORES", help="Two or more score tables, CSV or Parquet.")],
    draws: options.Draws = 2000,
    seed: options.Seed = 0,
    workers: options.Workers = None,
    as_json: options.Json = False,
) -> None:
    """Test whether detectors differ on the same images.

    Score tables come from unmask evaluate --out, or from any other detector: the columns path, label and
    fake_probability are enough. Images are paired by path. Every pair of detectors is tested, with Holm's correction.

    Exit codes: 0 compared, 2 usage error, 3 missing extra.
    """
    from unmask.cli.manifests import translation
    from unmask.evaluation.compare import compare as compare_scores
    from unmask.evaluation.scores import Scores
    from unmask.stats.resample import Draws
    from unmask.text import printable

    result = compare_scores(
        [Scores.open(path, translation=translation()) for path in scores], Draws(draws, seed, workers)
    )
    print(result.to_json() if as_json else "\n".join(map(printable, result.sentences)))
