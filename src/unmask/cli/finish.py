"""What ``unmask detect`` makes of a verdict besides a line: the image with its evidence, its place in a gallery."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from unmask.detect.detector import Detector
from unmask.detect.verdict import Verdict
from unmask.errors import ImageError
from unmask.text import printable
from unmask.video.verdict import ClipVerdict

if TYPE_CHECKING:
    from unmask.cli.clips import FileJudge
    from unmask.cli.gallery import Gallery
    from unmask.pages.gallery import GalleryEntry


@dataclass(frozen=True, slots=True)
class Finished:
    """A verdict for which everything has been made.

    Attributes:
        verdict: the verdict.
        entry: its place in the gallery, if there is one.
        problem: why its evidence could not be drawn; ``None`` if it was, or was not asked for.
    """

    verdict: Verdict | ClipVerdict
    entry: GalleryEntry | None = None
    problem: str | None = None


class Finisher:
    """Makes for each verdict what was asked for; safe to call from several threads.

    Args:
        detector: the detector of the verdicts.
        judge: reads files again, to show them.
        evidence: folder for images with their evidence maps.
        html: where the gallery is written.

    Raises:
        UsageError: ``cannot_write``.
    """

    def __init__(self, detector: Detector, judge: FileJudge, evidence: Path | None, html: Path | None) -> None:
        self._detector, self._judge, self._evidence = detector, judge, evidence
        self._gallery: Gallery | None = None
        if html is not None:
            from unmask.cli.gallery import Gallery

            self._gallery = Gallery(html, detector, judge)

    def __call__(self, verdict: Verdict | ClipVerdict) -> Finished:
        """Draw the evidence of one image, or of a clip's most suspicious frame, and make its thumbnail."""
        drawn = problem = None
        if self._evidence is not None and verdict.error is None and verdict.verdict != "NO_FACE":
            try:
                drawn = self._draw(verdict, self._evidence)
            except ImageError as error:  # it was readable a moment ago; the verdict stands
                problem = error.message
        entry = None if self._gallery is None else self._gallery.entry(verdict, drawn)
        return Finished(verdict, entry, problem)

    def take(self, finished: Finished) -> None:
        """Put an image into the gallery, and say what went wrong; to be called in the order of the verdicts."""
        if self._gallery is not None and finished.entry is not None:
            self._gallery.add(finished.entry)
        if finished.problem is not None:
            print(
                f"unmask: no evidence for {printable(str(finished.verdict.path))}: {finished.problem}", file=sys.stderr
            )

    def close(self, total: int) -> None:
        """Write the gallery.

        Args:
            total: number of images that were judged, which may be more than those in it.
        """
        if self._gallery is not None:
            self._gallery.write(total)

    def _draw(self, verdict: Verdict | ClipVerdict, folder: Path) -> Path:
        from unmask.cli.evidence import evidence_path, has_evidence, write_evidence

        if isinstance(verdict, ClipVerdict):
            image = self._judge.image(verdict.path, verdict.shown_s)
            return write_evidence(folder, replace(self._detector.first.detect(image), path=verdict.path), image)
        if not has_evidence(verdict):  # it comes from a journal
            target = evidence_path(folder, verdict)
            if target.exists():
                return target
            verdict = self._detector.detect(str(verdict.path))
        return write_evidence(folder, verdict)
