"""``unmask data split``: a manifest cut into train, validation and test."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unmask.cli.examples import with_examples
from unmask.text import printable

if TYPE_CHECKING:
    from unmask.data.split.result import Split, SplitSet
    from unmask.data.split.splitter import Splitter

EXAMPLE = """Examples:

  unmask data split faces.csv --out split.csv

  unmask data split faces.csv --preset s0 --group person --group video --out s0.csv

  unmask data split faces.csv --duplicates clusters.csv --exact --out split.csv

  unmask data split faces.csv --folds 5 --keep-only test --out folds/

  unmask data split faces.csv --leave-out generator --out unseen/ --json
"""

_MAX_LINES = 200
_OURS = re.compile(r"(split-\d+|fold-\d+|leave-out-.+)\.csv")


@with_examples(EXAMPLE)
def split(
    manifest: Annotated[
        Path, typer.Argument(help="CSV or Parquet table of images, or a folder with real/ and fake/ in it.")
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="PATH", help="The manifest to write, .csv or .parquet; a folder when there are several."),
    ],
    fractions: Annotated[
        str | None,
        typer.Option(help="Shares of train,test or train,val,test, or NAME=SHARE,...; by default 0.7,0.1,0.2."),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="Split as a paper did: s0 (70/10/20), s1 (80/20), s3 (five of 70/10/20), s4 (75/25)."),
    ] = None,
    folds: Annotated[int | None, typer.Option(metavar="K", help="Write K manifests for cross-validation.")] = None,
    leave_out: Annotated[
        str | None,
        typer.Option(metavar="source|generator", help="Write a manifest for each, with it in the test set alone."),
    ] = None,
    repeats: Annotated[int | None, typer.Option(metavar="N", help="Write N splits, by successive seeds.")] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Rows with the same value stay together; may be repeated. [group]"),
    ] = None,
    duplicates: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Table with columns path and cluster, from unmask data audit --clusters."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Rows that have a split keep it.")] = False,
    keep_only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Rows of this split keep it; may be repeated.")
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Balance as well as can be; adding rows may then move others.")
    ] = False,
    tolerance: Annotated[
        float, typer.Option(help="How far a split's share of a class may be off before it is refused.")
    ] = 0.05,
    seed: Annotated[int, typer.Option(help="Another seed, another split.")] = 0,
    root: Annotated[
        Path | None, typer.Option(metavar="DIR", help="What paths in the manifest are relative to.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite manifests that are there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Divide a manifest so that no group crosses, balanced by class and source.

    A row's split depends on its group and the seed alone, so that adding rows moves no other. With --exact it is
    balanced to the image instead. Every column is kept; the images are not touched.
    """
    from unmask.data.manifest import Manifest
    from unmask.data.split.groups import read_clusters
    from unmask.data.split.splitter import DEFAULT_FRACTIONS, PRESETS, Splitter
    from unmask.errors import UsageError

    ways = {"--fractions": fractions, "--preset": preset, "--folds": folds}
    chosen = [name for name, value in ways.items() if value is not None]
    if len(chosen) > 1 or (leave_out is not None and {"--folds", "--preset"} & {*chosen}):
        beside = [*chosen, "--leave-out"] if leave_out is not None else chosen
        raise UsageError("conflicting_options", f"{' and '.join(beside)} do not go together.")
    if repeats is not None and (folds is not None or leave_out is not None):
        raise UsageError("conflicting_options", "--repeats goes with --fractions or --preset only.")
    if keep and keep_only:
        raise UsageError("conflicting_options", "Choose one of --keep and --keep-only.")
    if preset is not None and preset not in PRESETS:
        raise UsageError("unknown_preset", f"There is no preset {preset!r}; there are {', '.join(PRESETS)}.")

    count = repeats if repeats is not None else PRESETS[preset].repeats if preset is not None else 1
    several = folds is not None or leave_out is not None or count > 1
    _check_out(out, manifest, several=several, force=force)
    table = Manifest.from_folders(manifest) if manifest.is_dir() else Manifest.open(manifest, root)
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
        print(f"unmask: paths are relative to {root_now}: open what was written with --root", file=sys.stderr)


