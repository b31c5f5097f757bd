"""``unmask detect``: verdicts on images."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask.cli import options
from unmask.cli.examples import with_examples

if TYPE_CHECKING:
    from unmask.detect.verdict import Verdict


@with_examples(
    "unmask detect portrait.jpg",
    "unmask detect photos/ --recursive --json > verdicts.jsonl",
    "find . -name '*.jpg' | unmask detect - --csv --fail-on fake,mark",
)
def detect(
    paths: options.Images,
    recursive: options.Recursive = False,
    as_json: options.JsonLines = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a CSV table.")] = False,
    evidence: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            file_okay=False,
            help="Write a copy of each image that has a face, with its evidence, to DIR.",
        ),
    ] = None,
    model: options.Model = None,
    threshold: options.Threshold = None,
    fail_on: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Exit with code 4 if any verdict is FAKE (fake), is UNCERTAIN or NO_FACE (uncertain), or if any file "
            "has a mark of its making (mark). Separate several by commas.",
        ),
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
    alarms = {} if fail_on is None else _alarms(fail_on)
    detector = load(model, threshold)
    passed_over = PassedOver()
    output: Output
    if as_json or as_csv:
        output = JsonOutput() if as_json else CsvOutput()
    else:
        from unmask.cli.table import TableOutput

        output = TableOutput(detector, passed_over)
    any_failed = any_alarm = any_image = False
    # On a terminal the verdicts themselves show the progress.
    show = sys.stderr.isatty() and not sys.stdout.isatty()
    with output, progress_bar("images", None, show=show) as advance:
        for verdict in detector.detect_many(expand(paths, passed_over, recursive=recursive), workers):
            any_image = True
            advance()
            any_failed |= verdict.error is not None
            any_alarm |= any(is_alarm(verdict) for is_alarm in alarms.values())
            output.add(verdict)
            if evidence is not None and verdict.error is None and verdict.verdict != "NO_FACE":
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
    if any_alarm:
        raise typer.Exit(4)
    if any_failed or passed_over.subfolders > 0:
        raise typer.Exit(1)


_ALARMS: dict[str, Callable[[Verdict], bool]] = {
    "fake": lambda verdict: verdict.verdict == "FAKE",
    "uncertain": lambda verdict: verdict.uncertain,
    "mark": lambda verdict: bool(verdict.marks),
}


def _alarms(listed: str) -> dict[str, Callable[[Verdict], bool]]:
    """The tests of --fail-on by name.

    Raises:
        UsageError: ``bad_fail_on``: a name is none of them.
    """
    from unmask.errors import UsageError

    names = [name.strip() for name in listed.split(",")]
    for name in names:
        if name not in _ALARMS:
            raise UsageError("bad_fail_on", f"--fail-on must list {', '.join(_ALARMS)}, not {name!r}.")
    return {name: _ALARMS[name] for name in names}
