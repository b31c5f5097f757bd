"""``unmask runs``: training runs listed and compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unmask.cli import options
from unmask.cli.examples import with_examples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from unmask.training.runs import Run

_COLUMNS = ("run", "recipe", "epochs", "best", "AUC", "images", "time", "bundle")


@with_examples("unmask runs list", "unmask runs list runs/ --json")
def list_runs(
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="[DIR]", help="Folders with run folders (default: runs/).")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """List training runs with their best validation AUC.

    The AUC is that of the best epoch, chosen on the same validation images: compare runs by it, and judge none.

    Exit codes: 0 listed, 2 no run there, or a damaged one.
    """
    from unmask.training.runs import find_runs, read_run

    runs = [read_run(path) for path in find_runs(folders or [Path("runs")])]
    if as_json:
        for run in runs:
            print(json.dumps(run.to_json()))
        return
    _print_table(_COLUMNS, [_cells(run) for run in runs])


@with_examples("unmask runs compare runs/first runs/second --html compared.html")
def compare(
    paths: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run folders, two or more.")],
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Page with the same tables and the curves.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Compare training runs: their metrics, and the settings that differ.

    Whether a difference is more than chance is a question for unmask compare, on test images.

    Exit codes: 0 compared, 2 usage error.
    """
    from unmask.errors import UsageError
    from unmask.training.runs import differing, read_run, write_page

    if len(paths) < 2:
        raise UsageError("too_few_runs", "Comparing takes two runs or more.")
    runs = [read_run(path) for path in paths]
    settings = differing(runs)
    if html is not None:
        write_page(runs, html)
    if as_json:
        print(json.dumps({"runs": [run.to_json() for run in runs], "settings": settings}))
        return
    _print_table(_COLUMNS, [_cells(run) for run in runs])
    print()
    _print_table(("setting", *(str(run.path) for run in runs)), [(name, *values) for name, values in settings.items()])
    if not settings:
        print("All settings are the same.")
    if len({run.manifest_digest for run in runs}) > 1:
        print("The runs were trained on different manifests, so their validation images may differ, too.")
    if html is not None:
        print(f"Page: {html}")


def _cells(run: Run) -> tuple[Any, ...]:
    auc = "–" if run.val_auc is None else f"{run.val_auc:.4f}"
    done = run.bundle_sha256[:12] or "not finished"
    return run.path, run.recipe, run.epochs, run.best_epoch or "–", auc, run.validation_images or "–", _time(run), done


def _time(run: Run) -> str:
    minutes, seconds = divmod(round(run.seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min {seconds:02} s"


def _print_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    from unmask.text import shorten

    cells = [["–" if cell is None else shorten(str(cell)) for cell in row] for row in rows]
    cells.insert(0, list(header))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
