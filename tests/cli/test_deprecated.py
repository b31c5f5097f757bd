"""Old spellings work for one release, and a line on standard error says what to write instead."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from unmask.cli import app
from unmask.cli.deprecated import rename_options
from unmask.data.fetch.policy import FetchPolicy
from unmask.errors import UsageError


def warning(old: str, new: str) -> str:
    return f"unmask: {old} is deprecated and will be removed in the next release: use {new}\n"


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Replaces a function by one that notes its arguments, by name; call it with the module and the name."""

    def stub(module: str, name: str) -> dict[str, Any]:
        home = importlib.import_module(module)
        signature = inspect.signature(getattr(home, name))
        noted: dict[str, Any] = {}

        def note(*given: Any, **named: Any) -> None:
            bound = signature.bind(*given, **named)
            bound.apply_defaults()
            noted.update(bound.arguments)
            raise UsageError("noted", "Enough.")

        monkeypatch.setattr(home, name, note)
        return noted

    return stub


def run(*arguments: object) -> str:
    """Standard error of a call that ends at the replaced function."""
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert isinstance(result.exception, UsageError) and result.exception.code == "noted", result.output
    return result.stderr


@pytest.mark.parametrize(
    ("words", "expected", "warned"),
    [
        # nothing old
        (["--new", "1"], ["--new", "1"], False),
        # an old option, its value apart or attached
        (["a", "--old", "1"], ["a", "--new", "1"], True),
        (["--old=1=2"], ["--new=1=2"], True),
        # a longer option, and a value with an equals sign
        (["--older", "x=--old"], ["--older", "x=--old"], False),
        # after the end of options it is a file's name
        (["--", "--old"], ["--", "--old"], False),
    ],
)
def test_options_are_renamed(
    words: list[str], expected: list[str], warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rename_options(words, {"--old": "--new"}) == expected
    assert capsys.readouterr().err == (warning("--old", "--new") if warned else "")


@pytest.mark.parametrize(
    ("words", "old", "new", "name", "value"),
    [
        (["robustness", "--manifest", "m", "--out", "o", "--keep-pictures"], "--keep-pictures", "--keep-images",
         "keep_images", True),
        (["bench", "--out", "o", "--pictures", "p"], "--pictures", "--images", "images", ["p"]),
        (["data", "fetch", "m.csv", "--out", "o", "--total-timeout=5"], "--total-timeout", "--timeout", "timeout", 5.0),
    ],
)  # fmt: skip
def test_renamed_options_of_commands(
    words: list[str], old: str, new: str, name: str, value: object, capsys: pytest.CaptureFixture[str]
) -> None:
    command: Any = get_command(app)
    while getattr(command, "commands", None):
        command = command.commands[words.pop(0)]
    given = command.load().make_context("x", words).params[name]
    assert (list(given) if isinstance(value, list) else given) == value
    assert capsys.readouterr().err == warning(old, new)


def test_evaluate_with_a_protocol_is_held_out(called: Any) -> None:
    noted = called("unmask.cli.held_out", "held_out")
    old = run(
        "evaluate", "--recipe", "r", "--protocol", "kfold", "--manifest", "m.csv", "--out", "o", "--set", "a=1",
        "--folds", 4, "--cache", "c", "--draws", 100, "--seed", 3, "--workers", 2, "--root", "x", "--json",
    )  # fmt: skip
    assert old == warning("unmask evaluate --recipe RECIPE --protocol", "unmask held-out RECIPE --protocol")
    assert noted == {
        "recipe": "r", "protocol": "kfold", "manifest": Path("m.csv"), "out": Path("o"), "root": Path("x"),
        "overrides": ["a=1"], "folds": 4, "cache": Path("c"), "draws": 100, "seed": 3, "workers": 2, "as_json": True,
    }  # fmt: skip


def test_explain_of_a_manifest_is_check_maps(called: Any) -> None:
    noted = called("unmask.cli.check_maps", "check_maps")
    old = run(
        "explain", "--manifest", "m.csv", "--split", "val", "--most", 9, "--root", "x", "--out", "o", "--seed", 3,
        "--model", "b", "--threshold", "fpr_1", "--json",
    )  # fmt: skip
    assert old == warning("unmask explain --manifest", "unmask check-maps --manifest")
    assert noted == {
        "manifest": Path("m.csv"), "out": Path("o"), "root": Path("x"), "split": "val", "limit": 9,
        "model": Path("b"), "threshold": "fpr_1", "seed": 3, "as_json": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "changed", "warned"),
    [
        # nothing: the policy's defaults
        ([], {}, []),
        # one limit for all that may take long; connecting and reading keep their own where they are shorter
        (["--timeout", 15], {"total_timeout": 15, "read_timeout": 15}, []),
        (["--timeout", 5], {"total_timeout": 5, "read_timeout": 5, "connect_timeout": 5}, []),
        # what left the command line
        (["--connect-timeout", 3], {"connect_timeout": 3}, [("--connect-timeout", "--timeout")]),
        (["--read-timeout", 3], {"read_timeout": 3}, [("--read-timeout", "--timeout")]),
        (["--backoff", 0], {"backoff": 0}, [("--backoff", "FetchPolicy(backoff=...) in Python")]),
        (["--max-redirects", 0], {"max_redirects": 0},
         [("--max-redirects", "FetchPolicy(max_redirects=...) in Python")]),
        (["--no-decode", "--formats", "png, jpeg"], {"decode": False, "formats": frozenset({"PNG", "JPEG"})},
         [("--formats", "FetchPolicy(formats=...) in Python"), ("--decode", "FetchPolicy(decode=...) in Python")]),
    ],
)  # fmt: skip
def test_options_of_fetch_that_left_the_command_line(
    words: list[object], changed: dict[str, Any], warned: list[tuple[str, str]], called: Any, tmp_path: Path
) -> None:
    noted = called("unmask.data.fetch.run", "fetch")
    (tmp_path / "m.csv").write_text("url,label\nhttp://localhost/a,real\n")
    old = run("data", "fetch", tmp_path / "m.csv", "--out", tmp_path / "o", *words)
    assert noted["policy"] == replace(FetchPolicy(), **changed)
    assert old == "".join(warning(*pair) for pair in warned)
