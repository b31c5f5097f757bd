"""Shortcut probes: classifiers that see no face, so they should not be able to predict the label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from unmask.data.audit.facts import COMMON_FACTS, FACTS, FILE_FACTS, PIXEL_FACTS
from unmask.data.audit.images import Images
from unmask.errors import MissingExtraError
from unmask.stats.metrics import Flags, Floats, Ranking, auc
from unmask.stats.resample import Draws, resample

READINGS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "file-facts": FILE_FACTS,
    "pixels": PIXEL_FACTS,
    "common-file-facts": {"bytes per pixel": COMMON_FACTS["bytes per pixel"]},
    "common-pixels": {name: facts for name, facts in COMMON_FACTS.items() if name != "bytes per pixel"},
}
"""The facts that each probe sees, by topic. The common probes need the common reading."""

FOLDS: Final = 5
DRAWS: Final = 1000
MAX_IMAGES: Final = 50_000
MIN_UNITS: Final = 10  # in each class: with fewer, neither folds nor an interval mean anything
MIN_IN_SOURCE: Final = 30  # images of each class that a source needs for its own probe
MAX_SOURCES: Final = 50
_REPEATS: Final = 3
_CATEGORIES: Final = ("container", "chroma_subsampling")

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Giveaway:
    """How much the facts of one topic give away.

    Attributes:
        about: the topic, a key of the reading.
        drop: drop of the probe's AUC when these facts are shuffled together between held-out images.
        fact: the fact among them that separates the classes best on its own.
        alone: AUC of that fact on its own, 0.5 to 1; names are ordered by their proportion of fakes.
    """

    about: str
    drop: float
    fact: str
    alone: float


@dataclass(frozen=True, slots=True)
class Separation:
    """How well held-out images were separated.

    Attributes:
        auc: area under the ROC curve over all held-out images; 0.5 is chance.
        low, high: its 95 % confidence interval; both are the AUC where no resampled set changes it.
        images, fakes, units: their numbers; a unit is all images connected by a group or by copies.
    """

    auc: float
    low: float
    high: float
    images: int
    fakes: int
    units: int


@dataclass(frozen=True)
class Probe:
    """The result of one probe.

    Attributes:
        reading: a key of :data:`READINGS`.
        overall: over all images, where differences between sources help.
        within: for each source with enough of both labels, a probe trained and tested on that source alone, where they
            cannot help.
        giveaways: every topic, most telling first: by its drop or by its AUC alone, whichever says more.
        score: float64 [n], probability of fake of every image by the probe that was not trained on it; NaN where
            there is none.
    """

    reading: str
    overall: Separation
    within: dict[str, Separation]
    giveaways: tuple[Giveaway, ...]
    score: Floats = field(repr=False)


def run_probes(images: Images, units: Indices, *, common: bool = False, seed: int = 0) -> tuple[Probe, ...]:
    """Run every probe whose facts were measured.

    A probe is scikit-learn's ``HistGradientBoostingClassifier`` with equal class weights: it accepts NaN and names,
    needs no scaling, and finds what no single fact shows. It is cross-validated in 5 folds that keep units whole and
    classes balanced (``StratifiedGroupKFold``). The interval is a percentile bootstrap over units with 1,000 draws: it
    covers the chance in the sample, not the chance in training. Of more than 50,000 images, a random sample of that
    size is used, by whole units.

    Args:
        images: the images; unreadable ones are left out.
        units: int64 [n], images that must stay on one side, see :func:`~unmask.data.audit.copies.units_of`.
        common: whether the common facts were measured.
        seed: random seed for folds, boosting, shuffling and bootstrap.

    Returns:
        The probes; none when a class has fewer than 10 units.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        import sklearn  # noqa: F401 - checked once, before any work
    except ImportError as error:
        raise MissingExtraError("train", "The shortcut probe") from error
    chosen = _sample(np.flatnonzero(images.readable), units, seed)
    is_fake = images.is_fake[chosen]
    if not _enough(is_fake, units[chosen]):
        return ()
    sources = np.array([images.columns["source"][row] for row in chosen])
    within = _mixed_sources(sources, is_fake, units[chosen])
    probes = []
    for reading, kinds in READINGS.items():
        if reading.startswith("common") and not common:
            continue
        names = [name for facts in kinds.values() for name in facts]
        facts = images.facts[chosen][:, [FACTS.index(name) for name in names]]
        overall, score, giveaways = _probe(facts, names, kinds, is_fake, units[chosen], seed)
        all_scores = np.full(len(images), np.nan)
        all_scores[chosen] = score
        separations = {
            source: _probe(facts[at], names, {}, is_fake[at], units[chosen[at]], seed)[0]
            for source in within
            for at in [np.flatnonzero(sources == source)]
        }
        probes.append(Probe(reading, overall, separations, giveaways, all_scores))
    return tuple(probes)


def alone(values: npt.NDArray[Any], is_fake: Flags, *, is_name: bool = False) -> float:
    """AUC of one fact on its own, in the better direction: 0.5 to 1. NaN counts as the smallest value."""
    values = np.where(np.isnan(values), -np.inf, values)
    if is_name:
        _, code = np.unique(values, return_inverse=True)
        proportion_fake = np.bincount(code, is_fake) / np.bincount(code)
        values = proportion_fake[code]
    found = auc(values, is_fake)
    return max(found, 1 - found)


