"""The run folder: the identity of a run, and its checkpoints."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from unmask.bundle.bundle import Bundle
from unmask.errors import UsageError
from unmask.files import OutputFolder, write_whole
from unmask.recipes import Recipe
from unmask.training.state import broken_run, read_history, read_json


def open_run(out: Path, recipe: Recipe, manifest_digest: str, start: str, *, resume: bool) -> None:
    """Start a run folder, or check that the run in it is the one to resume.

    Args:
        out: the run folder.
        recipe: the experiment.
        manifest_digest: of the manifest.
        start: where the weights to start from come from, '' for the backbone's own.
        resume: whether ``out`` must hold an unfinished run of the same recipe, manifest and start.

    Raises:
        UsageError: ``run_exists``, ``other_run`` or ``no_run``; ``broken_run``, a file of the run is damaged.
    """
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
                f"{out} holds a run of another recipe, manifest or start, so it cannot be resumed as this one; "
                "its recipe.yaml and run.json say of which, unless they are damaged.",
            )
        _check_state(out, recipe, identity)
    elif resume:
        raise UsageError("no_run", f"There is no run in {out} to resume.")
    folder = OutputFolder(out)
    # Written again when resumed: settings that the weights do not depend on may have changed.
    folder.write("recipe.yaml", recipe.to_yaml())
    folder.write("run.json", json.dumps(identity, indent=2))


def finished_bundle(run: Path, recipe: Recipe, manifest_digest: str, start: str | None) -> Bundle | None:
    """The bundle of a finished run of a recipe on a manifest; ``None`` if there is no such run or it is unfinished.

    Args:
        run: the run folder.
        recipe: the experiment.
        manifest_digest: of the manifest.
        start: as for :func:`open_run`; ``None``: any.

    Raises:
        BundleError: the bundle does not match its hashes.
    """
    if not (run / "run.json").exists() or not (run / "bundle" / "SHA256SUMS").exists():
        return None
    record = read_record(run)
    identity = {
        "recipe": recipe.digest(),
        "manifest": manifest_digest,
        "start": record["start"] if start is None else start,
    }
    return Bundle.open(run / "bundle") if record == identity else None


def read_record(run: Path) -> dict[str, str]:
    """The identity of a run: digests of its recipe and manifest, and what it started from.

    Raises:
        UsageError: ``no_run`` or ``broken_run``.
    """
    path = run / "run.json"
    if not path.exists():
        raise UsageError("no_run", f"There is no run in {run}.")
    record = {"start": ""} | read_json(path)
    if not all(isinstance(record.get(name), str) for name in ("recipe", "manifest", "start")):
        raise broken_run(path)
    return record


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
    """Everything in a checkpoint. Only tensors and plain values are read, never code.

    Raises:
        UsageError: ``broken_run``.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # torch, zipfile and pickle raise a dozen kinds for damaged files
        raise broken_run(path) from None
    if not isinstance(content, dict) or not isinstance(content.get("state_dict"), dict):
        raise broken_run(path)
    return content


def write_checkpoint(path: Path, content: dict[str, Any], run: Path, recipe: Recipe) -> None:
    """Write a checkpoint that appears whole or not at all, and names its run.

    Args:
        path: the file.
        content: tensors and plain values.
        run: the run folder.
        recipe: of the run.

    Raises:
        UsageError: ``cannot_write``.
    """
    record = read_record(run)
    written_by = {"recipe": recipe.model_dump(mode="json"), "manifest": record["manifest"], "start": record["start"]}
    # In memory first: torch may end the whole process where a write of its own fails.
    buffer = io.BytesIO()
    torch.save(content | {"run": written_by}, buffer)
    OutputFolder(path.parent)
    write_whole(path, buffer.getvalue())


def _check_state(run: Path, recipe: Recipe, identity: dict[str, str]) -> None:
    """Refuse to resume from damaged files or checkpoints of another run, before anything is written."""
    for path in sorted((run / "checkpoints").glob("*.ckpt")):
        content = read_checkpoint(path)
        if path.name == "last.ckpt" and not (
            isinstance(content.get("epoch"), int) and isinstance(content.get("callbacks"), dict)
        ):
            raise broken_run(path)
        # Checkpoints of early versions do not name their run.
        if (written_by := content.get("run")) is None:
            continue
        try:
            same = Recipe.model_validate(written_by["recipe"]).digest() == recipe.digest() and all(
                written_by[key] == identity[key] for key in ("manifest", "start")
            )
        except (KeyError, TypeError, ValidationError):
            raise broken_run(path) from None
        if not same:
            raise UsageError("other_run", f"{path}: belongs to another run.")
    read_history(run / "history.csv")
    if (run / "timing.json").exists():
        read_json(run / "timing.json")
