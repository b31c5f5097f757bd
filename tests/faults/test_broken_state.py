"""Runs resumed from damaged files, runs that share a folder, and output on a full disk."""

from __future__ import annotations

import errno
import io
import os
import pickle
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.faults.conftest import Inputs
from tests.faults.disk import call

from unmask import files
from unmask.errors import UsageError


class _Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, trap: str) -> None:
        self.trap = trap

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (self.trap, "w")


def _cut(part: float) -> Callable[[bytes], bytes]:
    return lambda content: content[: int(part * len(content))]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "first byte": lambda content: content[:1],
    "cut in the middle": _cut(0.5),
    "cut near the end": _cut(0.99),
    "noise": lambda content: bytes(range(256)) * (len(content) // 256 + 1),
    "another format": lambda _: b"<html></html>\n",
    "deep": lambda _: b"[" * 100_000,
    "endless number": lambda _: b'{"recipe": ' + b"9" * 6_000 + b"}",
}
STATE = ("run.json", "history.csv", "timing.json", "recipe.yaml", "checkpoints/last.ckpt", "checkpoints/best.ckpt")


def resume(inputs: Inputs, run: Path, folder: Path) -> tuple[int, str]:
    return call(
        "train", inputs.recipe, "--manifest", inputs.table, "--out", run, "--workers", 0, "--resume", folder=folder
    )


def assert_refused(inputs: Inputs, run: Path, tmp_path: Path, place: str) -> str:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    code, said = resume(inputs, run, tmp_path)
    assert code == 2, f"{place}: {said}"
    assert len(said.splitlines()) == 1 and said.startswith("unmask: "), f"{place}: {said}"
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before, place
    return said


@pytest.mark.train
@pytest.mark.parametrize("name", STATE)
def test_damaged_state_is_one_line_and_nothing_is_written(name: str, trained: Inputs, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained.run, run)
    whole = (run / name).read_bytes()
    for kind, damage in DAMAGE.items():
        if (name, kind) == ("recipe.yaml", "cut near the end"):
            continue  # what is left describes the same run
        (run / name).write_bytes(damage(whole))
        said = assert_refused(trained, run, tmp_path, f"{name}, {kind}")
        assert Path(name).name in said, f"{name}, {kind}: {said}"


@pytest.mark.train
def test_code_in_a_checkpoint_is_not_run(trained: Inputs, tmp_path: Path) -> None:
    import torch

    run, trap = tmp_path / "run", tmp_path / "trap"
    shutil.copytree(trained.run, run)
    archive, whole = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps({"state_dict": _Payload(str(trap))}))
        file.writestr("archive/version", "3\n")
    torch.save({"state_dict": {}, "epoch": 0, "callbacks": _Payload(str(trap))}, whole)
    for name in ("last.ckpt", "best.ckpt"):
        kept = (run / "checkpoints" / name).read_bytes()
        for content in (pickle.dumps(_Payload(str(trap))), archive.getvalue(), whole.getvalue()):
            (run / "checkpoints" / name).write_bytes(content)
            assert name in assert_refused(trained, run, tmp_path, name)
            assert not trap.exists()
        (run / "checkpoints" / name).write_bytes(kept)


@pytest.mark.train
def test_checkpoints_of_another_run_are_refused(trained: Inputs, tmp_path: Path) -> None:
    import torch

    run = tmp_path / "run"
    shutil.copytree(trained.run, run)
    last = run / "checkpoints" / "last.ckpt"
    content = torch.load(last, weights_only=True)
    changes: list[tuple[dict[str, object], str]] = [
        # of another manifest, of another seed, of another start
        ({"run": content["run"] | {"manifest": "0" * 64}}, "belongs to another run"),
        ({"run": content["run"] | {"recipe": content["run"]["recipe"] | {"seed": 6}}}, "belongs to another run"),
        ({"run": content["run"] | {"start": "best epoch of b"}}, "belongs to another run"),
        # not a run's name at all, no position
        ({"run": 5}, "is damaged"),
        ({"run": {"recipe": {}}}, "is damaged"),
        ({"epoch": "3"}, "is damaged"),
        ({"state_dict": 3}, "is damaged"),
    ]
    for change, said in changes:
        torch.save(content | change, last)
        assert said in assert_refused(trained, run, tmp_path, said)


