"""The time and peak memory of a run."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unmask.files import write_whole
from unmask.training.history import peak_memory_mb
from unmask.training.state import broken_run, read_history, read_json


class Timing:
    """Writes the time of each part of a run, summed over all calls that resumed it, and its peak memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content = read_timing(path.parent)

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        """Time a part of the work; a part that fails is not recorded."""
        began = time.monotonic()
        yield
        key = f"{part}_seconds"
        self._content[key] = round(self._content.get(key, 0.0) + time.monotonic() - began, 1)
        rows = read_history(self._path.with_name("history.csv"))
        # A killed call did not record its training time; the epochs that it finished are in the table.
        self._content["epochs"] = len(rows)
        self._content["epochs_seconds"] = round(sum(float(row["seconds"]) for row in rows), 1)
        self._content["peak_memory_mb"] = max(peak_memory_mb(), self._content.get("peak_memory_mb", 0))
        write_whole(self._path, json.dumps(self._content, indent=2) + "\n")


def read_timing(run: Path) -> dict[str, Any]:
    """The recorded times and memory of a run; empty if there are none.

    Raises:
        UsageError: ``broken_run``.
    """
    path = run / "timing.json"
    content = read_json(path) if path.exists() else {}
    if not all(isinstance(value, int | float) for value in content.values()):
        raise broken_run(path)
    return content
