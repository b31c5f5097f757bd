"""``unmask scan``: verdicts on millions of images, resumable, as Parquet."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Annotated, Any, Final

import typer

from unmask.cli import options
from unmask.cli.examples import with_examples

_ENGINES: Final = ("local", "ray")
_SHOWN_CODES: Final = 5

ScanArgument = Annotated[Path, typer.Argument(metavar="SCAN", help="Output folder of unmask scan.")]


@with_examples(
    "unmask scan photos/ --out scan/",
    "unmask scan photos/ --out scan/ --resume",
    'unmask scan "archive/*.tar" --out scan/ --workers 16',
    "unmask scan s3://bucket/photos/ --out scan/ --engine ray --address auto",
    "unmask scan paths.parquet --root /data --out part2/ --part 2/4",
)
def scan(
    out: options.OutOnly,
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE",
            help="Folders, globs, tables (.csv, .parquet) of paths, URLs or bytes, .tar archives, URLs of object "
            "stores; - reads paths from standard input.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Do what is missing of the scan in --out, or begin it.")
    ] = False,
    engine: Annotated[
        str,
        typer.Option(metavar="local|ray", help="Run on this machine, or on a Ray cluster; the results are the same."),
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(
            metavar="auto|HOST:PORT|ray://HOST:PORT",
            help="Ray cluster to use (default: Ray is started on this machine and stopped at the end).",
        ),
    ] = None,
    gpus: Annotated[
        float,
        typer.Option(min=0.0, max=8.0, metavar="N", help="With --engine ray: GPUs for each worker, such as 0.25."),
    ] = 0.0,
    model: options.Model = None,
    threshold: options.Threshold = None,
    root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder that paths in tables must not leave (default: the table's own)."),
    ] = None,
    part: Annotated[
        str | None, typer.Option(metavar="I/N", help="Do one part of N, for N machines; unmask scan merge joins them.")
    ] = None,
    shard_size: Annotated[
        int, typer.Option(min=1, max=1_000_000, metavar="N", help="Images in an output file, on average.")
    ] = 1000,
    timeout: Annotated[
        float, typer.Option(min=1.0, max=86_400.0, metavar="SECONDS", help="Time limit for one image.")
    ] = 60.0,
    thumbnails: Annotated[
        bool, typer.Option("--thumbnails", help="Show the most suspicious images in scan.html.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Worker processes (default: number of CPUs).")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Classify millions of images, resumable, into Parquet files.

    Writes one row for each image to verdicts/*.parquet, and summary.json and scan.html at the end. A scan that was
    stopped or killed continues with --resume. An image that crashes or blocks a worker is tried once more alone, then
    recorded as an error. See also unmask scan status and unmask scan merge.

    Exit codes: 0 all images read, 1 some image could not be read, 2 usage error, 3 missing extra or broken bundle.
    """
    from unmask.cli.extras import need
    from unmask.cli.hold import hold
    from unmask.errors import UsageError
    from unmask.progress import progress_bar

    if engine not in _ENGINES:
        raise UsageError("bad_call", f"--engine must be one of {', '.join(_ENGINES)}, not {engine!r}.")
    if engine != "ray" and (address is not None or gpus):
        raise UsageError("bad_call", "--address and --gpus go with --engine ray.")
    if engine == "ray" and os.environ.get("UNMASK_DEVICE", "cpu") != "cpu":
        raise UsageError("bad_call", "--device is for the local engine; --engine ray takes --gpus.")
    need("scale", "unmask scan", "pyarrow", *(["ray"] if engine == "ray" else []))
    from unmask.scan.finish import PAGE, finish
    from unmask.scan.start import start
    from unmask.scan.summary import SUMMARY, read_summary

    hold(out)
    with progress_bar("listed", None) as listed:
        folder = start(
            out,
            sources or (),
            resume=resume,
            root=root,
            model=model,
            threshold=threshold,
            part=_part(part),
            shard_size=shard_size,
            timeout=timeout,
            progress=listed,
        )
    missing = len(folder.missing())
    summary = None if missing else read_summary(out)
    if summary is None:
        images = round(folder.plan.images * missing / folder.plan.shards)
        with _resumable(out) as stopped, progress_bar("images", images, rate=True) as advance:
            if engine == "ray":
                from unmask.scan.ray_engine import run_ray

                run_ray(folder, workers, _counted(advance, stopped), address=address, gpus=gpus)
            else:
                from unmask.scan.engine import run_local

                run_local(folder, workers, _counted(advance, stopped))
        summary = finish(folder, thumbnails=thumbnails)
    else:
        folder.clean()  # killed at its very end, it may not have come to that
    if as_json:
        print(json.dumps(summary, allow_nan=False))
    else:
        _print(summary)
        print(f"Rows in {out / 'verdicts'}, summary in {out / SUMMARY}, page in {out / PAGE}")
    if summary["errors"]:
        raise typer.Exit(1)


