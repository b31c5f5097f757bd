"""Downloading the images of a manifest by URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unmask.lazy import lazy_names

if TYPE_CHECKING:
    from unmask.data.fetch.policy import FetchPolicy
    from unmask.data.fetch.result import FetchReport
    from unmask.data.fetch.run import fetch

__all__ = ["FetchPolicy", "FetchReport", "fetch"]

_HOME = {
    "FetchPolicy": "unmask.data.fetch.policy",
    "FetchReport": "unmask.data.fetch.result",
    "fetch": "unmask.data.fetch.run",
}

__getattr__, __dir__ = lazy_names(__name__, _HOME)
