"""The schema of a recipe; finding, reading, overriding and writing recipes."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path, PureWindowsPath
from typing import Any, Final, get_args

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from unmask.data.transforms import Augmentation
from unmask.errors import UsageError
from unmask.imaging.preprocessing import Preprocessing
from unmask.recipes.parts import (
    BUNDLE,
    Backbone,
    Classifier,
    DataPolicy,
    Ensemble,
    Features,
    Fusion,
    Head,
    Paper,
    Part,
    Question,
    Schedule,
    Text,
)
from unmask.recipes.pruning import Pruning
from unmask.recipes.temporal import Temporal
from unmask.text import printable, quote, shorten

MAX_RECIPE_BYTES: Final = 256 << 10
MAX_OVERRIDE: Final = 4_096
MAX_ALIASES: Final = 10
MAX_DEPTH: Final = 32
_MAX_LISTED = 10
_MAX_REASON = 400
_MAX_KEY = 100
_HEEDED_BY_TEMPORAL_HEADS: Final = {"name", "summary", "seed", "temporal", "limits", "paper"}
_HEEDED_BY_ENSEMBLES: Final = {"name", "summary", "seed", "ensemble", "preprocessing", "limits", "paper"}


class Recipe(Part):
    """One training experiment.

    Attributes:
        name: lower case with hyphens; also the name of the bundle.
        summary: a description in one sentence.
        seed: random seed of the whole run.
        backbone: the network, or its first branch.
        fusion: further branches.
        head: from pooled features to a logit.
        classifier: a scikit-learn classifier on the features that the backbones have after the schedule's phases; a
            recipe with a classifier and no ``schedule.phases`` takes the backbones as their weights come.
        questions: if given, the classifier is fitted once for each, instead of once for all fakes; at most four.
        features: if given, the backbones stay frozen and their features are computed once.
        ensemble: if given, the recipe trains these members instead of a network of its own.
        temporal: if given, the recipe trains a head over the frames of clips, on a detector that stays as it is.
        pruning: how ``unmask bundle prune`` is to prune the network after training; training itself does not.
        preprocessing: from image to pixels.
        data: how images are sampled and weighted.
        augmentation: random changes to training images.
        schedule: how the network is optimised.
        limits: where the detector is known to fail, one sentence each, for its card.
        paper: the system of a paper that the recipe follows.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=200)
    summary: Text = ""
    seed: int = Field(1, ge=0, lt=2**31)
    backbone: Backbone = Backbone()
    fusion: Fusion | None = None
    head: Head = Head()
    classifier: Classifier | None = None
    questions: tuple[Question, ...] = Field((), max_length=4)
    features: Features | None = None
    ensemble: Ensemble | None = None
    temporal: Temporal | None = None
    pruning: Pruning | None = None
    preprocessing: Preprocessing = Preprocessing()
    data: DataPolicy = DataPolicy()
    augmentation: Augmentation = Augmentation()
    schedule: Schedule = Schedule()
    limits: tuple[Text, ...] = Field((), max_length=100)
    paper: Paper | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        if self.features is not None and any(phase.train != "head" for phase in self.schedule.phases):
            raise ValueError("features: cached features do not change, so no phase may train more than the head")
        if self.ensemble is not None and (self.classifier or self.features or self.fusion or self.questions):
            raise ValueError("ensemble: set fusion, classifier, questions and features in its members' recipes")
        if self.questions and (self.classifier is None or self.classifier.estimator != "logistic_regression"):
            raise ValueError("questions: each is a logistic regression; set classifier.estimator")
        if self.temporal is not None and (self.classifier or self.features or self.fusion or self.ensemble):
            raise ValueError("temporal: its detector is a bundle, so no network is trained or joined here")
        names = [question.name for question in self.questions]
        if len(set(names)) < len(names):
            raise ValueError("questions: two have the same name")
        return self

    def __repr__(self) -> str:
        made = f"ensemble of {len(self.ensemble.members)}" if self.ensemble else "+".join(b.name for b in self.branches)
        made = made if self.temporal is None else f"{self.temporal.kind} over frames of {self.temporal.detector}"
        return f"<Recipe {self.name}, {made}>"

    __str__ = __repr__

    def why_unheeded(self, key: str) -> str:
        """Why a setting, e.g. ``schedule.epochs``, has no effect in this recipe; '' if it has one."""
        if self.ensemble is not None and key.partition(".")[0] not in _HEEDED_BY_ENSEMBLES:
            return "an ensemble's members bring their own; change it in their recipes."
        if self.temporal is not None and key.partition(".")[0] not in _HEEDED_BY_TEMPORAL_HEADS:
            return "its detector is a bundle, which stays as it is."
        if key not in ("schedule.epochs", "schedule.learning_rate"):
            return ""
        if self.schedule.phases:
            return "the recipe lists schedule.phases, each with its own value; change those."
        if self.classifier is not None:
            return "its classifier is fitted on a backbone that is not trained."
        return ""

    @property
    def trains_network(self) -> bool:
        """Whether a network of its own is trained: without a classical head, or before it."""
        return self.ensemble is None and (self.classifier is None or bool(self.schedule.phases))

    @property
    def branches(self) -> tuple[Backbone, ...]:
        """All backbones, in order."""
        return (self.backbone, *(self.fusion.branches if self.fusion else ()))

    @classmethod
    def load(cls, name_or_path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
        """Read a recipe of the package by name, or any recipe by path.

        Args:
            name_or_path: e.g. ``unmask-default`` or ``mine.yaml``.
            overrides: ``part.key=value`` each, the value as YAML, e.g. ``schedule.epochs=3``.

        Raises:
            UsageError: ``no_such_recipe``; ``bad_recipe``: unreadable YAML, or a key or value that the schema refuses
                (the message suggests the nearest key); ``bad_override``: malformed, or without any effect.
        """
        content = _read_yaml(_find(str(name_or_path)))
        for override in overrides:
            _apply_override(content, override)
        try:
            recipe = cls.model_validate(content)
        except ValidationError as error:
            raise UsageError("bad_recipe", f"{printable(str(name_or_path))}: {_explain(error)}") from None
        for override in overrides:
            if why := recipe.why_unheeded(override.partition("=")[0]):
                raise UsageError("bad_override", f"{quote(override)} would change nothing in {recipe.name}: {why}")
        return recipe

    @staticmethod
    def shipped() -> list[str]:
        """The names of the recipes in the package, sorted."""
        return sorted(
            entry.name.removesuffix(".yaml")
            for entry in (files("unmask.recipes") / "builtin").iterdir()
            if entry.name.endswith(".yaml")
        )

    def to_yaml(self) -> str:
        """The resolved recipe, with every setting written out."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)

    def published(self) -> dict[str, Any]:
        """All settings as plain values, for a card that others read: files go by their names, without folders."""
        content = self.model_dump(mode="json")
        for backbone in (content["backbone"], *(content["fusion"] or {}).get("branches", ())):
            backbone["weights"] = [_without_folders(source) for source in backbone["weights"]]
        if content["ensemble"]:
            content["ensemble"]["members"] = [_without_folders(member) for member in content["ensemble"]["members"]]
        return content

    def digest(self) -> str:
        """SHA-256 of all settings that the trained weights depend on: not of descriptions."""
        settings = self.model_dump(
            mode="json", exclude={"summary": True, "limits": True, "paper": True, "pruning": True, "head": {"mirror"}}
        )
        # Recipes of before there were temporal heads and stages keep their digest.
        if self.temporal is None:
            del settings["temporal"]
        for backbone in (settings["backbone"], *(settings["fusion"] or {}).get("branches", ())):
            if not backbone["stages"]:
                del backbone["stages"]
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _without_folders(source: str) -> str:
    kind, colon, path = source.partition(":") if source.startswith(("file:", BUNDLE)) else ("", "", source)
    return kind + colon + PureWindowsPath(path).name  # which splits at both kinds of slashes


def _find(name: str) -> Any:
    path = Path(name)
    if path.suffix in {".yaml", ".yml"}:
        if path.is_file():
            return path
        raise UsageError("no_such_recipe", f"There is no recipe file {printable(name)}.")
    if name in Recipe.shipped():
        return files("unmask.recipes") / "builtin" / f"{name}.yaml"
    near = difflib.get_close_matches(name[:_MAX_KEY], Recipe.shipped(), 1)
    hint = f" Did you mean {near[0]}?" if near else f" There are: {', '.join(Recipe.shipped())}."
    raise UsageError("no_such_recipe", f"There is no recipe called {shorten(name)}.{hint}")


class _Loader(yaml.SafeLoader):
    """YAML whose aliases and depth are limited: both can make much out of little."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._aliases = self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._aliases += self.check_event(yaml.AliasEvent)
        self._depth += 1
        if self._aliases > MAX_ALIASES or self._depth > MAX_DEPTH:
            raise yaml.YAMLError(f"it has more than {MAX_ALIASES} aliases or {MAX_DEPTH} levels")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _parse(text: str) -> Any:
    """The content of YAML that is not trusted.

    Raises:
        ValueError: it is not readable; the message is one line.
    """
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except Exception as error:  # YAMLError, and what Python says of impossible dates and endless numbers
        raise ValueError(" ".join(str(error).split())[:_MAX_REASON]) from None


def _read_yaml(source: Any) -> dict[str, Any]:
    try:
        with source.open("rb") as file:
            data = file.read(MAX_RECIPE_BYTES + 1)
        if len(data) > MAX_RECIPE_BYTES:
            raise ValueError(f"it has more than {MAX_RECIPE_BYTES:,} bytes")
        content = _parse(data.decode("utf-8"))
    except ValueError as error:
        raise UsageError("bad_recipe", f"{source} is not readable YAML: {error}") from None
    if not isinstance(content, dict):
        raise UsageError("bad_recipe", f"{source} must be a mapping of keys to values.")
    return content


def _apply_override(content: dict[str, Any], override: str) -> None:
    keys, equals, value = override.partition("=")
    if len(override) > MAX_OVERRIDE:
        raise UsageError("bad_override", f"{quote(override)} is longer than {MAX_OVERRIDE:,} characters.")
    if not equals or not keys:
        raise UsageError("bad_override", f"{quote(override)} should read part.key=value.")
    *parents, last = keys.split(".")
    for parent in parents:
        content = content.setdefault(parent, {})
        if not isinstance(content, dict):
            raise UsageError("bad_override", f"{quote(override)}: {quote(parent)[1:-1]} has no parts.")
    try:
        content[last] = _parse(value)
    except ValueError as error:
        raise UsageError("bad_override", f"{quote(override)}: the value is not YAML: {error}") from None


def _explain(error: ValidationError) -> str:
    details = error.errors(include_url=False)
    more = f" And {len(details) - _MAX_LISTED} errors more." if len(details) > _MAX_LISTED else ""
    return "The recipe is not valid. " + " ".join(_explain_one(dict(detail)) for detail in details[:_MAX_LISTED]) + more


def _explain_one(detail: dict[str, Any]) -> str:
    *parents, key = [str(part) for part in detail["loc"]] or [""]
    dotted = ".".join([*parents, key])
    if detail["type"] != "extra_forbidden":
        return f"{shorten(dotted)}: {printable(detail['msg'])[:_MAX_REASON]}."
    near = difflib.get_close_matches(key[:_MAX_KEY], _keys_at(parents), 1)
    return f"There is no key {shorten(dotted)}." + (f" Did you mean {'.'.join([*parents, near[0]])}?" if near else "")


def _keys_at(parents: Sequence[str]) -> list[str]:
    model: type[BaseModel] = Recipe
    for parent in parents:
        field = model.model_fields.get(parent)
        candidates = (field.annotation, *get_args(field.annotation)) if field else ()
        parts = [part for part in candidates if isinstance(part, type) and issubclass(part, BaseModel)]
        if not parts:
            return []
        model = parts[0]
    return list(model.model_fields)
