"""How result files are described and written, and a parser for the scripts.

Imports nothing large: ``speed.py`` must stay small, see there.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from unmask.files import OutputFolder

_INSTRUCTIONS = {"avx2": "AVX2", "avx512f": "AVX-512", "avx512_vnni": "VNNI", "avx_vnni": "VNNI"}


def argument_parser(docstring: str | None) -> argparse.ArgumentParser:
    """A parser whose help shows a script's docstring: its first line before the options, the rest after them."""
    summary, _, details = (docstring or "").partition("\n")
    return argparse.ArgumentParser(
        description=summary, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def describe_run(packages: Iterable[str], bundle_sha256: str, *, smoke: bool) -> dict[str, Any]:
    """How a result was made: the command for a shell, without host name or absolute path, machine and versions.

    Args:
        packages: distributions whose versions matter.
        bundle_sha256: the measured detector.
        smoke: whether this is a short trial run; ``render.py`` rejects its result.
    """
    return {
        "command": shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *map(_without_place, sys.argv[1:])]),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "smoke": smoke,
        "bundle_sha256": bundle_sha256,
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in packages},
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a result; the file appears whole or not at all. NaN is refused."""
    OutputFolder(path.parent).write(path.name, json.dumps(content, indent=2, allow_nan=False) + "\n")


def _without_place(argument: str) -> str:
    """An argument with absolute paths shortened to their last part."""
    option, separator, value = argument.rpartition("=")
    return f"{option}{separator}{Path(value).name}" if Path(value).is_absolute() else argument


def _cpu_model() -> str:
    """The processor's name, and on Linux the vector instructions that speed depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = fields.get("model name") or platform.processor() or "unknown"
    flags = set(fields.get("flags", "").split())
    found = dict.fromkeys(words for flag, words in _INSTRUCTIONS.items() if flag in flags)
    return f"{name} with {' and '.join(found)}" if found else name
