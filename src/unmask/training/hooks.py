"""Hooks on a network's layers that do not outlive their use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch.utils.hooks import RemovableHandle


@contextmanager
def hooked(hooks: Sequence[RemovableHandle]) -> Iterator[None]:
    """Remove hooks at the end, also after an error."""
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
