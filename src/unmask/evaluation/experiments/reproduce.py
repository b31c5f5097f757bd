"""The papers' systems on your own images: a paper's split, its systems and their test, next to what it reports."""

from __future__ import annotations

import logging
import platform
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Final

from unmask.bundle.bundle import Bundle
from unmask.data.manifest import Manifest
from unmask.data.rows import LABELS
from unmask.errors import UnmaskError, UsageError
from unmask.evaluation.compare import compare
from unmask.evaluation.experiments.papers import PROTOCOLS, readings, split_as
from unmask.evaluation.experiments.train_and_score import SPLITS, train_and_score
from unmask.evaluation.measure import measure
from unmask.evaluation.results.base import ByLabel, Intervals, Run
from unmask.evaluation.results.reproduction import (
    FailedSystem,
    PaperData,
    PaperProtocol,
    ReportedMetrics,
    ReproducedPaper,
    Reproduction,
    ReproductionSettings,
    System,
    SystemFigures,
)
from unmask.evaluation.scores import Scores
from unmask.files import write_whole
from unmask.recipes import Recipe
from unmask.recipes.references import PAPERS
from unmask.stats.images import Images
from unmask.stats.resample import Draws
from unmask.training.state import read_history
from unmask.training.timing import read_timing

THRESHOLD: Final = 0.5
"""The papers call an image fake where that is the more likely class, and so do all metrics here."""

REPORTED: Final = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced_accuracy",
    "precision": "precision_fake",
    "recall": "recall_fake",
    "f1": "f1_fake",
    "auc": "auc",
}
"""The metrics of the page, under the papers' names; precision, recall and F1 are of the class fake."""

_PACKAGES: Final = ("unmask", "torch", "timm", "scikit-learn", "onnxruntime", "numpy", "Pillow")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """Changes to a paper's protocol and recipes.

    Attributes:
        where: for each column, the values that select a row.
        overrides: ``part.key=value``, for every recipe.
        epochs: maximum number of epochs per phase; ``None``: as in the recipes.
        only: names of recipes; empty: all recipes of the paper.
        seed: random seed of the split and of every run.
        given: keep the manifest's own split for all papers.
    """

    where: Mapping[str, frozenset[str]] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    epochs: int | None = None
    only: tuple[str, ...] = ()
    seed: int = 1
    given: bool = False


def reproduce(
    papers: Sequence[str],
    manifest: Manifest,
    out: Path,
    settings: Settings | None = None,
    *,
    workers: int | None = None,
    draws: Draws | None = None,
    command: Sequence[str] = (),
    announce: Callable[[str], None] = lambda _: None,
) -> Reproduction:
    """Run the protocols of some papers.

    A system that fails is recorded with its error, and the others are run all the same. Finished systems are not run
    again.

    Args:
        papers: from ``S0`` to ``S4``.
        manifest: the images.
        out: gets a folder for each paper, with its split and a folder for each system.
        settings: changes to protocols and recipes.
        workers: loading processes in training and threads in scoring; default: the number of CPUs.
        draws: how bootstrap intervals are drawn.
        command: arguments of the call, to note.
        announce: called with one line before each system.

    Raises:
        UsageError: ``unknown_paper``, ``unknown_recipe``, an override that a recipe refuses, ``no_pictures``,
            ``missing_split``, a split that cannot be made, or ``other_run``: a system's folder holds a run with other
            settings or images.
    """
    settings, draws = settings or Settings(), draws or Draws()
    systems = {paper: recipes for paper in papers if (recipes := _systems(paper, settings))}
    if unknown := set(settings.only) - {recipe.name for recipes in systems.values() for recipe in recipes}:
        known = ", ".join(recipe.name for paper in papers for recipe in _systems(paper, Settings()))
        raise UsageError("unknown_recipe", f"{' and '.join(sorted(unknown))}: not among {known}.")
    chosen = manifest.select(**settings.where)
    if next(iter(chosen), None) is None:
        raise UsageError("no_pictures", f"{manifest.name}: no row meets the conditions.")
    found = []
    for paper, recipes in systems.items():
        divided, said = split_as(paper, chosen, settings.seed, given=settings.given)
        folder = out / paper.lower()
        folder.mkdir(parents=True, exist_ok=True)
        divided.write(folder / "split.csv")
        run = _Run(divided, folder, settings, out / "cache", workers, draws)
        scores: list[Scores] = []
        entries = []
        for number, recipe in enumerate(recipes, 1):
            announce(f"{paper} {number}/{len(recipes)}: {recipe.name}")
            entry, scored = _system(recipe, run)
            entries.append(entry)
            scores += [scored] if scored is not None else []
        found.append(
            ReproducedPaper(
                paper=paper,
                title=PROTOCOLS[paper].title,
                reference=str(PAPERS[paper]),
                protocol=PaperProtocol(
                    data=PROTOCOLS[paper].data, split=PROTOCOLS[paper].split, readings=tuple(readings(paper))
                ),
                split=tuple(said),
                data=_data(divided),
                systems=tuple(entries),
                comparison=compare(scores, draws) if len(scores) > 1 else None,
            )
        )
    return Reproduction(
        run=Run(python=platform.python_version(), packages={name: version(name) for name in _PACKAGES}),
        settings=ReproductionSettings(
            where={column: tuple(sorted(values)) for column, values in settings.where.items()},
            set=settings.overrides,
            epochs=settings.epochs,
            seed=settings.seed,
            given=settings.given,
            threshold=THRESHOLD,
        ),
        intervals=Intervals(draws=draws.draws, seed=draws.seed),
        papers=tuple(found),
        command=tuple(command),
    )


