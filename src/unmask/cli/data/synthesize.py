"""``unmask data synthesize``: fakes and degraded images from the rows of a manifest."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated, cast

import typer

from unmask.cli import options
from unmask.cli.examples import with_examples


@with_examples(
    "unmask data synthesize faces.csv --kind swap --masks --out swaps/",
    "unmask data synthesize faces.csv --kind self-blend --out blends/",
    "unmask data synthesize faces.csv --kind degrade --steps jpeg --out worse/",
)
def synthesize(
    manifest: options.ManifestArgument,
    out: options.OutOnly,
    kind: Annotated[
        str,
        typer.Option(
            metavar="self-blend|reconstruct|swap|degrade",
            help="Make fakes from one real image (self-blend, reconstruct) or two (swap), or degraded copies.",
        ),
    ],
    root: options.Root = None,
    per_image: Annotated[int, typer.Option(min=1, metavar="N", help="Number of outputs per image.")] = 1,
    limit: options.Limit = None,
    seed: options.AnySeed = 0,
    encoding: options.ImageFormat = "png",
    masks: Annotated[bool, typer.Option("--masks", help="Write masks of the changed regions as PNG, too.")] = False,
    with_originals: Annotated[
        bool, typer.Option("--with-originals", help="Write the originals with the same encoder, too.")
    ] = False,
    steps: Annotated[
        str, typer.Option(metavar="A,B", help="Degradations to choose from, such as rescale, jpeg, webp, blur, noise.")
    ] = "",
    workers: options.Workers = None,
    as_json: options.Json = False,
) -> None:
    """Make fakes from real images, or degraded copies of images.

    Writes one folder per kind, and a manifest that says how each image was made and keeps group, source and split. A
    swap takes donor and target from the same split and different groups; to split again, group by both columns, group
    and donor_group. The same random seed gives the same files, whatever the order of the rows.

    Exit codes: 0 all images read, 1 some image could not be read, 2 usage error.
    """
    from unmask.cli.data.output import open_input, print_report
    from unmask.data.make.made import Encoding
    from unmask.data.make.synthesize import KINDS, Kind, SynthesisPolicy
    from unmask.data.make.synthesize import synthesize as make
    from unmask.errors import UsageError
    from unmask.progress import progress_bar

    if kind not in KINDS:
        raise UsageError("bad_synthesis", f"--kind must be one of {', '.join(KINDS)}, not {kind!r}.")
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
            "unmask: only the fakes are re-encoded: if the originals have another format, the format reveals the "
            "label. --with-originals writes the real images with the same encoder.",
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
