"""A result as one HTML page that needs nothing else, as Markdown, and as JSON."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from unmask.data.thumbnails import read_image
from unmask.detect.detector import Detector
from unmask.detect.overlay import draw_evidence
from unmask.errors import UsageError
from unmask.evaluation.reports.charts import charts, source_histograms
from unmask.evaluation.reports.robustness import robustness_content
from unmask.evaluation.reports.sentences import (
    METRIC_NAMES,
    bench_lines,
    figure,
    headline,
    markdown_cell,
    percent,
    with_interval,
)
from unmask.files import RootFolder, write_whole
from unmask.pages.page import render, thumbnail_uri

_SHOWN_FAILURES: Final = 20


@dataclass(frozen=True)
class Beside:
    """What stands in a report beside the figures of its scores.

    Attributes:
        robustness: a result of ``unmask robustness`` for the same detector.
        bench: a result of ``unmask bench``, with the same detector among its models.
    """

    robustness: dict[str, Any] | None = None
    bench: dict[str, Any] | None = None

    @classmethod
    def of(cls, result: dict[str, Any], folder: Path, robustness: Path | None, bench: Path | None) -> Beside:
        """From the files given, or else those named robustness.json and bench.json in the folder.

        Files of another bundle are refused where they were given, and passed over where they only lie there.

        Raises:
            UsageError: ``bad_result``, ``other_bundle``.
        """
        sha256 = result["detector"].get("bundle_sha256")
        found = {}
        for kind, given in (("robustness", robustness), ("bench", bench)):
            path = given or folder / f"{kind}.json"
            if given is None and not path.is_file():
                continue
            content = read_result(path, kind)
            bundles = of_bundles(content)
            if sha256 is not None and sha256 not in bundles:
                if given is not None:
                    raise UsageError("other_bundle", f"{path}: speaks of another bundle than the one evaluated")
                continue
            found[kind] = content
        return cls(**found)


def read_result(path: Path, *kinds: str) -> dict[str, Any]:
    """A result that a command wrote as JSON.

    Args:
        path: the file.
        *kinds: ``evaluation``, ``robustness`` or ``bench``; which of them it may be.

    Raises:
        UsageError: ``bad_result``.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] == 1 and content["kind"] in kinds:
            return dict(content)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    raise UsageError("bad_result", f"{path}: is no result of {' or '.join(kinds)} that can be read")


def of_bundles(result: dict[str, Any]) -> set[str | None]:
    """The bundles that a result speaks of, by hash; ``None`` stands for scores of an unknown one."""
    if result["kind"] == "bench":
        return {model["bundle_sha256"] for model in result["models"]}
    return {result["detector"].get("bundle_sha256")}


def write_report(
    result: dict[str, Any],
    folder: Path,
    *,
    thumbnails_from: Path | None = None,
    detector: Detector | None = None,
    beside: Beside | None = None,
) -> None:
    """Write ``result.json``, ``report.html`` and ``report.md``; each appears whole or not at all.

    Args:
        result: of :func:`unmask.evaluation.evaluate.evaluate`.
        folder: where to; it must exist.
        thumbnails_from: the folder that paths are relative to, to put images of mistakes into the page; by default
            there are none, for a page that holds images is a copy of them.
        detector: draws its evidence beside each of them.
        beside: further results to show.

    Raises:
        UsageError: ``cannot_write``.
    """
    beside = beside or Beside()
    page, markdown = render_html(result, thumbnails_from, detector, beside), render_markdown(result, beside)
    write_whole(folder / "result.json", json.dumps(result, indent=1, allow_nan=False) + "\n")
    write_whole(folder / "report.html", page)
    write_whole(folder / "report.md", markdown)


def render_html(
    result: dict[str, Any],
    thumbnails_from: Path | None = None,
    detector: Detector | None = None,
    beside: Beside | None = None,
) -> str:
    """The page; every text of the scores is escaped. Arguments as for :func:`write_report`."""
    root = None if thumbnails_from is None else RootFolder(thumbnails_from)
    mistakes = {
        name: [{**entry, **_shown(root, entry["path"], detector)} for entry in entries]
        for name, entries in result["mistakes"].items()
    }
    return render(
        "unmask.evaluation.reports/evaluation.html.j2",
        **_content(result, beside or Beside()),
        charts=charts(result),
        histograms=source_histograms(result["curves"]["histograms"]),
        mistakes=mistakes,
    )


def render_markdown(result: dict[str, Any], beside: Beside | None = None) -> str:
    """The same figures as Markdown, without charts."""
    content = _content(result, beside or Beside())
    return render(
        "unmask.evaluation.reports/evaluation.md.j2", **content, mistakes=result["mistakes"], cell=markdown_cell
    )


def _shown(root: RootFolder | None, path: str, detector: Detector | None) -> dict[str, str]:
    """An image and the evidence drawn on it, as data URIs; '' for what there is not."""
    image = None if root is None else read_image(root, path)
    if image is None:
        return {"data": "", "evidence": ""}
    drawn = "" if detector is None else thumbnail_uri(draw_evidence(image, detector.detect(image)))
    return {"data": thumbnail_uri(image), "evidence": drawn}


def _content(result: dict[str, Any], beside: Beside) -> dict[str, Any]:
    robustness = beside.robustness and robustness_content(beside.robustness)
    further = {"whole groups": result["by_group"], "single faces": result["by_face"]}
    return {
        "result": result,
        "further": {name: block for name, block in further.items() if block is not None},
        "robustness": robustness,
        "bench": beside.bench,
        "bench_lines": beside.bench and bench_lines(beside.bench),
        "headline": [*headline(result), *(robustness["headline"][:1] if robustness else [])],
        "names": METRIC_NAMES,
        "figure": figure,
        "percent": percent,
        "with_interval": with_interval,
        "command": shlex.join(result["run"]["command"]),
        "failures": result["failures"][:_SHOWN_FAILURES],
    }
