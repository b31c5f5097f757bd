"""``unmask compare``: which differences between detectors are established."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.examples import with_examples

EXAMPLE = """Example:

  unmask compare mine/scores.csv theirs.csv
"""


@with_examples(EXAMPLE)
def compare(
    scores: Annotated[
        list[Path], typer.Argument(metavar="SCORES...", help="Two or more tables of scores, CSV or Parquet.")
    ],
    draws: Annotated[int, typer.Option(min=100, help="Draws for intervals and random swaps.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads; by default one a CPU.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as one JSON object.")] = False,
) -> None:
    """Compare detectors on the same images, paired by path.

    Tables come from unmask evaluate --out, or from anywhere: path, label and fake_probability are enough. Every pair is
    tested, corrected after Holm, and each difference is said to be established or not.

    Exit codes: 0 compared, 2 wrong call, 3 a missing extra.
    """
    from unmask.evaluation.compare import compare as compare_scores
    from unmask.evaluation.scores import Scores
    from unmask.stats.resample import Draws

    result = compare_scores([Scores.open(path) for path in scores], Draws(draws, seed, workers))
    print(json.dumps(result, allow_nan=False) if as_json else "\n".join(result["sentences"]))
