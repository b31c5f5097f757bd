"""The run folder: the identity of a run, and its checkpoints."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch

from unmask.bundle.bundle import Bundle
from unmask.errors import UsageError
from unmask.files import OutputFolder
from unmask.recipes import Recipe


def open_run(out: Path, recipe: Recipe, manifest_digest: str, start_from: Path | None, *, resume: bool) -> None:
    """Start a run folder, or check that the run in it is the one to resume.

    Args:
        out: the run folder.
        recipe: the experiment.
        manifest_digest: of the manifest.
        start_from: another run folder, whose best epoch gives the weights to start from.
        resume: whether ``out`` must hold an unfinished run of the same recipe, manifest and start.

    Raises:
        UsageError: ``run_exists``, ``other_run`` or ``no_run``.
    """
    start = ""
    if start_from is not None:
        digest = hashlib.sha256(best_checkpoint(start_from).read_bytes()).hexdigest()
        start = f"best epoch of {Recipe.load(start_from / 'recipe.yaml').name}, checkpoint sha256 {digest}"
    identity = {"recipe": recipe.digest(), "manifest": manifest_digest, "start": start}
    record = out / "run.json"
    if record.exists():
        if not resume:
            raise UsageError(
                "run_exists", f"{out} already holds a run. Resume it with --resume, or choose another folder."
            )
        # The digest of the stored recipe as read today: a setting that was added since the run started has its
        # default there and does not make it another run.
        if read_record(out) | {"recipe": Recipe.load(out / "recipe.yaml").digest()} != identity:
            raise UsageError(
                "other_run",
                f"{out} holds a run of another recipe, manifest or start, so it cannot be resumed as this one.",
            )
    elif resume:
        raise UsageError("no_run", f"There is no run in {out} to resume.")
    folder = OutputFolder(out)
    # Written again when resumed: settings that the weights do not depend on may have changed.
    folder.write("recipe.yaml", recipe.to_yaml())
    folder.write("run.json", json.dumps(identity, indent=2))


def finished_bundle(run: Path, recipe: Recipe, manifest_digest: str) -> Bundle | None:
    """The bundle of a finished run of a recipe on a manifest; ``None`` if there is no such run or it is unfinished.

    Raises:
        BundleError: the bundle does not match its hashes.
    """
    if not (run / "run.json").exists() or not (run / "bundle" / "SHA256SUMS").exists():
        return None
    identity = {"recipe": recipe.digest(), "manifest": manifest_digest, "start": ""}
    return Bundle.open(run / "bundle") if read_record(run) == identity else None


def read_record(run: Path) -> dict[str, str]:
    """The identity of a run: digests of its recipe and manifest, and what it started from."""
    return {"start": ""} | json.loads((run / "run.json").read_text(encoding="utf-8"))


def read_recipe(run: Path) -> Recipe:
    """The recipe of a run.

    Raises:
        UsageError: ``no_run``, when there is none.
    """
    if not (run / "recipe.yaml").exists():
        raise UsageError("no_run", f"There is no run in {run}.")
    return Recipe.load(run / "recipe.yaml")


def best_checkpoint(run: Path) -> Path:
    """The checkpoint of the best epoch so far.

    Raises:
        UsageError: ``no_run``, when no epoch has been finished.
    """
    checkpoint = run / "checkpoints" / "best.ckpt"
    if not (run / "recipe.yaml").exists() or not checkpoint.exists():
        raise UsageError("no_run", f"{run} holds no run with a finished epoch.")
    return checkpoint


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Everything in a checkpoint. Only tensors and plain values are read, never code."""
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return content
