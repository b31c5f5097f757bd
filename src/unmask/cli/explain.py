"""``unmask explain``: why a verdict is what it is, as a report."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unmask.cli.examples import with_examples

if TYPE_CHECKING:
    from unmask.explain.explainer import Explainer
    from unmask.models.network import FaceNetwork

EXAMPLE = """Examples:

  unmask explain portrait.jpg --out report/

  unmask explain photos/*.jpg --out reports/ --no-forensics

  unmask explain --manifest faces.csv --split test --most 200 --json
"""


@with_examples(EXAMPLE)
def explain(
    paths: Annotated[list[str] | None, typer.Argument(help="Files, folders, globs, or - for a list on stdin.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", file_okay=False, help="Write a folder an image, and an index.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Write one self-contained page, of one image.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object an image, a line each.")] = False,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Folders below folders too.")] = False,
    model: Annotated[
        Path | None,
        typer.Option(metavar="BUNDLE", help="A bundle's folder or zip, in place of the shipped one."),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Explain the detector of a run folder, with gradients of its torch network."),
    ] = None,
    threshold: Annotated[
        str | None, typer.Option(help="Probability from which an image is called fake, or a name, as fpr_1.")
    ] = None,
    forensics: Annotated[bool, typer.Option("--forensics/--no-forensics", help="With forensic views.")] = True,
    manifest: Annotated[
        Path | None, typer.Option(help="Check evidence maps over a labelled set, in place of explaining images.")
    ] = None,
    root: Annotated[
        Path | None, typer.Option(metavar="DIR", help="What paths in the manifest are relative to.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Only this split of the manifest.")] = None,
    most: Annotated[int | None, typer.Option(min=1, help="Of the manifest at most so many images, drawn.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of control orders, re-drawn weights and what is drawn.")] = 0,
) -> None:
    """Show why: where the evidence lies, whether that is to be believed, what else image and file say.

    Exit codes: 0 all read, 1 some image failed, 2 wrong call, 3 broken installation or bundle.
    """
    from unmask.cli.extras import need
    from unmask.cli.inputs import expand
    from unmask.detect.detector import load
    from unmask.errors import ImageError, UsageError
    from unmask.explain.explainer import Explainer
    from unmask.explain.reports import Reports, write_html
    from unmask.progress import progress_bar
    from unmask.text import printable

    if bool(paths) == (manifest is not None):
        raise UsageError("bad_call", "Give either images or --manifest.")
    if run is not None and model is not None:
        raise UsageError("bad_call", "Give one of --run, which has a bundle of its own, and --model.")
    if run is not None:
        need("train", "Explaining a run", "torch", "timm", "lightning", "torchmetrics")
    network = None if run is None else _network(run)
    explainer = Explainer(load(model if run is None else run / "bundle", threshold), network, seed)
    if manifest is not None:
        if html is not None or run is not None:
            raise UsageError("bad_call", "--manifest goes with --out and --json, not with --html or --run.")
        if _study(explainer, manifest, root, split, most, out, as_json)["failures"]:
            raise typer.Exit(1)
        return
    if out is None and html is None and not as_json:
        raise UsageError("bad_call", "Say where the report goes: --out DIR, --html FILE or --json.")
    listed = list(expand(paths or [], recursive=recursive))
    if not listed:
        raise UsageError("no_pictures", "There is no image in what was given.")
    if html is not None and len(listed) > 1:
        raise UsageError("bad_call", f"--html holds one image, not {len(listed)}; --out makes a folder of reports.")
    reports = None if out is None else Reports(out, explainer.detector.model_name)
    failed, report = 0, html
    with progress_bar("explaining", len(listed) * explainer.steps()) as advance:
        for path in listed:
            started = time.perf_counter()
            try:
                found = explainer.explain(path, forensics=forensics, advance=advance)
            except ImageError as error:
                failed += 1
                verdict = explainer.detector.unreadable(error, started, path)
                content: dict[str, Any] = {"schema": 1, "verdict": verdict.to_json()}
                if reports is not None:
                    reports.add_failure(verdict)
                print(f"unmask: {printable(path)}: {error.message}", file=sys.stderr)
            else:
                content = found.to_json()
                if reports is not None:
                    report = reports.add(found)
                if html is not None:
                    write_html(found, html)
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


def _study(
    explainer: Explainer,
    manifest: Path,
    root: Path | None,
    split: str | None,
    most: int | None,
    out: Path | None,
    as_json: bool,
) -> dict[str, Any]:
    from unmask.cli.manifests import choose_split, open_manifest
    from unmask.evaluation.map_study import draw_rows, study
    from unmask.files import OutputFolder
    from unmask.progress import progress_bar

    folder = None if out is None else OutputFolder(out)
    table = choose_split(open_manifest(manifest, root), split)
    rows = draw_rows(table, most, explainer.seed)
    with progress_bar("checking maps", len(rows)) as advance:
        result = study(explainer, table, rows, None if folder is None else folder.path / "checks.jsonl", advance)
    content = json.dumps(result, indent=None if as_json else 1, allow_nan=False)
    if folder is not None:
        folder.write("faithfulness.json", (json.dumps(result, indent=1, allow_nan=False) + "\n").encode())
    if as_json:
        print(content)
        return result
    for name, found in result["by_result"].items():
        gain, better = found["means"]["gain"], found["better_than_random"]
        print(
            f"{name if name != 'all' else 'all verdicts'}: n = {found['n']}, gain over random orders {_figure(gain)}, "
            f"better than random on {100 * better['value']:.1f} % "
            f"({100 * better['low']:.1f}–{100 * better['high']:.1f}); re-drawn weights gain "
            f"{_figure(found['means']['redrawn_gain'])}; rank correlation with occlusion "
            f"{_figure(found['means']['agreement'])}, with re-drawn weights "
            f"{_figure(found['means']['redrawn_correlation'])}"
        )
    return result


def _figure(found: dict[str, Any] | None) -> str:
    if found is None:
        return "not measured"
    ends = "" if found["low"] is None else f" ({found['low']:.3f} to {found['high']:.3f})"
    return f"{found['value']:.3f}{ends}"
