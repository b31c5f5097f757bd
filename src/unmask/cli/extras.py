"""Whether an optional part of unmask is installed."""

from __future__ import annotations

import importlib.util

from unmask.errors import MissingExtraError


def need(extra: str, purpose: str, *modules: str) -> None:
    """Check for the packages of an extra without importing them.

    Raises:
        MissingExtraError: with the pip command that installs it.
    """
    if any(importlib.util.find_spec(module) is None for module in modules):
        raise MissingExtraError(extra, purpose)
