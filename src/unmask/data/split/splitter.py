"""Split a manifest into train, validation and test without dividing what belongs together.

Clusters (see :mod:`unmask.data.split.groups`) are assigned whole, in one of two ways:

* *stable*, the default: a hash of the cluster's key and the seed gives a position in [0, 1), and the fractions divide
  that interval. A cluster's split depends only on its own key, so adding or removing other rows moves nothing. The
  price is chance: a split's fraction of n equal clusters has a standard deviation of sqrt(f(1-f)/n). No method escapes
  it: an assignment that neither row order nor other rows can change is a function of the cluster alone.
* *exact*: the largest clusters first, each to the split that lacks its kind most, as in iterative stratification
  (Sechidis, Tsoumakas and Vlahavas 2011, "On the stratification of multi-label data"), counting each label with
  its source, each label, and all images. A function of the set of rows, in any order; adding one may move others.

Either way the result is checked: each split's fraction of each label must be within a tolerance of the requested
one, or the split is refused. Memory grows with the rows: a few numbers for each, and one text for each cluster.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np
import numpy.typing as npt

from unmask.data.manifest import Manifest
from unmask.data.rows import LABELS
from unmask.data.split import balance
from unmask.data.split.groups import IntArray, read_grouping
from unmask.data.split.result import Notice, Split, SplitSet, file_names
from unmask.errors import UsageError
from unmask.text import quote

DEFAULT_FRACTIONS: Final = (0.7, 0.1, 0.2)
DEFAULT_TOLERANCE: Final = 0.05
MAX_SPLITS: Final = 200
SMALL_TEST: Final = 10
"""With fewer clusters of a class in a test set, its AUC means little."""

_NAMES: Final = {2: ("train", "test"), 3: ("train", "val", "test")}
_NAME: Final = re.compile(r"[\w.-]{1,64}")

Fractions = Mapping[str, float] | Sequence[float]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Preset:
    """A published way of splitting: its fractions, and the number of splits with successive seeds."""

    fractions: tuple[float, ...]
    repeats: int = 1


# The systems of the papers S0 to S4. S3 publishes "several ready-made splits" without their sizes: five, as S0's.
PRESETS: Final[Mapping[str, Preset]] = {
    "s0": Preset((0.7, 0.1, 0.2)),
    "s1": Preset((0.8, 0.2)),
    "s3": Preset((0.7, 0.1, 0.2), repeats=5),
    "s4": Preset((0.75, 0.25)),
}


def named_fractions(fractions: Fractions) -> dict[str, float]:
    """Fractions by the names of their splits: as given, or train and test, or train, val and test.

    Raises:
        UsageError: ``bad_fractions``: not two or three numbers, a name that is not letters, digits, ``_``, ``-`` and
            ``.``, a fraction outside (0, 1), or a sum other than 1.
    """
    if isinstance(fractions, Mapping):
        shares = dict(fractions)
    elif len(fractions) in _NAMES:
        shares = dict(zip(_NAMES[len(fractions)], fractions, strict=True))
    else:
        raise UsageError("bad_fractions", "Give two fractions for train and test, three with val, or name them.")
    if not 2 <= len(shares) <= MAX_SPLITS or not all(_NAME.fullmatch(name) for name in shares):
        raise UsageError("bad_fractions", f"At least two splits with plain names are needed, not {list(shares)}.")
    if not all(0 < share < 1 for share in shares.values()) or not math.isclose(sum(shares.values()), 1, abs_tol=1e-6):
        text = ", ".join(f"{share:g}" for share in shares.values())
        raise UsageError("bad_fractions", f"Fractions must be between 0 and 1 with a sum of 1, not {text}.")
    return shares


class Splitter:
    """A manifest read once, to be split in any way.

    Args:
        manifest: the rows. Two rows of one path may get different splits: :meth:`Manifest.validate` finds such rows.
        group: columns whose equal values keep rows together; by default ``group``, if the manifest has it.
        clusters: near-duplicates: path, as in the manifest, to the name of a cluster.
        keep: which existing splits of rows are kept: all, none, or those named. A row without a kept split follows
            its cluster.
        exact: use the balanced assignment instead of the stable one.
        tolerance: greatest difference between a split's fraction of a label's images and the requested one, in (0, 1];
            a difference below one image is always allowed.

    Raises:
        UsageError: ``unknown_column``, ``no_cluster_matches``, ``bad_tolerance``, or ``unknown_split`` for one to keep
            that no row has.
        ManifestError: a bad row, ``empty_manifest``, or ``conflicting_split``.
    """

    def __init__(
        self,
        manifest: Manifest,
        *,
        group: Sequence[str] | None = None,
        clusters: Mapping[str, str] | None = None,
        keep: bool | Collection[str] = False,
        exact: bool = False,
        tolerance: float = DEFAULT_TOLERANCE,
    ) -> None:
        if not 0 < tolerance <= 1:
            raise UsageError("bad_tolerance", f"The tolerance must be above 0 and at most 1, not {tolerance}.")
        self.manifest = manifest
        self.exact = exact
        self.tolerance = tolerance
        self.grouping = read_grouping(manifest, group, clusters, keep)
        if missing := sorted(set() if isinstance(keep, bool) else set(keep) - {*self.grouping.given_names}):
            text = f"{manifest.name}: no row has the split {balance.listed(missing)} to be kept"
            raise UsageError("unknown_split", text)
        self._labels = [label for label in LABELS if any(cell.label == label for cell in self.grouping.cells)]
        self._keeps = bool((self.grouping.given >= 0).any())
        self._hashed: dict[tuple[int, str], npt.NDArray[np.float64]] = {}

    def fractions(self, fractions: Fractions = DEFAULT_FRACTIONS, *, seed: int = 0, repeats: int = 1) -> SplitSet:
        """Split by fractions, several times with successive seeds if wanted.

        Args:
            fractions: one for each split, each in (0, 1), with a sum of 1: two numbers for train and test, three for
                train, val and test, or names to numbers.
            seed: random seed.
            repeats: number of splits, named ``split-0`` and so on if more than one.

        Raises:
            UsageError: ``bad_fractions``, ``bad_repeats``, ``nothing_to_assign`` (all is given), ``too_few_clusters``,
                ``large_cluster``, ``unbalanced`` or ``missing_class``.
        """
        shares = named_fractions(fractions)
        if not 1 <= repeats <= MAX_SPLITS:
            raise UsageError("bad_repeats", f"The number of splits must be from 1 to {MAX_SPLITS}, not {repeats}.")
        names, given = self._names(shares)
        notices, splits = self._notices(), []
        for number in range(repeats):
            name = f"split-{number}" if repeats > 1 else "split"
            codes = self._assign(given, shares, seed + number, "split")
            split = self._split(name, names, codes, seed + number)
            notices += self._checked(split, shares)
            splits.append(split)
        return SplitSet(tuple(splits), (*notices, *self._others(names, shares)))

    def folds(self, folds: int, *, seed: int = 0) -> SplitSet:
        """Split for cross-validation: fold i is ``val`` in split ``fold-i`` and ``train`` in the others.

        Kept splits are the same in all of them, so a kept ``test`` is separate from all folds.

        Args:
            folds: 2 to 200.
            seed: random seed.

        Raises:
            UsageError: ``bad_folds``, or as :meth:`fractions`.
        """
        if not 2 <= folds <= MAX_SPLITS:
            raise UsageError("bad_folds", f"The number of folds must be from 2 to {MAX_SPLITS}, not {folds}.")
        shares = {f"fold-{number}": 1 / folds for number in range(folds)}
        names, given = self._names(shares)
        drawn = self._split("folds", names, self._assign(given, shares, seed, "split"), seed)
        notices = [*self._notices(), *self._checked(drawn, shares)]
        final = ("train", "val", *(name for name in names[folds:] if name not in {"train", "val"}))
        at = np.array([0] * folds + [final.index(name) for name in names[folds:]], np.int64)
        splits = []
        for number in range(folds):
            codes = np.where(drawn.codes == number, 1, at[drawn.codes])
            splits.append(self._split(f"fold-{number}", final, codes, seed))
        return SplitSet(tuple(splits), (*notices, *self._others(final, {"train": 0.5, "val": 0.5})))

    def leave_one_out(self, column: str, fractions: Fractions = DEFAULT_FRACTIONS, *, seed: int = 0) -> SplitSet:
        """For each source, or each generator of fakes, a split whose test set holds all of it and train none.

        An AUC needs both classes. Where the value left out has fewer than 10 clusters of the other class (a generator
        makes no real images, many sources have one class), the test set also gets a part of that class: clusters that
        hold nothing else, drawn once by the seed, so that it is the same part for all values and their AUCs differ
        only by what was left out. These images are of sources that training does see.

        Clusters stay whole: images grouped with the value left out are in the test set too (``carried``). A value
        without which training lacks a class is not left out (``skipped``).

        Args:
            column: ``"source"`` or ``"generator"``.
            fractions: for train, val and test; the third is the fraction of the other class, and the ratio of the first
                two divides what is not in the test set.
            seed: random seed.

        Raises:
            UsageError: ``bad_column``, ``bad_fractions``, ``conflicting_options`` (splits are kept),
                ``nothing_to_leave_out`` (fewer than two values, or all passed over), ``too_many_values`` (over
                200), or as :meth:`fractions`.
        """
        if column not in ("source", "generator"):
            raise UsageError("bad_column", f"Only a source or a generator can be left out, not a {column}.")
        shares = named_fractions(fractions)
        if tuple(shares) != _NAMES[3]:
            raise UsageError("bad_fractions", "Leaving one out needs fractions for train, val and test.")
        if self._keeps:
            raise UsageError("conflicting_options", "Leaving one out assigns every row; no existing split can be kept.")
        cells = self.grouping.cells
        fakes_only = column == "generator"
        may_be_left_out = self._of_label("fake") if fakes_only else np.ones(len(cells), bool)
        # Compared in Python: numpy ignores NUL characters at the ends of texts.
        value_of_cell = [
            getattr(cell, column) if may else None for cell, may in zip(cells, may_be_left_out, strict=True)
        ]
        values = sorted({value for value in value_of_cell if value})
        if len(values) < 2:
            of = "generators of fakes" if fakes_only else "sources"
            raise UsageError("nothing_to_leave_out", f"{self.manifest.name}: there are {len(values)} {of}")
        if len(values) > MAX_SPLITS:
            text = f"{self.manifest.name}: {len(values)} values of {column} are more than {MAX_SPLITS}"
            raise UsageError("too_many_values", text)
        notices = self._notices()
        if blank := self._images(np.array([held == "" for held in value_of_cell])):
            text = f"{blank} images have no {column}: they may belong to one that is left out"
            notices.append(Notice("blank_value", text))
        complements: dict[str, BoolArray] = {}
        for label in self._labels:
            if label == "real" or not fakes_only:
                complements[label] = self._complement(label, shares["test"], seed)
        splits = []
        for name, value in zip(file_names(values), values, strict=True):
            own = np.array([held == value for held in value_of_cell])
            needed = {"real"} & set(self._labels) if fakes_only else self._lacking(own)
            test = np.logical_or.reduce([self.grouping.holding(own), *(complements[label] for label in needed)])
            split, said = self._leave_out(name, value, own, test, shares, seed)
            notices += said
            if split is not None:
                splits.append(split)
        if not splits:
            text = f"{self.manifest.name}: whichever {column} is left out, training or test lacks a class"
            raise UsageError("nothing_to_leave_out", text)
        return SplitSet(tuple(splits), tuple(notices))

    def _lacking(self, own: BoolArray) -> set[str]:
        """The labels with too few clusters in the cells for an AUC, except the one with the most."""
        sizes = {label: int(self.grouping.holding(own & self._of_label(label)).sum()) for label in self._labels}
        largest = max(sizes, key=lambda label: sizes[label])
        return {label for label in self._labels if sizes[label] < SMALL_TEST and label != largest}

    def _leave_out(
        self, name: str, value: str, own: BoolArray, test: BoolArray, shares: Mapping[str, float], seed: int
    ) -> tuple[Split | None, list[Notice]]:
        """The split whose test set is the clusters of a mask, or ``None`` if training would lack a class."""
        grouping, notices = self.grouping, []
        if carried := self._images(~own, grouping.holding(own)):
            text = f"{carried} other images are grouped with {quote(value)} and are in its test set too"
            notices.append(Notice("carried", text, name))
        for label in LABELS:
            holding = grouping.holding(self._of_label(label))
            tested = int((holding & test).sum())
            if not tested or (holding & ~test).sum() < 2:
                where = "training and validation" if tested else "the test set"
                text = f"{quote(value)} is not left out: {where} would have no {label} images"
                return None, [Notice("skipped", text, name)]
            if tested < SMALL_TEST:
                text = f"the test set has {tested} clusters of {label} images: too few for an AUC"
                notices.append(Notice("small_test", text, name))
        ratio = {key: shares[key] / (shares["train"] + shares["val"]) for key in ("train", "val")}
        codes = self._assign(np.where(test, 2, -1), ratio, seed, "split")
        split = self._split(name, _NAMES[3], codes, seed, value)
        return split, notices + self._checked(split, ratio)

    def _complement(self, label: str, share: float, seed: int) -> BoolArray:
        """A part of the clusters that hold one label only."""
        others = self.grouping.holding(~self._of_label(label))
        if others.all():
            return np.zeros_like(others)
        given = np.where(others, 2, -1)
        drawn: BoolArray = self._assign(given, {"rest": 1 - share, "test": share}, seed, "complement") == 1
        return drawn

    def _assign(self, given: IntArray, shares: Mapping[str, float], seed: int, purpose: str) -> IntArray:
        free = np.flatnonzero(given < 0)
        if not len(free):
            raise UsageError("nothing_to_assign", f"{self.manifest.name}: every row already has a split that is kept")
        places = self._places(seed, purpose)
        if self.exact:
            return balance.assign(self.grouping, given, tuple(shares.values()), places)
        codes = given.copy()
        codes[free] = np.searchsorted(np.cumsum([*shares.values()])[:-1], places[free], side="right")
        return codes

    def _places(self, seed: int, purpose: str) -> npt.NDArray[np.float64]:
        """[clusters] in [0, 1): the position of each cluster, from its key, the seed and the purpose alone."""
        if (seed, purpose) in self._hashed:
            return self._hashed[seed, purpose]
        start = blake2b(f"unmask split 1\0{purpose}\0{seed}\0".encode(), digest_size=8)

        def place(key: str) -> int:
            state = start.copy()
            state.update(key.encode("utf-8", "surrogatepass"))
            # 53 bits, as many as a float holds: with 64 the largest would round up to 1.
            return int.from_bytes(state.digest(), "big") >> 11

        keys = self.grouping.keys
        places: npt.NDArray[np.float64] = np.fromiter(map(place, keys), np.float64, len(keys)) * 2.0**-53
        # The same draw serves every value that is left out.
        self._hashed = {(seed, purpose): places}
        return places

    def _names(self, shares: Mapping[str, float]) -> tuple[tuple[str, ...], IntArray]:
        """All split names, and for each cluster the index of its given split, or -1."""
        given_names = self.grouping.given_names
        names = (*shares, *(name for name in given_names if name not in shares))
        at = np.array([*(names.index(name) for name in given_names), -1], np.int64)
        given: IntArray = at[self.grouping.given]
        return names, given

    def _split(
        self, name: str, names: tuple[str, ...], codes: IntArray, seed: int, left_out: str | None = None
    ) -> Split:
        return Split(name, names, codes, seed, left_out, self.manifest, self.grouping)

    def _checked(self, split: Split, shares: Mapping[str, float]) -> list[Notice]:
        found = balance.check(
            self.grouping, split.codes, shares, self.tolerance, exact=self.exact, given=self._keeps, name=split.name
        )
        return [Notice(code, text, split.name) for code, text in found]

    def _notices(self) -> list[Notice]:
        """Notices about the manifest, however it is split."""
        grouping, notices = self.grouping, []
        if not grouping.columns:
            text = "no column groups images that belong together: name one with --group, or a face may be in two splits"
            notices.append(Notice("no_groups", text))
        if grouping.unmatched:
            text = f"{grouping.unmatched} paths of the near-duplicates are not in {self.manifest.name}"
            notices.append(Notice("unmatched_clusters", text))
        if len(self._labels) == 1:
            notices.append(Notice("one_class", f"all images are {self._labels[0]}"))
            return notices
        classes: dict[str, set[str]] = {}
        for cell in grouping.cells:
            classes.setdefault(cell.source, set()).add(cell.label)
        if alone := sorted(source for source, labels in classes.items() if source and len(labels) == 1):
            text = f"{balance.listed(alone)}: one class only: a model may learn the source instead"
            notices.append(Notice("one_class_source", text))
        return notices

    def _others(self, names: Iterable[str], shares: Mapping[str, float]) -> list[Notice]:
        others = [name for name in names if name not in shares and name != "test"]
        text = f"{balance.listed(others)}: kept as given, although not among the requested splits"
        return [Notice("other_split", text)] if others else []

    def _of_label(self, label: str) -> BoolArray:
        return np.array([cell.label == label for cell in self.grouping.cells])

    def _images(self, cells: BoolArray, clusters: BoolArray | None = None) -> int:
        """The number of images of the cells, within the clusters if given."""
        grouping = self.grouping
        chosen = cells[grouping.pair_cell]
        if clusters is not None:
            chosen = chosen & clusters[grouping.pair_cluster]
        return int(grouping.pair_rows[chosen].sum())
