"""``unmask evaluate --recipe --protocol``: held-out figures of a recipe."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unmask.stats.resample import Draws


def evaluate_protocol(
    recipe: str,
    overrides: list[str],
    protocol: str,
    manifest: Path,
    root: Path | None,
    out: Path,
    folds: int,
    cache: Path | None,
    draws: Draws,
    as_json: bool,
) -> None:
    """Train and test, write the report, and say the figures."""
    from unmask.cli.manifests import open_manifest
    from unmask.cli.training import prepare_training
    from unmask.recipes import Recipe

    prepare_training("A protocol")
    from unmask.evaluation.experiments.held_out import plan, run_protocol
    from unmask.evaluation.reports.held_out import render_markdown, write_report

    table = open_manifest(manifest, root)
    table.validate()
    planned = plan(table, protocol, folds=folds, seed=draws.seed)
    result = run_protocol(
        Recipe.load(recipe, overrides),
        planned,
        out,
        draws=draws,
        cache=cache,
        workers=draws.workers,
        command=["unmask", *sys.argv[1:]],
        announce=lambda line: print(f"unmask: {line}", file=sys.stderr),
    )
    write_report(result, out)
    if as_json:
        print(json.dumps(result, allow_nan=False))
    else:
        print(render_markdown(result))
        print(f"More in {out / 'protocol.html'}")
