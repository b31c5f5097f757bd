"""The beginning of a scan: its sources listed and its plan written, or the plan of the run before."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from unmask.bundle.hub import is_hub_address
from unmask.bundle.published import pull_bundle
from unmask.data.scanned import PLAN, ROWS
from unmask.data.tables import is_table
from unmask.detect.detector import load
from unmask.errors import UsageError
from unmask.imaging.find import PassedOver
from unmask.imaging.limits import default_limits
from unmask.scan import stores
from unmask.scan.extra import pyarrow
from unmask.scan.items import Item
from unmask.scan.shards import WORK, Plan, ScanFolder, plan_scan
from unmask.scan.sources import list_items
from unmask.version import __version__

SHARD_SIZE: Final = 1000
TIMEOUT: Final = 60.0


def start(
    out: Path,
    sources: Sequence[str],
    *,
    resume: bool = False,
    root: Path | None = None,
    model: Path | None = None,
    threshold: str | None = None,
    part: tuple[int, int] = (1, 1),
    shard_size: int = SHARD_SIZE,
    timeout: float = TIMEOUT,
    progress: Callable[[], None] = lambda: None,
) -> ScanFolder:
    """List the images of a scan and write its plan; with ``resume`` take the plan that is there.

    Args:
        out: the folder, held by the caller.
        sources: as for :func:`~unmask.scan.sources.list_items`. A resumed scan needs none, and has those of its plan.
        resume: whether ``out`` may hold a scan already.
        root: as for :func:`~unmask.scan.sources.list_items`.
        model: path or name of a bundle; ``None`` for the one in the package, or for that of the plan.
        threshold: as for :class:`~unmask.detect.detector.Detector`.
        part: which part of how many to do, both from 1.
        shard_size: images in a shard, on average.
        timeout: seconds that one image may take.
        progress: called for each image that is listed.

    Raises:
        UsageError: ``bad_call``, ``bad_part``, ``scan_exists``, ``other_scan``, ``no_pictures``, ``cannot_write``,
            ``bad_threshold``, and those of the sources.
        BundleError: the bundle is missing or broken.
        MissingExtraError: the extra ``scale`` is not installed.
    """
    pyarrow()  # before the work, not after it
    if not 1 <= part[0] <= part[1]:
        raise UsageError("bad_part", f"The part must be as 1/4 to 4/4, not {part[0]}/{part[1]}.")
    if (out / PLAN).exists():
        if not resume:
            raise UsageError("scan_exists", f"{out}: already holds a scan; --resume does what is missing")
        return _resumed(out, sources, model, threshold, part)
    if not sources:
        raise UsageError("bad_call", "Give a source: a folder, a glob, a table, a tar archive or a URL.")
    if (out / ROWS).exists() or (out.exists() and not (out / WORK).exists() and any(out.iterdir())):
        raise UsageError("scan_exists", f"{out}: is not empty; use another folder")
    detector = load(model, threshold)
    passed_over = PassedOver()
    plan = Plan(
        sources=tuple(sources),
        root=str(_root(sources, root)),
        images=0,
        shards=0,
        part=part,
        columns=(),
        model=_lasting(model),
        model_name=detector.model_name,
        bundle_sha256=detector.bundle.sha256,
        threshold=detector.threshold,
        limits=default_limits(),
        timeout=timeout,
        passed_over=0,
        unmask=__version__,
    )

    def listed() -> Iterator[Item]:
        for item in list_items(sources, passed_over, root):
            progress()
            yield item

    return plan_scan(out, listed(), plan, shard_size, passed_over)


def _resumed(
    out: Path, sources: Sequence[str], model: Path | None, threshold: str | None, part: tuple[int, int]
) -> ScanFolder:
    folder = ScanFolder(out)
    plan = folder.plan
    if sources and tuple(sources) != plan.sources:
        raise UsageError("other_scan", f"{out}: holds a scan of {', '.join(plan.sources)}; use another folder")
    if part not in ((1, 1), plan.part):
        raise UsageError("other_scan", f"{out}: holds part {plan.part[0]}/{plan.part[1]}; use another folder")
    if model is not None or threshold is not None:
        detector = load(model or plan.model, threshold)
        if detector.bundle.sha256 != plan.bundle_sha256:
            text = f"{out}: holds verdicts of {plan.model_name}, bundle {plan.bundle_sha256[:12]}; use another folder"
            raise UsageError("other_scan", text)
        if threshold is not None and detector.threshold != plan.threshold:
            text = f"{out}: holds verdicts for the threshold {plan.threshold}; use another folder"
            raise UsageError("other_scan", text)
    folder.remove_partials()
    return folder


def _root(sources: Sequence[str], root: Path | None) -> Path:
    """The folder that paths in the rows start from and do not leave: of a table its own."""
    if root is not None:
        return root.absolute()
    local = [Path(source) for source in sources if stores.scheme_of(source) is None and source != "-"]
    if len(sources) == 1 and local and is_table(local[0]):
        return local[0].absolute().parent
    if local and all(path.is_absolute() for path in local):
        return Path(os.path.commonpath([path if path.is_dir() else path.parent for path in local]))
    return Path.cwd()


def _lasting(model: Path | None) -> str | None:
    """A bundle's path that holds in any working folder; names stay as they are, and an address gets its commit."""
    if model is None:
        return None
    if is_hub_address(model):
        return str(pull_bundle(model)[1])
    return str(model.absolute() if model.exists() else model)
