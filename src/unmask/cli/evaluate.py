"""``unmask evaluate``: how well detectors separate real from fake on labelled images."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask.cli import deprecated, options
from unmask.cli.examples import with_examples

if TYPE_CHECKING:
    from unmask.detect.detector import Detector
    from unmask.evaluation.results import Evaluation
    from unmask.evaluation.results.base import DetectorFacts
    from unmask.evaluation.scores import Scores


@with_examples(
    "unmask evaluate --manifest faces.csv --out evaluation/",
    "unmask evaluate mine/bundle other.zip --manifest faces.csv --by age --json",
    "unmask evaluate --scores other-detector.csv --out other/",
)
def evaluate(
    bundles: options.BundleArguments = None,
    manifest: options.ManifestIfAny = None,
    scores: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Evaluate a score table with the columns path, label, fake_probability instead."
        ),
    ] = None,
    root: options.Root = None,
    split: options.Split = None,
    where: options.Where = None,
    by: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Compare the groups of this column, such as age (repeatable)."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            file_okay=False,
            help="Write scores, result.json, report.html and report.md; run again to resume after an interruption.",
        ),
    ] = None,
    parquet: Annotated[bool, typer.Option("--parquet", help="Write scores.parquet instead of scores.csv.")] = False,
    threshold: options.Threshold = None,
    thumbnails: Annotated[
        bool, typer.Option("--thumbnails", help="Show the images of the worst errors, with evidence, in report.html.")
    ] = False,
    robustness: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Include a result of unmask robustness (default: DIR/robustness.json if it exists)."
        ),
    ] = None,
    bench: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Include a result of unmask bench (default: DIR/bench.json if it exists)."),
    ] = None,
    frames: options.ClipFrames = 32,
    draws: options.Draws = 2000,
    seed: options.Seed = 0,
    workers: options.Workers = None,
    as_json: options.Json = False,
    recipe: Annotated[str | None, typer.Option(hidden=True)] = None,
    protocol: Annotated[str | None, typer.Option(hidden=True)] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", hidden=True)] = None,
    folds: Annotated[int, typer.Option(hidden=True)] = 5,
    cache: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Evaluate detectors on labelled images with confidence intervals.

    Metrics are reported next to those of the majority-class baseline, and by source, generator and kind. An image that
    cannot be read counts as an error. Several bundles are evaluated one by one, then compared. A manifest of clips is
    evaluated by clip, by track and by frame.

    Exit codes: 0 all images read, 1 some image could not be read, 2 usage error, 3 missing extra or broken bundle.
    """
    from unmask.errors import UsageError

    if recipe is not None or protocol is not None:
        if recipe is None or protocol is None or manifest is None or out is None:
            raise UsageError("bad_call", "--recipe and --protocol need each other, --manifest and --out.")
        if bundles or scores is not None or split is not None or where:
            raise UsageError(
                "bad_call",
                "--protocol cannot be combined with a bundle, --scores, --split or --where.",
            )
        from unmask.cli.held_out import held_out

        deprecated.warn("unmask evaluate --recipe RECIPE --protocol", "unmask held-out RECIPE --protocol")
        held_out(recipe, protocol, manifest, out, root, overrides, folds, cache, draws, seed, workers, as_json)
        return

    from unmask.cli.evaluate_output import print_result
    from unmask.cli.extras import need
    from unmask.cli.hold import hold
    from unmask.data.scanned import ScanTable, is_scan
    from unmask.evaluation.compare import compare
    from unmask.evaluation.evaluate import evaluate as evaluate_scores
    from unmask.evaluation.reports.evaluation import Beside, write_report
    from unmask.evaluation.reports.write import read_result
    from unmask.evaluation.results import Bench, Robustness
    from unmask.stats.resample import Draws
    from unmask.text import printable

    if (manifest is None) == (scores is None):
        raise UsageError("bad_call", "Give one of --manifest (images to score) and --scores (a score table).")
    if scores is not None and (bundles or split is not None or where):
        raise UsageError("bad_call", "--scores cannot be combined with a bundle, --split or --where.")
    if (robustness or bench) and (out is None or (bundles and len(bundles) > 1)):
        raise UsageError("bad_call", "--robustness and --bench need --out and a single bundle.")
    # Before the work, not after it.
    for kind, given in ((Robustness, robustness), (Bench, bench)):
        if given is not None:
            read_result(given, kind)
    if parquet:
        need("train", "--parquet", "pyarrow")
    if bundles and len(bundles) > 2:
        need("train", "Comparing more than two detectors", "scipy")
    hold(out)
    command = ["unmask", *sys.argv[1:]]
    how = Draws(draws, seed, workers)
    given = manifest or Path(str(scores))
    if is_scan(given):
        given = Path(ScanTable(given).root)
    image_root = root or (given if given.is_dir() else given.parent)
    measured: list[tuple[Scores, Evaluation]] = []
    for table, facts, detector, folder in _tables(
        bundles, manifest, scores, root, split, where or (), by or (), out, threshold, frames, workers
    ):
        result = evaluate_scores(table, by or (), how, command=command, detector=facts)
        if folder is not None:
            table.write(folder / f"scores{'.parquet' if parquet else '.csv'}")
            write_report(
                result,
                folder,
                thumbnails_from=image_root if thumbnails else None,
                detector=detector,
                beside=Beside.of(result, folder, robustness, bench),
            )
        if not as_json:
            print_result(result, folder)
        measured.append((table, result))
    comparison = compare([table for table, _ in measured], how) if len(measured) > 1 else None
    if as_json and comparison is None:
        print(measured[0][1].to_json())
    elif as_json and comparison is not None:
        results = [result.to_dict() for _, result in measured]
        print(json.dumps({"results": results, "comparison": comparison.to_dict()}, allow_nan=False))
    elif comparison is not None:
        print("\n".join(map(printable, comparison.sentences)))
    if any(result.failures for _, result in measured):
        raise typer.Exit(1)


