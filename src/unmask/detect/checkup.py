"""Whether this installation works: versions, extras, the detector, and how fast this machine is."""

from __future__ import annotations

import os
import platform
import re
import shutil
import statistics
import time
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from unmask.bundle.bundle import Bundle
from unmask.bundle.catalogue import cache_folder
from unmask.detect.detector import Detector
from unmask.errors import UnmaskError
from unmask.install import install_line
from unmask.version import __version__

_BASE: Final = ("numpy", "Pillow", "onnxruntime", "pydantic")
# Extras of the project's own developers.
_OURS: Final = ("dev", "docs")
_SIDE: Final = 512
_RUNS: Final = 7
_REQUIREMENT: Final = re.compile(r"""^(?P<name>[\w.-]+).*;.*extra == ['"](?P<extra>[\w-]+)['"]""")


@dataclass(frozen=True, slots=True)
class Extra:
    """An optional part of unmask.

    Attributes:
        name: of the extra.
        missing: its packages that are not installed.
        line: the command that installs them; '' if nothing is missing.
    """

    name: str
    missing: tuple[str, ...]
    line: str


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was found.

    Attributes:
        unmask: version of the package.
        python: version of Python.
        system: operating system and processor.
        cpus: number of CPUs that this process may use.
        packages: versions of the packages that every verdict needs.
        providers: of ONNX Runtime, the preferred one first.
        extras: optional parts, by name.
        model: name of the detector; '' if it cannot be opened.
        bundle_sha256: of the detector; '' if it cannot be opened.
        error: code of what is wrong with the detector; ``None``: its hashes fit and its golden cases replay.
        message: the same for people; '' if nothing is wrong.
        largest_difference: of the golden cases' logits from the recorded ones.
        ms: median time to judge a drawn image of 512 x 512 pixels without a face, in milliseconds.
        cache: folder of detectors that were pulled.
        free_bytes: free space there.
    """

    unmask: str
    python: str
    system: str
    cpus: int
    packages: dict[str, str]
    providers: tuple[str, ...]
    extras: tuple[Extra, ...]
    model: str
    bundle_sha256: str
    error: str | None
    message: str
    largest_difference: float | None
    ms: float | None
    cache: str
    free_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)


def check_up(model: str | Path | None = None) -> Checkup:
    """Look at everything; nothing is written, and a broken detector is a finding, not an error.

    Args:
        model: a name, a folder or a zip file; ``None``: the detector in the package.
    """
    import onnxruntime

    name = sha256 = message = ""
    error: str | None = None
    difference: float | None = None
    ms: float | None = None
    try:
        bundle = Bundle.open(model)
        name, sha256 = bundle.name, bundle.sha256
        difference = bundle.verify()["largest_difference"]
        ms = _time(Detector(bundle))
    except UnmaskError as found:
        error, message = found.code, str(found)
    cache = cache_folder()
    return Checkup(
        unmask=__version__,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()}, {platform.machine()}",
        cpus=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        packages={package: metadata.version(package) for package in _BASE},
        providers=tuple(onnxruntime.get_available_providers()),
        extras=extras(),
        model=name,
        bundle_sha256=sha256,
        error=error,
        message=message,
        largest_difference=difference,
        ms=ms,
        cache=str(cache),
        free_bytes=shutil.disk_usage(next(path for path in (cache, *cache.parents) if path.exists())).free,
    )


def extras() -> tuple[Extra, ...]:
    """The optional parts of the installed package, and what each lacks; none if only the source tree is there."""
    try:
        required = metadata.requires("unmask") or []
    except metadata.PackageNotFoundError:
        return ()
    packages: dict[str, set[str]] = {}
    for line in required:
        if (found := _REQUIREMENT.match(line)) and found["extra"] not in _OURS and "sys_platform" not in line:
            packages.setdefault(found["extra"], set()).add(found["name"])
    listed = []
    for extra, wanted in sorted(packages.items()):
        missing = tuple(sorted(package for package in wanted if not _is_installed(package)))
        listed.append(Extra(extra, missing, install_line(extra) if missing else ""))
    return tuple(listed)


def _is_installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _time(detector: Detector) -> float:
    """Median milliseconds per image, after one that loads what is loaded once."""
    drawn = np.random.default_rng(1).integers(0, 256, (_SIDE // 8, _SIDE // 8, 3), np.uint8)
    image = Image.fromarray(drawn).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    times = []
    for _ in range(_RUNS + 1):
        start = time.perf_counter()
        detector.detect(image)
        times.append(1000 * (time.perf_counter() - start))
    return round(statistics.median(times[1:]), 2)
