"""Which rows of a manifest must stay together: rows of one group, and near-duplicates.

Rows are united by union-find, so a chain of equal values is one cluster. The result does not depend on the order of
the rows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from unmask.data import tables
from unmask.data.manifest import Manifest
from unmask.data.rows import STANDARD_COLUMNS, ManifestRow
from unmask.errors import ManifestError, UsageError
from unmask.text import quote

IntArray = npt.NDArray[np.int64]

_NEVER_A_KEY: Final = 2**30


class Cell(NamedTuple):
    """The combination of values that rows are counted by."""

    label: str
    source: str
    generator: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Grouping:
    """The rows of a manifest as clusters; takes about 0.5 kB per row to make and 0.2 kB to keep.

    Clusters are numbered in the order of their keys and cells are sorted, so that the same rows in another order
    give the same grouping but for ``cluster_of_row``.

    Attributes:
        columns: the columns that rows were grouped by.
        cells: every combination of label, source and generator that occurs.
        keys: one name per cluster, see :func:`read_grouping`.
        cluster_of_row: [rows] the cluster of each row, in the manifest's order.
        pair_cluster: [pairs] ascending; with the next two, how many rows of each cell a cluster holds.
        pair_cell: [pairs] index into ``cells``.
        pair_rows: [pairs] at least 1.
        given_names: the values of ``split`` that are kept.
        given: [clusters] index into ``given_names``, -1 where nothing is given.
        unmatched: paths of the near-duplicate clusters that no row has.
    """

    columns: tuple[str, ...]
    cells: tuple[Cell, ...]
    keys: tuple[str, ...]
    cluster_of_row: IntArray
    pair_cluster: IntArray
    pair_cell: IntArray
    pair_rows: IntArray
    given_names: tuple[str, ...]
    given: IntArray
    unmatched: int

    def holding(self, cells: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """[clusters] whether a cluster has a row of one of the cells, given as a mask over ``cells``."""
        found = np.zeros(len(self.keys), bool)
        found[self.pair_cluster[cells[self.pair_cell]]] = True
        return found

    def describe(self, cluster: int) -> str:
        """A cluster's key for a message, e.g. ``group 'person-7'``."""
        column, _, value = self.keys[cluster].partition("\0")
        return f"{column or 'image'} {quote(value)}"


class _Forest:
    """Union-find over nodes that each stand for a value of a column."""

    def __init__(self) -> None:
        self.parent: list[int] = []
        self.tier: list[int] = []
        self.value: list[str] = []
        self._nodes: dict[int, dict[str, int]] = {}

    def node(self, tier: int, value: str) -> int:
        nodes = self._nodes.setdefault(tier, {})
        found = nodes.get(value)
        if found is None:
            found = nodes[value] = len(self.parent)
            self.parent.append(found)
            self.tier.append(tier)
            self.value.append(value)
        return found

    def find(self, node: int) -> int:
        parent = self.parent
        while parent[node] != node:
            parent[node] = node = parent[parent[node]]
        return node

    def keys(self) -> dict[int, int]:
        """Of each root, the node in its cluster with the smallest tier and then the smallest value."""
        best: dict[int, int] = {}
        tier, value = self.tier, self.value
        for node in range(len(self.parent)):
            if tier[node] == _NEVER_A_KEY:
                continue
            root = self.find(node)
            held = best.setdefault(root, node)
            if held != node and (tier[node], value[node]) < (tier[held], value[held]):
                best[root] = node
        return best


