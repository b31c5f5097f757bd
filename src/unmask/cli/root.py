"""The table of commands, and the command ``unmask`` made from it."""

from __future__ import annotations

from typing import Annotated

import typer

from unmask.cli.lazy import Family, LazyGroup, Verb
from unmask.version import __version__

COMMANDS = (
    Verb("demo", "unmask.cli.demo:demo", "Judge a real and a manipulated portrait, and explain why."),
    Verb(
        "detect",
        "unmask.cli.detect:detect",
        "Classify faces in images and clips as real or fake.",
        reads_images=True,
        uses_device=True,
    ),
    Verb(
        "scan",
        "unmask.cli.scan:scan",
        "Classify millions of images, resumable, into Parquet files.",
        reads_images=True,
        uses_device=True,
        below=(
            Verb("status", "unmask.cli.scan:status", "Show how far a scan is."),
            Verb("merge", "unmask.cli.scan:merge", "Join the parts of a scan, or write a scan as one table."),
        ),
    ),
    Verb("explain", "unmask.cli.explain:explain", "Explain a verdict.", reads_images=True, uses_device=True),
    Verb(
        "train", "unmask.cli.train:train", "Train a detector on labelled images.", reads_images=True, reads_tables=True
    ),
    Verb(
        "evaluate",
        "unmask.cli.evaluate:evaluate",
        "Evaluate detectors on labelled images with confidence intervals.",
        reads_images=True,
        uses_device=True,
        reads_tables=True,
    ),
    Verb(
        "held-out",
        "unmask.cli.held_out:held_out",
        "Train a recipe and test it on sources that it has not seen.",
        reads_images=True,
        reads_tables=True,
    ),
    Verb(
        "compare", "unmask.cli.compare:compare", "Test whether detectors differ on the same images.", reads_tables=True
    ),
    Verb(
        "robustness",
        "unmask.cli.robustness:robustness",
        "Evaluate detectors on degraded images.",
        {"--keep-pictures": "--keep-images"},
        reads_images=True,
        reads_tables=True,
    ),
    Verb(
        "check-maps",
        "unmask.cli.check_maps:check_maps",
        "Test how faithful evidence maps are on labelled images.",
        reads_images=True,
        reads_tables=True,
    ),
    Verb(
        "ablate",
        "unmask.cli.ablate:ablate",
        "Measure what each part of a recipe contributes.",
        reads_images=True,
        reads_tables=True,
    ),
    Verb(
        "reproduce",
        "unmask.cli.reproduce:reproduce",
        "Repeat a paper's experiments on your own images.",
        reads_images=True,
        reads_tables=True,
    ),
    Verb(
        "calibrate",
        "unmask.cli.calibrate:calibrate",
        "Recalibrate a detector on your own labelled images.",
        reads_images=True,
        reads_tables=True,
    ),
    Verb(
        "bench",
        "unmask.cli.bench:bench",
        "Measure the size, speed, memory use and cost of detectors.",
        {"--pictures": "--images"},
        reads_images=True,
    ),
    Family(
        "regressions",
        "Judge images whose verdict is known.",
        (
            Verb(
                "run",
                "unmask.cli.regressions:run",
                "Judge images whose verdict is known.",
                reads_images=True,
            ),
        ),
    ),
    Family(
        "runs",
        "List and compare training runs.",
        (
            Verb("list", "unmask.cli.runs:list_runs", "List training runs with their best validation AUC."),
            Verb(
                "compare",
                "unmask.cli.runs:compare",
                "Compare training runs: their metrics, and the settings that differ.",
            ),
        ),
    ),
    Verb("doctor", "unmask.cli.doctor:doctor", "Check the installation, the detector and this machine's speed."),
    Verb("serve", "unmask.cli.serve:serve", "Serve verdicts over HTTP, with a web page."),
    Family(
        "page",
        "Write the web page as a static site, without a service.",
        (
            Verb(
                "export", "unmask.cli.page:export", "Write the page as a static site that judges images in the browser."
            ),
        ),
    ),
    Family(
        "data",
        "Collect, check, split and create image data sets.",
        (
            Verb(
                "audit",
                "unmask.cli.data.audit:audit",
                "Check a data set for leaks, duplicates and shortcuts.",
                reads_images=True,
                reads_tables=True,
            ),
            Verb(
                "split",
                "unmask.cli.data.split:split",
                "Split a manifest so that no group is in two splits.",
                reads_tables=True,
            ),
            Verb(
                "fetch",
                "unmask.cli.data.fetch:fetch",
                "Download the images that a manifest lists by URL.",
                {"--total-timeout": "--timeout"},
                reads_tables=True,
            ),
            Verb(
                "faces",
                "unmask.cli.data.faces:faces",
                "Crop faces out of images, or out of the frames of clips.",
                reads_images=True,
                reads_tables=True,
            ),
            Verb(
                "synthesize",
                "unmask.cli.data.synthesize:synthesize",
                "Make fakes from real images or clips, or degraded copies.",
                reads_images=True,
                reads_tables=True,
            ),
            Verb(
                "sheet",
                "unmask.cli.data.sheet:sheet",
                "Draw contact sheets of a data set.",
                reads_images=True,
                reads_tables=True,
            ),
        ),
    ),
    Family(
        "bundle",
        "Inspect, verify, export and document bundles.",
        (
            Verb("info", "unmask.cli.bundle:info", "Show a bundle's contents, training and known weaknesses."),
            Verb("verify", "unmask.cli.bundle:verify", "Check a bundle's hashes and replay its golden cases."),
            Verb("export", "unmask.cli.bundle:export", "Export the bundle of a training run again.", reads_tables=True),
            Verb("card", "unmask.cli.bundle:card", "Write a model card in the format of Hugging Face."),
            Verb("push", "unmask.cli.bundle:push", "Put a bundle and its card on Hugging Face's hub."),
            Verb("pull", "unmask.cli.bundle:pull", "Get a bundle from Hugging Face's hub, and check its hashes."),
            Verb(
                "quantize",
                "unmask.cli.quantize:quantize",
                "Quantise a detector: smaller, and with static also faster.",
                reads_images=True,
                reads_tables=True,
            ),
            Verb(
                "prune",
                "unmask.cli.prune:prune",
                "Prune the network of a training run: fewer channels.",
                reads_images=True,
                reads_tables=True,
            ),
        ),
    ),
    Family(
        "models",
        "List the detectors that there are, and get one.",
        (
            Verb("list", "unmask.cli.models:list_models", "List the detectors that --model takes by name."),
            Verb("info", "unmask.cli.models:info", "Show where a detector comes from: its size, hashes and parts."),
            Verb("pull", "unmask.cli.models:pull", "Get a detector that is not in the package."),
        ),
    ),
    Family(
        "recipes",
        "List and show training recipes.",
        (
            Verb("list", "unmask.cli.recipes:list_recipes", "List the built-in recipes."),
            Verb("show", "unmask.cli.recipes:show", "Print a recipe with all its settings."),
        ),
    ),
)


class _Unmask(LazyGroup):
    table = COMMANDS


app = typer.Typer(
    name="unmask",
    cls=_Unmask,
    help="Tell real photographs of faces from faked ones.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"unmask {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass
