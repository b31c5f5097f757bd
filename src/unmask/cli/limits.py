"""What every command that reads images has: the option for the largest one, and silence of native libraries."""

from __future__ import annotations

import functools
import inspect
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
        with native_libraries_silent():
            return verb(*arguments, **options)

    signature = inspect.signature(verb, eval_str=True)
    option = inspect.Parameter("max_megapixels", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=MaxMegapixels)
    call.__signature__ = signature.replace(parameters=[*signature.parameters.values(), option])  # type: ignore[attr-defined]
    return call


@contextmanager
def native_libraries_silent() -> Iterator[None]:
    """Keep what image libraries print about damaged files off the terminal; what Python prints still arrives.

    libtiff alone prints a line for each damaged row. Native code writes to file descriptor 2, and so does
    ``sys.stderr``: for the block the descriptor leads nowhere, and ``sys.stderr`` has a copy of what it led to.
    """
    try:
        shared = sys.stderr.fileno() == 2
    except (OSError, ValueError, AttributeError):  # replaced by something that is no file
        shared = False
    if not shared:
        yield
        return
    python, terminal = sys.stderr, os.dup(2)
    python.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    sys.stderr = io.TextIOWrapper(
        os.fdopen(terminal, "wb", closefd=False), python.encoding, python.errors, line_buffering=True
    )
    try:
        yield
    finally:
        sys.stderr.flush()
        sys.stderr = python
        os.dup2(terminal, 2)
        os.close(terminal)
