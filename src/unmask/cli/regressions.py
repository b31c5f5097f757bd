"""``unmask regressions``: images whose verdict is known, judged by a bundle."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from unmask.cli import options
from unmask.cli.examples import with_examples

if TYPE_CHECKING:
    from unmask.evaluation.results.regressions import Regressions

_CASES: Final = Path("tests", "regressions", "manifest.csv")
_SAID: Final = {
    "passed": "passed",
    "failed": "FAILED",
    "known_miss": "known miss",
    "fixed": "passes now",
    "absent": "not here",
}


@with_examples(
    "unmask regressions run",
    "unmask regressions run runs/mine/bundle --cases my-cases/manifest.csv",
    "unmask regressions run runs/mine/bundle --card mine-with-card/",
)
def run(
    bundle: options.BundleArgument = None,
    cases: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Table of cases (default: tests/regressions/manifest.csv of the source of unmask)."
        ),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the images (default: that of the table).")
    ] = None,
    threshold: options.Threshold = None,
    card: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write a copy of the bundle whose card says how it fares; its hash changes."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Judge images whose verdict is known.

    A case must pass, or is a known miss. Images that are not here are left out.

    Exit codes: 0 every case that must pass does, 1 some case fails, 2 usage error, 3 broken bundle.
    """
    from unmask.detect.detector import load
    from unmask.errors import UsageError
    from unmask.evaluation.regressions import read_cases, run_regressions, write_into_card
    from unmask.progress import progress_bar

    if card is not None and threshold is not None:
        raise UsageError("bad_call", "--card notes how the bundle fares as it is: leave out --threshold.")
    detector = load(bundle, threshold)
    known = read_cases(cases or _shipped_cases(), images)
    with progress_bar("cases", len(known.cases)) as advance:
        result = run_regressions(detector, known, command=["unmask", *sys.argv[1:]], progress=advance)
    if as_json:
        print(result.to_json())
    else:
        _print(result)
    if card is not None:
        written = write_into_card(detector.bundle, result, card)
        print(f"{card}: {written.info.name} with this in its card, sha256 {written.sha256}", file=sys.stderr)
    if result.of_status("failed"):
        raise typer.Exit(1)


def _shipped_cases() -> Path:
    from unmask.errors import UsageError
    from unmask.install import checkout

    root = checkout()
    if root is None or not (root / _CASES).is_file():
        raise UsageError("no_cases", f"Name the table by --cases: {_CASES.as_posix()} of unmask's source.")
    return root / _CASES


def _print(result: Regressions) -> None:
    from unmask.evaluation.reports.sentences import regression_lines
    from unmask.text import printable

    width = max((len(printable(case.path)) for case in result.cases), default=0)
    for case in result.cases:
        number = "" if case.fake_probability is None else f"{100 * case.fake_probability:5.1f} %"
        why = f"  ({case.known_miss})" if case.known_miss else ""
        print(
            f"{_SAID[case.status]:<11} {printable(case.path):<{width}}  {case.verdict or '–':<9} {number:>7}  "
            f"expected {' or '.join(case.expected)}{printable(why)}"
        )
    print(f"\n{result.detector.model}")
    print("\n".join(map(printable, regression_lines(result))))
