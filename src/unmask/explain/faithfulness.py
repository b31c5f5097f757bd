"""Whether an evidence map is faithful: how the prediction changes when cells are removed in the map's order.

Deletion and insertion (Petsiuk et al., BMVC 2018): cells are blurred, or restored in a blurred crop, in the order of
their evidence for the verdict, while the probability of the verdict is recorded. A faithful map has a small area under
the deletion curve and a large one under the insertion curve. It is compared with random orders and with the map of a
network with random weights, which should be no better than chance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from unmask.explain.maps import EvidenceMap, Floats, Score, score_without
from unmask.imaging.preprocessing import Pixels

STEPS: Final = 6
RANDOM_ORDERS: Final = 8
RELIABLE: Final = 0.875
"""A map is reliable if it beats at least this proportion of the random orders, and their mean."""

Depth = Literal["none", "quick", "full"]
"""How deeply a map is checked: not at all, against random orders, or also against two other maps."""

Map = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Curves:
    """The verdict's probability as cells are blurred and restored, at even steps from no cell to all cells.

    Attributes:
        deletion: probabilities from the original crop to the blurred one.
        insertion: probabilities from the blurred crop to the original one.
    """

    deletion: tuple[float, ...]
    insertion: tuple[float, ...]

    @property
    def deletion_area(self) -> float:
        """Area under the deletion curve, in [0, 1]; smaller is better."""
        return _area(self.deletion)

    @property
    def insertion_area(self) -> float:
        """Area under the insertion curve, in [0, 1]; larger is better."""
        return _area(self.insertion)


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """How faithful the map of one crop is.

    Attributes:
        towards: the class whose probability is recorded, +1 for fake, -1 for real.
        fractions: fraction of the cells that are blurred, or restored, at each step of the curves.
        map: curves in the order of the map.
        random: curves in random orders.
        redrawn: curves in the order of the map of a network with random weights; ``None`` without one.
        redrawn_correlation: Spearman's rank correlation of that map with the map; should be near 0.
        agreement: Spearman's rank correlation of the map with one by another method; ``None`` without one.
    """

    towards: int
    fractions: tuple[float, ...]
    map: Curves
    random: tuple[Curves, ...]
    redrawn: Curves | None
    redrawn_correlation: float | None
    agreement: float | None

    @property
    def deletion_gain(self) -> float:
        """Mean deletion area of random orders minus that of the map; above 0 is better than chance."""
        return self._random("deletion_area") - self.map.deletion_area

    @property
    def insertion_gain(self) -> float:
        """Insertion area of the map minus the mean of random orders; above 0 is better than chance."""
        return self.map.insertion_area - self._random("insertion_area")

    @property
    def gain(self) -> float:
        """Mean of both gains; above 0 the map is better than chance."""
        return (self.deletion_gain + self.insertion_gain) / 2

    @property
    def redrawn_gain(self) -> float | None:
        """The gain of the map of the network with random weights; should be near 0."""
        if self.redrawn is None:
            return None
        deletion = self._random("deletion_area") - self.redrawn.deletion_area
        return (deletion + self.redrawn.insertion_area - self._random("insertion_area")) / 2

    @property
    def beaten(self) -> int:
        """Number of random orders that the map beats, by insertion area minus deletion area."""
        ours = self.map.insertion_area - self.map.deletion_area
        return sum(ours > each.insertion_area - each.deletion_area for each in self.random)

    @property
    def reliable(self) -> bool:
        """Whether the map may be relied on: it is better than chance, see :data:`RELIABLE`."""
        return self.gain > 0 and self.beaten >= RELIABLE * len(self.random)

    def _random(self, area: str) -> float:
        return float(np.mean([getattr(curves, area) for curves in self.random]))

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        figures = ("deletion_gain", "insertion_gain", "gain", "redrawn_gain", "redrawn_correlation", "agreement")
        return {
            "towards": "fake" if self.towards > 0 else "real",
            **{name: _rounded(getattr(self, name)) for name in figures},
            "random_orders": len(self.random),
            "random_orders_beaten": self.beaten,
            "fractions": [_rounded(each) for each in self.fractions],
            "map": _curves(self.map),
            "random": _curves(mean_curves(self.random)),
            "redrawn": self.redrawn and _curves(self.redrawn),
        }


def check(
    score: Score,
    pixels: Pixels,
    evidence: EvidenceMap,
    towards: int,
    *,
    redrawn: Map | None = None,
    other: EvidenceMap | None = None,
    orders: int = RANDOM_ORDERS,
    seed: int = 0,
    advance: Callable[[], None] = lambda: None,
) -> Faithfulness:
    """Check a map against the detector that it explains.

    Args:
        score: the detector.
        pixels: the crop, uint8 [size, size, 3], as the detector sees it.
        evidence: its map.
        towards: +1 to explain a verdict of fake, -1 of real.
        redrawn: float32 [h, w], the map of a network with random weights, on the same grid.
        other: a map by another method, on the same grid.
        orders: number of random orders, at least 1.
        seed: random seed of these orders.
        advance: called after each run of the detector, :func:`runs` times.
    """
    cells = evidence.values.size
    steps = min(STEPS, cells)
    counts = [round(cells * step / steps) for step in range(steps + 1)]
    rng = np.random.default_rng(seed)
    ranked = [_order(evidence.values * towards), *(rng.permutation(cells) for _ in range(orders))]
    if redrawn is not None:
        ranked.append(_order(redrawn * towards))
    removed = [np.zeros(cells, bool), np.ones(cells, bool)]
    for order in ranked:
        gone = [np.isin(np.arange(cells), order[:count]) for count in counts[1:-1]]
        removed += [*gone, *(~each for each in gone)]
    logits = score_without(score, pixels, np.stack(removed).reshape(-1, *evidence.grid), advance)
    probability = 1 / (1 + np.exp(-np.clip(towards * logits, -500, 500)))
    curves = _split(probability, len(ranked), steps)
    return Faithfulness(
        towards=towards,
        fractions=tuple(count / cells for count in counts),
        map=curves[0],
        random=tuple(curves[1 : orders + 1]),
        redrawn=None if redrawn is None else curves[-1],
        redrawn_correlation=None if redrawn is None else rank_correlation(evidence.values, redrawn),
        agreement=None if other is None else rank_correlation(evidence.values, other.values),
    )


def runs(cells: int, orders: int = RANDOM_ORDERS, *, redrawn: bool = True) -> int:
    """Number of images that the detector judges in :func:`check`."""
    return 2 + 2 * (min(STEPS, cells) - 1) * (orders + 1 + redrawn)


def rank_correlation(a: Map, b: Map) -> float | None:
    """Spearman's rank correlation of two maps on one grid; ``None`` if either is constant."""
    first, second = (_ranks(each.ravel()) for each in (a, b))
    spreads = first.std() * second.std()
    if spreads == 0:
        return None
    return float(((first - first.mean()) * (second - second.mean())).mean() / spreads)


