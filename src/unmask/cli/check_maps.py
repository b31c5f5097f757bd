"""``unmask check-maps``: how faithful evidence maps are on a labelled data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask.cli import options
from unmask.cli.examples import with_examples

if TYPE_CHECKING:
    from unmask.evaluation.results.base import Metric
    from unmask.evaluation.results.map_study import MapSummary


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
    from unmask.cli.hold import hold
    from unmask.cli.manifests import choose_split, open_manifest
    from unmask.detect.detector import load
    from unmask.evaluation.map_study import draw_rows, study
    from unmask.explain.explainer import Explainer
    from unmask.files import OutputFolder
    from unmask.progress import progress_bar

    explainer = Explainer(load(model, threshold), None, seed)
    hold(out)
    folder = None if out is None else OutputFolder(out)
    table = choose_split(open_manifest(manifest, root), split)
    rows = draw_rows(table, limit, seed)
    with progress_bar("checking maps", len(rows)) as advance:
        result = study(explainer, table, rows, None if folder is None else folder.path / "checks.jsonl", advance)
    if folder is not None:
        folder.write("faithfulness.json", (result.to_json(indent=1) + "\n").encode())
    if as_json:
        print(result.to_json())
    else:
        for name, found in result.by_result.items():
            print(_sentence("all verdicts" if name == "all" else name, found))
    if result.failures:
        raise typer.Exit(1)


def _sentence(name: str, found: MapSummary) -> str:
    from unmask.evaluation.reports.sentences import percent

    means = found.means
    return (
        f"{name}: n = {found.n}, gain over random orders {_metric(means.gain)}, better than random on "
        f"{percent(found.better_than_random)}; gain with random weights {_metric(means.redrawn_gain)}; rank "
        f"correlation with occlusion {_metric(means.agreement)}, with random weights "
        f"{_metric(means.redrawn_correlation)}"
    )


def _metric(found: Metric | None) -> str:
    from unmask.evaluation.reports.sentences import with_interval

    return "not measured" if found is None else with_interval(found)
