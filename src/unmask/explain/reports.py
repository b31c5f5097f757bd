"""Reports on many images and clips, and the page that lists them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

from unmask.detect.gallery import entry_of
from unmask.detect.judged import Judged
from unmask.detect.verdict import TITLES
from unmask.explain.citation import report_time, shown_time
from unmask.explain.clips.explainer import ClipExplanation
from unmask.explain.explanation import Explanation
from unmask.explain.page import REPORT, folder_name
from unmask.files import OutputFolder, cannot_write, write_whole
from unmask.pages.gallery import GalleryEntry, render_gallery
from unmask.pages.page import thumbnail_uri
from unmask.version import __version__

INDEX: Final = "index.html"


class Reports:
    """Writes explanations one by one: a folder per image or clip, and ``index.html`` at the end.

    Args:
        folder: created if missing; nothing is written outside it.
        model: name of the detector, for the index.
        time: time of the reports (default: see :func:`unmask.explain.citation.report_time`).

    Raises:
        UsageError: ``bad_source_date_epoch``.
    """

    def __init__(self, folder: Path, model: str, time: datetime | None = None) -> None:
        self._out = OutputFolder(folder)
        self._model = model
        self._time = time or report_time()
        self._entries: list[GalleryEntry] = []
        self._clips = 0

    def add(self, explanation: Explanation | ClipExplanation) -> Path:
        """Write one report; returns its path."""
        name = folder_name(explanation.verdict.path or "image")
        # The entry has the verdict itself and the marks already.
        others = [sentence for sentence in explanation.reasons if sentence.rule not in {"verdict", "marks"}]
        reasons = " ".join(sentence.text for sentence in others)
        link, small = f"{name}/{REPORT}", thumbnail_uri(explanation.image)
        self._entries.append(entry_of(explanation.verdict, text=reasons, thumbnail=small, link=link))
        self._clips += isinstance(explanation, ClipExplanation)
        return explanation.write(self._out.path / name, self._time)

    def add_failure(self, verdict: Judged, *, is_clip: bool = False) -> None:
        """Note a file that could not be read."""
        self._clips += is_clip
        self._entries.append(entry_of(verdict))

    def close(self) -> Path:
        """Write the index; returns its path."""
        about = [f"Detector {self._model}, unmask {__version__}, {shown_time(self._time)}."]
        images, clips = len(self._entries) - self._clips, self._clips
        counts = [_count(images, "image") if images or not clips else "", _count(clips, "clip") if clips else ""]
        title = f"Explanations of {' and '.join(filter(None, counts))}"
        noun = "images and clips" if images and clips else "clips" if clips else "images"
        self._out.write(INDEX, render_gallery(self._entries, title=title, about=about, words=TITLES, noun=noun))
        return self._out.path / INDEX


def write_html(explanation: Explanation | ClipExplanation, path: Path, time: datetime | None = None) -> None:
    """Write one explanation as a self-contained page; for the time see :func:`unmask.explain.page.render_html`.

    Raises:
        UsageError: ``cannot_write``.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    write_whole(path, explanation.to_html(time))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
