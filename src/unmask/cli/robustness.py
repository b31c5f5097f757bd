"""``unmask robustness``: how detectors perform on degraded images."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from unmask.cli import options
from unmask.cli.examples import with_examples


@with_examples(
    "unmask robustness --manifest faces.csv --out robustness/ --tiers-only",
    "unmask robustness mine/bundle --manifest faces.csv --grid jpeg --out jpeg/",
)
def robustness(
    manifest: options.Manifest,
    out: options.OutFolder,
    bundles: options.BundleArguments = None,
    root: options.Root = None,
    split: options.Split = None,
    tiers_only: Annotated[bool, typer.Option("--tiers-only", help="Test the tiers only, not the grid.")] = False,
    grid: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Test this degradation of the grid only, with the tiers (repeatable)."),
    ] = None,
    limit: options.Limit = None,
    threshold: options.Threshold = None,
    keep_images: Annotated[
        bool, typer.Option("--keep-images", help="Write the degraded images to images/ in the output folder.")
    ] = False,
    frames: options.ClipFrames = 32,
    draws: options.Draws = 2000,
    seed: options.Seed = 0,
    workers: options.Workers = None,
    as_json: options.Json = False,
) -> None:
    """Evaluate detectors on degraded images.

    The same images are scored clean, in more tiers, and under a grid of degradations. Tiers: web (longest side at
    most 768 px, JPEG quality 60), hard (512 px, JPEG quality 40), and face-128, face-96 and face-64 (shrunk until the
    largest face has this side in pixels). Grid: jpeg, webp, avif, rescale, blur, noise, crop, rotation, brightness,
    grey, screenshot, occlusion. The threshold is the same throughout, and every metric is reported with its drop from
    the clean images.

    Clips are tested clean, encoded again as H.264 at CRF 23, 32 and 40, and at half size (h264, half-size).

    Exit codes: 0 all images read, 1 some image could not be read, 2 usage error, 3 missing extra or broken bundle.
    """
    from unmask.cli.evaluate_output import print_robustness
    from unmask.cli.hold import hold
    from unmask.cli.manifests import choose_split, open_manifest
    from unmask.data.clip_rows import holds_clips
    from unmask.detect.detector import load
    from unmask.errors import UsageError
    from unmask.evaluation import degradations as conditions
    from unmask.evaluation.clip_robustness import score_clip_conditions
    from unmask.evaluation.reports.robustness import write_robustness
    from unmask.evaluation.results.base import DetectorFacts
    from unmask.evaluation.robustness import draw_rows, measure_conditions, score_conditions
    from unmask.files import OutputFolder
    from unmask.progress import progress_bar
    from unmask.stats.resample import Draws
    from unmask.video.detector import ClipDetector

    if tiers_only and grid:
        raise UsageError("bad_call", "--tiers-only and --grid cannot be combined.")
    images = choose_split(open_manifest(manifest, root), split)
    are_clips = holds_clips(images)
    if are_clips:
        if tiers_only:
            raise UsageError("bad_call", "There are no tiers of clips; leave out --tiers-only.")
        chosen = conditions.clip_grid(grid or ())
    else:
        chosen = conditions.tiers() + ([] if tiers_only else conditions.grid(grid or ()))
    if limit is not None:
        images = draw_rows(images, limit, seed)
    detectors = [load(bundle, threshold) for bundle in bundles] if bundles else [load(threshold=threshold)]
    hold(out)
    folder = OutputFolder(out).path
    with progress_bar(f"{len(chosen)} conditions", sum(1 for _ in images)) as advance:
        kept = folder / ("clips" if are_clips else "images") if keep_images else None
        store = folder / "robustness.jsonl"
        if are_clips:
            judges = [ClipDetector(detector, threshold, workers=workers) for detector in detectors]
            tables = score_clip_conditions(judges, images, chosen, store, frames=frames, keep=kept, progress=advance)
        else:
            tables = score_conditions(
                detectors, images, chosen, store, seed=seed, keep=kept, workers=workers, progress=advance
            )
    results = []
    for at, (detector, by_condition) in enumerate(zip(detectors, tables, strict=True), 1):
        info = detector.bundle.info
        facts = DetectorFacts(bundle_sha256=detector.bundle.sha256, manifest_digest=images.digest())
        result = measure_conditions(
            by_condition,
            chosen,
            Draws(draws, seed, workers),
            seed=seed,
            command=["unmask", *sys.argv[1:]],
            detector=facts,
        )
        # Numbered, because two bundles may have the same name.
        own = folder if len(detectors) == 1 else OutputFolder(folder / f"{at}-{info.name}").path
        scores = OutputFolder(own / "scores").path
        for name, table in by_condition.items():
            table.write(scores / f"{name}.csv")
        write_robustness(result, own)
        if not as_json:
            print_robustness(result, own)
        results.append(result)
    if as_json:
        whole = results[0].to_dict() if len(results) == 1 else {"results": [result.to_dict() for result in results]}
        print(json.dumps(whole, allow_nan=False))
    if any(condition.failures for result in results for condition in result.conditions):
        raise typer.Exit(1)
