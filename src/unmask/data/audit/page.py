"""The audit as one self-contained HTML page, with its styles, charts and thumbnails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from unmask.data.audit.findings import Finding
from unmask.data.audit.images import Images
from unmask.data.audit.run import Audit
from unmask.data.audit.summary import (
    LABELS,
    MEASURES,
    Histogram,
    counts,
    distribution,
    facts_by_class,
    facts_by_source,
)
from unmask.data.thumbnails import thumbnail
from unmask.files import RootFolder, write_whole
from unmask.pages.charts import histogram
from unmask.pages.page import render
from unmask.version import __version__

MAX_SETS: Final = 8
_MAX_IN_SET: Final = 4


def write_report(result: Audit, folder: Path, *, thumbnails: bool = True) -> None:
    """Write ``audit.json`` and ``audit.html``; each is written completely or not at all.

    Args:
        result: the audit.
        folder: existing folder to write to.
        thumbnails: include images of the findings; the page then contains copies of the user's images.

    Raises:
        UsageError: ``cannot_write``.
    """
    page = render_page(result, thumbnails=thumbnails)
    write_whole(folder / "audit.json", json.dumps(result.to_json(), indent=1, allow_nan=False) + "\n")
    write_whole(folder / "audit.html", page)


def render_page(result: Audit, *, thumbnails: bool = True) -> str:
    """The page as HTML; text from the manifest is escaped."""
    images = result.images
    facts = facts_by_class(images)
    return render(
        "unmask.data.audit/page.html.j2",
        name=Path(result.name).name,
        version=__version__,
        seed=result.seed,
        counts=counts(images),
        findings=[
            {
                "finding": finding,
                "is_sets": any(len(item) > 1 for item in finding.items),
                "sets": _sets(images, finding) if thumbnails else [],
            }
            for finding in result.findings
        ],
        probes=result.probes,
        charts=[
            _chart(name, found, facts["measures"][name])
            for name in MEASURES
            if (found := distribution(images, name)) is not None
        ],
        shares=_shares(facts),
        sources=facts_by_source(images),
    )


def _sets(images: Images, finding: Finding) -> list[list[dict[str, str]]]:
    """The first images of a finding, as thumbnails side by side."""
    root = RootFolder(images.root)
    sets = []
    for item in finding.rows[:MAX_SETS]:
        rows = [row for row in item[:_MAX_IN_SET] if images.readable[row]]
        if not rows:
            continue
        sets.append(
            [
                {
                    "path": images.path[row],
                    "label": "fake" if images.is_fake[row] else "real",
                    "split": images.columns["split"][row],
                    "data": thumbnail(root, images.path[row]),
                }
                for row in rows
            ]
        )
    return sets


def _chart(name: str, found: Histogram, measure: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name.replace("_", " "),
        "areas": histogram({label[0]: found.shares[label] for label in LABELS}, shared_height=True),
        "low": f"{found.edges[0]:.4g}",
        "high": f"{found.edges[-1]:.4g} ({measure['unit']})",
        "median_real": _number(measure["real"]["median"]),
        "median_fake": _number(measure["fake"]["median"]),
        "auc": _number(measure["auc"]),
    }


def _shares(facts: dict[str, Any]) -> list[dict[str, str]]:
    rows = []
    for fact, by_label in facts["names"].items():
        for name in sorted({*by_label["real"], *by_label["fake"]}):
            cells = {label: f"{100 * shares.get(name, 0.0):.1f} %" for label, shares in by_label.items()}
            rows.append({"name": f"{fact.replace('_', ' ')} {name}", **cells})
    for fact, by_label in facts["flags"].items():
        if any(by_label.values()):
            cells = {label: "–" if share is None else f"{100 * share:.1f} %" for label, share in by_label.items()}
            rows.append({"name": fact.replace("_", " "), **cells})
    return rows


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
