"""``unmask robustness``: how detectors hold up on images that have been through the world."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.examples import with_examples

EXAMPLE = """Examples:

  unmask robustness --manifest faces/manifest.csv --out robustness/ --tiers-only

  unmask robustness mine/bundle --manifest faces.csv --out robustness/ --grid jpeg --grid blur --limit 400
"""


@with_examples(EXAMPLE)
def robustness(
    manifest: Annotated[
        Path, typer.Option(help="CSV or Parquet table of images, or a folder with real/ and fake/ in it.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            file_okay=False,
            help="Write scores, robustness.json, .html and .md; a stopped run goes on from there.",
        ),
    ],
    bundles: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[BUNDLE]...", help="Bundles, folders or zips; by default the shipped one."),
    ] = None,
    root: Annotated[
        Path | None, typer.Option(metavar="DIR", help="What paths in the table are relative to; by default its folder.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Which images of the manifest; by default test where it has splits; all for every one."),
    ] = None,
    tiers_only: Annotated[bool, typer.Option("--tiers-only", help="The tiers clean, web and hard alone.")] = False,
    grid: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this part of the grid beside the tiers; may be repeated."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many images, drawn by the seed; by default all.")
    ] = None,
    threshold: Annotated[
        str | None, typer.Option(help="Probability from which an image is called fake, or a bundle's name for one.")
    ] = None,
    keep_images: Annotated[
        bool, typer.Option("--keep-images", help="Write the changed images below DIR/images, too.")
    ] = False,
    draws: Annotated[int, typer.Option(min=100, help="Bootstrap draws for intervals.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of every draw.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads; by default one a CPU.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report the whole result as one JSON object.")] = False,
) -> None:
    """Judge the same images clean, as platforms pass them on, and under a grid of degradations.

    Tiers: clean; web (longest side at most 768 px, JPEG 60); hard (512 px, JPEG 40). The grid: jpeg, webp, avif,
    rescale, blur, noise, crop, rotation, brightness, grey, screenshot, occlusion. Every figure is at the same threshold
    and stands beside its drop from the clean images. Changed images are not written unless asked for.

    Exit codes: 0 all read, 1 some image could not be read, 2 wrong call, 3 a missing extra or broken bundle.
    """
    from unmask.cli.evaluate_output import print_robustness
    from unmask.cli.manifests import choose_split, open_manifest
    from unmask.detect.detector import load
    from unmask.errors import UsageError
    from unmask.evaluation import degradations as conditions
    from unmask.evaluation.reports.robustness import write_robustness
    from unmask.evaluation.robustness import draw_rows, measure_conditions, score_conditions
    from unmask.files import OutputFolder
    from unmask.progress import progress_bar
    from unmask.stats.resample import Draws

    if tiers_only and grid:
        raise UsageError("bad_call", "Give one of --tiers-only and --grid.")
    chosen = conditions.tiers() + ([] if tiers_only else conditions.grid(grid or ()))
    images = choose_split(open_manifest(manifest, root), split)
    if limit is not None:
        images = draw_rows(images, limit, seed)
    detectors = [load(bundle, threshold) for bundle in bundles] if bundles else [load(threshold=threshold)]
    folder = OutputFolder(out).path
    with progress_bar(f"{len(chosen)} conditions", sum(1 for _ in images)) as advance:
        tables = score_conditions(
            detectors,
            images,
            chosen,
            folder / "robustness.jsonl",
            seed=seed,
            keep=folder / "pictures" if keep_images else None,
            workers=workers,
            progress=advance,
        )
    results = []
    for at, (detector, by_condition) in enumerate(zip(detectors, tables, strict=True), 1):
        info = detector.bundle.info
        facts = {"bundle_sha256": detector.bundle.sha256, "manifest_digest": images.digest()}
        result = measure_conditions(
            by_condition,
            chosen,
            Draws(draws, seed, workers),
            seed=seed,
            command=["unmask", *sys.argv[1:]],
            detector=facts,
        )
        # Numbered, for two bundles may have one name.
        own = folder if len(detectors) == 1 else OutputFolder(folder / f"{at}-{info.name}").path
        scores = OutputFolder(own / "scores").path
        for name, table in by_condition.items():
            table.write(scores / f"{name}.csv")
        write_robustness(result, own)
        if not as_json:
            print_robustness(result, own)
        results.append(result)
    if as_json:
        print(json.dumps(results[0] if len(results) == 1 else {"results": results}, allow_nan=False))
    if any(entry["failures"] for result in results for entry in result["conditions"]):
        raise typer.Exit(1)
