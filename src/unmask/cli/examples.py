"""Examples at the end of a command's help."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

_Command = TypeVar("_Command", bound=Callable[..., Any])


def with_examples(*examples: str) -> Callable[[_Command], _Command]:
    """A decorator: the command's docstring with ``examples`` below it, one command line each."""

    def append(command: _Command) -> _Command:
        heading = "Example" if len(examples) == 1 else "Examples"
        # The backspace keeps the lines as they are, to be copied.
        command.__doc__ = "\n".join([f"{inspect.getdoc(command)}\n\n{heading}:\n\n\b", *(f"  {e}" for e in examples)])
        return command

    return append