def _interval(score: Floats, is_fake: Flags, units: Indices, seed: int) -> tuple[float, float] | None:
    _, member = np.unique(units, return_inverse=True)
    ranking = Ranking(score, is_fake)
    return resample(member, lambda weight: np.array([ranking.roc(weight).auc()]), Draws(DRAWS, seed, 1)).interval(0)


def _probe(
    facts: npt.NDArray[np.float32],
    names: Sequence[str],
    kinds: Mapping[str, Sequence[str]],
    is_fake: Flags,
    units: Indices,
    seed: int,
) -> tuple[Separation, Floats, tuple[Giveaway, ...]]:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedGroupKFold
    from threadpoolctl import threadpool_limits  # a dependency of scikit-learn

    n = len(is_fake)
    # NaN is unequal to itself: a column of NaN would not look constant.
    filled = np.where(np.isnan(facts), np.float32(-1), facts)
    varies = (filled != filled[:1]).any(axis=0)
    if not varies.any():
        half = Separation(0.5, 0.5, 0.5, n, int(is_fake.sum()), len(np.unique(units)))
        return half, np.full(n, 0.5), ()
    score = np.full(n, np.nan)
    shuffled = np.full((len(kinds), _REPEATS, n), np.nan)
    rng = np.random.default_rng(seed)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    # One thread: boosting waits for its threads in a busy loop, which on a loaded machine takes 100 times as long.
    with threadpool_limits(1):
        for train, test in folds.split(facts, is_fake, units):
            if len(np.unique(is_fake[train])) < 2:
                continue  # a few units hold a whole class: the images of this fold get no score
            model = HistGradientBoostingClassifier(
                # Small leaves for small sets: the default of 20 learns nothing from 60 images.
                min_samples_leaf=int(np.clip(len(train) // 40, 2, 20)),
                max_iter=60,
                learning_rate=0.15,
                max_leaf_nodes=15,
                l2_regularization=1.0,
                class_weight="balanced",
                early_stopping=False,
                random_state=seed,
            )
            model.fit(facts[train], is_fake[train])
            score[test] = model.predict_proba(facts[test])[:, 1]
            if kinds:
                changed = _shuffle(facts[test], [[names.index(name) for name in of] for of in kinds.values()], rng)
                predicted = model.predict_proba(changed.reshape(-1, len(names)))[:, 1]
                shuffled[:, :, test] = predicted.reshape(len(kinds), _REPEATS, len(test))
    scored = ~np.isnan(score)
    fakes = is_fake[scored]
    whole = auc(score[scored], fakes)
    low, high = _interval(score[scored], fakes, units[scored], seed) or (whole, whole)
    giveaways = []
    for (about, members), scores in zip(kinds.items(), shuffled, strict=True):
        drop = whole - float(np.mean([auc(row[scored], fakes) for row in scores]))
        single = {
            name: alone(facts[:, names.index(name)], is_fake, is_name=name in _CATEGORIES)
            for name in members
            if varies[names.index(name)]
        }
        if single:
            best = max(single, key=lambda name: single[name])
            giveaways.append(Giveaway(about, drop, best, single[best]))
    # Of facts that say the same, the trees use only one, so the drop of the others is 0: the AUC alone counts, too.
    giveaways.sort(key=lambda item: -round(max(item.drop, item.alone - 0.5), 3))
    separation = Separation(whole, low, high, int(scored.sum()), int(fakes.sum()), len(np.unique(units[scored])))
    return separation, score, tuple(giveaways)


def _shuffle(facts: npt.NDArray[np.float32], kinds: Sequence[list[int]], rng: np.random.Generator) -> Any:
    """Copies of the facts with the columns of one topic shuffled together: float32 [kinds, repeats, n, facts]."""
    changed = np.broadcast_to(facts, (len(kinds), _REPEATS, *facts.shape)).copy()
    for copies, columns in zip(changed, kinds, strict=True):
        for copy in copies:
            copy[:, columns] = facts[rng.permutation(len(facts))][:, columns]
    return changed


def _sample(rows: Indices, units: Indices, seed: int) -> Indices:
    """A random sample of at most ``MAX_IMAGES`` rows, by whole units."""
    if len(rows) <= MAX_IMAGES:
        return rows
    names, member = np.unique(units[rows], return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    taken = np.zeros(len(names), bool)
    taken[order[np.cumsum(np.bincount(member)[order]) <= MAX_IMAGES]] = True
    return rows[taken[member]]


def _enough(is_fake: Flags, units: Indices) -> bool:
    return all(len(np.unique(units[is_fake == label])) >= MIN_UNITS for label in (False, True))


def _mixed_sources(sources: npt.NDArray[np.str_], is_fake: Flags, units: Indices) -> list[str]:
    """Sources with enough of both labels, largest first; none where the data set has a single source."""
    names, counts = np.unique(sources, return_counts=True)
    if len(names) < 2:
        return []
    chosen = []
    for name in names[np.argsort(-counts, kind="stable")]:
        inside = sources == name
        enough = min(int(is_fake[inside].sum()), int((~is_fake[inside]).sum())) >= MIN_IN_SOURCE
        if name and enough and _enough(is_fake[inside], units[inside]):
            chosen.append(str(name))
    return chosen[:MAX_SOURCES]
