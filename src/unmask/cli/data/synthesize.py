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
    "unmask data synthesize clips.csv --kind self-blend --tremor 0.01 --out made/",
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
    clip_format: Annotated[
        str, typer.Option(metavar="FORMAT", help="Coding of made clips: h264:CRF, or ffv1 (without loss).")
    ] = "h264:18",
    tremor: Annotated[
        float,
        typer.Option(
            min=0,
            max=0.2,
            metavar="X",
            help="Error of the face's place in each frame of a clip, as a fraction of its side.",
        ),
    ] = 0.0,
    workers: options.Workers = None,
    as_json: options.Json = False,
) -> None:
    """Make fakes from real images or clips, or degraded copies.

    Writes one folder per kind, and a manifest that says how each image was made and keeps group, source and split. A
    swap takes donor and target from the same split and different groups; to split again, group by both columns, group
    and donor_group. The same random seed gives the same files, whatever the order of the rows.

    From a manifest of clips, clips are made (self-blend or swap): one transformation from the first frame to the last,
    of at most 300 frames. They need the extra video.

    Exit codes: 0 all images read, 1 some image could not be read, 2 usage error.
    """
    from unmask.cli.data.output import open_input, print_report
    from unmask.data.clip_rows import holds_clips
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
    are_clips = holds_clips(table)
    if kind != "degrade" and not with_originals:
        print(
            "unmask: only the fakes are re-encoded: if the originals have another format, the format reveals the "
            "label. --with-originals writes the real images with the same encoder.",
            file=sys.stderr,
        )
    with progress_bar("clips" if are_clips else "images", None) as advance:
        if are_clips:
            if masks or steps:
                raise UsageError("bad_synthesis", "Of clips neither masks nor degradations are written.")
            from unmask.data.make.clip_file import ClipEncoding
            from unmask.data.make.clips import ClipKind, ClipPolicy, synthesize_clips

            of_clips = ClipPolicy(
                kind=cast(ClipKind, kind),
                per_clip=per_image,
                seed=seed,
                limit=limit,
                tremor=tremor,
                encoding=ClipEncoding.parse(clip_format),
                with_originals=with_originals,
            )
            report = synthesize_clips(table, out, of_clips, progress=advance)
        elif tremor:
            raise UsageError("bad_synthesis", "--tremor is of clips, and the manifest holds images.")
        else:
            report = make(table, out, policy, workers=workers, progress=advance)
    if as_json:
        print(json.dumps({"manifest": str(out / "manifest.csv"), **asdict(report)}))
    else:
        originals = f" and {report.originals} originals" if with_originals else ""
        what = "clips" if are_clips else "images"
        print_report(f"{report.made} {what} made{originals} from {report.images}", report.misses, out)
    if report.unreadable:
        raise typer.Exit(1)
