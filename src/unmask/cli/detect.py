"""``unmask detect``: verdicts on images."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.examples import with_examples

EXAMPLE = """Examples:

  unmask detect portrait.jpg

  unmask detect photos/ --recursive --json > verdicts.jsonl

  find . -name '*.jpg' | unmask detect - --csv --fail-on fake
"""


@with_examples(EXAMPLE)
def detect(
    paths: Annotated[list[str], typer.Argument(help="Files, folders, globs, or - for a list on standard input.")],
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Folders below folders too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object an image, a line each.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="A CSV table.")] = False,
    evidence: Annotated[
        Path | None,
        typer.Option(metavar="DIR", file_okay=False, help="Write an image of the evidence for each into DIR."),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(metavar="BUNDLE", help="A bundle's folder or zip, in place of the shipped one."),
    ] = None,
    threshold: Annotated[
        str | None, typer.Option(help="Probability from which an image is called fake, or a name, as fpr_1.")
    ] = None,
    fail_on: Annotated[str | None, typer.Option(metavar="fake", help="Exit with 4 when any image is fake.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads; by default one a CPU.")] = None,
) -> None:
    """Say of images whether their faces are real or fake, and how sure that is.

    Exit codes: 0 all read, 1 some image failed, 2 wrong call, 3 broken installation or bundle, 4 --fail-on.
    """
    from unmask.cli.inputs import expand
    from unmask.cli.output import CsvOutput, JsonOutput, TableOutput
    from unmask.detect.detector import load
    from unmask.errors import ImageError, UsageError
    from unmask.progress import progress_bar

    if as_json and as_csv:
        raise UsageError("two_formats", "Choose one of --json and --csv.")
    if fail_on not in {None, "fake"}:
        raise UsageError("bad_fail_on", f"--fail-on knows only 'fake', not {fail_on!r}.")
    detector = load(model, threshold)
    output = JsonOutput() if as_json else CsvOutput() if as_csv else TableOutput(detector)
    any_failed = any_fake = any_image = False
    # Where the verdicts themselves scroll by, they are the progress.
    show = sys.stderr.isatty() and not sys.stdout.isatty()
    with output, progress_bar("images", None, show=show) as advance:
        for verdict in detector.detect_many(expand(paths, recursive=recursive), workers):
            any_image = True
            advance()
            any_failed |= verdict.error is not None
            any_fake |= verdict.result == "FAKE"
            output.add(verdict)
            if evidence is not None and verdict.error is None:
                from unmask.cli.evidence import write_evidence

                try:
                    write_evidence(evidence, verdict)
                except ImageError as error:  # it was readable a moment ago; the verdict stands
                    any_failed = True
                    print(f"unmask: no evidence for {verdict.path}: {error.message}", file=sys.stderr)
    if not any_image:
        raise UsageError("no_pictures", "There is no image in what was given.")
    if fail_on and any_fake:
        raise typer.Exit(4)
    if any_failed:
        raise typer.Exit(1)
