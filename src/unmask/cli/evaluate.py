"""``unmask evaluate``: how well detectors tell real from fake on labelled images."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unmask.cli.examples import with_examples

if TYPE_CHECKING:
    from unmask.detect.detector import Detector
    from unmask.evaluation.scores import Scores

EXAMPLE = """Examples:

  unmask evaluate --manifest faces/manifest.csv --out evaluation/

  unmask evaluate mine/bundle other.zip --manifest faces.csv --split val --by age --json

  unmask evaluate --scores somebody-elses.csv --out theirs/

  unmask evaluate --recipe s0-mobilenetv2-rf --protocol loso --manifest faces.csv --out held-out/
"""


@with_examples(EXAMPLE)
def evaluate(
    bundles: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[BUNDLE]...", help="Bundles, folders or zips; by default the shipped one."),
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="CSV or Parquet table of images, or a folder with real/ and fake/ in it.")
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Scores already made: a table with path, label, fake_probability."),
    ] = None,
    root: Annotated[
        Path | None, typer.Option(metavar="DIR", help="What paths in the table are relative to; by default its folder.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Which images of the manifest; by default test where it has splits; all for every one."),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Take figures apart by this column too; may be repeated."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            file_okay=False,
            help="Write scores, result.json, report.html and report.md; a stopped run goes on from there.",
        ),
    ] = None,
    parquet: Annotated[bool, typer.Option("--parquet", help="Write scores.parquet in place of scores.csv.")] = False,
    threshold: Annotated[
        str | None, typer.Option(help="Probability from which an image is called fake, or a bundle's name for one.")
    ] = None,
    thumbnails: Annotated[
        bool,
        typer.Option("--thumbnails", help="Put images of the worst mistakes into report.html, with their evidence."),
    ] = False,
    robustness: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Of unmask robustness, to show; by default DIR/robustness.json if it is there."
        ),
    ] = None,
    bench: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Of unmask bench, to show; by default DIR/bench.json if it is there."),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="In place of bundles: a recipe to train for --protocol, by name or YAML file.")
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(help="Train the recipe without each source (loso), each generator (logo) or each fold (kfold)."),
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the recipe.")
    ] = None,
    folds: Annotated[int, typer.Option(help="Of kfold.")] = 5,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where crops and features are kept; DIR/cache of --out.")
    ] = None,
    draws: Annotated[int, typer.Option(min=100, help="Bootstrap draws for intervals.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws, and of splits that a protocol draws.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads; by default one a CPU.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report the whole result as one JSON object.")] = False,
) -> None:
    """Measure detectors on labelled images: scores first, then every figure with its interval.

    Figures stand beside the majority-class baseline, and are taken apart by source, generator and kind. Images that
    cannot be read count as mistakes. Several bundles are measured one after the other and compared.

    With --recipe and --protocol detectors are trained in place of given: held-out figures stand beside those of a
    detector that saw everything, in protocol.html, .md and .json. A stopped run goes on.

    Exit codes: 0 all read, 1 some image could not be read, 2 wrong call, 3 a missing extra or broken bundle.
    """
    from unmask.cli.evaluate_output import print_result
    from unmask.cli.extras import need
    from unmask.errors import UsageError
    from unmask.evaluation.compare import compare
    from unmask.evaluation.evaluate import evaluate as evaluate_scores
    from unmask.evaluation.reports.evaluation import Beside, read_result, write_report
    from unmask.stats.resample import Draws

    if recipe is not None or protocol is not None:
        if recipe is None or protocol is None or manifest is None or out is None:
            raise UsageError("bad_call", "A protocol needs --recipe, --protocol, --manifest and --out.")
        if bundles or scores is not None or split is not None:
            raise UsageError("bad_call", "A protocol trains and tests on the whole manifest: no bundle, no --split.")
        from unmask.cli.evaluate_protocol import evaluate_protocol

        evaluate_protocol(
            recipe, overrides or [], protocol, manifest, root, out, folds, cache, Draws(draws, seed, workers), as_json
        )
        return
    if (manifest is None) == (scores is None):
        raise UsageError("bad_call", "Give one of --manifest (images to score) and --scores (a table of scores).")
    if scores is not None and (bundles or split is not None):
        raise UsageError("bad_call", "--scores needs no bundle and no --split: the table says which images count.")
    if (robustness or bench) and (out is None or (bundles and len(bundles) > 1)):
        raise UsageError(
            "bad_call", "--robustness and --bench go into the report of one bundle: give --out, one bundle."
        )
    # Before the work, not after it.
    for kind, given in (("robustness", robustness), ("bench", bench)):
        if given is not None:
            read_result(given, kind)
    if parquet:
        need("train", "--parquet", "pyarrow")
    if bundles and len(bundles) > 2:
        need("train", "A comparison of three and more", "scipy")
    command = ["unmask", *sys.argv[1:]]
    how = Draws(draws, seed, workers)
    image_root = root or (manifest if manifest and manifest.is_dir() else (manifest or Path(str(scores))).parent)
    measured: list[tuple[Scores, dict[str, Any]]] = []
    for table, facts, detector, folder in _tables(bundles, manifest, scores, root, split, out, threshold, workers):
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
        print(json.dumps(measured[0][1], allow_nan=False))
    elif as_json:
        print(json.dumps({"results": [result for _, result in measured], "comparison": comparison}, allow_nan=False))
    elif comparison is not None:
        print("\n".join(comparison["sentences"]))
    if any(result["failures"] for _, result in measured):
        raise typer.Exit(1)


def _tables(
    bundles: list[Path] | None,
    manifest: Path | None,
    scores: Path | None,
    root: Path | None,
    split: str | None,
    out: Path | None,
    threshold: str | None,
    workers: int | None,
) -> Iterator[tuple[Scores, dict[str, Any], Detector | None, Path | None]]:
    """Each table of scores with facts of its detector, the detector, and the folder for its results."""
    from unmask.cli.manifests import choose_split, open_manifest
    from unmask.detect.detector import load
    from unmask.errors import UsageError
    from unmask.evaluation.scores import Scores, check_threshold, score_manifest
    from unmask.progress import progress_bar

    if scores is not None:
        try:
            cut = None if threshold is None else check_threshold(float(threshold))
        except ValueError:
            raise UsageError("bad_threshold", f"With --scores a threshold is a number, not {threshold!r}.") from None
        yield Scores.open(scores, cut), {}, None, _folder(out)
        return
    assert manifest is not None
    chosen = choose_split(open_manifest(manifest, root), split)
    detectors = [load(bundle, threshold) for bundle in bundles] if bundles else [load(threshold=threshold)]
    total = sum(1 for _ in chosen)
    for at, detector in enumerate(detectors, 1):
        info = detector.bundle.info
        # Numbered, for two bundles may have one name.
        folder = _folder(out if out is None or len(detectors) == 1 else out / f"{at}-{info.name}")
        with progress_bar(f"{info.name}@{info.version}", total) as advance:
            store = None if folder is None else folder / "answers.jsonl"
            found = score_manifest(detector, chosen, store, workers=workers, progress=advance)
        facts = {
            "bundle_sha256": detector.bundle.sha256,
            "sources_in_training": info.card.sources,
            "manifest_digest": chosen.digest(),
            "calibrated_on": info.recalibration and info.recalibration.manifest_digest,
        }
        yield found, facts, detector, folder


def _folder(folder: Path | None) -> Path | None:
    from unmask.files import OutputFolder

    return None if folder is None else OutputFolder(folder).path
