"""Tables and numbers in Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from unmask.evaluation.reports import sentences
from unmask.evaluation.results import Estimate

Result = dict[str, Any]


def table(header: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    """A Markdown table."""
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def percent(value: float) -> str:
    """A proportion in [0, 1] in percent."""
    return f"{100 * value:.1f} %"


def estimate(found: Result | None) -> Estimate | None:
    """A value of a result with its interval, for the library's formats of numbers."""
    return None if found is None else Estimate.model_validate(found)


def share(found: Result | None) -> str:
    """A proportion with its interval in percent."""
    return sentences.percent(estimate(found))


def area(found: Result | None) -> str:
    """An AUC with its interval."""
    return sentences.with_interval(estimate(found))


def footer(run: Result) -> str:
    """The date, the machine, the versions and the command of a result."""
    packages = ", ".join(f"{name} {version}" for name, version in run["packages"].items())
    bundle = f", bundle {run['bundle_sha256'][:12]}" if run["bundle_sha256"] else ""
    return (
        f"<sub>{run['date']}, {run['cpu']}, {run['cores']} cores, Python {run['python']}, {packages}{bundle}: "
        f"`{run['command']}`</sub>"
    )
