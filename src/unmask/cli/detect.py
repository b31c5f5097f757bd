"""``unmask detect``: verdicts on images and clips."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask.cli import options
from unmask.cli.examples import with_examples
from unmask.cli.lazy import imports

if TYPE_CHECKING:
    from unmask.cli.finish import Finished
    from unmask.cli.output import FileVerdict, Output
    from unmask.detect.detector import Detector
    from unmask.detect.kept import KeptVerdicts
    from unmask.imaging.find import PassedOver


@with_examples(
    "unmask detect portrait.jpg",
    "unmask detect clip.mp4 --frames 64",
    "unmask detect photos/ --recursive --json > verdicts.jsonl",
    "unmask detect photos/ -r --sort suspicion --top 100 --html worst.html",
    "unmask detect photos/ -r --resume photos.jsonl --csv > verdicts.csv",
    "unmask detect inbox/ --watch --json",
    "unmask detect photos/ -r --thorough --csv",
    "find . -name '*.jpg' | unmask detect - --csv --fail-on fake,mark",
)
def detect(
    paths: options.Images,
    recursive: options.Recursive = False,
    as_json: options.JsonLines = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a CSV table.")] = False,
    sort: Annotated[
        str | None,
        typer.Option(
            metavar="suspicion",
            help="Print the verdicts at the end, the highest probability of fake first; images without a face and "
            "unreadable ones come last.",
        ),
    ] = None,
    top: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Show only the first N of --sort; all are counted.")
    ] = None,
    evidence: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            file_okay=False,
            help="Write a copy of each image that has a face, with its evidence, to DIR.",
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|DIR",
            help="Write a gallery of the images, one page that needs no network, to FILE.html or DIR/index.html.",
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="JOURNAL",
            dir_okay=False,
            help="Keep verdicts in this file, and judge only images that it lacks; it is made if it is not there.",
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Judge images in the given folders as they come, until Ctrl-C.")
    ] = False,
    watch_interval: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            metavar="SECONDS",
            help="Time between two looks of --watch, for which a file must stay unchanged (default: 2).",
        ),
    ] = None,
    frames: options.Frames = None,
    every: options.Every = None,
    as_clip: options.AsClip = False,
    model: options.Model = None,
    thorough: options.Thorough = False,
    threshold: options.Threshold = None,
    fail_on: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Exit with code 4 if any verdict is FAKE (fake), is UNCERTAIN or NO_FACE (uncertain), or if any file "
            "has a mark of its making (mark). Separate several by commas.",
        ),
    ] = None,
    workers: options.Workers = None,
) -> None:
    """Classify faces in images and clips as real or fake.

    Folders are searched for images and clips by content, whatever their names. What is passed over is counted at the
    end.

    Exit codes: 0 all files read, 1 some file could not be read or some subfolder was passed over, 2 usage error,
    3 broken installation or bundle, 4 --fail-on.
    """
    if model is None:
        from unmask.bundle.early import open_shipped_early

        open_shipped_early()
    with imports():
        from unmask.cli.clips import FileJudge
        from unmask.cli.finish import Finisher
        from unmask.cli.inputs import expand
        from unmask.cli.tally import Tally
        from unmask.detect.detector import load
        from unmask.detect.ranking import most_suspicious
        from unmask.detect.thorough import load_thorough
        from unmask.errors import UsageError
        from unmask.imaging.find import PassedOver
        from unmask.imaging.video.frames import DEFAULT_FRAMES
        from unmask.parallel import ordered_map
        from unmask.progress import progress_bar
        from unmask.text import printable

    if as_json and as_csv:
        raise UsageError("two_formats", "--json and --csv cannot be combined.")
    _check(sort, top, watch, watch_interval)
    tally, passed_over = Tally(fail_on), PassedOver()
    with ExitStack() as running:
        batches: Iterable[Iterable[str]] = [expand(paths, passed_over, recursive=recursive, clips=True)]
        if watch:
            batches = _watch(paths, passed_over, recursive, evidence, watch_interval or _INTERVAL, running)
        detector = load_thorough(model, threshold) if thorough else load(model, threshold)
        kept: KeptVerdicts | None = None
        if resume is not None:
            from unmask.detect.kept import KeptVerdicts

            kept = running.enter_context(KeptVerdicts(resume, detector))
        single = paths[0] if len(paths) == 1 and not watch else None  # several files keep the CPUs busy themselves
        judge = FileJudge(
            detector,
            threshold,
            frames=frames,
            every=every,
            as_clip=as_clip,
            kept=kept,
            workers=workers if single is not None and Path(single).is_file() else 1,
        )
        finish = Finisher(detector, judge, evidence, html)
        output = _output(as_json, as_csv, detector, passed_over)
        # On a terminal the verdicts themselves show the progress.
        show = sys.stderr.isatty() and not watch and (sort is not None or not sys.stdout.isatty())
        is_clip = single is not None and judge.is_clip(single)
        if is_clip:
            bar = progress_bar("frames", None if every else frames or DEFAULT_FRAMES, show=show, rate=True)
        else:
            bar = progress_bar("images", _number(paths, recursive) if show else None, show=show, rate=True)

        def count(verdict: FileVerdict) -> FileVerdict:
            tally.add(verdict)
            output.count(verdict)
            if not is_clip:
                advance()
            return verdict

        def write(finished: Finished) -> None:
            output.add(finished.verdict)
            finish.take(finished)
            tally.failed |= finished.problem is not None
            if watch:
                sys.stdout.flush()

        if watch:
            print("unmask: watching for new images; Ctrl-C ends.", file=sys.stderr, flush=True)
        if sort is None:
            running.enter_context(output)
            advance = running.enter_context(bar)
            judge.advance = advance if is_clip else judge.advance
            for batch in batches:
                for finished in ordered_map(lambda path: finish(judge(path)), batch, workers):
                    count(finished.verdict)
                    write(finished)
        else:
            with bar as advance:
                judge.advance = advance if is_clip else judge.advance
                judged = (verdict for batch in batches for verdict in ordered_map(judge, batch, workers))
                ranked = most_suspicious(map(count, judged), top)
            running.enter_context(output)
            for finished in ordered_map(finish, ranked, workers):
                write(finished)
        if tally.total:
            finish.close(tally.total)
    if kept is not None and kept.reused:
        print(f"unmask: {kept.reused:,} of {tally.total:,} verdicts are from {printable(str(resume))}", file=sys.stderr)
    if passed_over:
        print(f"unmask: {passed_over}", file=sys.stderr)
    if not tally.total and not watch:
        raise UsageError("no_pictures", "No images found.")
    if tally.alarm:
        raise typer.Exit(4)
    if tally.failed or passed_over.subfolders > 0 or passed_over.clips > 0:
        raise typer.Exit(1)


_INTERVAL = 2.0  # seconds


def _check(sort: str | None, top: int | None, watch: bool, watch_interval: float | None) -> None:
    """Refuse options that make no sense together.

    Raises:
        UsageError: ``bad_call``.
    """
    from unmask.errors import UsageError

    if sort not in {None, "suspicion"}:
        raise UsageError("bad_call", f"--sort must be suspicion, not {sort!r}.")
    if watch and sort is not None:
        raise UsageError("bad_call", "--watch prints verdicts as images come: it cannot be combined with --sort.")
    if top is not None and sort is None:
        raise UsageError("bad_call", "--top needs --sort suspicion.")
    if watch_interval is not None and not watch:
        raise UsageError("bad_call", "--watch-interval needs --watch.")
    if watch_interval is not None and not math.isfinite(watch_interval):
        raise UsageError("bad_call", f"--watch-interval must be a number of seconds, not {watch_interval}.")


def _watch(
    folders: Sequence[str],
    passed_over: PassedOver,
    recursive: bool,
    evidence: Path | None,
    interval: float,
    running: ExitStack,
) -> Iterator[Iterable[str]]:
    """The images that come into folders, until a signal ends it; the signals are put back at the end of ``running``.

    Raises:
        UsageError: ``not_a_folder``, ``bad_call``.
    """
    from unmask.cli.watch import Watched, stopped_by_signals
    from unmask.cli.watch import watch as watch_folders
    from unmask.errors import UsageError

    watched = Watched(folders, passed_over, recursive=recursive)
    if evidence is not None and watched.sees(evidence):
        raise UsageError("bad_call", f"{evidence}: evidence written there would be judged in turn; use another folder.")
    stopped = running.enter_context(stopped_by_signals())
    return watch_folders(watched, interval, stopped)


def _output(as_json: bool, as_csv: bool, detector: Detector, passed_over: PassedOver) -> Output:
    from unmask.cli.output import CsvOutput, JsonOutput

    if as_json or as_csv:
        return JsonOutput() if as_json else CsvOutput()
    from unmask.cli.table import TableOutput

    return TableOutput(detector, passed_over)


def _number(paths: Sequence[str], recursive: bool) -> int | None:
    """Number of images, counted without opening those that have an image's suffix; ``None`` for a list to be read."""
    from unmask.cli.inputs import expand
    from unmask.imaging.find import PassedOver

    return None if "-" in paths else sum(1 for _ in expand(paths, PassedOver(), recursive=recursive, clips=True))
