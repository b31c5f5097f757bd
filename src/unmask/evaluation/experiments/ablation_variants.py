"""The variants of an ablation: the recipe without one part, or with another head."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, get_args

from unmask.data.transforms import Augmentation
from unmask.errors import UsageError
from unmask.recipes import Classifier, Head, Recipe
from unmask.recipes.parts import Estimator, Phase

HEADS: Final[tuple[str, ...]] = get_args(Estimator)


@dataclass(frozen=True)
class Variant:
    """A recipe with one change.

    Attributes:
        name: for files and ``--only``, such as ``no-augmentation``.
        title: in words.
        recipe: the changed recipe; ``None`` where the change does not apply.
        why_not: why it does not apply; '' where it does.
    """

    name: str
    title: str
    recipe: Recipe | None
    why_not: str = ""


def variants(recipe: Recipe, only: tuple[str, ...] = ()) -> list[Variant]:
    """All variants of a recipe, those that do not apply with the reason.

    Args:
        recipe: the whole recipe.
        only: names of the variants to return (default: all).

    Raises:
        UsageError: ``unknown_variant``; ``not_ablatable`` for an ensemble, whose parts are its members'.
    """
    if recipe.ensemble is not None:
        raise UsageError("not_ablatable", "An ensemble has no parts of its own: ablate a member.")
    found = [*_without(recipe), *_heads(recipe)]
    known = [variant.name for variant in found]
    if unknown := [name for name in only if name not in known]:
        raise UsageError("unknown_variant", f"Unknown variant {unknown[0]!r}; there are {', '.join(known)}.")
    return [variant for variant in found if not only or variant.name in only]


def _without(recipe: Recipe) -> Iterator[Variant]:
    yield _variant("no-augmentation", "without augmentation", recipe, *_no_augmentation(recipe))
    yield _variant("no-balancing", "without balancing", recipe, *_no_balancing(recipe))
    yield _variant("no-smote", "without SMOTE", recipe, *_no_smote(recipe))
    yield _variant("no-fine-tuning", "without fine-tuning", recipe, *_no_fine_tuning(recipe))
    yield _variant("no-face-crop", "without face crop", recipe, *_no_face_crop(recipe))


Change = tuple[dict[str, object], str]


def _variant(name: str, title: str, recipe: Recipe, change: dict[str, object], why_not: str) -> Variant:
    return Variant(name, title, None if why_not else recipe.model_copy(update=change), why_not)


def _is_frozen(recipe: Recipe) -> bool:
    """Whether features are those of a backbone that is not trained."""
    return recipe.features is not None or (recipe.classifier is not None and not recipe.schedule.phases)


def _no_augmentation(recipe: Recipe) -> Change:
    if _is_frozen(recipe):
        if recipe.features is None or not recipe.features.copies:
            return {}, "features are of the plain images"
        return {"features": recipe.features.model_copy(update={"copies": 0})}, ""
    if recipe.augmentation == Augmentation.off():
        return {}, "the recipe has none"
    return {"augmentation": Augmentation.off()}, ""


def _no_balancing(recipe: Recipe) -> Change:
    change: dict[str, object] = {}
    if recipe.classifier is not None and recipe.classifier.balance in ("weights", "family-source"):
        change["classifier"] = recipe.classifier.model_copy(update={"balance": "none", "mixed_fakes": 0.0})
    data = recipe.data
    trains = recipe.classifier is None or bool(recipe.schedule.phases)
    if trains and (data.balance != "none" or data.class_weights):
        change["data"] = data.model_copy(update={"balance": "none", "class_weights": False})
    return change, "" if change else "the recipe neither weighs nor draws classes evenly"


def _no_smote(recipe: Recipe) -> Change:
    if recipe.classifier is None or recipe.classifier.balance != "smote":
        return {}, "the recipe has none"
    return {"classifier": recipe.classifier.model_copy(update={"balance": "none"})}, ""


def _no_fine_tuning(recipe: Recipe) -> Change:
    phases = recipe.schedule.all_phases
    if _is_frozen(recipe) or all(phase.train == "head" for phase in phases):
        return {}, "the backbone is frozen"
    heads = tuple(phase for phase in phases if phase.train == "head")
    if not heads:
        heads = (Phase(epochs=phases[0].epochs, learning_rate=phases[0].learning_rate, train="head"),)
    return {"schedule": recipe.schedule.model_copy(update={"phases": heads})}, ""


def _no_face_crop(recipe: Recipe) -> Change:
    if recipe.preprocessing.faces is None:
        return {}, "the recipe looks at whole images"
    return {"preprocessing": recipe.preprocessing.model_copy(update={"faces": None})}, ""


def _heads(recipe: Recipe) -> Iterator[Variant]:
    """Each head that the recipe does not have."""
    if recipe.classifier is None:
        for kind in ("linear", "dense"):
            if kind != recipe.head.kind:
                change: dict[str, object] = {"head": Head.model_validate(recipe.head.model_dump() | {"kind": kind})}
                yield _variant(f"head-{kind}", f"with a {kind} head", recipe, change, "")
        return
    for name in HEADS:
        if name == recipe.classifier.estimator:
            continue
        # Parameters are those of the estimator that goes; the new one has unmask's own.
        settings = {"estimator": name, "standardise": recipe.classifier.standardise}
        balance = recipe.classifier.balance
        why_not = ""
        if balance == "family-source":
            balance, why_not = "none", "it cannot weigh families and sources"
        if balance == "weights" and name in ("k_nearest", "mlp", "gradient_boosting"):
            why_not = "it cannot weigh classes"
        if recipe.head.mirror and name not in ("logistic_regression", "linear_svm"):
            why_not = "head.mirror works with linear heads only"
        classifier = Classifier.model_validate(settings | {"balance": balance})
        yield _variant(f"head-{name}", f"with {name.replace('_', ' ')}", recipe, {"classifier": classifier}, why_not)
