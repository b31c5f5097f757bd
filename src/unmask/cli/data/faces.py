"""``unmask data faces``: face crops of a manifest's images."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from unmask.cli.examples import with_examples

EXAMPLE = """Examples:

  unmask data faces faces.csv --out crops --size 224

  unmask data faces faces.csv --out crops --mode aligned --margin 0.4 --format jpeg:95 --all-faces
"""


@with_examples(EXAMPLE)
def faces(
    manifest: Annotated[Path, typer.Argument(help="CSV or Parquet table, or a folder with real/ and fake/ in it.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to; nothing is written outside it.")],
    root: Annotated[
        Path | None, typer.Option(metavar="DIR", help="What paths in the manifest are relative to.")
    ] = None,
    mode: Annotated[
        str,
        typer.Option(metavar="box|aligned", help="The square around the face, or turned upright by eyes and mouth."),
    ] = "box",
    margin: Annotated[
        float, typer.Option(min=0, max=2, help="What is shown around the face, as a fraction of its side.")
    ] = 0.3,
    size: Annotated[str, typer.Option(metavar="N|native", help="Side of the crops in pixels.")] = "native",
    encoding: Annotated[
        str, typer.Option("--format", metavar="png|jpeg:Q|webp:Q", help="How crops are written.")
    ] = "png",
    all_faces: Annotated[bool, typer.Option("--all-faces", help="Every face of an image, not the largest.")] = False,
    no_face: Annotated[
        str, typer.Option(metavar="skip|whole", help="Without a face: a miss, or the whole image.")
    ] = "skip",
    workers: Annotated[int | None, typer.Option(min=1, help="Threads; by default one a CPU.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Cut out faces into images of their own, with a manifest that keeps every column.

    Images without a face, and those that cannot be read, are listed in misses.csv. A run that was interrupted goes on
    where it was when it is called again. Exits with 1 when an image could not be read.
    """
    from unmask.cli.data.output import open_input, print_report
    from unmask.data.make.faces import CutPolicy, cut_faces
    from unmask.data.make.made import Encoding
    from unmask.errors import UsageError
    from unmask.progress import progress_bar

    if mode not in ("box", "aligned"):
        raise UsageError("bad_mode", f"--mode is box or aligned, not {mode!r}.")
    if no_face not in ("skip", "whole"):
        raise UsageError("bad_no_face", f"--no-face is skip or whole, not {no_face!r}.")
    if size != "native" and not (size.isdecimal() and 16 <= int(size) <= 4096):
        raise UsageError("bad_size", f"--size is native or from 16 to 4096 pixels, not {size!r}.")
    table = open_input(manifest, root, out)
    policy = CutPolicy(
        mode=cast(Literal["box", "aligned"], mode),
        margin=margin,
        size=None if size == "native" else int(size),
        every_face=all_faces,
        whole_without_face=no_face == "whole",
        encoding=Encoding.parse(encoding),
    )
    with progress_bar("faces", None) as advance:
        report = cut_faces(table, out, policy, workers=workers, progress=advance)
    if as_json:
        print(json.dumps({"manifest": str(out / "manifest.csv"), **asdict(report)}))
    else:
        print_report(
            f"{report.crops} crops of {report.images} images, {report.kept} of them done before", report.misses, out
        )
        if report.beyond_image:
            print(
                f"{report.beyond_image} crops reach beyond their image and are black there: compare crop_outside "
                "of the classes, or use --mode box"
            )
    if report.unreadable:
        raise typer.Exit(1)