def _tables(
    bundles: list[Path] | None,
    manifest: Path | None,
    scores: Path | None,
    root: Path | None,
    split: str | None,
    where: Sequence[str],
    by: Sequence[str],
    out: Path | None,
    threshold: str | None,
    frames: int,
    workers: int | None,
) -> Iterator[tuple[Scores, DetectorFacts, Detector | None, Path | None]]:
    """Each score table with facts about its detector, the detector, and the folder for its results."""
    from unmask.cli.manifests import choose_split, open_manifest, read_where, translation
    from unmask.data.clip_rows import holds_clips
    from unmask.detect.detector import load
    from unmask.errors import UsageError
    from unmask.evaluation.clip_scores import score_clips
    from unmask.evaluation.results.base import DetectorFacts
    from unmask.evaluation.scores import COLUMNS, Scores, check_threshold, score_manifest
    from unmask.progress import progress_bar
    from unmask.video.detector import ClipDetector

    if scores is not None:
        try:
            limit = None if threshold is None else check_threshold(float(threshold))
        except ValueError:
            raise UsageError("bad_threshold", f"With --scores, --threshold is a number, not {threshold!r}.") from None
        yield Scores.open(scores, limit, translation()), DetectorFacts(), None, _folder(out)
        return
    assert manifest is not None
    chosen = choose_split(open_manifest(manifest, root).select(**read_where(where)), split)
    for column in by:  # before the work, not after it
        if column not in (*chosen.columns, *COLUMNS):
            raise UsageError(
                "unknown_column", f"{manifest}: there is no column {column!r}; there are {', '.join(chosen.columns)}"
            )
    are_clips = holds_clips(chosen)
    detectors = [load(bundle, threshold) for bundle in bundles] if bundles else [load(threshold=threshold)]
    total = sum(1 for _ in chosen)
    for at, detector in enumerate(detectors, 1):
        info = detector.bundle.info
        # Numbered, because two bundles may have the same name.
        folder = _folder(out if out is None or len(detectors) == 1 else out / f"{at}-{info.name}")
        with progress_bar(f"{info.name}@{info.version}", total) as advance:
            store = None if folder is None else folder / "answers.jsonl"
            if are_clips:
                judge = ClipDetector(detector, threshold, workers=workers)
                found = score_clips(judge, chosen, store, frames=frames, progress=advance)
            else:
                found = score_manifest(detector, chosen, store, workers=workers, progress=advance)
        facts = DetectorFacts(
            bundle_sha256=detector.bundle.sha256,
            sources_in_training=info.card.sources,
            manifest_digest=chosen.digest(),
            calibrated_on=None if info.recalibration is None else info.recalibration.manifest_digest,
        )
        yield found, facts, detector, folder


def _folder(folder: Path | None) -> Path | None:
    from unmask.files import OutputFolder

    return None if folder is None else OutputFolder(folder).path