@with_examples("unmask scan status scan/", "unmask scan status scan/ --json")
def status(scan: ScanArgument, as_json: options.Json = False) -> None:
    """Show how far a scan is.

    Exit codes: 0 finished, 1 not finished, 2 no scan.
    """
    from unmask.cli.extras import need

    need("scale", "unmask scan", "pyarrow")
    from unmask.scan.status import status_of

    found = status_of(scan)
    if as_json:
        print(json.dumps(found))
    else:
        print(_sentence(found))
    if found["state"] != "finished":
        raise typer.Exit(1)


@with_examples(
    "unmask scan merge part1/ part2/ --out whole/",
    "unmask scan merge scan/ --out verdicts.parquet",
    "unmask scan merge scan/ --out verdicts.csv",
)
def merge(
    scans: Annotated[list[Path], typer.Argument(metavar="SCAN", help="The parts of a scan, or a whole one.")],
    out: Annotated[
        Path, typer.Option(metavar="DIR|FILE", help="Folder for the whole scan, or a .parquet or .csv table.")
    ],
) -> None:
    """Join the parts of a scan, or write a scan as one table.

    Exit codes: 0 done, 2 usage error: a part is missing, or is of another scan.
    """
    from unmask.cli.extras import need
    from unmask.cli.hold import hold

    need("scale", "unmask scan", "pyarrow")
    from unmask.scan.merge import is_table_name
    from unmask.scan.merge import merge as merge_scans

    if not is_table_name(out):
        hold(out)
    print(f"{merge_scans(scans, out):,} images in {out}")


def _counted(advance: Callable[[], None], stopped: Event) -> Callable[[int], None]:
    def progress(count: int) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        for _ in range(count):
            advance()

    return progress


@contextmanager
def _resumable(out: Path) -> Iterator[Event]:
    """Say after Ctrl-C how the scan is continued.

    The event is set by it: an interrupt that hits a destructor or a callback of a library is swallowed there.
    """
    from unmask.text import printable

    stopped = Event()

    def stop(*_: object) -> None:
        stopped.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield stopped
    except KeyboardInterrupt:
        print(f"unmask: stopped; --out {printable(str(out))} --resume does the rest", file=sys.stderr)
        raise
    finally:
        signal.signal(signal.SIGINT, before)


def _part(text: str | None) -> tuple[int, int]:
    from unmask.errors import UsageError

    if text is None:
        return 1, 1
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if found is None:
        raise UsageError("bad_part", f"--part must look like 2/4, not {text!r}.")
    return int(found[1]), int(found[2])


def _print(summary: dict[str, Any]) -> None:
    from unmask.detect.verdict import TITLES

    verdicts = ", ".join(f"{TITLES[word]} {count:,}" for word, count in summary["verdicts"].items())
    copies = f", {summary['copies']:,} of them copies" if summary["copies"] else ""
    print(f"{summary['images']:,} images{copies}: {verdicts}")
    if summary["errors"]:
        codes = sorted(summary["errors"].items(), key=lambda pair: (-pair[1], pair[0]))
        shown = ", ".join(f"{code} {count:,}" for code, count in codes[:_SHOWN_CODES])
        more = f" and {len(codes) - _SHOWN_CODES} more codes" if len(codes) > _SHOWN_CODES else ""
        print(f"{sum(summary['errors'].values()):,} could not be judged: {shown}{more}")
    if summary["passed_over"]:
        print(f"{summary['passed_over']:,} files that are not images were passed over")
    if (rate := summary["timing"]["images_per_second"]) is not None:
        print(f"{rate:.1f} images per second")


def _sentence(status: dict[str, Any]) -> str:
    if status["shards"] is None:
        return f"{status['state']}: no images are listed yet"
    text = f"{status['state']}: {status['images_done']:,} of {status['images']:,} images"
    text += f", {status['shards_done']:,} of {status['shards']:,} shards"
    if status["images_per_second"] is not None:
        text += f", {status['images_per_second']:.1f} images per second"
    if status["seconds_left"]:
        text += f", about {_duration(status['seconds_left'])} left"
    return text


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60:02d} min" if hours else f"{rest // 60} min {rest % 60:02d} s"
