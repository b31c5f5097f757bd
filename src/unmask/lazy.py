"""Names of a package that are imported on first use. Part of the ground floor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(
    package: str, home: Mapping[str, str], extras: Mapping[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The module functions ``__getattr__`` and ``__dir__`` of a package with lazy names.

    Args:
        package: the package, i.e. its ``__name__``.
        home: for each name the module that has it.
        extras: for names that need an extra, the extra.

    Returns:
        ``__getattr__``, which raises AttributeError for other names and MissingExtraError if the name's extra is not
        installed; ``__dir__``, which lists the names.
    """

    def get(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            return getattr(import_module(home[name]), name)
        except ModuleNotFoundError as error:
            if not extras or name not in extras or (error.name or "").startswith("unmask"):
                raise
            from unmask.errors import MissingExtraError

            raise MissingExtraError(extras[name], name) from error

    def names() -> list[str]:
        return sorted(home)

    return get, names
