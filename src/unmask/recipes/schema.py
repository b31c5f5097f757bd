"""The schema of a recipe, and how one is found, read, overridden and written."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unmask.data.transforms import Augmentation
from unmask.errors import UsageError
from unmask.imaging.preprocessing import Preprocessing

WeightSource = Literal["pip", "hub", "none"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Backbone(_Part):
    """The network that turns pixels into a feature map.

    Attributes:
        name: a timm model name.
        weights: where pretrained weights may come from, tried in order. ``pip``: a package of weights; ``hub``: timm's
            own download; ``none``: random weights, which the run says loudly.
    """

    name: str = "tf_efficientnet_lite0"
    weights: tuple[WeightSource, ...] = ("pip", "hub")


class Head(_Part):
    """What turns the feature map into a logit.

    Attributes:
        kind: ``linear``: global average pooling and one linear unit.
        dropout: share of pooled features dropped in training.
        mirror: whether the answer is the mean over a picture and its mirror image: steadier, at twice the cost.
            Training does not depend on it.
    """

    kind: Literal["linear"] = "linear"
    dropout: float = Field(0.2, ge=0, lt=1)
    mirror: bool = False


class DataPolicy(_Part):
    """Which pictures an epoch shows, and how often.

    Attributes:
        balance: ``none``: every row once. ``class``: real and fake equally often. ``class-source``: that, and within a
            class each source in proportion to its number of rows to the power ``source_power``.
        source_power: 1 leaves sources as frequent as they are, 0 shows all equally often.
        self_blended: share of the fakes of an epoch that are made on the fly from real rows by self-blending.
        epoch_size: pictures an epoch shows; the number of training rows when absent.
    """

    balance: Literal["none", "class", "class-source"] = "class-source"
    source_power: float = Field(0.5, ge=0, le=1)
    self_blended: float = Field(0.0, ge=0, le=1)
    epoch_size: int | None = Field(None, ge=1)


class Schedule(_Part):
    """How the network is optimised: AdamW under a cosine with linear warm-up.

    Attributes:
        epochs: most epochs.
        batch_size: pictures a step.
        learning_rate: peak rate.
        weight_decay: of AdamW, on weights with two or more dimensions only.
        warmup_epochs: epochs of linear warm-up, may be a fraction.
        label_smoothing: how far targets stand from 0 and 1.
        patience: epochs without a better validation AUC before the run stops.
        precision: ``bf16-mixed`` is about twice as fast on CPUs with bf16 instructions.
        gradient_clip: greatest norm of the gradient.
    """

    epochs: int = Field(10, ge=1)
    batch_size: int = Field(32, ge=2)
    learning_rate: float = Field(5e-4, gt=0)
    weight_decay: float = Field(0.02, ge=0)
    warmup_epochs: float = Field(0.5, ge=0)
    label_smoothing: float = Field(0.0, ge=0, lt=0.5)
    patience: int = Field(4, ge=1)
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    gradient_clip: float = Field(1.0, gt=0)


class Recipe(_Part):
    """One training experiment.

    Attributes:
        name: lower case with hyphens; the bundle made from it bears this name.
        summary: one sentence on what it is.
        seed: fixes every draw of the run.
        limits: where the detector is known to fail, a sentence each, for its card.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    summary: str = ""
    seed: int = Field(1, ge=0, lt=2**31)
    backbone: Backbone = Backbone()
    head: Head = Head()
    preprocessing: Preprocessing = Preprocessing()
    data: DataPolicy = DataPolicy()
    augmentation: Augmentation = Augmentation()
    schedule: Schedule = Schedule()
    limits: tuple[str, ...] = ()

    @classmethod
    def load(cls, name_or_path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
        """Read a shipped recipe by name, or any recipe by path.

        Args:
            name_or_path: e.g. ``unmask-default`` or ``mine.yaml``.
            overrides: ``part.key=value`` each, the value as YAML, e.g. ``schedule.epochs=3``.

        Raises:
            UsageError: no such recipe, unreadable YAML, or a key or value that the schema refuses; a wrong key is
                answered with the nearest right one.
        """
        content = _read_yaml(_find(str(name_or_path)))
        for override in overrides:
            _apply_override(content, override)
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise UsageError("bad_recipe", _explain(error)) from None

    @staticmethod
    def shipped() -> list[str]:
        """The names of the recipes in the package, sorted."""
        return sorted(
            entry.name.removesuffix(".yaml")
            for entry in (files("unmask.recipes") / "builtin").iterdir()
            if entry.name.endswith(".yaml")
        )

    def to_yaml(self) -> str:
        """The resolved recipe, every setting written out."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)

    def digest(self) -> str:
        """SHA-256 of everything in the resolved recipe that the trained weights depend on, so not of its prose."""
        settings = self.model_dump(mode="json", exclude={"summary": True, "limits": True, "head": {"mirror"}})
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _find(name: str) -> Any:
    path = Path(name)
    if path.suffix in {".yaml", ".yml"}:
        if path.is_file():
            return path
        raise UsageError("no_such_recipe", f"There is no recipe file {name}.")
    if name in Recipe.shipped():
        return files("unmask.recipes") / "builtin" / f"{name}.yaml"
    near = difflib.get_close_matches(name, Recipe.shipped(), 1)
    hint = f" Did you mean {near[0]}?" if near else f" There are: {', '.join(Recipe.shipped())}."
    raise UsageError("no_such_recipe", f"There is no recipe called {name}.{hint}")


def _read_yaml(source: Any) -> dict[str, Any]:
    try:
        content = yaml.safe_load(source.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError("bad_recipe", f"{source} is not readable YAML: {error}") from None
    if not isinstance(content, dict):
        raise UsageError("bad_recipe", f"{source} must be a mapping of keys to values.")
    return content


def _apply_override(content: dict[str, Any], override: str) -> None:
    keys, equals, value = override.partition("=")
    if not equals or not keys:
        raise UsageError("bad_override", f"{override!r} should read part.key=value.")
    *parents, last = keys.split(".")
    for parent in parents:
        content = content.setdefault(parent, {})
        if not isinstance(content, dict):
            raise UsageError("bad_override", f"{override!r}: {parent} has no parts.")
    try:
        content[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise UsageError("bad_override", f"{override!r}: the value is not YAML: {error}") from None


def _explain(error: ValidationError) -> str:
    return "The recipe is not valid. " + " ".join(_explain_one(dict(detail)) for detail in error.errors())


def _explain_one(detail: dict[str, Any]) -> str:
    *parents, key = [str(part) for part in detail["loc"]] or [""]
    dotted = ".".join([*parents, key])
    if detail["type"] != "extra_forbidden":
        return f"{dotted}: {detail['msg']}."
    near = difflib.get_close_matches(key, _keys_at(parents), 1)
    return f"There is no key {dotted}." + (f" Did you mean {'.'.join([*parents, near[0]])}?" if near else "")


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
