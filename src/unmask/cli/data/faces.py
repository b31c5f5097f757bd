"""``unmask data faces``: face crops of a manifest's images."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Literal, cast

import typer

from unmask.cli import options
from unmask.cli.examples import with_examples


@with_examples(
    "unmask data faces faces.csv --out crops/ --size 224",
    "unmask data faces faces.csv --out crops/ --mode aligned --all-faces",
)
def faces(
    manifest: options.ManifestArgument,
    out: options.OutOnly,
    root: options.Root = None,
    mode: Annotated[
        str,
        typer.Option(metavar="box|aligned", help="Crop the box around the face, or turn it upright by eyes and mouth."),
    ] = "box",
    margin: Annotated[
        float, typer.Option(min=0, max=2, metavar="X", help="Margin around the face, as a fraction of its side.")
    ] = 0.3,
    size: Annotated[
        str, typer.Option(metavar="N|native", help="Side length of the crops in pixels; native does not resize.")
    ] = "native",
    encoding: options.ImageFormat = "png",
    all_faces: Annotated[
        bool, typer.Option("--all-faces", help="Crop every face in an image, not only the largest.")
    ] = False,
    no_face: Annotated[
        str, typer.Option(metavar="skip|whole", help="Skip images without a face, or write the whole image.")
    ] = "skip",
    frames: Annotated[int, typer.Option(min=1, metavar="N", help="Frames per clip, for a manifest of clips.")] = 8,
    workers: options.Workers = None,
    as_json: options.Json = False,
) -> None:
    """Crop faces out of images, or out of the frames of clips.

    Writes the crops, and a manifest that keeps every column. Images without a face, and unreadable ones, are listed in
    misses.csv. Run again to resume after an interruption. The crops of a clip (extra video) are one group.

    Exit codes: 0 all images read, 1 some image could not be read, 2 usage error.
    """
    from unmask.cli.data.output import open_input, print_report
    from unmask.data.make.faces import CutPolicy, cut_faces
    from unmask.data.make.made import Encoding
    from unmask.errors import UsageError
    from unmask.progress import progress_bar

    if mode not in ("box", "aligned"):
        raise UsageError("bad_mode", f"--mode must be box or aligned, not {mode!r}.")
    if no_face not in ("skip", "whole"):
        raise UsageError("bad_no_face", f"--no-face must be skip or whole, not {no_face!r}.")
    if size != "native" and not (size.isdecimal() and 16 <= int(size) <= 4096):
        raise UsageError("bad_size", f"--size must be native or 16 to 4096 pixels, not {size!r}.")
    table = open_input(manifest, root, out)
    policy = CutPolicy(
        mode=cast(Literal["box", "aligned"], mode),
        margin=margin,
        size=None if size == "native" else int(size),
        every_face=all_faces,
        whole_without_face=no_face == "whole",
        encoding=Encoding.parse(encoding),
        frames=frames,
    )
    with progress_bar("faces", None) as advance:
        report = cut_faces(table, out, policy, workers=workers, progress=advance)
    if as_json:
        print(json.dumps({"manifest": str(out / "manifest.csv"), **asdict(report)}))
    else:
        print_report(
            f"{report.crops} crops of {report.images} images ({report.kept} images were already done)",
            report.misses,
            out,
        )
        if report.beyond_image:
            print(
                f"{report.beyond_image} crops extend beyond their image and are black there: compare the column "
                "crop_outside between the classes, or use --mode box"
            )
    if report.unreadable:
        raise typer.Exit(1)
