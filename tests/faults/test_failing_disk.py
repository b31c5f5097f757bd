"""Every command that writes, on a disk that fails at its n-th operation: the state before or after, and one line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.faults.conftest import Inputs, is_whole
from tests.faults.disk import KINDS, Disk, call, failing

# Words in capitals are inputs; OUT is a folder or file to be written. Of operations beyond the limit some are tried.
COMMANDS: dict[str, tuple[str, int]] = {
    "detect": ("detect IMAGE --model BUNDLE --evidence OUT", 99),
    "detect many": ("detect IMAGE --model BUNDLE --html OUT/page.html --resume OUT/kept.jsonl --evidence OUT/seen", 99),
    "explain": ("explain IMAGE --model BUNDLE --out OUT --no-forensics", 8),
    "explain page": ("explain IMAGE --model BUNDLE --html OUT/page.html --no-forensics", 12),
    "evaluate": ("evaluate BUNDLE --manifest TABLE --out OUT --draws 100", 12),
    "evaluate parquet": ("evaluate BUNDLE --manifest TABLE --out OUT --draws 100 --parquet", 6),
    "evaluate scores": ("evaluate --scores SCORES --out OUT --draws 100", 12),
    "robustness": ("robustness BUNDLE --manifest TABLE --out OUT --tiers-only --limit 2 --draws 100 --keep-images", 12),
    "check-maps": ("check-maps --model BUNDLE --manifest TABLE --out OUT --limit 2", 8),
    "calibrate": ("calibrate BUNDLE --manifest TABLE --split all --out OUT --draws 100 --folds 2", 12),
    "card": ("bundle card BUNDLE --out OUT/card.md", 99),
    "audit": ("data audit TABLE --out OUT --clusters OUT/copies.csv --no-probes", 12),
    "split": ("data split TABLE --out OUT/split.csv --fractions 0.5,0.5 --force --tolerance 1", 99),
    "split folder": ("data split TABLE --out OUT/ --folds 2 --force --tolerance 1", 99),
    "split parquet": ("data split TABLE --out OUT/split.parquet --fractions 0.5,0.5 --force --tolerance 1", 99),
    "fetch": ("data fetch URLS --out OUT --allow-private --min-interval 0", 8),
    "faces": ("data faces FACE --out OUT --no-face whole", 99),
    "synthesize": ("data synthesize FACE --kind degrade --steps jpeg --out OUT --with-originals", 99),
    "sheet": ("data sheet TABLE --out OUT --per 2", 99),
}  # fmt: skip

# Dear, so few of their operations are tried.
_TRAINING: dict[str, tuple[str, int]] = {
    "train": ("train RECIPE --manifest TABLE --out OUT --workers 0", 6),
    "export": ("bundle export RUN --manifest TABLE --out OUT", 2),
    "held-out": ("held-out RECIPE --protocol kfold --folds 3 --manifest TABLE --out OUT --draws 100 --workers 1", 2),
    "ablate": ("ablate RECIPE --only no-augmentation --seeds 1 --manifest TABLE --out OUT --draws 100 --workers 0", 2),
}  # fmt: skip


def words(command: str, inputs: Inputs, out: Path) -> list[str]:
    places = {"OUT": str(out), **{name.upper(): str(value) for name, value in vars(inputs).items()}}
    return [
        "/".join([places.get(parts[0], parts[0]), *parts[1:]])
        for parts in (word.split("/") for word in command.split())
    ]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def chosen(count: int, limit: int) -> list[int]:
    """Numbers of operations: all, or the first, the last and evenly between."""
    if count <= limit:
        return list(range(1, count + 1))
    return sorted({1 + round(at * (count - 1) / (limit - 1)) for at in range(limit)})


def check(command: str, limit: int, inputs: Inputs, tmp_path: Path, *, trains: bool = False) -> None:
    clean = tmp_path / "clean"
    clean.mkdir()
    disk = Disk(clean)
    with failing(disk):
        code, said = call(*words(command, inputs, clean), folder=tmp_path)
    assert code == 0, said
    before = contents(clean)
    for filled in (False,) if trains else (False, True):
        for n in chosen(disk.count, limit):
            number = KINDS[n % len(KINDS)]
            out = tmp_path / f"{filled}-{n}"
            shutil.copytree(clean, out) if filled else out.mkdir()
            failed = Disk(out, n, number)
            with failing(failed):
                code, said = call(*words(command, inputs, out), folder=tmp_path)
            if not failed.failed:  # less is written with the results of an earlier run
                break
            place = f"{command}: {number} at {n}, {failed.done[n - 1]}: {said}"
            lines = said.splitlines()
            assert code == 2, place
            # Training says what it does, line by line.
            assert lines[-1].startswith("unmask: ") and (trains or len(lines) == 1), place
            assert "Traceback" not in said, place
            assert not list(out.rglob("*.partial")), place
            for path in out.rglob("*"):
                # Journals and caches are appended to, and pass over a torn end.
                if path.is_file() and path.suffix not in (".jsonl", ".bin") and "tensorboard" not in path.parts:
                    name = str(path.relative_to(out))
                    assert (filled and path.read_bytes() == before[name]) or is_whole(path), f"{place}: {name}"
            if filled:
                assert set(contents(out)) >= {name for name in before if not name.endswith(".jsonl")}, place
            resume = ["--resume"] if command.startswith("train") and (out / "run.json").exists() else []
            code, said = call(*words(command, inputs, out), *resume, folder=tmp_path)
            assert code == 0, f"again after {place}: {said}"
            assert named(contents(out)) == named(before), place
            shutil.rmtree(out)


def named(found: dict[str, bytes]) -> set[str]:
    """Names of files, without those of TensorBoard, which hold the time."""
    return {name for name in found if "tensorboard" not in name}


@pytest.mark.train
@pytest.mark.parametrize(
    "name",
    ["train", *(pytest.param(name, marks=pytest.mark.nightly) for name in ("export", "held-out", "ablate"))],
)
def test_training_on_a_failing_disk(name: str, trained: Inputs, tmp_path: Path) -> None:
    check(*_TRAINING[name], trained, tmp_path, trains=True)


@pytest.mark.parametrize("name", COMMANDS)
def test_state_before_or_after(name: str, inputs: Inputs, tmp_path: Path) -> None:
    check(*COMMANDS[name], inputs, tmp_path)
