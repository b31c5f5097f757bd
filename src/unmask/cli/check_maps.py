"""``unmask check-maps``: how faithful evidence maps are on a labelled data set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from unmask.cli import options
from unmask.cli.examples import with_examples


@with_examples(
    "unmask check-maps --manifest faces.csv --limit 200 --out maps/",
    "unmask check-maps --manifest faces.csv --model mine/bundle --json",
)
def check_maps(
    manifest: options.Manifest,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", file_okay=False, help="Write faithfulness.json; run again to resume."),
    ] = None,
    root: options.Root = None,
    split: options.Split = None,
    limit: options.Limit = None,
    model: options.Model = None,
    threshold: options.Threshold = None,
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Test how faithful evidence maps are on labelled images.

    Deletes and inserts pixels in the order of each map and in random orders, compares the map with occlusion, and draws
    it again with random weights. A faithful map beats random orders, and changes with the weights.

    Exit codes: 0 all images read, 1 some image could not be read, 2 usage error, 3 broken installation or bundle.
    """
    from unmask.cli.manifests import choose_split, open_manifest
    from unmask.detect.detector import load
    from unmask.evaluation.map_study import draw_rows, study
    from unmask.explain.explainer import Explainer
    from unmask.files import OutputFolder
    from unmask.progress import progress_bar

    explainer = Explainer(load(model, threshold), None, seed)
    folder = None if out is None else OutputFolder(out)
    table = choose_split(open_manifest(manifest, root), split)
    rows = draw_rows(table, limit, seed)
    with progress_bar("checking maps", len(rows)) as advance:
        result = study(explainer, table, rows, None if folder is None else folder.path / "checks.jsonl", advance)
    if folder is not None:
        folder.write("faithfulness.json", (json.dumps(result, indent=1, allow_nan=False) + "\n").encode())
    if as_json:
        print(json.dumps(result, allow_nan=False))
    else:
        for name, found in result["by_result"].items():
            print(_sentence("all verdicts" if name == "all" else name, found))
    if result["failures"]:
        raise typer.Exit(1)


def _sentence(name: str, found: dict[str, Any]) -> str:
    means, better = found["means"], found["better_than_random"]
    return (
        f"{name}: n = {found['n']}, gain over random orders {_metric(means['gain'])}, better than random on "
        f"{100 * better['value']:.1f} % ({100 * better['low']:.1f}–{100 * better['high']:.1f}); gain with random "
        f"weights {_metric(means['redrawn_gain'])}; rank correlation with occlusion {_metric(means['agreement'])}, "
        f"with random weights {_metric(means['redrawn_correlation'])}"
    )


def _metric(found: dict[str, Any] | None) -> str:
    if found is None:
        return "not measured"
    ends = "" if found["low"] is None else f" ({found['low']:.3f} to {found['high']:.3f})"
    return f"{found['value']:.3f}{ends}"