def test_a_held_folder_is_refused_and_given_back(tmp_path: Path) -> None:
    with files.hold(tmp_path / "run"):
        with pytest.raises(UsageError) as caught, files.hold(tmp_path / "run"):
            pass
        assert caught.value.code == "folder_in_use"
        assert list((tmp_path / "run").iterdir()) == []
    with files.hold(tmp_path / "run"):
        pass
    # A folder that was made for a run that did not begin is gone; one that was there stays.
    for folder, stays in ((tmp_path / "new", False), (tmp_path / "run", True)):
        with pytest.raises(KeyError), files.hold(folder):
            raise KeyError
        assert folder.exists() == stays


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_killed_process_holds_nothing_nor_do_its_children(tmp_path: Path) -> None:
    code = """
import os, sys, time
from pathlib import Path
from unmask import files
with files.hold(Path(sys.argv[1])):
    if os.fork() == 0:
        print(os.getpid(), flush=True)  # by the child, which has let go of the folder by now
    time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    try:
        with pytest.raises(UsageError), files.hold(tmp_path):
            pass
        process.kill()
        process.wait()
        with files.hold(tmp_path):
            os.kill(child, 0)  # it is still alive
    finally:
        process.kill()
        os.kill(child, signal.SIGKILL)
        process.stdout.close()


def test_a_file_system_without_locks_is_no_other_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")

    def fail(number: int) -> Callable[..., None]:
        def flock(*_: object) -> None:
            raise OSError(number, os.strerror(number))

        return flock

    # whether the run may begin, by what the system says
    for number, begins in ((errno.ENOLCK, True), (errno.EOPNOTSUPP, True), (errno.EAGAIN, False), (errno.EIO, False)):
        monkeypatch.setattr(fcntl, "flock", fail(number))
        begun = False
        try:
            with files.hold(tmp_path):
                begun = True
        except UsageError:
            pass
        assert begun == begins, number


@pytest.mark.parametrize(
    "command",
    [
        "evaluate BUNDLE --manifest TABLE --out OUT --draws 100",
        "evaluate --scores SCORES --out OUT --draws 100",
        "robustness BUNDLE --manifest TABLE --out OUT --tiers-only --limit 2 --draws 100",
        "check-maps --model BUNDLE --manifest TABLE --out OUT --limit 2",
        "calibrate BUNDLE --manifest TABLE --split all --out OUT --draws 100 --folds 2",
        "data audit TABLE --out OUT --no-probes",
        pytest.param("train RECIPE --manifest TABLE --out OUT", marks=pytest.mark.train),
        pytest.param("held-out RECIPE --protocol loso --manifest TABLE --out OUT", marks=pytest.mark.train),
        pytest.param("ablate RECIPE --manifest TABLE --out OUT", marks=pytest.mark.train),
        pytest.param("reproduce S0 --manifest TABLE --out OUT", marks=pytest.mark.train),
    ],
)
def test_a_second_run_in_a_folder_is_refused(command: str, inputs: Inputs, tmp_path: Path) -> None:
    if command.split()[0] in ("train", "held-out", "ablate", "reproduce"):
        pytest.importorskip("torch")
        pytest.importorskip("lightning")
    places = {"OUT": str(tmp_path / "out"), **{name.upper(): str(value) for name, value in vars(inputs).items()}}
    with files.hold(tmp_path / "out"):
        code, said = call(*(places.get(word, word) for word in command.split()), folder=tmp_path)
        assert (code, said) == (2, f"unmask: {tmp_path / 'out'}: another run is using this folder\n")
        assert list((tmp_path / "out").iterdir()) == []


PRINTING = (
    "detect IMAGE --model BUNDLE",
    "detect IMAGE --model BUNDLE --json",
    "detect IMAGE --model BUNDLE --csv",
    "explain IMAGE --model BUNDLE --json --no-forensics",
    "evaluate BUNDLE --manifest TABLE --draws 100",
    "evaluate --scores SCORES --draws 100 --json",
    "compare SCORES SCORES --draws 100",
    "check-maps --model BUNDLE --manifest TABLE --limit 2 --json",
    "data audit TABLE --no-probes",
    "data audit TABLE --no-probes --json",
    "bundle info BUNDLE",
    "bundle verify BUNDLE",
    "bundle card BUNDLE",
    "recipes list",
)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
@pytest.mark.parametrize("command", PRINTING)
def test_output_on_a_full_disk_is_one_line(command: str, inputs: Inputs) -> None:
    places = {name.upper(): str(value) for name, value in vars(inputs).items()}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "unmask", *(places.get(word, word) for word in command.split())],
            stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, "unmask: No space left on device.\n")
