"""The page of ``unmask detect --html``: many images with their verdicts."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Final

from unmask.cli.clips import FileJudge
from unmask.cli.output import FileVerdict, remarks_on
from unmask.detect.detector import Detector
from unmask.detect.gallery import entry_of
from unmask.detect.verdict import TITLES
from unmask.errors import ImageError, UsageError
from unmask.explain.citation import report_time, shown_time
from unmask.files import OutputFolder, whole_file
from unmask.pages.gallery import GalleryEntry, gallery_parts
from unmask.pages.page import thumbnail_uri
from unmask.version import __version__
from unmask.video.verdict import ClipVerdict

_PAGES: Final = (".html", ".htm")
# Photographs are then decoded at a quarter or an eighth of their size, which is quick and enough for a thumbnail.
_THUMBNAIL_MEMORY: Final = 16 * 2**20


class Gallery:
    """Collects images, about 10 KiB each, and writes the page at the end.

    Args:
        path: an ``.html`` file; anything else is a folder, in which ``index.html`` is written. Folders down to it are
            made at once, so that a place that cannot be written is found before the work.
        detector: the detector of the verdicts.
        judge: reads files again, to show them.

    Raises:
        UsageError: ``cannot_write``, ``bad_source_date_epoch``.
    """

    def __init__(self, path: Path, detector: Detector, judge: FileJudge) -> None:
        self.path = path if path.suffix.lower() in _PAGES and not path.is_dir() else path / "index.html"
        self._detector, self._judge = detector, judge
        self._entries: list[GalleryEntry] = []
        self._time = report_time()
        OutputFolder(self.path.parent)
        if self.path.is_dir():
            raise UsageError("cannot_write", f"{self.path}: cannot be written: it is a folder")

    def entry(self, verdict: FileVerdict, evidence: Path | None) -> GalleryEntry:
        """The entry of an image, with its thumbnail; safe to call from several threads.

        Args:
            verdict: on an image file.
            evidence: the image with its evidence map; the entry leads there, or else to the image itself.
        """
        read = verdict.error is None
        return entry_of(
            verdict,
            text=" ".join(remarks_on(verdict)),
            thumbnail=self._thumbnail(verdict) if read else "",
            link=self._link(Path(str(verdict.path)), evidence) if read else None,
        )

    def add(self, entry: GalleryEntry) -> None:
        """Put an entry at the end."""
        self._entries.append(entry)

    def write(self, total: int) -> None:
        """Write the page, whole or not at all.

        Args:
            total: number of images that were judged; the page says so if it shows fewer.

        Raises:
            UsageError: ``cannot_write``.
        """
        shown = len(self._entries)
        about = [
            *(
                f"{word} {each.model_name}, bundle {each.bundle.sha256[:12]}, threshold {each.threshold:.3f}."
                for word, each in zip(("Detector", "Then"), self._detector.detectors, strict=False)
            ),
            f"unmask {__version__}, {shown_time(self._time)}.",
            "A verdict is no proof, and “No sign of manipulation” is no proof that an image is real.",
        ]
        if shown < total:
            about.insert(0, f"The {shown:,} most suspicious of {total:,} images.")
        with whole_file(self.path) as file:
            for part in gallery_parts(self._entries, title="Verdicts", about=about, words=TITLES):
                file.write(part)

    def _thumbnail(self, verdict: FileVerdict) -> str:
        path, limits = str(verdict.path), self._detector.limits
        try:
            if isinstance(verdict, ClipVerdict):
                return thumbnail_uri(self._judge.image(path, verdict.shown_s))
            try:
                image = self._judge.image(
                    path, limits=replace(limits, max_memory=min(limits.max_memory, _THUMBNAIL_MEMORY))
                )
            except ImageError as error:
                if error.code != "too_many_pixels":  # raised, too, where the format can be decoded at full size only
                    raise
                image = self._judge.image(path, limits=limits)
        except ImageError:  # it was readable a moment ago; the verdict stands
            return ""
        return thumbnail_uri(image)

    def _link(self, path: Path, evidence: Path | None) -> str | None:
        try:
            return Path(os.path.relpath(evidence or path, self.path.parent)).as_posix()
        except ValueError:  # on another drive
            return None
