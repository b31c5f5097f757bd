"""The one option for the largest image, which every command that reads images has."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from typing import Annotated, Any

import typer

from unmask.imaging.limits import MAX_MEGAPIXELS

MaxMegapixels = Annotated[
    float | None,
    typer.Option("--max-megapixels", metavar="N", help="Largest image to read, in megapixels (default: 200)."),
]


def with_max_megapixels(verb: Callable[..., Any]) -> Callable[..., Any]:
    """A command with the option in addition; its value reaches worker processes by the environment."""

    @functools.wraps(verb)
    def call(*arguments: Any, max_megapixels: float | None = None, **options: Any) -> Any:
        if max_megapixels is not None:
            os.environ[MAX_MEGAPIXELS] = repr(max_megapixels)
        return verb(*arguments, **options)

    signature = inspect.signature(verb, eval_str=True)
    option = inspect.Parameter("max_megapixels", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=MaxMegapixels)
    call.__signature__ = signature.replace(parameters=[*signature.parameters.values(), option])  # type: ignore[attr-defined]
    return call
