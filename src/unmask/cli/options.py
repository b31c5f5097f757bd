"""Arguments and options that more than one command has, each described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

_MANIFEST: Final = "Labelled images: a CSV or Parquet table, a folder with real/ and fake/ in it, or a scan."
_IMAGES: Final = "Image files, folders or globs; - reads paths from standard input."
_BUNDLE: Final = "Bundle: a folder, a zip file or a name of unmask models list (default: the one in the package)."
_JSON: Final = "Print the result as JSON."
_SEED: Final = "Random seed."

# What is read
Images = Annotated[list[str], typer.Argument(metavar="IMAGE", help=_IMAGES)]
ImagesIfAny = Annotated[list[str] | None, typer.Argument(metavar="IMAGE", help=_IMAGES)]
Recursive = Annotated[bool, typer.Option("--recursive", "-r", help="Search subfolders, too.")]
Manifest = Annotated[Path, typer.Option("--manifest", metavar="FILE", help=_MANIFEST)]
ManifestIfAny = Annotated[Path | None, typer.Option("--manifest", metavar="FILE", help=_MANIFEST)]
ManifestArgument = Annotated[Path, typer.Argument(metavar="MANIFEST", help=_MANIFEST)]
Root = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder that paths in the manifest are relative to (default: its own folder)."),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--columns", metavar="OURS=THEIRS,...", help="The table's names for our columns, as path=file,label=y."
    ),
]
FakeLabel = Annotated[
    list[str] | None,
    typer.Option("--fake-label", metavar="LABEL,...", help="Labels, or class folders, that mean fake, besides fake."),
]
RealLabel = Annotated[
    list[str] | None,
    typer.Option(
        "--real-label",
        metavar="LABEL,...",
        help="Labels, or class folders, that mean real (default: the one label besides --fake-label).",
    ),
]
Split = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Split to use, or all (default: test if the manifest has splits, else all)."),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where", metavar="COLUMN=VALUE", help="Use only these rows (repeatable; values of one column add up)."
    ),
]
Limit = Annotated[
    int | None, typer.Option("--limit", min=1, metavar="N", help="Use a random sample of at most N images.")
]

ClipFrames = Annotated[
    int, typer.Option("--frames", min=1, metavar="N", help="Frames judged per clip, for a manifest of clips.")
]

# What works on it
BundleArgument = Annotated[Path | None, typer.Argument(metavar="BUNDLE", help=_BUNDLE)]
BundleArguments = Annotated[
    list[Path] | None,
    typer.Argument(metavar="BUNDLE", help="Bundles, folders or zip files (default: the one that ships with unmask)."),
]
Model = Annotated[Path | None, typer.Option(metavar="BUNDLE", help=_BUNDLE)]
Thorough = Annotated[
    bool,
    typer.Option(
        "--thorough",
        help="Judge images again with the accurate detector if their verdict is UNCERTAIN or they are unlike the "
        "training images; get it with unmask models pull accurate.",
    ),
]
Threshold = Annotated[
    str | None,
    typer.Option(metavar="P|NAME", help="Threshold for FAKE: a probability, or a name in the bundle, such as fpr_1."),
]
Recipe = Annotated[str, typer.Argument(metavar="RECIPE", help="Name of a built-in recipe, or a YAML file.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the recipe (repeatable).")
]

# How
Seed = Annotated[int, typer.Option("--seed", min=0, metavar="N", help=_SEED)]
Seed32 = Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, metavar="N", help=_SEED)]
AnySeed = Annotated[int, typer.Option("--seed", metavar="N", help=_SEED)]
Draws = Annotated[int, typer.Option(min=100, metavar="N", help="Bootstrap samples for confidence intervals.")]
Workers = Annotated[int | None, typer.Option(min=1, metavar="N", help="Worker threads (default: number of CPUs).")]
Loaders = Annotated[
    int | None,
    typer.Option("--workers", min=0, metavar="N", help="Processes that load images (default: number of CPUs)."),
]
Cache = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder for cached face crops and features (default: cache/ in --out)."),
]

# What is written
OutFolder = Annotated[
    Path,
    typer.Option(
        "--out", metavar="DIR", file_okay=False, help="Output folder; run again to resume after an interruption."
    ),
]
OutOnly = Annotated[Path, typer.Option("--out", metavar="DIR", help="Output folder; nothing is written outside it.")]
ImageFormat = Annotated[
    str, typer.Option("--format", metavar="png|jpeg:Q|webp:Q", help="Image format to write, with its quality Q.")
]
Json = Annotated[bool, typer.Option("--json", help=_JSON)]
JsonLines = Annotated[bool, typer.Option("--json", help="Print JSON lines, one object per image.")]
Frames = Annotated[
    int | None,
    typer.Option(min=1, max=4096, metavar="N", help="Frames of a clip to judge, spread over its scenes (default: 32)."),
]
Every = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Seconds between judged frames of a clip, instead of --frames.")
]
AsClip = Annotated[
    bool,
    typer.Option("--as-clip", help="Judge animated GIF, WebP and PNG images as clips, not by their first frame."),
]
