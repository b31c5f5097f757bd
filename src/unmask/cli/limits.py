"""What commands on images have: options for the largest image and for the device, and silence of native libraries."""

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

Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="cpu|cuda|auto",
        help="Device for the networks: cuda needs onnxruntime-gpu, auto uses it where it works (default: cpu).",
    ),
]


def with_max_megapixels(verb: Callable[..., Any]) -> Callable[..., Any]:
    """A command with the option in addition; its value reaches worker processes by the environment."""

    @functools.wraps(verb)
    def call(*arguments: Any, max_megapixels: float | None = None, **options: Any) -> Any:
        if max_megapixels is not None:
            os.environ[MAX_MEGAPIXELS] = repr(max_megapixels)
        with native_libraries_silent():
            return verb(*arguments, **options)

    return _with_option(call, verb, "max_megapixels", MaxMegapixels)


def with_device(verb: Callable[..., Any]) -> Callable[..., Any]:
    """A command with the option in addition; its value reaches worker processes by the environment."""

    @functools.wraps(verb)
    def call(*arguments: Any, device: str | None = None, **options: Any) -> Any:
        if device is not None:
            from unmask.imaging.session import use_device

            use_device(device)
        return verb(*arguments, **options)

    return _with_option(call, verb, "device", Device)


def _with_option(call: Callable[..., Any], verb: Callable[..., Any], name: str, annotation: Any) -> Callable[..., Any]:
    """Let a function that wraps a command say that it has one option more."""
    signature = inspect.signature(verb, eval_str=True)
    option = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
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
