"""Near-duplicates: all pairs of similar hashes among a million, and the clusters that they form."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Final

import numpy as np
from numpy.typing import NDArray

from unmask.data.audit.hashing import (
    HASH_BITS,
    HASH_WORDS,
    Hashes,
    content_sha256,
    distances,
    hash_images,
    mirrored,
    perceptual_hash,
    popcount,
)
from unmask.errors import UsageError

__all__ = [
    "DEFAULT_MAX_DISTANCE",
    "HASH_BITS",
    "HASH_WORDS",
    "NearDuplicates",
    "clusters",
    "content_sha256",
    "distances",
    "hash_images",
    "mirrored",
    "near_duplicates",
    "perceptual_hash",
]

DEFAULT_MAX_DISTANCE: Final = 28
"""Greatest number of bits in which near-duplicates differ.

Of copies of the 9,480 shared images it finds all that were saved as JPEG 40, halved, brightened by 10 % or partly
desaturated, 94 % of those cropped by 2 % around and 87 % of those cropped by 2 % at one side. Among 45 million pairs
without a known connection the nearest are at 30: one man before one window in two videos. The nearest of different
people are at 33.
"""

_CHUNK_PAIRS: Final = 1 << 20
_FOLD_PAIRS: Final = 1 << 16
_SAMPLED_PAIRS: Final = 1 << 16
_MOST_TABLES: Final = 5000
_PAIR_COST: Final = 0.2  # of comparing a pair, relative to sorting one item of a table; measured

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """Pairs of similar hashes.

    Attributes:
        pairs: int64 of shape ``[m, 2]``, rows of the hashes, the smaller first, in ascending order.
        distances: int64 of shape ``[m]``, the bits that each pair differs in.
        complete: whether all pairs are listed. Otherwise there were too many, and these are enough of them to connect
            the same hashes.
    """

    pairs: Indices
    distances: Indices
    complete: bool


def near_duplicates(
    hashes: Hashes, max_distance: int = DEFAULT_MAX_DISTANCE, max_pairs: int = 5_000_000
) -> NearDuplicates:
    """Find all pairs of hashes that differ in at most ``max_distance`` bits. Exact: no pair is missed by chance.

    Equal hashes count as one: each is paired with the first of them, and only that first one with others. So a
    hundred thousand black images are a hundred thousand pairs. Where different hashes still make more than
    ``max_pairs`` pairs (the frames of many videos), the search continues for connections only: it no longer
    compares what is already connected, and :func:`clusters` gives the same result as for all pairs.

    By the pigeonhole principle, cut twice. Over blocks of bits with radii r, the sum of all (r + 1) being
    ``max_distance + 1``, near hashes are within the radius in at least one block (Norouzi, Punjani and Fleet,
    "Fast Exact Search in Hamming Space with Multi-Index Hashing", 2014, with radii of their own). Over t pieces of
    such a block, they agree in at least t - r; a table for every choice of t - r pieces, sorted, brings them
    together (Manku, Jain and Das Sarma, "Detecting Near-Duplicates for Web Crawling", 2007). Blocks and pieces are
    chosen for the least work expected, judging by the distances of sampled pairs.

    Memory is about 300 bytes a hash, and 150 bytes for each pair up to ``max_pairs``. Deterministic; the order
    of the hashes decides only which of equal ones represents them.

    Args:
        hashes: uint64 of shape ``[n, 4]``.
        max_distance: bits, 0 to 64. The work grows steeply with it; a million hashes at 28 take half a minute of
                one core.
        max_pairs: greatest number of pairs of different hashes to keep.

    Raises:
        UsageError: ``bad_hashes`` (another type or shape), ``bad_distance``.
    """
    if hashes.dtype != np.uint64 or hashes.ndim != 2 or hashes.shape[1] != HASH_WORDS:
        raise UsageError("bad_hashes", f"Hashes are uint64 of shape [n, {HASH_WORDS}].")
    if not 0 <= max_distance <= 64:
        raise UsageError("bad_distance", "The distance of near-duplicates must be from 0 to 64 bits.")
    order = np.lexsort(hashes.T)  # stable: the first of equal ones stays first
    ordered = hashes[order]
    is_first = np.ones(len(order), bool)
    is_first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    first = order[is_first]  # of every different hash, in ascending order of the hashes
    head = first[np.cumsum(is_first) - 1]
    equal = np.stack([head, order], axis=1)[~is_first]

    search = _Search(ordered[is_first], max_distance, max_pairs)
    near = search.run()
    apart = search.distances(near)
    pairs = np.concatenate([equal, np.sort(first[near], axis=1)])
    bits = np.concatenate([np.zeros(len(equal), np.int64), apart])
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return NearDuplicates(pairs[order], bits[order], search.complete)


def clusters(n: int, pairs: Indices) -> Indices:
    """Connected components: a number for each of ``n`` items, the same for all that pairs connect.

    Args:
        n: number of items.
        pairs: int64 of shape ``[m, 2]``, values 0 to n - 1.

    Returns:
        int64 of shape ``[n]``, numbered from 0 in order of each component's first item.
    """
    roots, _ = _spanning_forest(n, pairs[:, 0], pairs[:, 1])
    return (np.cumsum(roots == np.arange(n)) - 1)[roots]


def _spanning_forest(n: int, first: Indices, second: Indices) -> tuple[Indices, NDArray[np.bool_]]:
    """Each node's root (the smallest of its component) and which edges connect, early ones preferred (Borůvka)."""
    roots = np.arange(n)
    is_chosen = np.zeros(len(first), bool)
    edges = np.arange(len(first))
    while True:
        left, right = roots[first[edges]], roots[second[edges]]
        is_open = left != right
        edges, left, right = edges[is_open], left[is_open], right[is_open]
        if not len(edges):
            return roots, is_chosen
        best = np.full(n, len(first))
        np.minimum.at(best, left, edges)
        np.minimum.at(best, right, edges)
        hooked = np.flatnonzero(best < len(first))
        chosen = best[hooked]
        is_chosen[chosen] = True
        other = roots[first[chosen]] + roots[second[chosen]] - hooked
        # Edges are chosen by a total order, so a circle of choices is two nodes that chose the same edge.
        is_top = (best[other] == chosen) & (hooked < other)
        parent = np.arange(n)
        parent[hooked] = np.where(is_top, hooked, other)
        while (parent[parent] != parent).any():
            parent = parent[parent]
        smallest = np.arange(n)
        np.minimum.at(smallest, parent, np.arange(n))
        roots = smallest[parent][roots]


