"""``unmask bench``: what detectors cost."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from unmask.cli import options
from unmask.cli.examples import with_examples


@with_examples(
    "unmask bench --out bench.json",
    "unmask bench mine/bundle --images photos/ --price 0.04 --out bench.json",
)
def bench(
    out: Annotated[Path, typer.Option(metavar="FILE", dir_okay=False, help="JSON file to write.")],
    bundles: options.BundleArguments = None,
    runs: Annotated[
        list[Path] | None,
        typer.Option("--run", metavar="RUN", help="Run folder: its bundle, and how long training took (repeatable)."),
    ] = None,
    images: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="Time complete detections of these images, too (repeatable)."),
    ] = None,
    price: Annotated[
        float | None,
        typer.Option(min=0, metavar="X", help="Price of a core-hour, to estimate the cost of a million images."),
    ] = None,
    calls: Annotated[int, typer.Option(min=20, metavar="N", help="Timed calls per engine, with one image each.")] = 200,
    batch: Annotated[int, typer.Option(min=1, metavar="N", help="Batch size for throughput.")] = 16,
    as_json: options.Json = False,
) -> None:
    """Measure the size, speed, memory use and cost of detectors.

    Reports parameters, MACs, file size, load time, latency, throughput, peak memory and cost. Each detector is compared
    with the same network in PyTorch with random weights. Every measurement has its own process and one thread. Cost is
    that of complete detections with --images, otherwise of the network only.

    Exit codes: 0 done, 2 usage error, 3 missing extra or broken bundle.
    """
    from unmask.cli.evaluate_output import print_bench
    from unmask.cli.extras import need
    from unmask.cli.inputs import expand
    from unmask.errors import UsageError
    from unmask.evaluation.cost import bench as bench_bundle
    from unmask.evaluation.cost import describe_machine, steps
    from unmask.evaluation.results import Bench
    from unmask.files import write_whole
    from unmask.imaging.find import PassedOver
    from unmask.progress import progress_bar

    need("train", "Counting operations", "onnx")
    subjects: list[tuple[Path | None, Path | None]] = [(path, None) for path in bundles or []]
    subjects += [(run / "bundle", run) for run in runs or []]
    shown = [Path(name) for name in expand(images or (), PassedOver(), recursive=True)]
    if images and not shown:
        raise UsageError("no_pictures", f"No images found in {', '.join(images)}.")
    if missing := [path for path in shown if not path.is_file()]:
        raise UsageError("no_pictures", f"There is no file {missing[0]}.")
    machine = describe_machine(["unmask", *sys.argv[1:]])  # before our own work shows in it
    models = []
    for path, run in subjects or [(None, None)]:
        with progress_bar(str(path or "default bundle"), steps()) as advance:
            models.append(
                bench_bundle(path, run=run, images=shown, price=price, calls=calls, batch=batch, progress=advance)
            )
    result = Bench(kind="bench", run=machine, models=tuple(models))
    write_whole(out, result.to_json(indent=1) + "\n")
    if as_json:
        print(result.to_json())
    else:
        print_bench(result, out)
