"""What holds for every verb, and ``unmask bundle``."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import unmask
from unmask.cli import main

Invoke = Callable[..., tuple[int, str, str]]


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, capfd: Any) -> Invoke:
    """Runs ``unmask`` in this process: exit code, standard output, standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["unmask", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capfd.readouterr()
        return int(caught.value.code or 0), out, err

    return run


@pytest.mark.parametrize(
    "arguments", [["-m", "unmask"], ["-c", "from unmask.cli import main; main()"]], ids=["-m", "-c"]
)
def test_version(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, *arguments, "--version"], capture_output=True, text=True, timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == (f"unmask {unmask.__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param(["--help"], 0, id="help"),
        pytest.param([], 2, id="nothing"),
        pytest.param(["bundle"], 2, id="half a verb"),
        pytest.param(["frobnicate"], 2, id="no such verb"),
        pytest.param(["detect", "--wat"], 2, id="no such option"),
    ],
)
def test_exit_codes_of_the_command(arguments: list[str], code: int, invoke: Invoke) -> None:
    found, out, err = invoke(*arguments)
    assert found == code
    assert "Usage" in out + err


def test_importing_the_command_is_light() -> None:
    code = (
        "import sys, unmask.cli;"
        "heavy = 'torch sklearn pandas pyarrow onnxruntime numpy PIL yaml'.split();"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


# --- errors of the system ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "said"),
    [
        # with and without a file, whose name cannot command the terminal
        (OSError(28, "No space left on device"), "No space left on device."),
        (PermissionError(13, "Permission denied", "runs/a\x1b[31m"), r"runs/a\x1b[31m: Permission denied."),
        (FileNotFoundError(2, "No such file or directory", b"a.csv"), "a.csv: No such file or directory."),
        # made by hand, with a text or with nothing
        (OSError("the disk is gone"), "the disk is gone."),
        (TimeoutError(), "TimeoutError."),
    ],
)
def test_errors_of_the_system_are_one_line_and_exit_code_2(
    error: OSError, said: str, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unmask.recipes import Recipe

    def fail() -> None:
        raise error

    monkeypatch.setattr("unmask.cli._drop_output", lambda: None)  # it would take this process's output, too
    monkeypatch.setattr(Recipe, "shipped", fail)
    assert invoke("recipes", "list") == (2, "", f"unmask: {said}\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
@pytest.mark.parametrize(
    "arguments", [["--version"], ["recipes", "list", "--json"], ["--help"], ["recipes", "show", "unmask-default"]]
)
def test_a_full_disk_is_no_traceback(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "unmask", *arguments],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, "unmask: No space left on device.\n")


# --- bundle ------------------------------------------------------------------------------------------------


def test_bundle_info(tiny_bundle: Path, invoke: Invoke) -> None:
    code, out, _ = invoke("bundle", "info", str(tiny_bundle), "--json")
    assert code == 0
    content = json.loads(out)
    assert (content["name"], content["default_threshold"]) == ("tiny", "fpr_5")
    code, out, _ = invoke("bundle", "info", str(tiny_bundle))
    assert code == 0
    assert yaml.safe_load(out)["sha256"] == content["sha256"]


def test_bundle_verify(tiny_bundle: Path, invoke: Invoke) -> None:
    code, out, _ = invoke("bundle", "verify", str(tiny_bundle), "--json")
    assert code == 0
    content = json.loads(out)
    assert (content["name"], content["cases"], content["largest_difference"]) == ("tiny", 2, 0.0)
    code, out, _ = invoke("bundle", "verify", str(tiny_bundle))
    assert (code, out) == (0, "tiny@1: hashes match, 2 golden cases within 0.0e+00\n")


def test_bundle_verify_of_a_changed_bundle(tiny_bundle: Path, tmp_path: Path, invoke: Invoke) -> None:
    bundle = shutil.copytree(tiny_bundle, tmp_path / "b")
    with (bundle / "model.onnx").open("ab") as file:
        file.write(b"\0")
    code, out, err = invoke("bundle", "verify", str(bundle))
    assert (code, out) == (3, "")
    assert err == f"unmask: {bundle}: model.onnx does not match its hash in SHA256SUMS.\n"
