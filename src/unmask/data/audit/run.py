"""The audit as one call, and its result as JSON and as clusters for ``unmask data split``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unmask.data import tables
from unmask.data.audit.copies import Copies, find_copies, units_of
from unmask.data.audit.duplicates import DEFAULT_MAX_DISTANCE
from unmask.data.audit.findings import Finding, Severity, at_least
from unmask.data.audit.images import Images, read_images
from unmask.data.audit.probe import Probe, Separation, run_probes
from unmask.data.audit.rules import find_faults
from unmask.data.audit.summary import counts, facts_by_class, facts_by_source
from unmask.data.manifest import Manifest
from unmask.imaging.preprocessing import Preprocessing

_DIGITS = 4


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        name: the manifest's.
        seed: of the probes.
        images: every row with the facts of its image.
        copies: exact and near-duplicates.
        probes: the results of the shortcut probes; empty if they were not run or there were too few images.
        findings: the most severe first.
    """

    name: str
    seed: int
    images: Images
    copies: Copies
    probes: tuple[Probe, ...]
    findings: tuple[Finding, ...]

    def fails(self, floor: Severity) -> bool:
        """Whether a finding has at least this severity."""
        return any(at_least(finding.severity, floor) for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Everything but the facts of single images, as plain JSON values without NaN."""
        pairs = self.copies.pairs
        split = self.images.columns["split"]
        return {
            "manifest": self.name,
            "seed": self.seed,
            "counts": counts(self.images),
            "findings": [finding.to_json() for finding in self.findings],
            "probes": [probe_to_json(probe) for probe in self.probes],
            "copies": {
                "exact_sets": len(self.copies.exact),
                "near_pairs": len(pairs),
                "near_pairs_mirrored": int(self.copies.mirrored.sum()),
                "near_pairs_across_labels": int(
                    (self.images.is_fake[pairs[:, 0]] != self.images.is_fake[pairs[:, 1]]).sum()
                ),
                "near_pairs_across_splits": sum(
                    1 for a, b in pairs.tolist() if split[a] and split[b] and split[a] != split[b]
                ),
                "complete": self.copies.complete,
            },
            "facts": facts_by_class(self.images),
            "sources": facts_by_source(self.images),
        }


def audit(
    manifest: Manifest,
    *,
    probes: bool = True,
    common: bool = False,
    max_distance: int = DEFAULT_MAX_DISTANCE,
    seed: int = 0,
    store: Path | None = None,
    workers: int | None = None,
    progress: Callable[[], object] = lambda: None,
) -> Audit:
    """Audit a manifest: read every image once, then look for faults.

    Args:
        manifest: the table. Only its own columns are used; ``group`` and ``split`` may be missing.
        probes: whether to run the shortcut probes, which need scikit-learn.
        common: whether to read images a second time through the face crop that detectors see (192 pixels) and one JPEG
            quality: what the probes still find there, the network sees too. About three times the work.
        max_distance: bits of 256 up to which hashes count as near-duplicates.
        seed: of the probes; the same seed gives the same audit.
        store: file of facts from which an interrupted audit resumes, see
            :func:`~unmask.data.audit.images.read_images`.
        workers: threads; the number of CPUs by default.
        progress: called once an image.

    Raises:
        ManifestError: a bad row, or no rows. Images that cannot be read are findings.
        MissingExtraError: scikit-learn is not installed.
        UsageError: ``bad_distance``.
    """
    policy = Preprocessing() if common else None
    images = read_images(manifest, common=policy, store=store, workers=workers, progress=progress)
    copies = find_copies(images, max_distance)
    answers = run_probes(images, units_of(images, copies), common=common, seed=seed) if probes else ()
    return Audit(manifest.name, seed, images, copies, answers, find_faults(images, copies, answers))


def write_clusters(result: Audit, path: Path) -> int:
    """Write which images are copies of each other: columns ``path`` and ``cluster``, CSV or Parquet by the suffix.

    Images without a copy are left out. ``unmask data split --duplicates`` reads this table.

    Returns:
        The number of clusters.

    Raises:
        UsageError: ``unsupported_format``, ``cannot_write``.
        ManifestError: ``bad_row``, a path that is not Unicode.
    """
    cluster = result.copies.cluster
    shared = np.bincount(cluster)[cluster] > 1
    # A path that is listed twice is one file; the two rows are in one cluster because their bytes are equal.
    named = {result.images.path[row]: f"copies-{cluster[row]}" for row in np.flatnonzero(shared)}
    tables.write_table(path, ("path", "cluster"), enumerate(named.items(), 2), result.name, guarded=True)
    return len(set(named.values()))


def probe_to_json(probe: Probe) -> dict[str, Any]:
    """A probe without its scores, as plain JSON values."""
    return {
        "reading": probe.reading,
        **_separation(probe.overall),
        "giveaways": [
            {
                "about": item.about,
                "drop": round(item.drop, _DIGITS),
                "fact": item.fact,
                "alone": round(item.alone, _DIGITS),
            }
            for item in probe.giveaways
        ],
        "within_sources": {source: _separation(found) for source, found in probe.within.items()},
    }


def _separation(found: Separation) -> dict[str, Any]:
    return {
        "auc": round(found.auc, _DIGITS),
        "low": round(found.low, _DIGITS),
        "high": round(found.high, _DIGITS),
        "images": found.images,
        "fakes": found.fakes,
        "units": found.units,
    }