def mean_curves(curves: Sequence[Curves]) -> Curves:
    """The mean of curves at each step."""
    return Curves(
        tuple(float(each) for each in np.mean([each.deletion for each in curves], 0)),
        tuple(float(each) for each in np.mean([each.insertion for each in curves], 0)),
    )


def _split(probability: Floats, orders: int, steps: int) -> list[Curves]:
    whole, gone = float(probability[0]), float(probability[1])
    inner = probability[2:].reshape(orders, 2, steps - 1)
    return [
        # The k cells that deletion leaves sharp are those that insertion in the same order has restored.
        Curves((whole, *map(float, deletion), gone), (gone, *map(float, insertion), whole))
        for deletion, insertion in inner
    ]


def _order(evidence: Map) -> npt.NDArray[np.intp]:
    """Cells from the most evidence for the verdict to the least, equal ones in reading order."""
    return np.argsort(-evidence.ravel(), kind="stable")


def _ranks(values: Map) -> Floats:
    """Ranks from 0; equal values get the mean of their ranks."""
    _, member, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts + 1) / 2)[member], np.float64)


def _area(curve: tuple[float, ...]) -> float:
    return float(np.trapezoid(curve, dx=1 / (len(curve) - 1)))


def _curves(curves: Curves) -> dict[str, Any]:
    return {
        "deletion": [_rounded(each) for each in curves.deletion],
        "insertion": [_rounded(each) for each in curves.insertion],
        "deletion_area": _rounded(curves.deletion_area),
        "insertion_area": _rounded(curves.insertion_area),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
