"""When and how fast a scan was worked on: a line in ``work/runs.jsonl`` for each shard that a run finished."""

from __future__ import annotations

import json
import secrets
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

RUNS: Final = "work/runs.jsonl"


class Run:
    """The notes of one run.

    Args:
        folder: of the scan.
        engine: ``local`` or ``ray``.
        workers: processes that judge.
    """

    def __init__(self, folder: Path, engine: str, workers: int) -> None:
        started = datetime.now(UTC).replace(microsecond=0).isoformat()
        self._facts = {"run": secrets.token_hex(4), "engine": engine, "workers": workers, "started": started}
        self._path = folder / RUNS
        self._images = 0

    def note(self, images: int, seconds: float) -> None:
        """Note a shard that is done.

        Args:
            images: in it.
            seconds: since the run began.
        """
        self._images += images
        with suppress(OSError), self._path.open("a", encoding="ascii") as file:  # statistics, no more
            file.write(json.dumps({**self._facts, "images": self._images, "seconds": round(seconds, 2)}) + "\n")


def read_runs(folder: Path) -> list[dict[str, Any]]:
    """The runs of a scan so far, in order: ``engine``, ``workers``, ``started``, ``images`` and ``seconds`` of each."""
    found: dict[str, dict[str, Any]] = {}
    with suppress(OSError):
        for line in (folder / RUNS).read_bytes().splitlines():
            with suppress(ValueError, KeyError, TypeError):
                facts = json.loads(line)
                found[facts.pop("run")] = {
                    name: facts[name] for name in ("engine", "workers", "started", "images", "seconds")
                }
    return list(found.values())
