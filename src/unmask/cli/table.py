"""Verdicts as a table for people. Apart from the other forms of output, which do without rich."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.text import Text

from unmask.cli.output import Output
from unmask.detect.detector import Detector
from unmask.detect.verdict import Verdict
from unmask.text import printable


class TableOutput(Output):
    """A table for people: result, confidence, remarks, path."""

    _STYLES = {"REAL": "bold green", "FAKE": "bold red", None: "yellow"}  # noqa: RUF012 - never changed
    _REMARKS = 24  # columns; longer remarks move the path to the right

    def __init__(self, detector: Detector) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._detector = detector
        self._counts = {"REAL": 0, "FAKE": 0, "uncertain": 0, "failed": 0}

    def __enter__(self) -> Self:
        """Write the header."""
        self._console.print(Text(f"{'result':<7}{'confidence':>10}  {'':<{self._REMARKS}}  image", style="dim"))
        return self

    def add(self, verdict: Verdict) -> None:
        """Write one line."""
        path = str(verdict.path).encode(errors="backslashreplace").decode()
        line = Text(f"{verdict.result or 'ERROR':<7}", style=self._STYLES[verdict.result])
        if verdict.error is not None:
            self._counts["failed"] += 1
            line.append(f"{'':>10}  {printable(path)}: {verdict.error.message}", style="not bold")
        else:
            assert verdict.result is not None and verdict.confidence is not None
            self._counts[verdict.result] += 1
            self._counts["uncertain"] += verdict.uncertain
            remarks = [
                *(["uncertain"] if verdict.uncertain else []),
                *([] if verdict.face_found else ["no face found"]),
                *(["unlike training"] if verdict.novelty and verdict.novelty.out_of_distribution else []),
                *([f"{len(verdict.faces)} faces"] if len(verdict.faces) > 1 else []),
            ]
            line.append(
                f"{verdict.confidence:>8.1f} %  {', '.join(remarks):<{self._REMARKS}}  ", style="not bold default"
            )
            line.append(printable(path), style="not bold default")
        self._console.print(line)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the totals where there was more than one image, and the threshold's meaning."""
        info = self._detector.bundle.info
        if sum(self._counts[name] for name in ("REAL", "FAKE", "failed")) > 1:
            self._console.print(Text(", ".join(f"{count} {name}" for name, count in self._counts.items()), style="dim"))
        named = [item for item in info.thresholds if item.fake_probability == self._detector.threshold]
        rate = f" ({100 * named[0].false_positive_budget:g} % false positives on validation data)" if named else ""
        text = f"Threshold {self._detector.threshold:.3f}{rate}, {info.name}@{info.version}"
        self._console.print(Text(text, style="dim"))
        super().__exit__(kind, error, trace)
