"""Verdicts on standard output, one at a time, so that memory does not grow with their number."""

from __future__ import annotations

import csv
import json
import sys
from types import TracebackType
from typing import Self

from unmask.detect.verdict import Verdict
from unmask.text import harmless_cell
from unmask.video.verdict import ClipVerdict

FileVerdict = Verdict | ClipVerdict


class Output:
    """Where verdicts are written; use it as a context manager."""

    def __enter__(self) -> Self:
        """Start: write a header if there is one."""
        return self

    def count(self, verdict: FileVerdict) -> None:
        """Take a verdict into the totals of the summary, whether or not it is written, too."""

    def add(self, verdict: FileVerdict) -> None:
        """Write one verdict."""
        raise NotImplementedError

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End: write a summary if there is one."""
        sys.stdout.flush()


class JsonOutput(Output):
    """JSON lines, one per verdict."""

    def add(self, verdict: FileVerdict) -> None:
        """Write one line; paths that are not valid UTF-8 come out escaped."""
        print(json.dumps(verdict.to_dict()), flush=True)


class CsvOutput(Output):
    """A CSV table with a header."""

    _COLUMNS = (
        "path",
        "verdict",
        "fake_probability",
        "result",
        "confidence",
        "uncertain",
        "face_found",
        "faces",
        "boxes",
        "marks",
        "notes",
        "sha256",
        "model",
        "error",
    )
    _OF_A_FACE = ("fake_probability", "result", "confidence")  # blank without one, where they mean nothing

    def __enter__(self) -> Self:
        """Write the header."""
        self._writer = csv.writer(sys.stdout, lineterminator="\n")
        self._writer.writerow(self._COLUMNS)
        return self

    def add(self, verdict: FileVerdict) -> None:
        """Write one row; the error column holds its code."""
        content = verdict.to_dict()
        boxes = [" ".join(f"{edge:g}" for edge in face["box"]) for face in content.get("faces", ())]
        content |= {
            "faces": len(verdict.tracks) if isinstance(verdict, ClipVerdict) else len(boxes),
            "boxes": "; ".join(boxes),
            "marks": "; ".join(mark.text for mark in verdict.marks),
            "notes": " ".join(verdict.notes),
            "error": verdict.error and verdict.error.code,
        }
        if verdict.verdict == "NO_FACE":
            content |= dict.fromkeys(self._OF_A_FACE)
        content["path"] = harmless_cell(str(content["path"]))
        self._writer.writerow(["" if content[name] is None else content[name] for name in self._COLUMNS])


def remarks_on(verdict: FileVerdict) -> list[str]:
    """What to know besides the verdict and the marks, in sentences; of an unreadable image its error."""
    if verdict.error is not None:
        return [verdict.error.message]
    remarks = [verdict.kind_remark] if verdict.kind_remark else []
    if isinstance(verdict, ClipVerdict):
        return [*remarks, *_remarks_on_clip(verdict), *verdict.notes]
    if len(verdict.faces) > 1:
        remarks.append(f"{len(verdict.faces)} faces.")
    if verdict.novelty is not None and verdict.novelty.out_of_distribution:
        remarks.append("Unlike the training images.")
    return [*remarks, *verdict.notes]


def _remarks_on_clip(verdict: ClipVerdict) -> list[str]:
    frames = "1 frame" if verdict.frames_judged == 1 else f"{verdict.frames_judged:,} frames"
    remarks = [f"Clip of {verdict.duration_s or 0:.1f} s, {frames}."]
    deciding = verdict.deciding
    if deciding is not None and len(verdict.tracks) > 1:
        remarks.append(
            f"{len(verdict.tracks):,} faces; the one from {deciding.start_s:.1f} to {deciding.end_s:.1f} s decides."
        )
    if verdict.out_of_distribution is not None and verdict.out_of_distribution > 0.5:
        remarks.append("Unlike the training images.")
    return remarks
