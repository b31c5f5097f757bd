"""Verdicts as a table for people. Apart from the other forms of output, which do without rich."""

from __future__ import annotations

from collections import Counter
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.text import Text

from unmask.cli.output import FileVerdict, Output, remarks_on
from unmask.detect.detector import Detector
from unmask.detect.verdict import WORDS
from unmask.imaging.find import PassedOver
from unmask.text import printable


class TableOutput(Output):
    """A table for people: verdict, probability of fake, path, remarks.

    Args:
        detector: the detector of the verdicts.
        passed_over: what the search for images left out; read at the end, for the summary.
    """

    _STYLES = {  # noqa: RUF012 - never changed
        "FAKE": "bold red",
        "REAL": "bold green",
        "UNCERTAIN": "bold yellow",
        "NO_FACE": "bold",
        None: "yellow",
    }
    _PROBABILITY = "probability of fake"
    _PATH = 32  # columns; a longer path moves the remarks to the right

    def __init__(self, detector: Detector, passed_over: PassedOver | None = None) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._detector = detector
        self._passed_over = PassedOver() if passed_over is None else passed_over  # empty ones are false
        self._counts = dict.fromkeys((*WORDS, None), 0)
        self._models = Counter[str]()
        self._marked = self._shown = 0

    def __enter__(self) -> Self:
        """Write the header."""
        self._console.print(Text(self._line("verdict", self._PROBABILITY, "image", "remarks"), style="dim"))
        return self

    def count(self, verdict: FileVerdict) -> None:
        """Count for the summary."""
        self._counts[verdict.verdict] += 1
        self._marked += bool(verdict.marks)
        self._models[verdict.model] += verdict.error is None

    def add(self, verdict: FileVerdict) -> None:
        """Write one line."""
        self._shown += 1
        path = printable(str(verdict.path).encode(errors="backslashreplace").decode())
        probability = ""
        if verdict.fake_probability is not None and verdict.verdict != "NO_FACE":  # without a face it means nothing
            probability = f"{100 * verdict.fake_probability:.1f} %"
        word = verdict.verdict or "ERROR"
        remarks = [*(mark.text for mark in verdict.marks), *remarks_on(verdict)]
        line = Text(self._line(word, probability, path, " ".join(remarks)))
        line.stylize(self._STYLES[verdict.verdict], 0, len(word))
        self._console.print(line)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the totals where there was more than one image, and the threshold's meaning."""
        images = sum(self._counts.values())
        if images > 1 or (images and self._passed_over):
            self._console.print(Text(self._summary(), style="dim"))
        for detector in self._detector.detectors:
            named = [item for item in detector.bundle.info.thresholds if item.fake_probability == detector.threshold]
            rate = f" ({100 * named[0].false_positive_budget:g} % false positives on validation data)" if named else ""
            text = f"Threshold {detector.threshold:.3f}{rate}, {detector.model_name}"
            if len(self._detector.detectors) > 1:
                text += f": {self._models[detector.model_name]:,} verdicts"
            self._console.print(Text(text, style="dim"))
        super().__exit__(kind, error, trace)

    def _line(self, word: str, probability: str, path: str, remarks: str) -> str:
        return f"{word:<9}  {probability:>{len(self._PROBABILITY)}}  {path:<{self._PATH}}  {remarks}".rstrip()

    def _summary(self) -> str:
        counts = [f"{self._counts[word]:,} {word}" for word in WORDS]
        if self._counts[None]:
            counts.append(f"{self._counts[None]:,} not readable")
        if self._marked:
            counts.append(f"{self._marked:,} with marks")
        if self._passed_over:
            counts.append(str(self._passed_over))
        total = sum(self._counts.values())
        if self._shown < total:
            counts.append(f"the {self._shown:,} most suspicious of {total:,} shown")
        return ", ".join(counts)