def _fractions(text: str) -> dict[str, float] | list[float]:
    from unmask.errors import UsageError

    parts = [part.strip() for part in text.split(",")]
    try:
        if not any("=" in part for part in parts):
            return [float(part) for part in parts]
        pairs = [part.split("=") for part in parts]
        named = {name.strip(): float(share) for name, share in pairs}
    except ValueError:
        raise UsageError("bad_fractions", f"{text!r} should read 0.7,0.1,0.2 or train=0.8,val=0.2.") from None
    if len(named) < len(pairs):
        raise UsageError("bad_fractions", f"{text!r} names a split twice.")
    return named


def _check_out(out: Path, manifest: Path, *, several: bool, force: bool) -> None:
    """Refuse at once what could not be written after minutes of work."""
    from unmask.errors import UsageError

    if several:
        if out.exists() and not out.is_dir():
            raise UsageError("not_a_folder", f"{out} is a file; several manifests are written into a folder.")
        return
    if out.suffix.lower() not in (".csv", ".parquet"):
        raise UsageError("unsupported_format", f"{out}: one manifest is written, as .csv or .parquet.")
    if not out.parent.is_dir():
        raise UsageError("no_folder", f"There is no folder {out.parent}.")
    _check_file(out, manifest, force=force)


def _check_file(file: Path, manifest: Path | None, *, force: bool) -> None:
    from unmask.errors import UsageError

    if manifest is not None and file.resolve() == manifest.resolve():
        raise UsageError("same_file", f"{file} is the manifest itself, which is never overwritten.")
    if file.is_dir() or (file.exists() and not force):
        raise UsageError("exists", f"{file} is there already. Name another, or overwrite it with --force.")


def _write(splits: Iterable[Split], out: Path, *, several: bool, force: bool) -> list[Path]:
    from unmask.errors import UsageError
    from unmask.progress import progress_bar

    splits = list(splits)
    files = [out / f"{item.name}.csv" for item in splits] if several else [out]
    if several and out.is_dir():
        for file in files:
            _check_file(file, Path(splits[0].source.name), force=force)
        # Left beside the new ones, a sixth of five folds would pass for one of them.
        if stale := sorted(
            {path.name for path in out.iterdir() if _OURS.fullmatch(path.name)} - {f.name for f in files}
        ):
            names = ", ".join(stale[:5]) + (", ..." if len(stale) > 5 else "")
            raise UsageError("stale_files", f"{out} holds another split: {names}. Remove it or name another folder.")
    try:
        if several:
            out.mkdir(parents=True, exist_ok=True)
        with progress_bar("manifests", len(files)) as advance:
            for item, file in zip(splits, files, strict=True):
                item.manifest().write(file)
                advance()
    except OSError as error:
        raise UsageError("cannot_write", f"{error.filename or out}: cannot be written: {error.strerror}") from error
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
    """Images by label and source, a column for each split, with shares below."""
    rows: dict[tuple[str, str], dict[str, int]] = {}
    for count in item.counts():
        rows.setdefault((count.label, count.source), {})[count.split] = count.images
    lines = [["label", "source", *item.names, "all"]]
    for (label, source), images in sorted(rows.items())[:_MAX_LINES]:
        numbers = [str(images.get(name, 0)) for name in item.names]
        lines.append([label, printable(source)[:40], *numbers, str(sum(images.values()))])
    if len(rows) > _MAX_LINES:
        lines.append(["...", f"{len(rows) - _MAX_LINES} more", *[""] * (len(item.names) + 1)])
    totals = _by_label(item)
    for label in sorted({label for _, label in totals}):
        numbers_of_label = [totals.get((name, label), 0) for name in item.names]
        whole = sum(numbers_of_label)
        lines.append([label, "all", *map(str, numbers_of_label), str(whole)])
        lines.append(["", "", *(f"{number / whole:.1%}" for number in numbers_of_label), ""])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        texts = [
            f"{cell:<{w}}" if at < 2 else f"{cell:>{w}}" for at, (cell, w) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join(texts).rstrip())


def _print_lines(splits: Iterable[Split], files: Iterable[Path]) -> None:
    """A line for each manifest: how many real and fake images each of its splits has."""
    for item, file in zip(splits, files, strict=True):
        totals = _by_label(item)
        parts = [f"{name} {totals.get((name, 'real'), 0)} + {totals.get((name, 'fake'), 0)}" for name in item.names]
        print(f"{printable(str(file))}: {', '.join(parts)} (real + fake)")
