"""The version of unmask, read by the package and its results.

A release has that of its tag, which the build writes to ``release.txt``. A checkout is of the version that comes next,
so that what is generated from it stays the same from commit to commit.
"""

from pathlib import Path

__version__ = "0.1.0"

_RELEASE = Path(__file__).with_name("release.txt")
if _RELEASE.is_file():
    __version__ = _RELEASE.read_text(encoding="utf-8").strip()