@dataclass(frozen=True)
class _Run:
    """What all systems of a paper have in common."""

    manifest: Manifest
    folder: Path
    settings: Settings
    cache: Path
    workers: int | None
    draws: Draws


def _systems(paper: str, settings: Settings) -> list[Recipe]:
    """The shipped recipes of a paper, with the settings applied."""
    if paper not in PROTOCOLS:
        raise UsageError("unknown_paper", f"Unknown paper {paper}. Choose from {', '.join(PROTOCOLS)}.")
    names = [
        name
        for name in Recipe.shipped()
        if (followed := Recipe.load(name).paper) is not None
        and followed.id == paper
        and (not settings.only or name in settings.only)
    ]
    return [_changed(name, settings) for name in names]


def _changed(name: str, settings: Settings) -> Recipe:
    shipped, overrides = Recipe.load(name), list(settings.overrides)
    if shipped.ensemble is not None:
        for member in shipped.ensemble.members:
            _changed(member, settings)  # report a wrong key before anything is trained
        overrides = [override for override in overrides if not shipped.why_unheeded(override.partition("=")[0])]
    recipe = Recipe.load(name, [*overrides, f"seed={settings.seed}"])
    return recipe if settings.epochs is None else cap_epochs(recipe, settings.epochs)


def cap_epochs(recipe: Recipe, epochs: int) -> Recipe:
    """The recipe with at most ``epochs`` epochs in every phase."""
    schedule = recipe.schedule
    phases = [phase.model_copy(update={"epochs": min(phase.epochs, epochs)}) for phase in schedule.phases]
    capped = {"epochs": min(schedule.epochs, epochs), "phases": tuple(phases)}
    return recipe.model_copy(update={"schedule": schedule.model_copy(update=capped)})


def _system(recipe: Recipe, run: _Run) -> tuple[System, Scores | None]:
    """The result of one system, and its scores if it could be run."""
    paper = recipe.paper
    assert paper is not None
    folder = run.folder / recipe.name
    system = System(
        recipe=recipe.name,
        system=paper.system,
        summary=recipe.summary,
        reported=paper.reported,
        departs=(*paper.departs, *_departures(recipe, run.settings)),
        error=None,
        figures=None,
    )
    try:
        scores = train_and_score(
            _with_members(recipe, folder, run.settings), run.manifest, folder, cache=run.cache, workers=run.workers
        )
    except Exception as error:  # whatever ends one system, memory above all, must not cost the others
        if isinstance(error, UnmaskError) and error.code == "other_run":
            raise
        _log.debug("%s", traceback.format_exc())
        code = error.code if isinstance(error, UnmaskError) else type(error).__name__
        failed = FailedSystem(code=code, message=_first_line(error))
        return system.model_copy(update={"error": failed}), None
    scores = replace(scores, threshold=THRESHOLD)
    overall, _ = measure(Images.of(scores), run.draws)
    weights = Bundle.open(folder / "run" / "bundle").info.card.weights
    figures = SystemFigures(
        weights=weights,
        random_weights=any(key.endswith("source") and value == "none" for key, value in weights.items()),
        epochs=len(read_history(folder / "run" / "history.csv")),
        timing=read_timing(folder / "run"),
        n=overall.n,
        n_real=overall.n_real,
        n_fake=overall.n_fake,
        groups=overall.groups,
        failures=overall.failures,
        confusion=overall.confusion,
        baseline=overall.baseline,
        metrics=ReportedMetrics(**{name: overall.metrics[ours] for name, ours in REPORTED.items()}),
    )
    return system.model_copy(update={"figures": figures}), scores


def _departures(recipe: Recipe, settings: Settings) -> list[str]:
    """What the settings changed, one sentence each."""
    changes = [f"Changed for this run: {override}." for override in settings.overrides]
    if settings.epochs is not None and recipe.ensemble is None:
        before = Recipe.load(recipe.name, settings.overrides).schedule.all_phases
        shorter = [
            f"{after.epochs} of {phase.epochs}"
            for phase, after in zip(before, recipe.schedule.all_phases, strict=True)
            if after.epochs < phase.epochs
        ]
        if shorter and (recipe.classifier is None or recipe.schedule.phases):
            changes.append(f"Shortened for this run: {', then '.join(shorter)} epochs.")
    if settings.epochs is not None and recipe.ensemble is not None:
        changes.append(f"Shortened for this run: at most {settings.epochs} epochs of each member's phases.")
    return changes


def _with_members(recipe: Recipe, folder: Path, settings: Settings) -> Recipe:
    """An ensemble with the same changes applied to its members; any other recipe unchanged."""
    if recipe.ensemble is None or not (settings.overrides or settings.epochs):
        return recipe
    home = folder / "members"
    home.mkdir(parents=True, exist_ok=True)
    members = []
    for name in recipe.ensemble.members:
        members.append(home / f"{name}.yaml")
        write_whole(members[-1], _changed(name, settings).to_yaml())
    changed = recipe.ensemble.model_copy(update={"members": tuple(str(path) for path in members)})
    return recipe.model_copy(update={"ensemble": changed})


def _data(manifest: Manifest) -> PaperData:
    """Number of rows by split and label, and their sources."""
    counts = {split: dict.fromkeys(LABELS, 0) for split in SPLITS}
    sources: set[str] = set()
    for row in manifest:
        if row.split in counts:
            counts[row.split][row.label] += 1
            sources.add(row.source or "(blank)")
    return PaperData(
        counts={split: ByLabel(**by_label) for split, by_label in counts.items()},
        sources=tuple(sorted(sources)),
        digest=manifest.digest(),
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
