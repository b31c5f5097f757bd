"""The report of ``unmask held-out``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from unmask.evaluation.reports.sentences import percent, three_digits, with_interval
from unmask.evaluation.reports.write import Report, command_line
from unmask.evaluation.results.base import Metric
from unmask.evaluation.results.held_out import Cell, HeldOut, Rates, Row

_WHAT: Final = {"loso": "each source", "logo": "each generator", "kfold": "folds"}


def write_report(result: HeldOut, folder: Path) -> None:
    """Write ``protocol.json``, ``protocol.html`` and ``protocol.md``; each appears whole or not at all.

    Raises:
        UsageError: ``cannot_write``.
    """
    report(result).write(folder, "protocol")


def report(result: HeldOut) -> Report:
    """The page and the Markdown."""
    content = {
        "what": _WHAT[result.protocol],
        "sentences": list(sentences(result)),
        "matrices": list(_matrices(result)),
        "one_class": [
            value
            for value in result.columns
            if any(row.cells[value].against == "all" and row.cells[value].auc is not None for row in result.rows)
        ],
        "command": command_line(result.run),
    }
    return Report(result, "held_out", content)


def sentences(result: HeldOut) -> Iterator[str]:
    """What to read first."""
    if result.folds is not None:
        auc = result.folds.auc
        yield (
            f"{len(result.rows)} folds; every image was tested once, by a detector that saw nothing of its group. Mean "
            f"AUC {with_interval(auc)}, by fold {three_digits(auc.least)} to {three_digits(auc.most)}; mean balanced "
            f"accuracy {percent(result.folds.balanced_accuracy)}."
        )
    if result.held_out is not None and result.mean is not None:
        mean, column = result.mean, result.column
        yield (
            f"{len(result.held_out)} {column}s left out in turn. Mean AUC of a {column} that was in training: "
            f"{three_digits(mean.in_distribution.auc)}; of the same images when it was not: "
            f"{three_digits(mean.held_out.auc)}."
        )
        yield from _worst(result, "AUC", three_digits, lambda rates: rates.auc)
        if result.protocol != "logo":
            yield from _worst(result, "real images called real", _percent, lambda rates: rates.specificity)
        yield from _worst(result, "fakes called fake", _percent, lambda rates: rates.recall_fake)
    trivial = result.rows[0].baseline
    yield (
        f"Always predicting “{trivial.answer}” is right on {100 * trivial.accuracy:.1f} % "
        f"{'of the first fold' if result.protocol == 'kfold' else 'of the test images'}."
    )
    yield from (f"{notice}." for notice in result.notices)


def _worst(
    result: HeldOut, name: str, words: Callable[[float | None], str], metric: Callable[[Rates], Metric]
) -> Iterator[str]:
    known = [(value, each) for each in result.held_out or () if (value := metric(each.held_out).value) is not None]
    if known:
        value, worst = min(known, key=lambda pair: pair[0])
        yield (
            f"Worst left out, {name}: {worst.value or '(blank)'}, {words(value)}, and "
            f"{words(metric(worst.in_distribution).value)} when it was in training."
        )


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


@dataclass(frozen=True)
class _MatrixCell:
    """A cell's text, and whether its row was trained without its column."""

    text: str
    held_out: bool


@dataclass(frozen=True)
class _Matrix:
    """A metric of each trained detector (rows) on each value of the column."""

    title: str
    rows: list[tuple[Row, list[_MatrixCell]]]


def _matrices(result: HeldOut) -> Iterator[_Matrix]:
    """Those that have a value."""
    metrics: tuple[tuple[str, Callable[[Cell], str]], ...] = (
        ("AUC", lambda cell: "–" if cell.auc is None else three_digits(cell.auc)),
        ("Real images called real, %", lambda cell: _number(cell.specificity)),
        ("Fakes called fake, %", lambda cell: _number(cell.recall_fake)),
    )
    for title, text in metrics:
        rows = [
            (row, [_MatrixCell(text(row.cells[value]), row.name == value) for value in result.columns])
            for row in result.rows
        ]
        if any(cell.text != "–" for _, cells in rows for cell in cells):
            yield _Matrix(title, rows)


def _number(found: Metric | None) -> str:
    return "–" if found is None or found.value is None else f"{100 * found.value:.1f}"
