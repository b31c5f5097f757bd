"""Which images are copies of others: the same bytes, or nearly the same image."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from unmask.data.audit.duplicates import DEFAULT_MAX_DISTANCE, clusters, mirrored, near_duplicates
from unmask.data.audit.images import Images

SAME_EVERYWHERE: Final = 9.0
"""Greatest difference of any cell of 16 x 16, in grey levels, for two copies to count as the same image.

Of 202 shared images saved as JPEG 40 all stay below 3, of those halved 90 % below 9.
"""
PART_DISTANCE: Final = 64
"""Bits up to which a fake and a real image are compared in detail: an exchanged face flips many."""
PART_SHARE: Final = 0.55
"""Cells of 16 x 16 that must agree for a fake beyond the distance of near-duplicates to count as made from an image."""
MAX_FOR_PARTS: Final = 30_000
"""With more images, nothing is compared beyond the distance of near-duplicates: the work grows with the square."""

_PART_LEVELS: Final = 4.0  # grey levels up to which a cell agrees
_PART_TEXTURE: Final = 15.0  # least deviation of the cells that agree: two plain backgrounds prove nothing

_THUMB_SIDE: Final = 16
_CHUNK: Final = 1 << 16

Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Copies:
    """Copies among n images.

    Attributes:
        exact: rows whose files have the same bytes, two or more each.
        pairs: near-duplicates that are not exact, int64 [m, 2], the nearest first; blank images have none. Images
            of equal hash are each paired with the first of them only. Among them are pairs of a fake and a real
            image whose hashes are further apart, but which agree in most of the image.
        distances: int64 [m], bits of 256 that the pair's hashes differ in.
        mirrored: bool [m]: one resembles the other's mirror image.
        same_everywhere: bool [m]: nowhere do they differ by more than re-encoding and resizing explain; otherwise
            part of the image was changed, as in a fake and the photograph that it was made from.
        cluster: int64 [n], the same number for all images that copies connect, exact and near.
        complete: whether all near pairs are listed; otherwise enough of them to connect the same images.
    """

    exact: tuple[tuple[int, ...], ...]
    pairs: Indices
    distances: Indices
    mirrored: Flags
    same_everywhere: Flags
    cluster: Indices
    complete: bool


def find_copies(images: Images, max_distance: int = DEFAULT_MAX_DISTANCE) -> Copies:
    """Find exact and near-duplicates, mirror images among them.

    Args:
        images: the images; unreadable ones are left out.
        max_distance: bits of 256 up to which hashes count as near.

    Raises:
        UsageError: ``bad_distance``.
    """
    by_content: dict[bytes, list[int]] = defaultdict(list)
    for row in np.flatnonzero(images.readable):
        by_content[images.sha256[row]].append(int(row))
    exact = tuple(tuple(rows) for rows in by_content.values() if len(rows) > 1)
    content = np.arange(len(images))
    for rows in exact:
        content[list(rows)] = rows[0]

    rows_with_hash = np.flatnonzero(images.readable & images.hashes.any(axis=1))
    hashes = images.hashes[rows_with_hash]
    # Mirror images are found by their own hashes, appended to the others.
    found = near_duplicates(np.concatenate([hashes, mirrored(hashes)]), max_distance)
    n = len(hashes)
    left, right = found.pairs[:, 0] % max(n, 1), found.pairs[:, 1] % max(n, 1)
    is_mirrored = (found.pairs[:, 0] < n) & (found.pairs[:, 1] >= n)
    # A pair of two mirrored hashes adds nothing; an image that resembles its own mirror image is not a copy.
    is_new = (found.pairs[:, 0] < n) & (left != right)
    pairs = rows_with_hash[np.sort(np.stack([left, right], axis=1), axis=1)]
    is_new &= content[pairs[:, 0]] != content[pairs[:, 1]]
    order = np.lexsort((is_mirrored, pairs[:, 1], pairs[:, 0]))
    order = order[is_new[order]]
    pairs, distances, is_mirrored = pairs[order], found.distances[order], is_mirrored[order]
    # A symmetric image can be found both ways: one pair is enough.
    first = np.ones(len(pairs), bool)
    first[1:] = (pairs[1:] != pairs[:-1]).any(axis=1)
    pairs, distances, is_mirrored = pairs[first], distances[first], is_mirrored[first]
    if n <= MAX_FOR_PARTS:
        made, bits = _made_from(images, rows_with_hash, max_distance)
        pairs, distances = np.concatenate([pairs, made]), np.concatenate([distances, bits])
        is_mirrored = np.concatenate([is_mirrored, np.zeros(len(made), bool)])
    order = np.lexsort((pairs[:, 1], pairs[:, 0], distances))
    pairs, distances, is_mirrored = pairs[order], distances[order], is_mirrored[order]

    chains = [np.array([(a, b) for rows in exact for a, b in pairwise(rows)], np.int64).reshape(-1, 2)]
    return Copies(
        exact=exact,
        pairs=pairs,
        distances=distances,
        mirrored=is_mirrored,
        same_everywhere=_same_everywhere(images.thumbs, pairs, is_mirrored),
        cluster=clusters(len(images), np.concatenate([*chains, pairs])),
        complete=found.complete,
    )


def units_of(images: Images, copies: Copies) -> Indices:
    """Units that must stay on one side of a split: int64 [n], one number for rows linked by groups and copies."""
    first: dict[str, int] = {}
    pairs = [(first.setdefault(group, row), row) for row, group in enumerate(images.columns["group"]) if group]
    by_cluster = np.unique(copies.cluster, return_index=True)[1][copies.cluster]
    along_copies = np.stack([by_cluster, np.arange(len(images))], axis=1)
    return clusters(len(images), np.concatenate([np.array(pairs, np.int64).reshape(-1, 2), along_copies]))


def _made_from(images: Images, rows: Indices, beyond: int) -> tuple[Indices, Indices]:
    """Pairs of a fake and a real image with a distance above ``beyond`` that agree in most of the image.

    Returns:
        Their rows, int64 [m, 2], the smaller first, and distances, int64 [m].
    """
    found = near_duplicates(images.hashes[rows], max(beyond, PART_DISTANCE))
    pairs = rows[found.pairs]
    wanted = (found.distances > beyond) & (images.is_fake[pairs[:, 0]] != images.is_fake[pairs[:, 1]])
    pairs, distances = np.sort(pairs[wanted], axis=1), found.distances[wanted]
    agree = np.empty(len(pairs), bool)
    for start in range(0, len(pairs), _CHUNK):
        part = slice(start, start + _CHUNK)
        a, b = (images.thumbs[pairs[part, side]].astype(np.float32) for side in (0, 1))
        # The median: whatever was exchanged, most of the image shows how much lighter the other one is.
        apart = a - b
        cells = np.abs(apart - np.median(apart, axis=1, keepdims=True)) <= _PART_LEVELS
        count = np.maximum(cells.sum(axis=1), 1)
        mean = (a * cells).sum(axis=1) / count
        texture = np.sqrt((((a - mean[:, None]) ** 2) * cells).sum(axis=1) / count)
        agree[part] = (cells.mean(axis=1) >= PART_SHARE) & (texture >= _PART_TEXTURE)
    return pairs[agree], distances[agree]


def _same_everywhere(thumbs: npt.NDArray[np.uint8], pairs: Indices, is_mirrored: Flags) -> Flags:
    """Whether 16 x 16 grey levels agree everywhere, apart from one gain and offset for the whole image."""
    same = np.empty(len(pairs), bool)
    for start in range(0, len(pairs), _CHUNK):
        part = slice(start, start + _CHUNK)
        a, b = (thumbs[pairs[part, side]].astype(np.float32) for side in (0, 1))
        flipped = b.reshape(-1, _THUMB_SIDE, _THUMB_SIDE)[:, :, ::-1].reshape(b.shape)
        b = np.where(is_mirrored[part, None], flipped, b)
        a -= a.mean(axis=1, keepdims=True)
        b -= b.mean(axis=1, keepdims=True)
        # Least squares in one unknown; limited, so that a gain cannot explain one image by another.
        gain = (a * b).sum(axis=1) / np.maximum((b * b).sum(axis=1), 1.0)
        rest = a - np.clip(gain, 0.8, 1.25)[:, None] * b
        same[part] = np.abs(rest).max(axis=1) <= SAME_EVERYWHERE
    return same
