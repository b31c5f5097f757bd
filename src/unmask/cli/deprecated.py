"""Old spellings of commands and options: they work for one release, with a warning on standard error."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence


def warn(old: str, new: str) -> None:
    """Say that ``old`` will be removed, and what to write instead."""
    print(f"unmask: {old} is deprecated and will be removed in the next release: use {new}", file=sys.stderr)


def rename_options(words: Sequence[str], renamed: Mapping[str, str]) -> list[str]:
    """A command line with old options replaced, each with a warning.

    Args:
        words: as typed; what follows ``--`` is no option.
        renamed: old spelling to new one.
    """
    end = words.index("--") if "--" in words else len(words)
    made = []
    for word in words[:end]:
        option, equals, value = word.partition("=")
        if option in renamed:
            warn(option, renamed[option])
            option = renamed[option]
        made.append(f"{option}{equals}{value}")
    return [*made, *words[end:]]
