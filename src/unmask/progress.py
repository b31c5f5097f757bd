"""A progress bar for long work. May import nothing of unmask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(
    what: str, total: int | None, *, show: bool | None = None, rate: bool = False
) -> Iterator[Callable[[], None]]:
    """A bar on standard error.

    Args:
        what: the work, in a few words; with ``rate`` what is counted, as in "images".
        total: steps, ``None`` when unknown.
        show: whether to draw it; by default where standard error is a terminal.
        rate: whether to show steps per second, too.

    Yields:
        A function to call after each step.
    """
    if show is False:  # without rich, whose import takes a tenth of a short run
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{speed:,.1f} {task.description}/s")

    console = Console(stderr=True)
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    columns += [Rate()] if rate else []
    with Progress(*columns, console=console, disable=not (console.is_terminal if show is None else show)) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)
