"""Reports on many images, and the page that lists them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from unmask.detect.verdict import Verdict
from unmask.explain.explainer import Explanation
from unmask.explain.page import Entry, entry_of, folder_name, render_html, render_index, write_explanation
from unmask.files import OutputFolder, cannot_write, write_whole

INDEX: Final = "index.html"


class Reports:
    """Writes explanations one by one: a folder per image, and ``index.html`` at the end.

    Args:
        folder: created if missing; nothing is written outside it.
        model: name of the detector, for the index.
    """

    def __init__(self, folder: Path, model: str) -> None:
        self._out = OutputFolder(folder)
        self._model = model
        self._entries: list[Entry] = []

    def add(self, explanation: Explanation) -> Path:
        """Write one report; returns its path."""
        name = folder_name(explanation.verdict.path or "image")
        self._entries.append(entry_of(explanation, name))
        return write_explanation(explanation, self._out.path / name)

    def add_failure(self, verdict: Verdict) -> None:
        """Note an image that could not be read."""
        self._entries.append(Entry(verdict, verdict.error.message if verdict.error else "", None, ""))

    def close(self) -> Path:
        """Write the index; returns its path."""
        self._out.write(INDEX, render_index(self._entries, self._model))
        return self._out.path / INDEX


def write_html(explanation: Explanation, path: Path) -> None:
    """Write one explanation as a self-contained page.

    Raises:
        UsageError: ``cannot_write``.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    write_whole(path, render_html(explanation))
