"""What holds for every verb, and ``unmask bundle``."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

import unmask
from unmask.cli import app, main

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


def verbs(command: Any = None, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    command = command or typer.main.get_command(app)
    if below := getattr(command, "commands", None):
        for name, item in below.items():
            yield from verbs(item, (*words, name))
    else:
        yield words


VERBS = list(verbs())


def test_the_verbs_that_must_be_there() -> None:
    assert {("detect",), ("train",), ("bundle", "info"), ("bundle", "verify"), ("recipes", "list")} <= set(VERBS)


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_help_of_every_verb_reads_as_text_and_has_an_example(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "120"})
    assert result.exit_code == 0
    text = result.stdout
    assert "Example" in text
    # The example calls this very verb.
    description, _, example = text.partition("Example")
    assert f"unmask {' '.join(words)} " in example
    # The docstring's indentation must not show inside a paragraph.
    assert not re.search(r"\S {3,}\S", description)


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
