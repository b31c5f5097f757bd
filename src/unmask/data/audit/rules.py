"""From images, copies and probes to findings, with every threshold of the audit."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final

import numpy as np

from unmask.data.audit.copies import Copies
from unmask.data.audit.findings import SEVERITIES, Finding, Severity, bounded
from unmask.data.audit.images import Images
from unmask.data.audit.probe import Probe, Separation
from unmask.data.audit.summary import describe_fact
from unmask.data.folders import CLASS_FOLDERS
from unmask.text import quote

MANY_UNREADABLE: Final = 0.01  # proportion of the rows from which broken files are an error
FEW: Final = 0.2  # proportion of the rarer label below which a set is imbalanced ...
VERY_FEW: Final = 0.05  # ... and below which that is a warning
WEAK_SHORTCUT: Final = 0.6  # lower end of a probe's interval from which a shortcut is a warning ...
STRONG_SHORTCUT: Final = 0.8  # ... and from which it is an error
SUSPECT_PROBE: Final = 0.85  # lower end from which a probe that contradicts a label is worth reporting ...
SUSPECT_SURE: Final = 0.9  # ... when it gives the other label at least this probability
EXCEPTIONS: Final = 0.1  # proportion of a generator's or kind's rows up to which the other label is an exception

_READING_NAMES: Final = {
    "file-facts": "file facts alone",
    "pixels": "trivial pixel statistics alone",
    "common-file-facts": "bytes per pixel after the common face crop and re-encoding",
    "common-pixels": "trivial pixel statistics after the common face crop and re-encoding",
}
_READING_CODES: Final = {
    "file-facts": "shortcut-file-facts",
    "pixels": "shortcut-pixels",
    "common-file-facts": "shortcut-common",
    "common-pixels": "shortcut-common",
}
_LABELS: Final = ("real", "fake")

Rows = Sequence[int]


def find_faults(images: Images, copies: Copies, probes: Sequence[Probe]) -> tuple[Finding, ...]:
    """All findings, the most severe first."""
    found = [
        *_files(images),
        *_balance(images),
        *_sources(images),
        *_shortcuts(images, probes),
        *_copied(images, copies),
        *_groups(images),
        *_contradictions(images),
        *_suspects(images, probes),
    ]
    return tuple(sorted(found, key=lambda finding: -SEVERITIES.index(finding.severity)))


def _files(images: Images) -> Iterator[Finding]:
    unfetched = [row for row, error in images.errors.items() if error.startswith("not_fetched:")]
    broken = [row for row in images.errors if row not in set(unfetched)]
    if unfetched:
        text = f"{_n(unfetched, 'row')} with a URL and no file."
        yield _about(images, "not-fetched", "warning", unfetched, text)
    if broken:
        codes = Counter(images.errors[row].partition(":")[0] for row in broken)
        severity: Severity = "error" if len(broken) >= MANY_UNREADABLE * len(images) else "warning"
        reasons = ", ".join(f"{code} {count}" for code, count in codes.most_common())
        text = f"{_n(broken, 'image')} that cannot be read ({reasons})."
        yield _about(images, "unreadable", severity, broken, text, details={"reasons": dict(codes)})
    if images.wrong_checksum:
        rows = images.wrong_checksum
        text = f"{_n(rows, 'image')} with another SHA-256 than the manifest says."
        yield _about(images, "checksum-mismatch", "error", rows, text)


def _balance(images: Images) -> Iterator[Finding]:
    fakes, n = int(images.is_fake.sum()), len(images)
    share = min(fakes, n - fakes) / n
    if share == 0:
        yield Finding("one-class", "error", f"All {n} images are {_LABELS[fakes > 0]}.")
        return
    if share < FEW:
        rarer = _LABELS[fakes * 2 < n]
        text = f"Only {100 * share:.1f} % of the images are {rarer} ({min(fakes, n - fakes)} of {n})."
        yield Finding("imbalance", "warning" if share < VERY_FEW else "info", text, details={"share": share})
    one_class = [name for name, counts in _labels_by(images, "split").items() if name and 0 in counts]
    if one_class:
        text = f"{_n(one_class, 'split')} with a single label: {', '.join(map(quote, one_class[:5]))}."
        yield Finding("one-class-split", "error", text, bounded([name] for name in one_class), len(one_class), "splits")


def _sources(images: Images) -> Iterator[Finding]:
    counts = {name: both for name, both in _labels_by(images, "source").items() if name}
    one_class = [name for name, both in counts.items() if 0 in both]
    if not one_class or not images.is_fake.any() or images.is_fake.all():
        return
    rows = sum(sum(counts[name]) for name in one_class)
    severity: Severity = "error" if len(one_class) == len(counts) else "warning"
    share = rows / len(images)
    sources = _n(list(counts), "source")
    text = f"{len(one_class)} of {sources} have a single label, {100 * share:.0f} % of the images among them."
    one_class.sort(key=lambda name: (-sum(counts[name]), name))
    items = bounded([name, _LABELS[counts[name][1] > 0]] for name in one_class)
    yield Finding("one-class-source", severity, text, items, len(one_class), "sources", {"share": share})


def _shortcuts(images: Images, probes: Sequence[Probe]) -> Iterator[Finding]:
    for probe in probes:
        name = _READING_NAMES[probe.reading]
        if severity := _shortcut_severity(probe.overall):
            telling = probe.giveaways[:3]
            medians = "; ".join(describe_fact(images, item.fact) for item in telling)
            text = (
                f"A classifier separates held-out images by {name}: {_auc(probe.overall)}."
                f" Most telling: {', '.join(item.about for item in telling)} ({medians})."
            )
            items = bounded([item.about, item.fact] for item in telling)
            details = {"reading": probe.reading, "auc": probe.overall.auc, "low": probe.overall.low}
            yield Finding(_READING_CODES[probe.reading], severity, text, items, len(items), "facts", details)
        inside = {source: found for source, found in probe.within.items() if _shortcut_severity(found)}
        if inside:
            worst = max(inside, key=lambda source: inside[source].low)
            text = (
                f"Within {len(inside)} of the {len(probe.within)} sources with both labels, a classifier separates"
                f" held-out images by {name}; the worst is {quote(worst)}: {_auc(inside[worst])}."
            )
            items = bounded([source, f"AUC {found.auc:.3f}"] for source, found in inside.items())
            yield Finding(
                "shortcut-within-source",
                _shortcut_severity(inside[worst]) or "warning",
                text,
                items,
                len(inside),
                "sources",
                {"reading": probe.reading},
            )


def _copied(images: Images, copies: Copies) -> Iterator[Finding]:
    label, split = images.is_fake, images.columns["split"]
    conflicts: list[Rows] = [rows for rows in copies.exact if len({bool(label[row]) for row in rows}) > 1]
    exact_across = [rows for rows in copies.exact if len({split[row] for row in rows} - {""}) > 1]
    graver = {rows[0] for rows in (*exact_across, *conflicts)}
    exact_within = [rows for rows in copies.exact if rows[0] not in graver]
    near_across: list[Rows] = []
    near_within: list[Rows] = []
    beside: list[Rows] = []
    for (a, b), same_everywhere in zip(copies.pairs.tolist(), copies.same_everywhere, strict=True):
        pair = (a, b)
        if split[a] != split[b] and split[a] and split[b]:
            near_across.append(pair)
        if label[a] != label[b]:
            (conflicts if same_everywhere else beside).append(pair)
        elif split[a] == split[b] or not (split[a] and split[b]):
            near_within.append(pair)
    if conflicts:
        text = f"{_n(conflicts, 'image')} with copies under both labels."
        # The same bytes cannot be both; what looks the same may be a fake of very little change.
        severity: Severity = "error" if any(rows in copies.exact for rows in conflicts) else "warning"
        yield _sets(images, "label-conflict", severity, conflicts, text)
    if exact_across:
        text = f"{_n(exact_across, 'file')} in more than one split, byte for byte."
        yield _sets(images, "exact-duplicate-across-splits", "error", exact_across, text)
    if near_across:
        text = f"{_n(near_across, 'pair')} of near-duplicates in different splits."
        yield _sets(images, "near-duplicate-across-splits", "error", near_across, text)
    if exact_within:
        text = f"{_n(exact_within, 'file')} in the set more than once, byte for byte."
        yield _sets(images, "exact-duplicate", "warning", exact_within, text)
    if near_within:
        group = images.columns["group"]
        apart = sum(not group[a] or group[a] != group[b] for a, b in near_within)
        text = (
            f"{_n(near_within, 'pair')} of near-duplicates in one split with one label, {apart} without a common group."
        )
        yield _sets(images, "near-duplicate", "info", near_within, text, details={"without_group": apart})
    if beside:
        text = f"{_n(beside, 'pair')} of a fake and a real image that are alike and differ in part."
        yield _sets(images, "fake-beside-its-source", "info", beside, text)


def _groups(images: Images) -> Iterator[Finding]:
    splits: dict[str, dict[str, int]] = defaultdict(dict)
    for row, (group, split) in enumerate(zip(images.columns["group"], images.columns["split"], strict=True)):
        if group and split:
            splits[group].setdefault(split, row)
    crossing = {group: rows for group, rows in splits.items() if len(rows) > 1}
    if crossing:
        text = f"{_n(list(crossing), 'group')} with images in more than one split."
        sets = [list(rows.values()) for rows in crossing.values()]
        yield _sets(images, "group-crosses-splits", "error", sets, text)


def _contradictions(images: Images) -> Iterator[Finding]:
    """Labels that another column, or the class folder in the path, contradicts."""
    claims: dict[int, str] = {}
    for column in ("kind", "generator"):
        cells = images.columns[column]
        for value, (reals, fakes) in _labels_by(images, column).items():
            named = value.lower() if value.lower() in _LABELS else ""
            rarer_is_fake = named == "real" if named else fakes < reals
            few = fakes if rarer_is_fake else reals
            if not value or not few or (not named and few > EXCEPTIONS * (reals + fakes)):
                continue
            for row, cell in enumerate(cells):
                if cell == value and bool(images.is_fake[row]) == rarer_is_fake:
                    claims.setdefault(row, f"{column} {quote(value)}")
    for row, path in enumerate(images.path):
        folders = [part.lower() for part in PurePosixPath(path).parts[:-1] if part.lower() in CLASS_FOLDERS]
        if folders and folders[-1] != _LABELS[bool(images.is_fake[row])]:
            claims.setdefault(row, f"folder {folders[-1]}")
    if claims:
        reasons = Counter(claims.values())
        first = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common(3))
        text = f"{_n(list(claims), 'image')} whose label another column or the folder contradicts ({first})."
        details = {"reasons": dict(reasons.most_common(20))}
        yield _about(images, "label-contradiction", "warning", sorted(claims), text, details=details)


def _suspects(images: Images, probes: Sequence[Probe]) -> Iterator[Finding]:
    doubt = np.zeros(len(images))
    strong = [probe for probe in probes if probe.overall.low >= SUSPECT_PROBE]
    for probe in strong:
        against = np.where(images.is_fake, 1 - probe.score, probe.score)
        doubt = np.fmax(doubt, against)
    rows = np.flatnonzero(doubt >= SUSPECT_SURE)
    if len(rows):
        rows = rows[np.argsort(-doubt[rows], kind="stable")]
        names = " or ".join(_READING_NAMES[probe.reading] for probe in strong)
        text = f"{_n(rows.tolist(), 'image')} like those of the other label by {names}."
        yield _about(images, "label-suspect", "info", rows.tolist(), text)


def _shortcut_severity(found: Separation) -> Severity | None:
    return "error" if found.low >= STRONG_SHORTCUT else "warning" if found.low >= WEAK_SHORTCUT else None


def _auc(found: Separation) -> str:
    return f"AUC {found.auc:.3f}, 95 % interval {found.low:.3f} to {found.high:.3f}"


def _labels_by(images: Images, column: str) -> dict[str, tuple[int, int]]:
    """By value of a column: the numbers of real and of fake images."""
    counts = Counter(zip(images.columns[column], map(bool, images.is_fake), strict=True))
    return {name: (counts[name, False], counts[name, True]) for name in dict.fromkeys(images.columns[column])}


def _n(items: Sequence[object], what: str) -> str:
    return f"{len(items)} {what}{'' if len(items) == 1 else 's'}"


def _about(
    images: Images,
    code: str,
    severity: Severity,
    rows: Rows,
    text: str,
    *,
    details: Mapping[str, object] | None = None,
) -> Finding:
    """A finding about single images."""
    return _sets(images, code, severity, [[row] for row in rows], text, details=details)


def _sets(
    images: Images,
    code: str,
    severity: Severity,
    sets: Sequence[Rows],
    text: str,
    *,
    details: Mapping[str, object] | None = None,
) -> Finding:
    """A finding about images that belong together."""
    rows = bounded(sets)
    items = tuple(tuple(images.path[row] for row in item) for item in rows)
    return Finding(code, severity, text, items, len(sets), details=dict(details or {}), rows=rows)
