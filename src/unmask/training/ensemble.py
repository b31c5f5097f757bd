"""Ensembles: members trained one after the other, and combined in one graph.

The members' large weights are stored in half precision, so that two need the space of one. The card gives the largest
change of a golden image's logit by this, as ``half_precision_shift``.

``mean`` and ``weighted`` cost as much as training the members. ``stacked`` trains every member ``folds`` more times,
each time without one fold of the training groups, to score images that the member has not seen.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

from unmask.bundle.bundle import DEFAULT_BUNDLE, Bundle, run_graph
from unmask.bundle.compose import combine, resized, store_half
from unmask.bundle.eight_bits import is_small
from unmask.data.manifest import Manifest
from unmask.errors import UsageError
from unmask.imaging.preprocessing import Preprocessing
from unmask.imaging.session import single_thread_session
from unmask.recipes import Ensemble, Recipe
from unmask.recipes.parts import BUNDLE, is_bundle
from unmask.training.dataset import Sample
from unmask.training.folder import finished_bundle, read_record
from unmask.training.package import Packaged, golden_batch, package_graph, score
from unmask.training.rows import TrainingRows
from unmask.training.start import Start

Array = npt.NDArray[np.float64]


class Fit(Protocol):
    """Trains one recipe into a run folder, as :func:`unmask.training.fit.fit` does."""

    def __call__(
        self, recipe: Recipe, manifest: TrainingRows, out: Path, *, start: Start | None, resume: bool
    ) -> Bundle:
        """The bundle of a finished run."""
        ...


def load_members(recipe: Recipe, ensemble: Ensemble) -> dict[str, Recipe | Bundle]:
    """The members by the name of their folder: recipes to train, and bundles.

    The seed of a recipe is the ensemble's plus its position, from 0, so the same recipe may be listed several times.

    Raises:
        UsageError: ``no_such_recipe``; ``other_preprocessing``: a member with another preprocessing;
            ``two_with_questions``: two members that answer questions.
        BundleError: a bundle is missing or broken.
    """
    members: dict[str, Recipe | Bundle] = {}
    for place, named in enumerate(ensemble.members):
        member = _open_bundle(named) if is_bundle(named) else Recipe.load(named)
        info = member.info if isinstance(member, Bundle) else member
        if not _fits(info.preprocessing, recipe.preprocessing):
            raise UsageError(
                "other_preprocessing",
                f"ensemble.members: {named} has another preprocessing than {recipe.name}; all need the same, but for a "
                "smaller size.",
            )
        name = info.name if info.name not in members else f"{info.name}-{place + 1}"
        if isinstance(member, Recipe):
            member = member.model_copy(update={"seed": recipe.seed + place})
        members[name] = member
        if info.questions and any(_questions(other) for key, other in members.items() if key != name):
            raise UsageError("two_with_questions", "ensemble.members: only one of them may answer questions.")
    return members


def _questions(member: Recipe | Bundle) -> tuple[Any, ...]:
    return member.info.questions if isinstance(member, Bundle) else member.questions


def _is_frozen(member: Recipe) -> bool:
    return member.ensemble is None and not member.trains_network


def _open_bundle(member: str) -> Bundle:
    path = member.removeprefix(BUNDLE)
    return Bundle.open(None if path == DEFAULT_BUNDLE else path)


def _fits(member: Preprocessing, whole: Preprocessing) -> bool:
    """Whether a member can work on the pixels of the whole: resized, if it takes fewer."""
    if member.size >= whole.size:
        return member == whole
    return member.model_copy(update={"size": whole.size, "native": whole.native}) == whole


def fit_ensemble(
    recipe: Recipe,
    ensemble: Ensemble,
    rows: TrainingRows,
    train: Sequence[Sample],
    validation: Sequence[Sample],
    out: Path,
    fit: Fit,
    folder: Path,
    start: Start | None,
) -> Packaged:
    """Train the members that have no bundle yet, each in ``out/members/NAME``, and write the ensemble's bundle.

    Args:
        recipe: the experiment.
        ensemble: its members and how they are combined.
        rows: of the manifest.
        train: training samples.
        validation: validation samples.
        out: the run folder; the members reuse the faces detected in it.
        fit: the function that trains a member.
        folder: where the bundle is written.
        start: a bundle, each member of which gives the weights that the member in its place starts from. A member that
            takes its backbones as they come starts from nothing.
    """
    members = load_members(recipe, ensemble)
    starts = [
        replace(start, member=place) if start and not (isinstance(member, Recipe) and _is_frozen(member)) else None
        for place, member in enumerate(members.values())
    ]
    bundles = [
        _trained(member, rows, out / "members" / name, out, fit, member_start)
        for (name, member), member_start in zip(members.items(), starts, strict=True)
    ]
    size = recipe.preprocessing.size
    # What is already small stays as it is, to the bit.
    small = [
        bundle.model if isinstance(member, Bundle) or is_small(bundle.model) else store_half(bundle.model)
        for member, bundle in zip(members.values(), bundles, strict=True)
    ]
    halves = [resized(model, size) for model in small]
    logits = np.stack([score(recipe, half, validation) for half in halves], 1)
    is_fake = np.array([sample.is_fake for sample in validation])
    if ensemble.combine == "mean":
        weights, bias = np.full(len(bundles), 1 / len(bundles)), 0.0
    elif ensemble.combine == "sum":
        weights, bias = np.array(ensemble.weights), 0.0
    elif ensemble.combine == "weighted":
        weights, bias = fit_weights(logits, is_fake), 0.0
    else:
        scores, targets = _out_of_fold(recipe, ensemble, members, rows, train, out, fit, starts)
        weights, bias = fit_stacking(scores, targets)
    model = combine(halves, weights.tolist(), bias)
    whole = [resized(bundle.model, size) for bundle in bundles]
    kinds = {bundle.info.evidence for bundle in bundles}
    return package_graph(
        recipe,
        model,
        _difference(model, halves, weights, bias, recipe.preprocessing.size),
        {
            f"{name}_{key}": value
            for name, bundle in zip(members, bundles, strict=True)
            for key, value in bundle.info.card.weights.items()
        }
        | {
            f"{name}_bundle": f"sha256 {member.sha256}"
            for name, member in members.items()
            if isinstance(member, Bundle)
        },
        train,
        validation,
        rows.digest,
        folder,
        evidence="none" if kinds == {"none"} else "cam",
        members={name: member for name, member in members.items() if isinstance(member, Recipe)},
        questions=[question for bundle in bundles for question in bundle.info.questions],
        metrics={f"weight_of_{name}": float(weight) for name, weight in zip(members, weights, strict=True)}
        | {"bias": bias, "half_precision_shift": _difference(model, whole, weights, bias, recipe.preprocessing.size)},
    )


def fit_weights(logits: Array, is_fake: npt.NDArray[np.bool_]) -> Array:
    """Weights from 0 to 1 that add up to 1 and minimise the log loss of the weighted logits.

    Args:
        logits: float64 [n, members].
        is_fake: bool [n].
    """
    count = logits.shape[1]
    sign = np.where(is_fake, 1.0, -1.0)

    def loss(weights: Array) -> tuple[float, Array]:
        margin = sign * (logits @ weights)
        slope = -sign / (1 + np.exp(np.clip(margin, -500, 500)))
        return float(np.logaddexp(0, -margin).mean()), logits.T @ slope / len(sign)

    found = minimize(
        loss,
        np.full(count, 1 / count),
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * count,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
        options={"ftol": 1e-12, "maxiter": 500},
    ).x
    positive = np.clip(found, 0, None)
    return np.asarray(positive / positive.sum())


def fit_stacking(scores: Array, is_fake: npt.NDArray[np.bool_]) -> tuple[Array, float]:
    """Weights and bias of a logistic regression on members' scores, with the same weight for both classes.

    Args:
        scores: float64 [n, members], logits of images that the members were not trained on.
        is_fake: bool [n].
    """
    model = LogisticRegression(class_weight="balanced", max_iter=2000).fit(scores, is_fake)
    return model.coef_[0], float(model.intercept_[0])


def fold_manifests(rows: TrainingRows, folds: int, seed: int) -> list[tuple[Manifest, set[Path]]]:
    """For each fold, a manifest without its rows, and the paths of its rows. Validation rows stay the same.

    Rows of one group are in one fold; a row without a group is a group of its own.

    Raises:
        UsageError: ``too_few_pictures``, when there are fewer groups of a class than folds.
    """
    labels = np.array([row.label for row, _ in rows.train])
    groups = np.array([f"group {row.group}" if row.group else f"path {row.path}" for row, _ in rows.train])
    if any(len(set(groups[labels == label])) < folds for label in ("real", "fake")):
        raise UsageError(
            "too_few_pictures", f"ensemble.folds: {folds} folds need at least {folds} groups of each class."
        )
    found = []
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for kept, left_out in splitter.split(labels, labels, groups):
        trained = [replace(rows.train[place][0], split="train") for place in kept]
        validated = [replace(row, split="val") for row, _ in rows.validation]
        without = Manifest.from_rows([*trained, *validated], rows.root)
        found.append((without, {rows.train[place][1] for place in left_out}))
    return found


def _trained(
    member: Recipe | Bundle, rows: TrainingRows, home: Path, run: Path, fit: Fit, start: Start | None
) -> Bundle:
    if isinstance(member, Bundle):
        return member
    # Exporting a run again does not ask for its start, and takes the members as they are.
    wanted = start.describe() if start else None if read_record(run)["start"] else ""
    finished = finished_bundle(home, member, rows.digest, wanted)
    if finished is not None:
        return finished
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "faces.jsonl").exists():
        shutil.copyfile(run / "faces.jsonl", home / "faces.jsonl")
    return fit(member, rows, home, start=start, resume=(home / "run.json").exists())


def _out_of_fold(
    recipe: Recipe,
    ensemble: Ensemble,
    members: Mapping[str, Recipe | Bundle],
    rows: TrainingRows,
    train: Sequence[Sample],
    out: Path,
    fit: Fit,
    starts: Sequence[Start | None],
) -> tuple[Array, npt.NDArray[np.bool_]]:
    scores, targets = [], []
    for number, (without, paths) in enumerate(fold_manifests(rows, ensemble.folds, recipe.seed), 1):
        fold_rows = TrainingRows.read(without)
        held_out = [sample for sample in train if sample.path in paths]
        by_member = []
        for (name, member), start in zip(members.items(), starts, strict=True):
            home = out / "members" / name / f"fold-{number}"
            by_member.append(score(recipe, _trained(member, fold_rows, home, out, fit, start).model, held_out))
        scores.append(np.stack(by_member, 1))
        targets += [sample.is_fake for sample in held_out]
    return np.concatenate(scores), np.array(targets)


def _difference(model: bytes, members: Sequence[bytes], weights: Array, bias: float, size: int) -> float:
    """Largest difference between the ensemble's logits and the weighted sum of its members'."""
    pixels = golden_batch(size)
    expected: Any = bias
    for member, weight in zip(members, weights, strict=True):
        expected = expected + weight * run_graph(single_thread_session(member), pixels)[0]
    return float(np.abs(run_graph(single_thread_session(model), pixels)[0] - expected).max())
