"""The probes of ``clip_probe.py``: families of generators, weights, heads, and how they are combined."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from unmask.data.families import FAMILIES, MANIPULATED, family_of
from unmask.data.rows import ManifestRow
from unmask.models.balance import fit_balanced
from unmask.models.classical import linear_coefficients
from unmask.models.questions import noisy_or
from unmask.recipes import Classifier
from unmask.stats.intervals import group_codes, share_interval
from unmask.stats.metrics import auc, tpr_at_fpr
from unmask.stats.resample import Draws, resample

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Names = npt.NDArray[np.str_]
Rows = npt.NDArray[np.float32]

BUDGET: Final = 0.05
"""False positives among held-out reals at which fakes found are counted."""

_FAKE_TWINS: Final = ("rebuilt", "blended")
_FOLDS: Final = 5
# Fewer fakes of one family than this get no figure of their own on a split.
_LEAST: Final = 5


@dataclass(frozen=True)
class Data:
    """Images as arrays, one element each.

    Attributes:
        features: float32 [n, width], the views side by side.
        shipped: the shipped detector's probability of fake.
        family: ``real`` or the generator family, or what made a twin.
        source: the data set.
        group: what belongs together.
        split: train, val or test; ``twin`` for what was made from training images.
        edition: of the shared data.
        fold: 0 to 4, the same within a group.
    """

    features: Rows
    shipped: Floats
    family: Names
    source: Names
    group: Names
    split: Names
    edition: Names
    fold: npt.NDArray[np.int64]

    @classmethod
    def of(cls, rows: Sequence[ManifestRow], features: Rows, shipped: Floats) -> Data:
        """From rows of a manifest in the order of the features."""
        group = [row.group or row.path for row in rows]
        return cls(
            features=features,
            shipped=shipped,
            family=np.array([family_of(row.label, row.kind, row.generator) for row in rows]),
            source=np.array([row.source for row in rows]),
            group=np.array(group),
            split=np.array([row.split for row in rows]),
            edition=np.array([row.extra.get("edition", "") for row in rows]),
            fold=np.array([int(hashlib.sha256(f"fold{name}".encode()).hexdigest()[:8], 16) % _FOLDS for name in group]),
        )

    def __len__(self) -> int:
        return len(self.family)

    @property
    def is_fake(self) -> Flags:
        """Whether each image is a fake."""
        return np.asarray(self.family != "real")

    @property
    def is_manipulated(self) -> Flags:
        """Whether each image is a manipulated photograph."""
        return np.isin(self.family, (*MANIPULATED, *_FAKE_TWINS))

    @property
    def is_twin(self) -> Flags:
        """Whether each image was made from a training image."""
        return np.asarray(self.split == "twin")

    def with_twins(self, twins: Mapping[str, tuple[Sequence[ManifestRow], Rows]]) -> Data:
        """These images and twins of training images, by kind: the rows they were made of and their features."""
        parts = [self]
        for kind, (rows, features) in twins.items():
            count = len(rows)
            padded = np.zeros((count, self.features.shape[1]), np.float32)
            padded[:, : features.shape[1]] = features
            made = Data.of(rows, padded, np.full(count, np.nan))
            family, source = np.full(count, kind), made.source
            if kind not in _FAKE_TWINS:
                family, source = np.full(count, "real"), np.char.add(f"{kind} ", made.source)
            parts.append(replace(made, family=family, source=source, split=np.full(count, "twin")))
        return Data(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in _FIELDS})

    def touching(self, chosen: Flags) -> Flags:
        """The images that share a group with some of the chosen ones."""
        return np.isin(self.group, np.unique(self.group[chosen]))


_FIELDS: Final = tuple(field.name for field in fields(Data))


@dataclass(frozen=True)
class Settings:
    """How heads are fitted.

    Attributes:
        c: inverse strength of the L2 penalty, on z-scored features.
        power: 0: every image weighs the same; 1: every pair of family and source does.
        blend: fakes made per fake by mixing its features with those of a random real, after SimLBR.
        shift: taken from the logit of "photograph manipulated?" before it joins the other head: that head is the less
            sure one on sources it has not seen.
        shipped: weight of the shipped detector's logit beside the probes'.
        manipulated_width: how many of the features the head for manipulated photographs sees; all by default.
    """

    c: float = 0.01
    power: float = 0.8
    blend: float = 1.0
    shift: float = 2.0
    shipped: float = 0.5
    manipulated_width: int | None = None


class Head:
    """A logistic regression on z-scored features, as the recipe ``clip-probe`` fits it.

    Args:
        data: all images.
        train: which of them it is fitted on.
        positive: which of them it is to find.
        settings: how.
        width: how many of the features it sees; all by default.
    """

    def __init__(self, data: Data, train: Flags, positive: Flags, settings: Settings, width: int | None) -> None:
        self._width = width
        classifier = Classifier(
            estimator="logistic_regression",
            parameters={"C": settings.c, "max_iter": 500, "tol": 1e-3},
            balance="family-source",
            family_power=1 - settings.power,
            mixed_fakes=settings.blend,
        )
        names = np.char.add(np.char.add(data.family, "/"), data.source)[train]
        fitted = fit_balanced(classifier, 0, data.features[train, :width], positive[train], names)
        found = linear_coefficients(fitted)
        assert found is not None
        self._weights, self._bias = found

    def logit(self, features: Rows) -> Floats:
        """Of features [n, width], were both classes equally frequent."""
        return np.asarray(features[:, : self._width] @ self._weights + self._bias, np.float64)


def predict(data: Data, train: Flags, asked: Flags, settings: Settings) -> dict[str, Floats]:
    """Fit on some images and score others: logits of the shipped detector, each probe and their combinations."""
    generated = data.is_fake & ~data.is_manipulated

    def head(positive: Flags, used: Flags, width: int | None = None) -> Floats:
        return Head(data, train & used, positive, settings, width).logit(data.features[asked])

    shipped = _logit(data.shipped[asked])
    logits = {
        "shipped": shipped,
        "one_head": head(data.is_fake, ~data.is_twin),
        # Each head sees its own fakes and reals only: what the other one is for is neither.
        "generated": head(generated, ~data.is_manipulated & ~data.is_twin),
        "manipulated": head(data.is_manipulated, ~generated, settings.manipulated_width),
    }
    shifted = np.stack([logits["generated"], logits["manipulated"] - settings.shift], 1)
    logits["two_heads"] = noisy_or(torch.from_numpy(shifted)).numpy()
    for name in ("one_head", "generated", "two_heads"):
        logits[f"{name}_and_shipped"] = logits[name] + settings.shipped * shipped
    return logits


def _logit(probability: Floats) -> Floats:
    clipped = np.clip(probability, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(clipped / (1 - clipped)))


def figures(score: Floats, is_fake: Flags, group: Names, draws: int = 1000) -> dict[str, Any]:
    """AUC and the proportion of fakes found at ``BUDGET``, each with a 95 % interval by whole groups."""
    drawn = resample(
        group_codes(group),
        lambda weight: np.array([auc(score, is_fake, weight), tpr_at_fpr(score, is_fake, BUDGET, weight)]),
        Draws(draws, 0, 1),
    )
    return {
        name: {"value": round(float(drawn.values[at]), 4), **_ends(drawn.interval(at))}
        for at, name in enumerate(("auc", "found"))
    }


def kept(right: Flags, group: Names) -> dict[str, Any]:
    """The proportion of images that are called real, with its 95 % interval."""
    low, high = share_interval(right, group_codes(group))
    return {"value": round(float(right.mean()), 4), "low": round(low, 4), "high": round(high, 4)}


def held_reals(data: Data) -> Flags:
    """Reals that left-out fakes are compared with: none of them trained the shipped detector, which saw edition 1."""
    unseen = (data.split == "val") | ((data.edition == "2") & (data.split == "train") & (data.fold == 0))
    return np.asarray(unseen & ~data.is_fake)


def by_family(data: Data, settings: Settings, draws: int = 1000) -> list[dict[str, Any]]:
    """Each family left out of training and compared with held-out reals; no row of the test split is used."""
    pool, held = data.split != "test", held_reals(data)
    found = []
    for family in FAMILIES:
        own = pool & (data.family == family)
        if not own.any():
            continue
        asked = own | held
        scores = predict(data, pool & ~data.touching(asked) & (data.family != family), asked, settings)
        is_fake, group = data.is_fake[asked], data.group[asked]
        found.append(
            {
                "family": family,
                "new_to_shipped": not (own & (data.edition == "1") & (data.split == "train")).any(),
                **_sizes(is_fake, group),
                **{name: figures(score, is_fake, group, draws) for name, score in scores.items()},
            }
        )
    return found


def summary(data: Data, settings: Settings) -> dict[str, dict[str, Any]]:
    """For comparing settings: AUC of left-out families, over those new to the shipped detector, and on validation."""
    families = by_family(data, settings, draws=1)
    asked = data.split == "val"
    scores = predict(data, ~asked & (data.split != "test") & ~data.touching(asked), asked, settings)
    found: dict[str, dict[str, Any]] = {}
    for name, score in scores.items():
        areas = {result["family"]: result[name]["auc"]["value"] for result in families}
        new = [areas[result["family"]] for result in families if result["new_to_shipped"]]
        found[name] = {"families": areas, "new_mean": round(float(np.mean(new)), 4), "new_worst": min(new)}
        for edition in np.unique(data.edition):
            chosen = data.edition[asked] == edition
            area = auc(score[chosen], data.is_fake[asked][chosen])
            found[name][f"validation_{edition}"] = round(float(area), 4)
    return found


def by_source(data: Data, settings: Settings) -> list[dict[str, Any]]:
    """Each source left out, its fakes as well: how many of its reals stay below the threshold set on other sources."""
    pool = (data.split == "train") | (data.split == "val")
    held = held_reals(data)
    found = []
    for source in np.unique(data.source[pool & ~data.is_fake]):
        own = pool & ~data.is_fake & (data.source == source)
        asked = own | (held & (data.source != source))
        train = (pool | data.is_twin) & ~data.touching(asked) & (data.source != source)
        scores = predict(data, train, asked, settings)
        of_source = own[asked]
        result: dict[str, Any] = {
            "source": str(source),
            "new_to_shipped": not (own & (data.edition == "1") & (data.split == "train")).any(),
            "reals": int(own.sum()),
            "groups": len(np.unique(data.group[own])),
        }
        for name, score in scores.items():
            threshold = np.quantile(score[~of_source], 1 - BUDGET, method="higher")
            result[name] = kept(score[of_source] <= threshold, data.group[own])
        found.append(result)
    return found


def on_split(data: Data, split: str, settings: Settings) -> list[dict[str, Any]]:
    """Trained on the training split (for the test split, with validation), scored by edition and family."""
    asked = data.split == split
    train = ~asked & (data.split != "test")
    scores = predict(data, train & ~data.touching(asked), asked, settings)
    found = []
    for edition in np.unique(data.edition):
        for family in ("all", *FAMILIES):
            own = data.is_fake & ((data.family == family) | (family == "all"))
            chosen = ((data.edition == edition) & (own | ~data.is_fake))[asked]
            is_fake, group = data.is_fake[asked][chosen], data.group[asked][chosen]
            if np.count_nonzero(is_fake) < _LEAST:
                continue
            found.append(
                {
                    "edition": str(edition),
                    "family": family,
                    **_sizes(is_fake, group),
                    **{name: figures(score[chosen], is_fake, group) for name, score in scores.items()},
                }
            )
    return found


def learning_curve(data: Data, settings: Settings, sizes: Sequence[int]) -> list[dict[str, Any]]:
    """AUC on the validation split by edition, by the number of training images, which are drawn at random."""
    order = np.random.default_rng(0).permutation(np.flatnonzero(data.split == "train"))
    asked = data.split == "val"
    found = []
    for size in [*[size for size in sizes if size < len(order)], len(order)]:
        train = np.zeros(len(data), bool)
        train[order[:size]] = True
        train |= data.is_twin & data.touching(train)
        scores = predict(data, train & ~data.touching(asked), asked, settings)
        areas = {}
        for edition in np.unique(data.edition):
            chosen = data.edition[asked] == edition
            areas[str(edition)] = {
                name: round(float(auc(score[chosen], data.is_fake[asked][chosen])), 4) for name, score in scores.items()
            }
        found.append({"images": size, "auc": areas})
    return found


def _sizes(is_fake: Flags, group: Names) -> dict[str, int]:
    return {
        "fakes": int(is_fake.sum()),
        "fake_groups": len(np.unique(group[is_fake])),
        "reals": int((~is_fake).sum()),
        "real_groups": len(np.unique(group[~is_fake])),
    }


def _ends(ends: tuple[float, float] | None) -> dict[str, float | None]:
    return {"low": None, "high": None} if ends is None else {"low": round(ends[0], 4), "high": round(ends[1], 4)}
