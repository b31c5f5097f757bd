"""The findings of ``unmask data audit`` on the shared images, as numbers without images, paths or groups.

    python benchmarks/audit_shared.py --manifest ../shared/data/faces/manifest.csv \\
        --out benchmarks/results/audit-shared.json

JPEG quality and resolution by class, sources with one label, AUC of the shortcut probes before and after the common
face crop and re-encoding, copies across splits. Confidence intervals are 95 %, from a bootstrap over units (groups,
copies).
``--facts FILE`` resumes an interrupted run; the file is not part of the result.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from _report import argument_parser, describe_run, write_json
from _shared import open_edition
from unmask.data.audit.duplicates import DEFAULT_MAX_DISTANCE
from unmask.data.audit.facts import COMMON_QUALITY
from unmask.data.audit.run import Audit, audit, probe_to_json
from unmask.data.audit.summary import counts, facts_by_class, facts_by_source
from unmask.data.manifest import Manifest
from unmask.imaging.preprocessing import Preprocessing
from unmask.progress import progress_bar

_PACKAGES = ("unmask", "numpy", "Pillow", "scikit-learn", "onnxruntime")
_FINDING_FIELDS = ("code", "severity", "message", "total", "of")


def main() -> None:
    """Audit the images and write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--edition", default="1", help="edition of the shared images (default: 1)")
    parser.add_argument("--facts", type=Path, help="file of measured facts, to resume an interrupted run")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="use every N-th row only, to try the script")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    arguments = parser.parse_args()
    manifest = open_edition(arguments.manifest, arguments.edition)
    if arguments.every > 1:
        rows = [row for at, row in enumerate(manifest) if at % arguments.every == 0]
        manifest = Manifest.from_rows(rows, manifest.root)
    with progress_bar("images", sum(1 for _ in manifest)) as advance:
        result = audit(manifest, common=True, seed=arguments.seed, store=arguments.facts, progress=advance)
    content = {
        "run": describe_run(_PACKAGES, "", smoke=arguments.every > 1),
        "manifest_digest": manifest.digest(),
        "common_reading": {**Preprocessing().model_dump(mode="json"), "jpeg_quality": COMMON_QUALITY},
        "max_distance": DEFAULT_MAX_DISTANCE,
        **in_numbers(result),
    }
    write_json(arguments.out, content)


def in_numbers(result: Audit) -> dict[str, Any]:
    """The audit in numbers, without a single image, path or group."""
    report = result.to_json()
    summary = counts(result.images)
    one_class = {
        source: both for source, both in summary["by"].get("source", {}).items() if 0 in (both["real"], both["fake"])
    }
    return {
        "counts": summary,
        "one_class_sources": one_class,
        "findings": [{name: finding[name] for name in _FINDING_FIELDS} for finding in report["findings"]],
        "findings_by_severity": dict(Counter(finding.severity for finding in result.findings)),
        "probes": [probe_to_json(probe) for probe in result.probes],
        "copies": report["copies"],
        "by_class": facts_by_class(result.images),
        "by_source": facts_by_source(result.images),
    }


if __name__ == "__main__":
    main()
