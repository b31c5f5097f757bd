"""The command ``unmask``: one file a verb, each thin over a library call.

Verbs import what they need when they run, so ``--help`` and ``--version`` answer at once. May import everything.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from typing import Annotated

import typer

from unmask.cli import (
    ablate,
    bench,
    bundle,
    calibrate,
    compare,
    data,
    detect,
    evaluate,
    explain,
    recipes,
    reproduce,
    robustness,
    serve,
    train,
)
from unmask.errors import UnmaskError
from unmask.version import __version__

app = typer.Typer(
    name="unmask",
    help="Tell real photographs of faces from faked ones.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("detect")(detect.detect)
app.command("explain")(explain.explain)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("compare")(compare.compare)
app.command("ablate")(ablate.ablate)
app.command("reproduce")(reproduce.reproduce)
app.command("calibrate")(calibrate.calibrate)
app.command("robustness")(robustness.robustness)
app.command("bench")(bench.bench)
# Its options, help included, are the settings of the service.
app.command(
    "serve", add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)(serve.serve)
app.add_typer(data.app, name="data")
app.add_typer(bundle.app, name="bundle")
app.add_typer(recipes.app, name="recipes")


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


def main() -> None:
    """Run the command; errors raised on purpose become one line and an exit code."""
    # Pillow warns of odd metadata in images that it reads all the same; that is no news to the user.
    warnings.filterwarnings("ignore", module="PIL")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name in letters that the terminal's or the file's encoding lacks must not end the run.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except UnmaskError as error:
        print(f"unmask: {error.message}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output went away, as `head` does; Python must not complain while it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
