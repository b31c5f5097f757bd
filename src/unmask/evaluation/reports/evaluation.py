"""The report of ``unmask evaluate``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from unmask.data.thumbnails import read_image
from unmask.detect.detector import Detector
from unmask.detect.overlay import draw_evidence
from unmask.errors import UsageError
from unmask.evaluation.reports.charts import charts, source_histograms
from unmask.evaluation.reports.fairness import NOTE, fairness_lines
from unmask.evaluation.reports.robustness import robustness_content
from unmask.evaluation.reports.sentences import bench_lines, headline
from unmask.evaluation.reports.write import Report, command_line, read_result
from unmask.evaluation.results.cost import Bench
from unmask.evaluation.results.evaluation import Evaluation, Mistake
from unmask.evaluation.results.regressions import Regressions
from unmask.evaluation.results.robustness import Robustness
from unmask.files import RootFolder
from unmask.pages.page import thumbnail_uri

Other = TypeVar("Other", Robustness, Bench)

_SHOWN_FAILURES: Final = 20


@dataclass(frozen=True)
class Beside:
    """Other results to include in the report.

    Attributes:
        robustness: of the same detector.
        bench: with the same detector among its models.
    """

    robustness: Robustness | None = None
    bench: Bench | None = None

    @classmethod
    def of(cls, result: Evaluation, folder: Path, robustness: Path | None, bench: Path | None) -> Beside:
        """From the files given, or else robustness.json and bench.json in the folder.

        A file of a different bundle is refused if it was given, and ignored if it was only found in the folder.

        Raises:
            UsageError: ``bad_result``, ``other_bundle``.
        """
        return cls(
            _of_bundle(result, robustness, folder / "robustness.json", Robustness),
            _of_bundle(result, bench, folder / "bench.json", Bench),
        )


def _of_bundle(result: Evaluation, given: Path | None, found: Path, kind: type[Other]) -> Other | None:
    path = given or found
    if given is None and not path.is_file():
        return None
    content = read_result(path, kind)
    sha256 = result.detector.bundle_sha256
    if sha256 is not None and sha256 not in bundles_of(content):
        if given is not None:
            raise UsageError("other_bundle", f"{path}: belongs to a different bundle")
        return None
    return content


def bundles_of(result: Evaluation | Robustness | Bench | Regressions) -> set[str | None]:
    """The hashes of the bundles that a result belongs to; ``None`` stands for scores of an unknown bundle."""
    if isinstance(result, Bench):
        return {model.bundle_sha256 for model in result.models}
    return {result.detector.bundle_sha256}


def write_report(
    result: Evaluation,
    folder: Path,
    *,
    thumbnails_from: Path | None = None,
    detector: Detector | None = None,
    beside: Beside | None = None,
) -> None:
    """Write ``result.json``, ``report.html`` and ``report.md``; each appears whole or not at all.

    Args:
        result: of :func:`unmask.evaluation.evaluate.evaluate`.
        folder: an existing folder.
        thumbnails_from: the folder that paths are relative to, to show images of mistakes. By default the page shows
            none, because a page with images is a copy of them.
        detector: draws its evidence next to each of them.
        beside: other results to include.

    Raises:
        UsageError: ``cannot_write``.
    """
    report(result, thumbnails_from, detector, beside).write(folder, "report", json_name="result")


def report(
    result: Evaluation,
    thumbnails_from: Path | None = None,
    detector: Detector | None = None,
    beside: Beside | None = None,
) -> Report:
    """The page and the Markdown; arguments as for :func:`write_report`."""
    beside = beside or Beside()
    root = None if thumbnails_from is None else RootFolder(thumbnails_from)
    robustness: dict[str, Any] | None = None
    if beside.robustness is not None:
        robustness = robustness_content(beside.robustness)
    faces = "single faces" if result.by_frame is None else "tracks"
    further = {"whole groups": result.by_group, faces: result.by_face, "frames": result.by_frame}
    content = {
        "further": {name: block for name, block in further.items() if block is not None},
        "fairness": {column: fairness_lines(result, column) for column in result.fairness},
        "fairness_note": NOTE,
        "robustness": robustness,
        "bench": beside.bench,
        "bench_lines": [] if beside.bench is None else bench_lines(beside.bench),
        "headline": [*headline(result), *(robustness["headline"][:1] if robustness else [])],
        "command": command_line(result.run),
    }
    page = {
        "charts": charts(result),
        "histograms": source_histograms(result.curves.histograms),
        "mistakes": [
            ("Real, called fake", [_shown(root, each, detector) for each in result.mistakes.real_called_fake]),
            ("Fake, called real", [_shown(root, each, detector) for each in result.mistakes.fake_called_real]),
        ],
        "failures": result.failures[:_SHOWN_FAILURES],
    }
    return Report(result, "evaluation", content, page)


@dataclass(frozen=True)
class _ShownMistake:
    """A mistake with its image and the evidence drawn on it, as data URIs; '' if not shown."""

    mistake: Mistake
    image: str = ""
    evidence: str = ""


def _shown(root: RootFolder | None, mistake: Mistake, detector: Detector | None) -> _ShownMistake:
    image = None if root is None else read_image(root, mistake.path)
    if image is None:
        return _ShownMistake(mistake)
    drawn = "" if detector is None else thumbnail_uri(draw_evidence(image, detector.detect(image)))
    return _ShownMistake(mistake, thumbnail_uri(image), drawn)
