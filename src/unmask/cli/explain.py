"""``unmask explain``: why a verdict on an image or clip is what it is, as a report."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unmask.cli import deprecated, options
from unmask.cli.examples import with_examples

if TYPE_CHECKING:
    from unmask.detect.judged import Judged
    from unmask.models.network import FaceNetwork


@with_examples(
    "unmask explain portrait.jpg --out report/",
    "unmask explain clip.mp4 --out report/",
    "unmask explain photos/*.jpg --out reports/ --no-forensics",
)
def explain(
    paths: options.ImagesIfAny = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", file_okay=False, help="Write a folder per file, and an index of several."),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", dir_okay=False, help="Write the report of one file as a self-contained page."),
    ] = None,
    as_json: options.JsonLines = False,
    recursive: options.Recursive = False,
    model: options.Model = None,
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN", help="Explain the detector of a run folder, with the gradients of its PyTorch network."
        ),
    ] = None,
    threshold: options.Threshold = None,
    forensics: Annotated[
        bool, typer.Option("--forensics/--no-forensics", help="Include forensic views of images and their files.")
    ] = True,
    check: Annotated[
        str,
        typer.Option(
            metavar="none|quick|full",
            help="Check whether the evidence map can be relied on: against random orders, or also against other maps.",
        ),
    ] = "quick",
    frames: options.Frames = None,
    every: options.Every = None,
    as_clip: options.AsClip = False,
    seed: options.Seed = 0,
    manifest: Annotated[Path | None, typer.Option(hidden=True)] = None,
    root: Annotated[Path | None, typer.Option(hidden=True)] = None,
    split: Annotated[str | None, typer.Option(hidden=True)] = None,
    most: Annotated[int | None, typer.Option(min=1, hidden=True)] = None,
) -> None:
    """Explain a verdict.

    The report begins with one screen to cite: verdict, reasons, limits, what to do next, hashes, and the commands to
    verify it. Below are which regions the detector relied on, whether this map is faithful, and what forensic views and
    the file's metadata say. The report on a clip has a timeline, and its most suspicious and most innocent frames. It
    prints on two pages. SOURCE_DATE_EPOCH sets its time.

    Exit codes: 0 all files read, 1 some file could not be read, 2 usage error, 3 broken installation or bundle.
    """
    from unmask.cli.clips import FileJudge
    from unmask.cli.extras import need
    from unmask.cli.inputs import expand
    from unmask.detect.detector import load
    from unmask.errors import ImageError, UsageError
    from unmask.explain.citation import report_time
    from unmask.explain.clips.explainer import ClipExplainer, ClipExplanation
    from unmask.explain.explainer import Explainer
    from unmask.explain.explanation import Explanation
    from unmask.explain.faithfulness import Depth
    from unmask.explain.reports import Reports, write_html
    from unmask.imaging.find import PassedOver
    from unmask.imaging.video.frames import DEFAULT_FRAMES
    from unmask.progress import progress_bar
    from unmask.text import printable

    if bool(paths) == (manifest is not None):
        raise UsageError("bad_call", "Give images or --manifest, not both." if paths else "No images given.")
    if manifest is not None:
        if html is not None or run is not None:
            raise UsageError("bad_call", "--manifest cannot be combined with --html or --run.")
        from unmask.cli.check_maps import check_maps

        deprecated.warn("unmask explain --manifest", "unmask check-maps --manifest")
        check_maps(manifest, out, root, split, most, model, threshold, seed, as_json)
        return
    if run is not None and model is not None:
        raise UsageError("bad_call", "--run has its own bundle: it cannot be combined with --model.")
    if run is not None:
        need("train", "Explaining a run", "torch", "timm", "lightning", "torchmetrics")
    network = None if run is None else _network(run)
    explainer = Explainer(load(model if run is None else run / "bundle", threshold), network, seed)
    if out is None and html is None and not as_json:
        raise UsageError("bad_call", "No output given: use --out DIR, --html FILE or --json.")
    depths: dict[str, Depth] = {"none": "none", "quick": "quick", "full": "full"}
    if check not in depths:
        raise UsageError("bad_check", f"--check must be none, quick or full, not {check!r}.")
    judge = FileJudge(
        explainer.detector, threshold, frames=frames, every=every, as_clip=as_clip, kept=None, workers=None
    )
    now = report_time()
    passed_over = PassedOver()
    listed = list(expand(paths or [], passed_over, recursive=recursive, clips=True))
    if passed_over:
        print(f"unmask: {passed_over}", file=sys.stderr)
    if not listed:
        raise UsageError("no_pictures", "No images found.")
    if html is not None and len(listed) > 1:
        raise UsageError("bad_call", f"--html takes one file, not {len(listed)}; use --out DIR for several.")
    reports = None if out is None else Reports(out, explainer.detector.model_name, now)
    clips = {path for path in listed if judge.is_clip(path)}
    depth, frames = depths[check], frames or DEFAULT_FRAMES
    clip_explainer = ClipExplainer(explainer, judge.first) if clips else None

    def explain_file(path: str) -> Explanation | ClipExplanation:
        if clip_explainer is None or path not in clips:
            return explainer.explain(path, forensics=forensics, faithfulness=depth, advance=advance)
        return clip_explainer.explain(path, frames, every, faithfulness=depth, as_clip=as_clip, advance=advance)

    steps = (len(listed) - len(clips)) * explainer.steps(depth)
    if clip_explainer is not None:
        steps += len(clips) * clip_explainer.steps(frames, depth)
    failed, report = 0, html
    with progress_bar("explaining", steps) as advance:
        for path in listed:
            started = time.perf_counter()
            try:
                found = explain_file(path)
            except ImageError as error:
                failed += 1
                verdict: Judged = explainer.detector.unreadable(error, started, path)
                if path in clips:
                    verdict = judge.first.unreadable(path, error, started)
                content: dict[str, Any] = {"schema": 1, "verdict": verdict.to_dict()}
                if reports is not None:
                    reports.add_failure(verdict, is_clip=path in clips)
                print(f"unmask: {printable(path)}: {error.message}", file=sys.stderr)
            else:
                content = found.to_json()
                if reports is not None:
                    report = reports.add(found)
                if html is not None:
                    write_html(found, html, now)
            if as_json:
                print(json.dumps(content, allow_nan=False), flush=True)
    if reports is not None and len(listed) > 1:
        report = reports.close()
    if not as_json and failed < len(listed):
        print(f"Report: {report}")
    if failed:
        raise typer.Exit(1)


def _network(run: Path) -> FaceNetwork:
    from unmask.training.fit import load_run

    return load_run(run)