def read_grouping(
    manifest: Manifest,
    group: Sequence[str] | None = None,
    clusters: Mapping[str, str] | None = None,
    keep: bool | Collection[str] = False,
) -> Grouping:
    """Read a manifest once and unite its rows.

    A cluster's key is the smallest value that its rows have in the first grouping column, in the second where the
    first is blank in all of them, and so on; without any, the smallest path (or URL). The names in ``clusters``
    are never keys, since another search for duplicates may number them differently.

    Args:
        manifest: the rows.
        group: columns; rows with the same value in any of them are united, blank cells unite nothing. By default
            ``group`` where the manifest has it.
        clusters: path, as the manifest writes it, to the name of a cluster of near-duplicates.
        keep: whether the splits that the rows have are kept: all, none, or those named.

    Raises:
        UsageError: ``unknown_column``, or ``no_cluster_matches`` when no row has a path of ``clusters``.
        ManifestError: a bad row, ``empty_manifest``, or ``conflicting_split``: a cluster with two given splits.
    """
    columns = tuple(group) if group is not None else tuple({"group"} & set(manifest.columns))
    for column in columns:
        if column not in manifest.columns:
            raise UsageError("unknown_column", f"{manifest.name}: there is no column {quote(column)}")
    forest = _Forest()
    cells: dict[Cell, int] = {}
    kept: dict[str, int] = {}
    node_of_row, cell_of_row, kept_of_row = [], [], []
    keep_all, keep_some = keep is True, frozenset() if isinstance(keep, bool) else frozenset(keep)
    matched: set[str] = set()
    for row in manifest:
        values = [(tier, value) for tier, column in enumerate(columns) if (value := _value(row, column))]
        near = clusters.get(row.path, "") if clusters and row.path else ""
        if near:
            matched.add(row.path)
        nodes = [forest.node(tier, value) for tier, value in values]
        if not nodes:
            nodes.append(forest.node(len(columns), row.path or row.url))
        if near:
            nodes.append(forest.node(_NEVER_A_KEY, near))
        root = forest.find(nodes[0])
        for node in nodes[1:]:
            forest.parent[forest.find(node)] = root
        node_of_row.append(root)
        cell_of_row.append(cells.setdefault(Cell(row.label, row.source, row.generator), len(cells)))
        split = row.split if row.split and (keep_all or row.split in keep_some) else ""
        kept_of_row.append(kept.setdefault(split, len(kept)) if split else -1)
    if not node_of_row:
        raise ManifestError("empty_manifest", f"{manifest.name}: there are no rows")
    named = sum(1 for name in clusters.values() if name) if clusters else 0
    if named and not matched:
        text = f"{manifest.name}: no row has a path from the near-duplicates file; does it belong to another manifest?"
        raise UsageError("no_cluster_matches", text)

    key_node = forest.keys()
    roots = sorted(key_node, key=lambda root: (forest.tier[key_node[root]], forest.value[key_node[root]]))
    number = np.zeros(len(forest.parent), np.int64)
    number[roots] = np.arange(len(roots))
    cluster_of_row = number[np.fromiter(map(forest.find, node_of_row), np.int64, len(node_of_row))]
    prefixes = (*columns, "")
    keys = tuple(f"{prefixes[forest.tier[key_node[root]]]}\0{forest.value[key_node[root]]}" for root in roots)
    ordered = sorted(cells)
    new_cell = np.array(_ranks(cells, ordered), np.int64)
    pairs = cluster_of_row * len(ordered) + new_cell[np.array(cell_of_row, np.int64)]
    unique, pair_rows = np.unique(pairs, return_counts=True)
    names = sorted(kept)
    kept_rows = np.array([*_ranks(kept, names), -1], np.int64)[np.array(kept_of_row, np.int64)]
    grouping = Grouping(
        columns=columns,
        cells=tuple(ordered),
        keys=keys,
        cluster_of_row=cluster_of_row,
        pair_cluster=unique // len(ordered),
        pair_cell=unique % len(ordered),
        pair_rows=pair_rows.astype(np.int64),
        given_names=tuple(names),
        given=_given(kept_rows, cluster_of_row, len(roots)),
        unmatched=named - len(matched),
    )
    _check_given(manifest, grouping, kept_rows)
    return grouping


def read_clusters(path: Path) -> dict[str, str]:
    """Clusters of near-duplicates from a CSV or Parquet file with the columns ``path`` and ``cluster``.

    Returns:
        Path to cluster; rows whose cluster is blank are left out.

    Raises:
        ManifestError: ``unreadable_manifest``, ``empty_manifest``, ``missing_column``, or ``bad_row`` (wrong
            number of cells, or a path in two clusters).
    """
    table = tables.open_table(path, guarded=True)
    for wanted in ("path", "cluster"):
        if wanted not in table.columns:
            raise ManifestError("missing_column", f"{path}: there is no column {wanted}")
    at_path, at_cluster = table.columns.index("path"), table.columns.index("cluster")
    clusters: dict[str, str] = {}
    for line, cells in table.rows():
        if len(cells) != len(table.columns):
            text = f"{path}: row {line}: has {len(cells)} cells instead of {len(table.columns)}"
            raise ManifestError("bad_row", text)
        image, cluster = cells[at_path], cells[at_cluster]
        if image and cluster and clusters.setdefault(image, cluster) != cluster:
            raise ManifestError("bad_row", f"{path}: row {line}: {quote(image)} is already in another cluster")
    return clusters


def _value(row: ManifestRow, column: str) -> str:
    value: str = getattr(row, column) if column in STANDARD_COLUMNS else row.extra.get(column, "")
    return value


def _ranks(numbered: Mapping[Any, int], ordered: Sequence[Any]) -> list[int]:
    """For each number in order of appearance, its rank."""
    ranks = [0] * len(ordered)
    for rank, item in enumerate(ordered):
        ranks[numbered[item]] = rank
    return ranks


def _given(kept_rows: IntArray, cluster_of_row: IntArray, clusters: int) -> IntArray:
    given = np.full(clusters, -1, np.int64)
    np.maximum.at(given, cluster_of_row, kept_rows)
    return given


def _check_given(manifest: Manifest, grouping: Grouping, kept_rows: IntArray) -> None:
    wrong = (kept_rows >= 0) & (kept_rows != grouping.given[grouping.cluster_of_row])
    if not wrong.any():
        return
    first = int(np.argmax(wrong))
    cluster = grouping.cluster_of_row[first]
    other = int(np.argmax((grouping.cluster_of_row == cluster) & (kept_rows == grouping.given[cluster])))
    lines = {place: row.line for place, row in enumerate(manifest) if place in (first, other)}
    count = len(np.unique(grouping.cluster_of_row[wrong]))
    more = f" (and {count - 1} more such clusters)" if count > 1 else ""
    in_rows = " and ".join(
        f"{quote(grouping.given_names[kept_rows[place]])} in row {lines[place]}" for place in sorted((first, other))
    )
    text = f"{manifest.name}: {grouping.describe(cluster)} has two splits, {in_rows}{more}"
    raise ManifestError("conflicting_split", text)
