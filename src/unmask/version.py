"""The version of unmask, read by the package and its results.

A release has that of its tag, which the build writes to ``_tag.py``. A checkout is of the version that comes next, so
that what is generated from it stays the same from commit to commit.
"""

from contextlib import suppress

__version__ = "0.1.0"

with suppress(ImportError):
    from unmask._tag import __version__ as __version__  # type: ignore[import-not-found, no-redef, unused-ignore]
