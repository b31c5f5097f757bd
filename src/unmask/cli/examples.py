"""Examples at the end of a verb's help."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

_Verb = TypeVar("_Verb", bound=Callable[..., Any])


def with_examples(examples: str) -> Callable[[_Verb], _Verb]:
    """A decorator: the verb's docstring with ``examples`` below it."""

    def append(verb: _Verb) -> _Verb:
        # Dedented before, for examples that start at the margin would make all other indentation part of the text.
        verb.__doc__ = f"{inspect.getdoc(verb)}\n\n{examples}"
        return verb

    return append
