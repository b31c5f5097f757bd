"""``unmask data split``: a manifest split into training, validation and test."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unmask.cli import options
from unmask.cli.examples import with_examples
from unmask.text import printable

if TYPE_CHECKING:
    from unmask.data.split.result import Split, SplitSet
    from unmask.data.split.splitter import Splitter

_MAX_LINES = 200
_OURS = re.compile(r"(split-\d+|fold-\d+|leave-out-.+)\.csv")


@with_examples(
    "unmask data split faces.csv --out split.csv",
    "unmask data split faces.csv --preset s0 --group person --out s0.csv",
    "unmask data split faces.csv --duplicates copies.csv --out split.csv",
    "unmask data split faces.csv --folds 5 --keep-only test --out folds/",
    "unmask data split faces.csv --leave-out generator --out unseen/ --json",
)
def split(
    manifest: options.ManifestArgument,
    out: Annotated[
        Path,
        typer.Option(metavar="PATH", help="Manifest to write, .csv or .parquet; a folder for several manifests."),
    ],
    fractions: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Fractions of train,test or train,val,test, or NAME=FRACTION,... (default: 0.7,0.1,0.2).",
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Fractions of a paper: s0 (70/10/20), s1 (80/20), s3 (70/10/20, five times), s4 (75/25).",
        ),
    ] = None,
    folds: Annotated[int | None, typer.Option(metavar="K", help="Write K manifests for cross-validation.")] = None,
    leave_out: Annotated[
        str | None,
        typer.Option(metavar="source|generator", help="Write a manifest per value, which only its test split has."),
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(metavar="N", help="Write N manifests, with successive random seeds.")
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Keep rows with the same value in one split (repeatable; default: group)."),
    ] = None,
    duplicates: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keep copies in one split: a table from unmask data audit --clusters."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the splits that rows have already.")] = False,
    keep_only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Keep this split of the rows that have it (repeatable).")
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Balance as exactly as possible; new rows may then move old ones.")
    ] = False,
    tolerance: Annotated[
        float, typer.Option(metavar="X", help="Largest deviation of a class from the fraction of its split.")
    ] = 0.05,
    seed: options.AnySeed = 0,
    root: options.Root = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing manifests.")] = False,
    as_json: options.Json = False,
) -> None:
    """Split a manifest so that no group is in two splits.

    Splits are balanced by class and source. The split of a row depends only on its group and the random seed, so adding
    rows does not move others; --exact balances better, without this guarantee. All columns are kept, and images are not
    changed.

    Exit codes: 0 split, 2 usage error.
    """
    from unmask.cli.manifests import open_manifest
    from unmask.data.split.groups import read_clusters
    from unmask.data.split.splitter import DEFAULT_FRACTIONS, PRESETS, Splitter
    from unmask.errors import UsageError

    ways = {"--fractions": fractions, "--preset": preset, "--folds": folds}
    chosen = [name for name, value in ways.items() if value is not None]
    if len(chosen) > 1 or (leave_out is not None and {"--folds", "--preset"} & {*chosen}):
        beside = [*chosen, "--leave-out"] if leave_out is not None else chosen
        raise UsageError("conflicting_options", f"{' and '.join(beside)} cannot be combined.")
    if repeats is not None and (folds is not None or leave_out is not None):
        raise UsageError("conflicting_options", "--repeats needs --fractions or --preset.")
    if keep and keep_only:
        raise UsageError("conflicting_options", "--keep and --keep-only cannot be combined.")
    if preset is not None and preset not in PRESETS:
        raise UsageError("unknown_preset", f"--preset must be one of {', '.join(PRESETS)}, not {preset!r}.")

    count = repeats if repeats is not None else PRESETS[preset].repeats if preset is not None else 1
    several = folds is not None or leave_out is not None or count > 1
    _check_out(out, manifest, several=several, force=force)
    table = open_manifest(manifest, root)
    table.validate(check_files=False)
    splitter = Splitter(
        table,
        group=group,
        clusters=read_clusters(duplicates) if duplicates is not None else None,
        keep=keep or keep_only or False,
        exact=exact,
        tolerance=tolerance,
    )
    shares = _fractions(fractions) if fractions is not None else DEFAULT_FRACTIONS
    if folds is not None:
        result = splitter.folds(folds, seed=seed)
    elif leave_out is not None:
        result = splitter.leave_one_out(leave_out, shares, seed=seed)
    elif preset is not None:
        result = splitter.fractions(PRESETS[preset].fractions, seed=seed, repeats=count)
    else:
        result = splitter.fractions(shares, seed=seed, repeats=count)
    files = _write(result.splits, out, several=several, force=force)
    if as_json:
        print(json.dumps(_report(splitter, result, files)))
        return
    for notice in result.notices:
        print(f"unmask: {notice.split + ': ' if notice.split else ''}{notice.message}", file=sys.stderr)
    if several:
        _print_lines(result.splits, files)
    else:
        _print_table(result.splits[0])
    root_now = table.root.resolve()
    if (out if several else out.parent).resolve() != root_now:
        print(
            f"unmask: paths are relative to {root_now}: use --root {root_now} with the new manifests", file=sys.stderr
        )


def _fractions(text: str) -> dict[str, float] | list[float]:
    from unmask.errors import UsageError

    parts = [part.strip() for part in text.split(",")]
    try:
        if not any("=" in part for part in parts):
            return [float(part) for part in parts]
        pairs = [part.split("=") for part in parts]
        named = {name.strip(): float(share) for name, share in pairs}
    except ValueError:
        raise UsageError(
            "bad_fractions", f"--fractions must look like 0.7,0.1,0.2 or train=0.8,val=0.2, not {text!r}."
        ) from None
    if len(named) < len(pairs):
        raise UsageError("bad_fractions", f"--fractions names a split twice: {text!r}.")
    return named


def _check_out(out: Path, manifest: Path, *, several: bool, force: bool) -> None:
    """Reject early what could not be written after minutes of work."""
    from unmask.errors import UsageError

    if several:
        if out.exists() and not out.is_dir():
            raise UsageError("not_a_folder", f"{out} is a file; several manifests need a folder.")
        return
    if out.suffix.lower() not in (".csv", ".parquet"):
        raise UsageError("unsupported_format", f"{out}: --out must end in .csv or .parquet.")
    if not out.parent.is_dir():
        raise UsageError("no_folder", f"The folder {out.parent} does not exist.")
    _check_file(out, manifest, force=force)


def _check_file(file: Path, manifest: Path | None, *, force: bool) -> None:
    from unmask.errors import UsageError

    if manifest is not None and file.resolve() == manifest.resolve():
        raise UsageError("same_file", f"{file} is the input manifest, which is never overwritten.")
    if file.is_dir() or (file.exists() and not force):
        raise UsageError("exists", f"{file} exists; use another name, or --force to overwrite it.")


def _write(splits: Iterable[Split], out: Path, *, several: bool, force: bool) -> list[Path]:
    from unmask.errors import UsageError
    from unmask.files import OutputFolder
    from unmask.progress import progress_bar

    splits = list(splits)
    files = [out / f"{item.name}.csv" for item in splits] if several else [out]
    if several and out.is_dir():
        for file in files:
            _check_file(file, Path(splits[0].source.name), force=force)
        # A sixth fold of an earlier run would pass for one of five new ones.
        if stale := sorted(
            {path.name for path in out.iterdir() if _OURS.fullmatch(path.name)} - {f.name for f in files}
        ):
            names = ", ".join(stale[:5]) + (", ..." if len(stale) > 5 else "")
            raise UsageError(
                "stale_files", f"{out} has manifests of another split: {names}. Remove them or use another folder."
            )
    if several:
        OutputFolder(out)
    with progress_bar("manifests", len(files)) as advance:
        for item, file in zip(splits, files, strict=True):
            item.manifest().write(file)
            advance()
    return files


def _report(splitter: Splitter, result: SplitSet, files: list[Path]) -> dict[str, Any]:
    grouping = splitter.grouping
    return {
        "manifest": splitter.manifest.name,
        "root": str(splitter.manifest.root),
        "group": list(grouping.columns),
        "exact": splitter.exact,
        "tolerance": splitter.tolerance,
        "images": len(grouping.cluster_of_row),
        "clusters": len(grouping.keys),
        "splits": [
            {
                "name": item.name,
                "file": str(file),
                "seed": item.seed,
                "left_out": item.left_out,
                "counts": [
                    {
                        "split": count.split,
                        "label": count.label,
                        "source": count.source,
                        "images": count.images,
                        "clusters": count.clusters,
                    }
                    for count in item.counts()
                ],
            }
            for item, file in zip(result.splits, files, strict=True)
        ],
        "notices": [{"code": item.code, "split": item.split, "message": item.message} for item in result.notices],
    }


def _by_label(item: Split) -> dict[tuple[str, str], int]:
    totals: dict[tuple[str, str], int] = {}
    for count in item.counts():
        totals[count.split, count.label] = totals.get((count.split, count.label), 0) + count.images
    return totals


def _print_table(item: Split) -> None:
    """Images by label and source, a column per split, with proportions below."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="", pad_edge=False)
    for name in ("label", "source"):
        table.add_column(name, no_wrap=True)
    for name in (*item.names, "all"):
        table.add_column(Text(name), justify="right", no_wrap=True)
    rows: dict[tuple[str, str], dict[str, int]] = {}
    for count in item.counts():
        rows.setdefault((count.label, count.source), {})[count.split] = count.images
    for (label, source), images in sorted(rows.items())[:_MAX_LINES]:
        numbers = [str(images.get(name, 0)) for name in item.names]
        table.add_row(label, Text(printable(source)[:40]), *numbers, str(sum(images.values())))
    if len(rows) > _MAX_LINES:
        table.add_row("...", f"{len(rows) - _MAX_LINES} more")
    totals = _by_label(item)
    for label in sorted({label for _, label in totals}):
        numbers_of_label = [totals.get((name, label), 0) for name in item.names]
        whole = sum(numbers_of_label)
        table.add_row(label, "all", *map(str, numbers_of_label), str(whole))
        table.add_row("", "", *(f"{100 * number / whole:.1f} %" for number in numbers_of_label))
    console = Console(highlight=False)
    console.width = max(console.width, console.measure(table).maximum)  # never cut off
    console.print(table)


def _print_lines(splits: Iterable[Split], files: Iterable[Path]) -> None:
    """One line per manifest: the number of real and fake images in each split."""
    for item, file in zip(splits, files, strict=True):
        totals = _by_label(item)
        parts = [f"{name} {totals.get((name, 'real'), 0)} + {totals.get((name, 'fake'), 0)}" for name in item.names]
        print(f"{printable(str(file))}: {', '.join(parts)} (real + fake)")
