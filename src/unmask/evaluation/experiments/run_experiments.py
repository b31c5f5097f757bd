"""A series of experiments in one folder that share crops, features and faces, so that nothing is computed twice."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from unmask.data.manifest import Manifest
from unmask.evaluation.experiments.train_and_score import train_and_score
from unmask.evaluation.scores import Scores
from unmask.files import OutputFolder, whole_file
from unmask.recipes import Recipe

_FACES = "faces.jsonl"


@dataclass(frozen=True)
class Experiment:
    """One training run and its test.

    Attributes:
        title: in words.
        place: its folder below that of the series, parts joined by '/'.
        recipe: what is trained.
        manifest: with splits ``train``, ``val`` and ``test``.
    """

    title: str
    place: str
    recipe: Recipe
    manifest: Manifest


def run_series(
    experiments: Sequence[Experiment],
    out: Path,
    *,
    cache: Path | None = None,
    workers: int | None = None,
    announce: Callable[[str], None] = lambda _: None,
) -> Iterator[Scores]:
    """The scores of each experiment in turn; an interrupted series resumes.

    Args:
        experiments: in the order to run.
        out: gets a folder for each, the faces found, and by default the cache.
        cache: folder of the crops and features that the experiments share (default: in ``out``).
        workers: as of :func:`unmask.evaluation.experiments.train_and_score.train_and_score`.
        announce: called with one line before each experiment.

    Raises:
        UsageError: as ``train_and_score``.
    """
    folder = OutputFolder(out).path
    for number, experiment in enumerate(experiments, 1):
        announce(f"{number} of {len(experiments)}: {experiment.title}")
        run = folder / experiment.place / "run"
        # Faces are known by image and policy, so one file may serve experiments that search differently.
        if (folder / _FACES).exists() and not (run / _FACES).exists():
            _copy(folder / _FACES, OutputFolder(run).path / _FACES)
        yield train_and_score(
            experiment.recipe, experiment.manifest, run.parent, cache=cache or folder / "cache", workers=workers
        )
        if (run / _FACES).exists():
            _copy(run / _FACES, folder / _FACES)


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as file, whole_file(target) as copy:
        shutil.copyfileobj(file, copy)
