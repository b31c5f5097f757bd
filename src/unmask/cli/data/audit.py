"""``unmask data audit``: what is wrong with a data set, before a network learns it."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask.cli import options
from unmask.cli.examples import with_examples
from unmask.text import printable

if TYPE_CHECKING:
    from rich.console import Console

    from unmask.data.audit.run import Audit

_STYLES = {"error": "bold red", "warning": "bold yellow", "info": "bold cyan"}
_SHOWN_MEASURES = ("width", "height", "bytes_per_pixel", "jpeg_quality", "brightness", "sharpness", "saturation")
_SHOWN_ITEMS = 3


class FailOn(StrEnum):
    """The lowest severity of findings that makes the command fail."""

    info = "info"
    warning = "warning"
    error = "error"


@with_examples(
    "unmask data audit faces.csv",
    "unmask data audit faces.csv --common --out audit/ --clusters copies.csv",
    "unmask data audit faces/ --json --fail-on error > audit.json",
)
def audit(
    manifest: options.ManifestArgument,
    root: options.Root = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write audit.json and audit.html; run again to resume after an interruption."),
    ] = None,
    clusters: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a table of all copies, for unmask data split --duplicates."),
    ] = None,
    common: Annotated[
        bool,
        typer.Option(
            "--common/--raw", help="Run the probes again on re-encoded face crops (takes three times as long)."
        ),
    ] = False,
    probes: Annotated[bool, typer.Option("--probes/--no-probes", help="Run the shortcut probes.")] = True,
    thumbnails: Annotated[
        bool, typer.Option("--thumbnails/--no-thumbnails", help="Show the images of the findings in audit.html.")
    ] = True,
    max_distance: Annotated[
        int,
        typer.Option(min=0, max=64, metavar="N", help="Bits out of 256 in which hashes of near-duplicates may differ."),
    ] = 28,
    fail_on: Annotated[
        FailOn | None,
        typer.Option(metavar="SEVERITY", help="Exit with code 4 on a finding: any (info), warning or error."),
    ] = None,
    seed: options.Seed32 = 0,
    workers: options.Workers = None,
    as_json: options.Json = False,
) -> None:
    """Check a data set for leaks, duplicates and shortcuts.

    Finds shortcuts that separate the labels without a face, copies in different splits or with different labels, groups
    in more than one split, sources with one label only, contradictory labels, and unreadable files.

    Exit codes: 0 done, 1 some image could not be read, 2 usage error, 3 missing extra, 4 --fail-on.
    """
    from unmask.cli.extras import need
    from unmask.cli.hold import hold
    from unmask.cli.manifests import open_manifest
    from unmask.data.audit.run import audit as run_audit
    from unmask.data.audit.run import write_clusters
    from unmask.errors import UsageError
    from unmask.progress import progress_bar

    # Fail before the work, not after it.
    if probes:
        need("train", "The shortcut probe (--no-probes skips it)", "sklearn")
    hold(out)
    if clusters is not None and clusters.suffix.lower() not in (".csv", ".parquet"):
        raise UsageError("unsupported_format", f"{clusters}: --clusters must end in .csv or .parquet.")
    table = open_manifest(manifest, root)
    total = sum(1 for _ in table)
    with progress_bar("images", total) as advance:
        result = run_audit(
            table,
            probes=probes,
            common=common,
            max_distance=max_distance,
            seed=seed,
            store=out / "facts.jsonl" if out is not None else None,
            workers=workers,
            progress=advance,
        )
    if out is not None:
        from unmask.data.audit.page import write_report

        write_report(result, out, thumbnails=thumbnails)
    if clusters is not None:
        write_clusters(result, clusters)
    if as_json:
        print(json.dumps(result.to_json(), allow_nan=False))
    else:
        _print(result)
        if out is not None:
            print(f"Report: {out / 'audit.html'}")
    if fail_on is not None and result.fails(fail_on.value):
        raise typer.Exit(4)
    if result.images.errors:
        raise typer.Exit(1)


def _print(result: Audit) -> None:
    """Tables for people."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, markup=False)
    images = result.images
    fakes = int(images.is_fake.sum())
    groups = len(set(images.columns["group"]) - {""})
    heading = f"{len(images)} images: {len(images) - fakes} real, {fakes} fake; {groups} groups"
    console.print(Text(heading, style="bold"))
    _print_measures(console, result)
    _print_probes(console, result)
    console.print()
    for finding in result.findings:
        line = Text(f"{finding.severity:<8}", style=_STYLES[finding.severity])
        line.append(f"{finding.code}: ", style="bold default")
        line.append(printable(finding.message), style="not bold default")
        console.print(line)
        for item in finding.items[:_SHOWN_ITEMS] if finding.of != "facts" else ():
            console.print(Text(printable(f"          {'  '.join(item)}"), style="dim"), soft_wrap=True)
        if finding.of != "facts" and finding.total > _SHOWN_ITEMS:
            console.print(Text(f"          ... {finding.total} in total", style="dim"))
        console.print(Text(f"          {finding.advice}", style="italic"))
    if not result.findings:
        console.print("No findings.")


def _print_measures(console: Console, result: Audit) -> None:
    from rich.table import Table

    from unmask.data.audit.summary import facts_by_class

    facts = facts_by_class(result.images)
    table = Table("measure", "real median", "5 % to 95 %", "fake median", "5 % to 95 %", "AUC", box=None)
    for name in _SHOWN_MEASURES:
        measure = facts["measures"][name]
        cells = []
        for label in ("real", "fake"):
            spread = measure[label]
            known = spread["n"] > 0
            cells += [
                f"{spread['median']:.4g}" if known else "-",
                f"{spread['p5']:.4g} to {spread['p95']:.4g}" if known else "-",
            ]
        table.add_row(name, *cells, "-" if measure["auc"] is None else f"{measure['auc']:.3f}")
    for name, by_label in facts["names"].items():
        cells = []
        for label in ("real", "fake"):
            cells += [", ".join(f"{value} {100 * part:.0f} %" for value, part in list(by_label[label].items())[:2]), ""]
        table.add_row(name, *cells, "")
    console.print(table)


def _print_probes(console: Console, result: Audit) -> None:
    from rich.table import Table

    if not result.probes:
        return
    table = Table("probe", "AUC", "95 % interval", "best predictors", "within sources", box=None)
    for probe in result.probes:
        found = probe.overall
        table.add_row(
            probe.reading,
            f"{found.auc:.3f}",
            f"{found.low:.3f} to {found.high:.3f}",
            ", ".join(item.about for item in probe.giveaways[:3]),
            printable(", ".join(f"{source} {inside.auc:.3f}" for source, inside in list(probe.within.items())[:5])),
        )
    console.print()
    console.print(table)