@dataclass(frozen=True, slots=True)
class _Block:
    """Bits of the hash, and for each table the mask of those it compares and the masks of its stray pieces."""

    bits: Indices
    tables: list[tuple[int, list[int]]]


class _Search:
    """One search among hashes that all differ: plan, tables, and the pairs found so far."""

    def __init__(self, hashes: Hashes, max_distance: int, max_pairs: int) -> None:
        self.complete = True
        self._n = len(hashes)
        self._max_distance = max_distance
        self._max_pairs = max_pairs
        self._hashes = hashes
        # The higher frequencies, which separate aligned faces best.
        self._half = np.ascontiguousarray(hashes[:, HASH_WORDS // 2 :])
        self._index_bits = max(1, (self._n - 1).bit_length())
        # Items of one label are not compared any more. Items in the order of their labels, and each one's place.
        self._labels = np.arange(self._n)
        self._by_label = self._place = self._labels
        self._kept = np.empty(0, np.int64)  # pairs, as first * n + second
        self._pending: list[Indices] = []
        self._pending_count = 0

    def run(self) -> Indices:
        """All pairs, or those that connect, int64 of shape [m, 2]."""
        if self._n > 1 and self._max_distance > 0:
            for block in self._plan():
                values = self._block_values(block.bits)
                for mask, strays in block.tables:
                    self._scan(values, mask, strays)
        self._merge()
        return self._split(self._kept)

    def _split(self, codes: Indices) -> Indices:
        return np.stack(np.divmod(codes, max(self._n, 1)), axis=1)

    def distances(self, pairs: Indices) -> Indices:
        """Bits that each pair differs in."""
        return distances(self._hashes[pairs[:, 0]], self._hashes[pairs[:, 1]])

    def _plan(self) -> list[_Block]:
        """The cheapest blocks and pieces, where a table costs n and a comparison _PAIR_COST."""
        n, distance = self._n, self._max_distance
        widest = 64 - self._index_bits
        draw = np.random.default_rng(0).integers(0, n, (2, _SAMPLED_PAIRS))
        same = HASH_BITS - distances(self._hashes[draw[0]], self._hashes[draw[1]])[draw[0] != draw[1]]
        # The chance that a pair agrees in k given bits, for k from 0: sampling bits without replacement.
        steps = np.arange(widest)
        ratios = np.maximum(same[:, None] - steps, 0) / (HASH_BITS - steps)
        agree = np.concatenate([[1.0], np.cumprod(ratios, axis=1).mean(axis=0)])
        all_pairs = _PAIR_COST * n * (n - 1) / 2

        def block_cost(width: int, radius: int) -> tuple[float, int]:
            best = (np.inf, 0)
            for pieces in range(radius + 1, width + 1):
                tables = comb(pieces, radius)
                if tables > _MOST_TABLES:
                    break
                bits = width - radius * -(-width // pieces)  # with the widest pieces left out
                best = min(best, (tables * (n + all_pairs * agree[max(bits, 0)]), pieces))
            return best

        best: tuple[float, list[tuple[int, int]]] = (all_pairs, [])
        for count in range(1, min(distance + 1, HASH_BITS) + 1):
            width = min(HASH_BITS // count, widest)
            radius, larger = divmod(distance + 1, count)
            chosen = [(block_cost(width, radius - (k >= larger)), radius - (k >= larger)) for k in range(count)]
            total = sum(cost for (cost, _), _ in chosen)
            if total < best[0]:
                best = (total, [(pieces, radius) for (_, pieces), radius in chosen])
        if not best[1]:  # few enough to compare all with all
            return [_Block(np.arange(1), [(0, [])])]
        plan = []
        for k, (pieces, radius) in enumerate(best[1]):
            # Dealt out in turn, since neighbouring frequencies are alike: every block and piece gets of all.
            bits = np.arange(k, HASH_BITS, len(best[1]))[:widest]
            masks = [sum(1 << at for at in range(piece, len(bits), pieces)) for piece in range(pieces)]
            tables = [
                (
                    sum(masks[piece] for piece in kept),
                    [masks[piece] for piece in range(kept[0], pieces) if piece not in kept],
                )
                for kept in combinations(range(pieces), pieces - radius)
            ]
            plan.append(_Block(bits, tables))
        return plan

    def _block_values(self, bits: Indices) -> Hashes:
        """The given bits of every hash as one number, the first the lowest; uint64 of shape [n]."""
        values = np.zeros(self._n, np.uint64)
        for at, bit in enumerate(bits):
            word = self._hashes[:, int(bit) // 64]
            values |= ((word >> np.uint64(bit % 64)) & np.uint64(1)) << np.uint64(at)
        return values

    def _scan(self, values: Hashes, mask: int, strays: list[int]) -> None:
        """Compare all items whose values agree under the mask; ``strays`` is for :meth:`_is_first_table`."""
        index_bits, low = np.uint64(self._index_bits), np.uint64((1 << self._index_bits) - 1)
        masked = values & np.uint64(mask)
        rest = self._by_label
        while len(rest) > 1:
            # Sorting the values with the places in their low bits is several times faster than argsort.
            packed = (masked[rest] << index_bits) | self._place[rest].astype(np.uint64)
            packed.sort()
            items = self._by_label[(packed & low).view(np.int64)]
            is_same = (packed[1:] ^ packed[:-1]) <= low
            if self.complete:
                if self._compare_all(items, is_same, values, strays):
                    return
                rest = self._by_label  # too many pairs: once more, for connections only
            else:
                rest = items[self._compare_apart(items, is_same) :]

    def _compare_all(self, items: Indices, is_same: NDArray[np.bool_], values: Hashes, strays: list[int]) -> bool:
        """Compare all items that share a key with the next, then with the second next...; False to stop it.

        Args:
            items: in the order of their keys.
            is_same: for each item but the last, whether the next has the same key.
            values: of all items.
            strays: see :meth:`_is_first_table`.
        """
        half = self._half.take(items, axis=0)
        rows = np.flatnonzero(is_same)
        step = 1
        while len(rows):
            # Half of the bits settle it nearly always; a quarter would let most pairs of different images pass.
            bits = popcount(half.take(rows, axis=0) ^ half.take(rows + step, axis=0))
            near = rows[bits[:, 0] + bits[:, 1] <= self._max_distance]
            pairs = np.stack([items[near], items[near + step]], axis=1)
            pairs = pairs[self._is_first_table(pairs, values, strays)]
            if self._add(pairs[self.distances(pairs) <= self._max_distance]):
                return False
            rows = rows[: np.searchsorted(rows, len(is_same) - step)]
            rows = rows[is_same[rows + step]]
            step += 1
        return True

    def _is_first_table(self, pairs: Indices, values: Hashes, strays: list[int]) -> NDArray[np.bool_]:
        """Whether this is the one of its block's tables that reports a pair, of those that bring it together.

        That is the table which leaves out the pieces that differ, and the foremost others to make up the number.
        So of the pieces left out, those behind the first one compared (``strays``: their masks) all differ.
        """
        differing = values[pairs[:, 0]] ^ values[pairs[:, 1]]
        is_first = np.ones(len(pairs), bool)
        for stray in strays:
            is_first &= (differing & np.uint64(stray)) != 0
        return is_first

    def _compare_apart(self, items: Indices, is_same: NDArray[np.bool_]) -> int:
        """Compare items of one key and different labels until labels change; how many are done with.

        Args:
            items: in the order of their keys, then labels.
            is_same: for each item but the last, whether the next has the same key.
        """
        is_last = np.append(~is_same, True)
        labels = self._labels[items]
        start = _next_marked(is_last | np.append(labels[1:] != labels[:-1], True)) + 1
        stop = _next_marked(is_last) + 1
        rows = np.flatnonzero(start < stop)
        counts = (stop - start)[rows]
        ends = np.cumsum(counts)
        begins = ends - counts
        at = 0
        while at < len(rows):
            to = max(int(np.searchsorted(ends, begins[at] + _CHUNK_PAIRS, side="right")), at + 1)
            left = np.repeat(rows[at:to], counts[at:to])
            right = np.repeat(start[rows[at:to]] - begins[at:to], counts[at:to]) + np.arange(begins[at], ends[to - 1])
            pairs = np.stack([items[left], items[right]], axis=1)
            bits = popcount(self._half[pairs[:, 0]] ^ self._half[pairs[:, 1]])
            pairs = pairs[bits[:, 0] + bits[:, 1] <= self._max_distance]
            at = to
            if self._add(pairs[self.distances(pairs) <= self._max_distance]):
                return int(rows[at - 1]) + 1
        return len(items)

    def _add(self, pairs: Indices) -> bool:
        """Take pairs in; whether labels changed."""
        if not len(pairs):
            return False
        pairs = np.sort(pairs, axis=1)
        self._pending.append(pairs[:, 0] * self._n + pairs[:, 1])
        self._pending_count += len(pairs)
        most = max(_FOLD_PAIRS, len(self._kept), self._max_pairs // 4) if self.complete else _FOLD_PAIRS
        if self._pending_count <= most:
            return False
        self._merge()
        return not self.complete

    def _merge(self) -> None:
        """Put the pending pairs, once each, with the kept ones; from too many on, only those that connect more."""
        pending = np.unique(np.concatenate([np.empty(0, np.int64), *self._pending]))
        self._pending, self._pending_count = [], 0
        if self.complete:
            self._kept = np.union1d(self._kept, pending)
            if len(self._kept) <= self._max_pairs:
                return
            self.complete = False
            pending, self._kept = self._kept, self._kept[:0]
        pairs = self._split(pending)
        nearest_first = np.argsort(self.distances(pairs), kind="stable")
        pending, pairs = pending[nearest_first], pairs[nearest_first]
        nodes, ends = np.unique(self._labels[pairs], return_inverse=True)
        ends = ends.reshape(pairs.shape)
        roots, is_chosen = _spanning_forest(len(nodes), ends[:, 0], ends[:, 1])
        self._kept = np.concatenate([self._kept, pending[is_chosen]])
        label_of = np.arange(self._n)
        label_of[nodes] = nodes[roots]
        self._labels = label_of[self._labels]
        self._by_label = np.argsort(self._labels, kind="stable")
        self._place = np.empty_like(self._by_label)
        self._place[self._by_label] = np.arange(self._n)


def _next_marked(is_marked: NDArray[np.bool_]) -> Indices:
    """For every position, the first marked one from there on; the last is marked."""
    marked = np.flatnonzero(is_marked)
    return np.repeat(marked, np.diff(marked, prepend=-1))
