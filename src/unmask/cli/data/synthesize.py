"""``unmask data synthesize``: fakes and degraded images from the rows of a manifest."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, cast

import typer

from unmask.cli.examples import with_examples

EXAMPLE = """Examples:

  unmask data synthesize faces.csv --out swaps --kind swap --with-originals --masks

  unmask data synthesize faces.csv --out blends --kind self-blend --per-image 2 --limit 500 --with-originals

  unmask data synthesize faces.csv --out rebuilt --kind reconstruct --with-originals

  unmask data synthesize faces.csv --out worse --kind degrade --steps jpeg,webp,screenshot
"""


@with_examples(EXAMPLE)
def synthesize(
    manifest: Annotated[Path, typer.Argument(help="CSV or Parquet table, or a folder with real/ and fake/ in it.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to, one folder a kind; nothing is written outside.")],
    kind: Annotated[
        str,
        typer.Option(
            metavar="self-blend|reconstruct|swap|degrade",
            help="Fakes from one real image, from two, or worse copies.",
        ),
    ],
    root: Annotated[
        Path | None, typer.Option(metavar="DIR", help="What paths in the manifest are relative to.")
    ] = None,
    per_image: Annotated[int, typer.Option(min=1, help="How many from each image.")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="Use so many of the images, chosen by the seed.")] = None,
    seed: Annotated[int, typer.Option(help="Fixes every draw.")] = 0,
    encoding: Annotated[
        str, typer.Option("--format", metavar="png|jpeg:Q|webp:Q", help="How all that is made is written.")
    ] = "png",
    masks: Annotated[bool, typer.Option("--masks", help="Write where fakes were changed, as PNG.")] = False,
    with_originals: Annotated[
        bool, typer.Option("--with-originals", help="Write what they were made from through the same encoder, too.")
    ] = False,
    steps: Annotated[
        str, typer.Option(metavar="A,B", help="Degradations to draw from: rescale, jpeg, webp, blur, noise, ...")
    ] = "",
    workers: Annotated[int | None, typer.Option(min=1, help="Threads; by default one a CPU.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Make fakes from real images, or degraded copies of any, with a manifest that tells how each was made.

    Rows keep group, source and split. A swap takes donor and target from one split and different groups; split again
    by both columns, group and donor_group. The same seed gives the same files, in whatever order the rows stand.
    """
    from unmask.cli.data.output import open_input, print_report
    from unmask.data.make.made import Encoding
    from unmask.data.make.synthesize import KINDS, Kind, SynthesisPolicy
    from unmask.data.make.synthesize import synthesize as make
    from unmask.errors import UsageError
    from unmask.progress import progress_bar

    if kind not in KINDS:
        raise UsageError("bad_synthesis", f"--kind is {', '.join(KINDS)}, not {kind!r}.")
    policy = SynthesisPolicy(
        kind=cast(Kind, kind),
        per_image=per_image,
        seed=seed,
        limit=limit,
        encoding=Encoding.parse(encoding),
        masks=masks,
        with_originals=with_originals,
        steps=tuple(step.strip() for step in steps.split(",") if step.strip()),
    )
    table = open_input(manifest, root, out)
    if kind != "degrade" and not with_originals:
        print(
            "unmask: only fakes are written anew: beside originals in another format, the format tells the label. "
            "--with-originals writes the real images the same way.",
            file=sys.stderr,
        )
    with progress_bar("images", None) as advance:
        report = make(table, out, policy, workers=workers, progress=advance)
    if as_json:
        print(json.dumps({"manifest": str(out / "manifest.csv"), **asdict(report)}))
    else:
        originals = f" and {report.originals} originals" if with_originals else ""
        print_report(f"{report.made} images made{originals} from {report.images}", report.misses, out)
    if report.unreadable:
        raise typer.Exit(1)
