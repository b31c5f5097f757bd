"""The folder of a command's results, held until the command ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path

from unmask import files

_until_the_end: ContextVar[ExitStack | None] = ContextVar("until_the_end", default=None)


@contextmanager
def command_runs() -> Iterator[None]:
    """Around a command: gives back at its end what it held."""
    with ExitStack() as held:
        token = _until_the_end.set(held)
        try:
            yield
        finally:
            _until_the_end.reset(token)


def hold(folder: Path | None) -> None:
    """Keep other runs out of a folder until the command ends; outside a command this does nothing.

    Raises:
        UsageError: ``folder_in_use``, another run holds it; ``cannot_write``.
    """
    held = _until_the_end.get()
    if folder is not None and held is not None:
        held.enter_context(files.hold(folder))
