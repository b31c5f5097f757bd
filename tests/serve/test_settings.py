"""Settings by flags and environment, and the command."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result
from typer.main import get_command
from typer.testing import CliRunner

from unmask.cli import app
from unmask.cli.lazy import LazyCommand, LazyGroup
from unmask.errors import UsageError
from unmask.serve.access import hash_of
from unmask.serve.arguments import read_settings, serve_options
from unmask.serve.settings import Settings


def serve(*arguments: str) -> Result:
    """``unmask serve`` in this process."""
    return CliRunner().invoke(app, ["serve", *arguments])


def parse(words: list[str]) -> Settings:
    """The settings that ``unmask serve`` with these words would run with."""
    group = get_command(app)
    assert isinstance(group, LazyGroup)
    command = group.commands["serve"]
    assert isinstance(command, LazyCommand)
    given = command.load().make_context("serve", words).params
    return read_settings({name: value for name, value in given.items() if name in Settings.model_fields})


def test_flags_go_before_the_environment_and_that_before_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNMASK_PORT", "9001")
    monkeypatch.setenv("UNMASK_KEEP_DAYS", "3")
    monkeypatch.setenv("UNMASK_CORS", '["https://a.example", "https://b.example"]')
    settings = parse(["--port", "9002", "--allowed-hosts", "x", "--allowed-hosts", "y", "--no-store"])
    assert (settings.port, settings.keep_days, settings.queue) == (9002, 3, Settings.model_fields["queue"].default)
    assert settings.cors == ("https://a.example", "https://b.example")
    assert settings.allowed_hosts == ("x", "y")
    assert settings.no_store


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["--port", "x"], "--port", id="no number"),
        pytest.param(["--port", "70000"], "--port", id="no port"),
        pytest.param(["--keep-images"], "--keep-images needs a folder", id="images without a folder"),
        pytest.param(["--token-hashes", "secret"], "--token-hashes", id="a token in place of its hash"),
        pytest.param(["--cors", "*"], "--cors", id="every origin"),
        pytest.param(["--cors", "https://a.example/path"], "--cors", id="more than an origin"),
        pytest.param(["--rate", "nan"], "--rate", id="not a number"),
        pytest.param(["--max-body-mib", "600"], "--max-waiting-mib", id="one body larger than the room of all"),
    ],
)
def test_wrong_settings_are_named(words: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(words)
    assert caught.value.code == "bad_setting"
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("words", "url", "kind"),
    [
        pytest.param([], "sqlite://", "memory", id="default"),
        pytest.param(["--store", "/data"], "sqlite:////data/unmask.sqlite3", "sqlite", id="folder"),
        pytest.param(["--store", "postgresql://a@b/c"], "postgresql+psycopg://a@b/c", "postgresql", id="URL"),
        pytest.param(["--store", "postgres://a@b/c"], "postgresql+psycopg://a@b/c", "postgresql", id="short URL"),
        pytest.param(["--store", "/data", "--no-store"], None, "none", id="nothing"),
    ],
)
def test_where_the_history_is(words: list[str], url: str | None, kind: str) -> None:
    settings = parse(words)
    assert (settings.database_url, settings.store_kind) == (url, kind)


def test_the_configuration_is_shown_without_the_password() -> None:
    done = serve("--show-config", "--store", "postgresql://desk:hunter2@db/unmask", "--port", "1234")
    shown = json.loads(done.stdout)
    assert (done.exit_code, shown["port"], shown["host"]) == (0, 1234, "127.0.0.1")
    assert shown["store"] == "postgresql://desk:***@db/unmask"
    assert shown.keys() == Settings.model_fields.keys()


def test_a_new_token_comes_with_its_hash() -> None:
    lines = serve("--new-token").stdout.splitlines()
    token, hashed = (line.rpartition(" ")[2] for line in lines)
    assert hash_of(token) == hashed


def test_help_names_every_setting_and_its_variable() -> None:
    text = " ".join(serve("--help").stdout.split())
    assert all(f"--{name.replace('_', '-')}" in text for name in Settings.model_fields)
    assert all(f"env var: UNMASK_{name.upper()}" in text for name in Settings.model_fields)
    assert "[env var: UNMASK_PORT; default: 8000]" in text
    # Every setting is below a heading.
    headings = [text.index(f"{option.group}: ") for option in serve_options()]
    assert headings == sorted(headings) and len(set(headings)) == 4


def test_lists_may_be_repeated_or_separated_by_commas_or_be_json() -> None:
    expected = ("https://a.example", "https://b.example")
    for words in (
        ["--cors", "https://a.example", "--cors", "https://b.example"],
        ["--cors", "https://a.example,https://b.example"],
        ["--cors", '["https://a.example", "https://b.example"]'],
    ):
        assert parse(words).cors == expected


def test_an_open_service_is_refused(tiny_bundle: Path) -> None:
    error = serve("--host", "0.0.0.0", "--port", "0", "--model", str(tiny_bundle)).exception
    assert isinstance(error, UsageError)
    assert error.code == "open_service"


def test_a_port_that_is_taken_is_refused(tiny_bundle: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        error = serve("--port", str(taken.getsockname()[1]), "--model", str(tiny_bundle)).exception
    assert isinstance(error, UsageError)
    assert error.code == "cannot_listen"


def test_a_missing_bundle_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "unmask", "serve", "--port", "0", "--model", str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert done.stderr == f"unmask: There is no bundle at {tmp_path / 'none'}.\n"
