"""The version that a build has: hatchling evaluates ``version()``.

The version of a release is its tag and is written nowhere else: the build hook puts it into the archives as
``unmask/release.txt``. A checkout, with or without tags, is of the version that comes next, which ``unmask/version.py``
names.
"""

from __future__ import annotations

import re
import runpy
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RELEASE = Path("src/unmask/release.txt")
_NAMED = re.compile(r"v(\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?)")


def version(root: Path = ROOT) -> str:
    """The version of a source archive, of the tag that is checked out, or the one that comes next."""
    if (root / RELEASE).is_file():
        return (root / RELEASE).read_text(encoding="utf-8").strip()
    return tagged(root) or str(runpy.run_path(str(root / "src/unmask/version.py"))["__version__"])


def tagged(root: Path) -> str | None:
    """The version of the tag ``vX.Y.Z`` of the commit that is checked out, if it has one."""
    if not (root / ".git").exists():  # not that of a folder around an archive
        return None
    try:
        # Of several tags of one commit the newest annotated one.
        asked = ["git", "-C", str(root), "describe", "--tags", "--exact-match", "--match", "v[0-9]*"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
    except OSError:  # no git
        return None
    found = _NAMED.fullmatch(done.stdout.strip())
    return found[1] if found else None
