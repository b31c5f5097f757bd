"""Verdicts on standard output, one at a time, so that memory does not grow with their number."""

from __future__ import annotations

import csv
import json
import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.text import Text

from unmask.detect.detector import Detector
from unmask.detect.verdict import Verdict
from unmask.text import harmless_cell, printable


class Output:
    """Where verdicts are written; use it as a context manager."""

    def __enter__(self) -> Self:
        """Start: write a header if there is one."""
        return self

    def add(self, verdict: Verdict) -> None:
        """Write one verdict."""
        raise NotImplementedError

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End: write a summary if there is one."""
        sys.stdout.flush()


class JsonOutput(Output):
    """JSON lines, one per verdict."""

    def add(self, verdict: Verdict) -> None:
        """Write one line; paths that are not valid UTF-8 come out escaped."""
        print(json.dumps(verdict.to_json()), flush=True)


class CsvOutput(Output):
    """A CSV table with a header."""

    _COLUMNS = (
        "path",
        "result",
        "confidence",
        "fake_probability",
        "uncertain",
        "face_found",
        "faces",
        "model",
        "error",
    )

    def __enter__(self) -> Self:
        """Write the header."""
        self._writer = csv.writer(sys.stdout, lineterminator="\n")
        self._writer.writerow(self._COLUMNS)
        return self

    def add(self, verdict: Verdict) -> None:
        """Write one row; the error column holds its code."""
        content = verdict.to_json() | {
            "faces": len(verdict.faces),
            "error": verdict.error and verdict.error.code,
        }
        content["path"] = harmless_cell(str(content["path"]))
        self._writer.writerow(["" if content[name] is None else content[name] for name in self._COLUMNS])


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
