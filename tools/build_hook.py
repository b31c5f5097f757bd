"""Put page and version into every wheel and source archive: the hook that hatchling runs before it collects files.

A checkout holds the page's sources, not the built page; building it takes Node. A source archive holds the built page,
so a wheel made from one needs no Node, and neither does an editable installation, which runs from the checkout.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from shutil import which
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WITHOUT_PAGE = "UNMASK_WITHOUT_PAGE"
STATIC = Path("src/unmask/serve/static")
# The page that judges in the browser; one command builds both.
LOCAL = Path("src/unmask/serve/static-local")
RELEASE = Path("src/unmask/release.txt")
_HOW = f"set {WITHOUT_PAGE}=1 to build without the page, which the service then says is missing"


class ArchiveHook(BuildHookInterface):  # type: ignore[type-arg]
    """Build the page if it is not there, or refuse; write the version."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before files are collected; ``version`` is ``editable`` or ``standard``."""
        problem = bring_page(Path(self.root), version, os.environ)
        if problem:
            self.app.abort(problem)
        write_release(Path(self.root), version, self.metadata.version)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Called after files are collected: a checkout keeps no version."""
        if not is_archive(Path(self.root)):
            (Path(self.root) / RELEASE).unlink(missing_ok=True)


def write_release(root: Path, version: str, release: str) -> None:
    """Write the version for an archive; a checkout that is installed as it is stays of the version to come."""
    if version != "editable" and not is_archive(root):
        (root / RELEASE).write_text(f"{release}\n", encoding="utf-8")


def is_archive(root: Path) -> bool:
    """Whether this is an unpacked source archive and no checkout."""
    return (root / "PKG-INFO").is_file()


def bring_page(root: Path, version: str, environment: Mapping[str, str]) -> str:
    """Build the page if a build needs it.

    Args:
        root: of the project.
        version: of the build: ``editable`` needs no page.
        environment: variables; ``UNMASK_WITHOUT_PAGE`` other than 0 or blank asks for a build without the page.

    Returns:
        What is wrong, as one line; '' if nothing is.
    """
    if version == "editable" or environment.get(WITHOUT_PAGE, "0") not in ("", "0") or is_built(root):
        return ""
    if not (root / "web" / "package.json").is_file():
        return f"The page of the service is neither built nor are its sources there; {_HOW}."
    npm = which("npm", path=environment.get("PATH"))
    if npm is None:
        return f"The page of the service is not built, and building it takes Node with npm; install it, or {_HOW}."
    for words in (
        # Not `npm ci`: it refuses a lock file that lacks the optional packages of other platforms.
        ("install", "--no-save", "--silent", "--no-audit", "--no-fund", "--engine-strict"),
        ("run", "--silent", "build", "--", "--logLevel", "warn"),
    ):
        done = subprocess.run([npm, "--prefix", str(root / "web"), *words], stdout=sys.stderr, check=False)
        if done.returncode:
            return f"The page of the service could not be built: npm {words[0]} failed; see above, or {_HOW}."
    return "" if is_built(root) else f"npm built no page in {STATIC}; {_HOW}."


def is_built(root: Path) -> bool:
    """Whether both pages are there and newer than their sources."""
    indexes = [root / folder / "index.html" for folder in (STATIC, LOCAL)]
    if not all(index.is_file() for index in indexes):
        return False
    if is_archive(root):  # whose files all have one date
        return True
    built = min(index.stat().st_mtime for index in indexes)
    return all(path.stat().st_mtime <= built for path in _sources(root / "web"))


def _sources(folder: Path) -> list[Path]:
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "node_modules"]
        # Made from the service's API for the type check alone.
        found += [Path(parent, name) for name in names if name != "schema.d.ts"]
    return found
