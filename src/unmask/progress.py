"""A progress bar for long work. May import nothing of unmask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(what: str, total: int | None, *, show: bool | None = None) -> Iterator[Callable[[], None]]:
    """A bar on standard error.

    Args:
        what: the work, in a few words.
        total: steps, ``None`` when unknown.
        show: whether to draw it; by default where standard error is a terminal.

    Yields:
        A function to call after each step.
    """
    if show is False:  # without rich, whose import takes a tenth of a short run
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not (console.is_terminal if show is None else show)) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)
