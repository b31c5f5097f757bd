"""What run folders say of themselves: settings, epochs, the best validation AUC. Needs no PyTorch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from unmask.bundle.bundle import Bundle
from unmask.errors import UnmaskError, UsageError
from unmask.files import write_whole
from unmask.pages.charts import Ticks, curves
from unmask.pages.page import render
from unmask.recipes import Recipe
from unmask.training.state import read_history, read_json

_RECORD: Final = "run.json"
# A folder of runs is not a disk: deeper ones belong to other runs.
_DEEPEST: Final = 3
# Parts of a recipe that say something about it.
_DESCRIBING: Final = ("name", "summary", "limits", "paper")
# Colours of the page's curves, one for each run, in turn.
_STYLES: Final = 6


@dataclass(frozen=True)
class Run:
    """One run folder.

    Attributes:
        path: the folder.
        recipe: its name.
        recipe_digest: SHA-256 of the settings that the weights depend on.
        manifest_digest: of the manifest that it was trained on.
        started_from: another run or bundle; '' for the backbone's own weights.
        epochs: finished ones.
        best_epoch: the one with the highest validation AUC, from 1; ``None`` before there is one.
        val_auc: of that epoch; of a run without epochs of its own (an ensemble, a classical head) that of its bundle.
        val_loss: of that epoch.
        validation_images: behind the AUC, once the run is finished.
        seconds: of all epochs together.
        bundle_sha256: of the bundle; '' while the run is not finished.
        settings: of the recipe, by their dotted names.
        curve: validation AUC by epoch, where it is known.
    """

    path: Path
    recipe: str
    recipe_digest: str
    manifest_digest: str
    started_from: str
    epochs: int
    best_epoch: int | None
    val_auc: float | None
    val_loss: float | None
    validation_images: int | None
    seconds: float
    bundle_sha256: str
    settings: Mapping[str, Any] = field(repr=False)
    curve: tuple[tuple[int, float], ...] = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """All but settings and curve as plain values."""
        content = asdict(self)
        del content["settings"], content["curve"]
        return content | {"path": str(self.path)}


def find_runs(folders: Iterable[Path]) -> list[Path]:
    """The run folders at or below some folders, in order; a run's own members are not listed.

    Raises:
        UsageError: ``no_run``: a folder is not there, or there is no run at all.
    """
    found: list[Path] = []
    folders = list(folders)
    for folder in folders:
        if not folder.is_dir():
            raise UsageError("no_run", f"There is no folder {folder}.")
        depth = len(folder.parts)
        for place, names, files in os.walk(folder):
            if _RECORD in files:
                found.append(Path(place))
            names[:] = sorted(names) if _RECORD not in files and len(Path(place).parts) - depth < _DEEPEST else []
    if not found:
        raise UsageError("no_run", f"There is no run in {', '.join(map(str, folders))}.")
    return list(dict.fromkeys(found))


def read_run(path: Path) -> Run:
    """Read a run folder.

    Raises:
        UsageError: ``no_run`` or ``broken_run``.
    """
    if not (path / _RECORD).is_file():
        raise UsageError("no_run", f"There is no run in {path}.")
    record = read_json(path / _RECORD)
    recipe = Recipe.load(path / "recipe.yaml")
    history = read_history(path / "history.csv")
    curve = tuple((int(row["epoch"]) + 1, float(row["val_auc"])) for row in history if row.get("val_auc"))
    best = max(curve, key=lambda point: (point[1], -point[0]), default=None)
    losses = {int(row["epoch"]) + 1: float(row["val_loss"]) for row in history if row.get("val_loss")}
    metrics, sha256 = _finished(path)
    images = metrics.get("validation_pictures")
    return Run(
        path=path,
        recipe=recipe.name,
        recipe_digest=str(record.get("recipe", "")),
        manifest_digest=str(record.get("manifest", "")),
        started_from=str(record.get("start", "")),
        epochs=len(history),
        best_epoch=None if best is None else best[0],
        val_auc=metrics.get("validation_auc") if best is None else best[1],
        val_loss=None if best is None else losses.get(best[0]),
        validation_images=None if images is None else int(images),
        seconds=sum(float(row["seconds"] or 0) for row in history),
        bundle_sha256=sha256,
        settings=dict(_flat({k: v for k, v in recipe.published().items() if k not in _DESCRIBING})),
        curve=curve,
    )


def differing(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """The settings that are not the same in all runs: the value of each run by the setting's dotted name."""
    names = dict.fromkeys(name for run in runs for name in run.settings)
    values = {name: [run.settings.get(name) for run in runs] for name in names}
    return {name: row for name, row in values.items() if any(value != row[0] for value in row)}


def write_page(runs: Sequence[Run], path: Path) -> None:
    """A page with the runs side by side, and their curves."""
    content = render(
        "unmask.training/runs.html.j2",
        runs=runs,
        differing=differing(runs),
        styles=[f"run-{number % _STYLES}" for number in range(len(runs))],
        charts=[_chart(runs)] if any(run.curve for run in runs) else [],
    )
    write_whole(path, content)


def _finished(path: Path) -> tuple[Mapping[str, float], str]:
    try:
        bundle = Bundle.open(path / "bundle")
    except UnmaskError:  # not there yet, or damaged: the run itself can be shown all the same
        return {}, ""
    return bundle.info.card.metrics, bundle.sha256


def _flat(content: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _chart(runs: Sequence[Run]) -> Any:
    last = max(len(run.curve) for run in runs)
    low = min(value for run in runs for _, value in run.curve)
    floor = int(low * 10) / 10 if low < 1 else 0.9  # the next tenth below the lowest

    def x(epoch: int) -> float:
        return (epoch - 1) / max(1, last - 1)

    def y(value: float) -> float:
        return (value - floor) / (1 - floor)

    middle = (floor + 1) / 2
    ticks_y: Ticks = [(y(value), f"{value:.2f}") for value in (floor, middle, 1.0)]
    ticks_x: Ticks = [(x(epoch), str(epoch)) for epoch in dict.fromkeys((1, (last + 1) // 2, last))]
    rows = [
        (str(epoch), *(f"{dict(run.curve)[epoch]:.4f}" if epoch in dict(run.curve) else "" for run in runs))
        for epoch in range(1, last + 1)
    ]
    return curves(
        "Validation AUC by epoch",
        "One curve for each run, in the colours of the table above.",
        {
            f"curve run-{number % _STYLES} of-{number}": [(x(epoch), y(value)) for epoch, value in run.curve]
            for number, run in enumerate(runs)
            if run.curve
        },
        ("epoch", *(str(run.path) for run in runs)),
        rows,
        axes=("epoch", "AUC"),
        ticks_x=ticks_x,
        ticks_y=ticks_y,
    )
