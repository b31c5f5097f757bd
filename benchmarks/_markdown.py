"""Tables and numbers in Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Result = dict[str, Any]


def table(header: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    """A Markdown table."""
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def percent(value: float) -> str:
    """A proportion in [0, 1] in percent."""
    return f"{100 * value:.1f} %"


def share(figure: Result) -> str:
    """A proportion with its interval, if it has one, in percent."""
    if figure["low"] is None:
        return percent(figure["value"])
    return f"{percent(figure['value'])} ({100 * figure['low']:.1f}–{100 * figure['high']:.1f})"


def area(figure: Result | None) -> str:
    """An AUC with its interval; nothing if there is none."""
    return "" if figure is None else f"{figure['value']:.3f} ({figure['low']:.3f}–{figure['high']:.3f})"


def footer(run: Result) -> str:
    """The date, the machine, the versions and the command of a result."""
    packages = ", ".join(f"{name} {version}" for name, version in run["packages"].items())
    bundle = f", bundle {run['bundle_sha256'][:12]}" if run["bundle_sha256"] else ""
    return (
        f"<sub>{run['date']}, {run['cpu']}, {run['cores']} cores, Python {run['python']}, {packages}{bundle}: "
        f"`{run['command']}`</sub>"
    )
