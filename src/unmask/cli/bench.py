"""``unmask bench``: what detectors cost."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.examples import with_examples

EXAMPLE = """Examples:

  unmask bench --out bench.json

  unmask bench mine/bundle --run runs/other --images photos/ --price 0.04 --out bench.json
"""


@with_examples(EXAMPLE)
def bench(
    out: Annotated[Path, typer.Option(metavar="FILE", dir_okay=False, help="The JSON file to write.")],
    bundles: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[BUNDLE]...", help="Bundles, folders or zips; by default the shipped one."),
    ] = None,
    runs: Annotated[
        list[Path] | None,
        typer.Option("--run", metavar="DIR", help="A run folder: its bundle and its training time; may be repeated."),
    ] = None,
    images: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="Time whole detections of these images, too; may be repeated."),
    ] = None,
    price: Annotated[
        float | None, typer.Option(min=0, help="Of one hour of one core, for the cost of a million images.")
    ] = None,
    calls: Annotated[int, typer.Option(min=20, help="Timed calls of each engine at batch 1.")] = 200,
    batch: Annotated[int, typer.Option(min=1, help="Images in a batch, for throughput.")] = 16,
    as_json: Annotated[bool, typer.Option("--json", help="Report as one JSON object.")] = False,
) -> None:
    """Count and time detectors: parameters, MACs, size, load time, latency, throughput, memory, cost.

    Each runs as detection runs it, beside the same network in torch eager with random weights: in new processes, one
    thread each, in turns. Cost is that of whole detections with --images, else of the network alone.

    Exit codes: 0 done, 2 wrong call, 3 a missing extra or broken bundle.
    """
    from unmask.cli.evaluate_output import print_bench
    from unmask.cli.extras import need
    from unmask.cli.inputs import expand
    from unmask.errors import UsageError
    from unmask.evaluation.cost import bench as bench_bundle
    from unmask.evaluation.cost import describe_machine, steps
    from unmask.files import write_whole
    from unmask.progress import progress_bar

    need("train", "Counting a graph's work", "onnx")
    subjects: list[tuple[Path | None, Path | None]] = [(path, None) for path in bundles or []]
    subjects += [(run / "bundle", run) for run in runs or []]
    shown = [Path(name) for name in expand(images or (), recursive=True)]
    if images and not shown:
        raise UsageError("no_pictures", f"There are no images in {', '.join(images)}.")
    if missing := [path for path in shown if not path.is_file()]:
        raise UsageError("no_pictures", f"There is no file {missing[0]}.")
    machine = describe_machine(["unmask", *sys.argv[1:]])  # before our own work shows in it
    models = []
    for path, run in subjects or [(None, None)]:
        with progress_bar(str(path or "shipped bundle"), steps()) as advance:
            models.append(
                bench_bundle(path, run=run, images=shown, price=price, calls=calls, batch=batch, progress=advance)
            )
    result = {
        "schema": 1,
        "kind": "bench",
        "run": machine,
        "models": models,
    }
    write_whole(out, json.dumps(result, indent=1, allow_nan=False) + "\n")
    if as_json:
        print(json.dumps(result, allow_nan=False))
    else:
        print_bench(result, out)
