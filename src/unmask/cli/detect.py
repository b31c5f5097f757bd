"""``unmask detect``: verdicts on images."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from unmask.cli import options
from unmask.cli.examples import with_examples


@with_examples(
    "unmask detect portrait.jpg",
    "unmask detect photos/ --recursive --json > verdicts.jsonl",
    "find . -name '*.jpg' | unmask detect - --csv --fail-on fake",
)
def detect(
    paths: options.Images,
    recursive: options.Recursive = False,
    as_json: options.JsonLines = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a CSV table.")] = False,
    evidence: Annotated[
        Path | None,
        typer.Option(metavar="DIR", file_okay=False, help="Write a copy of each image with its evidence map to DIR."),
    ] = None,
    model: options.Model = None,
    threshold: options.Threshold = None,
    fail_on: Annotated[
        str | None, typer.Option(metavar="fake", help="Exit with code 4 if any image is called fake.")
    ] = None,
    workers: options.Workers = None,
) -> None:
    """Classify faces in images as real or fake.

    Folders are searched for images by content, whatever their names. What is passed over is counted at the end.

    Exit codes: 0 all images read, 1 some image could not be read or some subfolder was passed over, 2 usage error,
    3 broken installation or bundle, 4 --fail-on.
    """
    from unmask.cli.inputs import expand
    from unmask.cli.output import CsvOutput, JsonOutput, Output
    from unmask.detect.detector import load
    from unmask.errors import ImageError, UsageError
    from unmask.imaging.find import PassedOver
    from unmask.progress import progress_bar
    from unmask.text import printable

    if as_json and as_csv:
        raise UsageError("two_formats", "--json and --csv cannot be combined.")
    if fail_on not in {None, "fake"}:
        raise UsageError("bad_fail_on", f"--fail-on must be fake, not {fail_on!r}.")
    detector = load(model, threshold)
    output: Output
    if as_json or as_csv:
        output = JsonOutput() if as_json else CsvOutput()
    else:
        from unmask.cli.table import TableOutput

        output = TableOutput(detector)
    any_failed = any_fake = any_image = False
    passed_over = PassedOver()
    # On a terminal the verdicts themselves show the progress.
    show = sys.stderr.isatty() and not sys.stdout.isatty()
    with output, progress_bar("images", None, show=show) as advance:
        for verdict in detector.detect_many(expand(paths, passed_over, recursive=recursive), workers):
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
                    print(f"unmask: no evidence for {printable(str(verdict.path))}: {error.message}", file=sys.stderr)
    if passed_over:
        print(f"unmask: {passed_over}", file=sys.stderr)
    if not any_image:
        raise UsageError("no_pictures", "No images found.")
    if fail_on and any_fake:
        raise typer.Exit(4)
    if any_failed or passed_over.subfolders > 0:
        raise typer.Exit(1)
