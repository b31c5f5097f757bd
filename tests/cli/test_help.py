"""The help of every command: plain English that fits a terminal, made from what the command needs and no more."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import unmask.cli
from unmask.cli import app
from unmask.cli.lazy import Family, LazyCommand, LazyGroup, Verb
from unmask.cli.root import COMMANDS

WIDTH = 80
WORDY = (
    r"anew|goes on|go on|so many|speaks of|stands beside|stand beside|hang together|is told|of such as|a line each|"
    r"from \w+ on|shares?|cuts?|figures?|answers?|told apart|pictures?|by default one|beside|may be repeated"
)


def verbs(entries: Any = COMMANDS, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Verb]]:
    for entry in entries:
        if isinstance(entry, Family):
            yield from verbs(entry.verbs, (*words, entry.name))
        else:
            yield (*words, entry.name), entry
            yield from verbs(entry.below, (*words, entry.name))


def load(words: tuple[str, ...]) -> Any:
    command: Any = get_command(app)
    for word in words:
        command = command.commands[word]
    assert isinstance(command, LazyCommand)
    return command.load()


def help_of(*words: str) -> str:
    result = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": str(WIDTH), "TERMINAL_WIDTH": str(WIDTH)})
    assert result.exit_code == 0, result.output
    return result.stdout


def flat(text: str) -> str:
    """On one line; words that a narrow column broke at their hyphens are whole again."""
    return re.sub(r"-\s+", "-", " ".join(text.split()))


VERBS = dict(verbs())
GROUPS = [(), *((entry.name,) for entry in COMMANDS if isinstance(entry, Family))]


def test_the_verbs_that_must_be_there() -> None:
    wanted = {("detect",), ("held-out",), ("check-maps",), ("data", "fetch"), ("bundle", "info"), ("recipes", "list")}
    assert wanted <= set(VERBS)


# --- groups ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", GROUPS, ids=" ".join)
def test_every_summary_is_one_line_of_80_columns(words: tuple[str, ...]) -> None:
    lines = help_of(*words).split("Commands:\n")[1].splitlines()
    entries = next(
        (entry.verbs for entry in COMMANDS if (entry.name,) == words and isinstance(entry, Family)), COMMANDS
    )
    assert [" ".join(line.split()) for line in lines] == [f"{entry.name} {entry.summary}" for entry in entries]
    assert max(map(len, lines)) <= WIDTH


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_the_table_has_the_first_sentence_of_every_docstring(words: tuple[str, ...]) -> None:
    module, _, function = VERBS[words].home.partition(":")
    documented = inspect.getdoc(getattr(importlib.import_module(module), function))
    assert documented is not None
    assert documented.splitlines()[0] == VERBS[words].summary


def test_completion_can_be_installed_and_h_is_help() -> None:
    text = help_of()
    assert "--install-completion" in text and "--show-completion" in text and "-h, --help" in text
    assert CliRunner().invoke(app, ["-h"], env={"COLUMNS": str(WIDTH)}).stdout == text


# --- commands ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_help_fits_80_columns_and_loses_nothing(words: tuple[str, ...]) -> None:
    text = help_of(*words)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert CliRunner().invoke(app, [*words, "-h"], env={"COLUMNS": str(WIDTH)}).stdout == text
    command = load(words)
    shown = flat(text)
    assert flat(command.help.replace("\b", "")) in shown
    for param in command.params:
        assert param.hidden or flat(param.help) in shown
        assert not param.hidden or not any(option in shown for option in param.opts)
    # No Python types, which say less than a name for the value.
    assert not re.search(r"<(str|int|float|path|list|Path)", text)


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_help_has_examples_that_can_be_copied(words: tuple[str, ...]) -> None:
    description, _, examples = help_of(*words).partition("Example")
    lines = [line.strip() for line in examples.split("\n\n")[1].splitlines()]
    call = f"unmask {' '.join(words)}"
    assert lines and all(call in line for line in lines)
    # Each is a call that the command line can parse.
    for line in lines:
        if line.startswith(call) and "|" not in line and ">" not in line:
            rest = re.findall(r'"[^"]*"|\S+', line.removeprefix(call))
            load(words).make_context(words[-1], [word.strip('"') for word in rest], resilient_parsing=True)
    # The docstring's indentation must not show inside a paragraph.
    assert not re.search(r"\S {3,}\S", description)


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_help_is_plain_english(words: tuple[str, ...]) -> None:
    command = load(words)
    assert not re.findall(rf"\b({WORDY})\b", command.help.partition("Example")[0])
    for param in command.params:
        if param.hidden:
            continue
        text = re.sub(r"\s*\[env var: .*\]$", "", param.help)
        assert re.match(r"[A-Z\-]", text) and text.endswith("."), text
        assert not re.match(r"(Of|What|Whether|How|Where|Which|From|In) ", text), text
        assert not re.findall(rf"\b({WORDY})\b", text), text


def test_no_option_is_described_twice() -> None:
    """A text that two commands need is written in ``unmask.cli.options``, once."""
    texts: Counter[str] = Counter()
    for file in Path(unmask.cli.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "help" and isinstance(node.value, ast.Constant):
                texts[str(node.value.value)] += 1
    assert texts and {text: count for text, count in texts.items() if count > 1} == {}


def test_data_fetch_has_few_options() -> None:
    # Besides those that every command has which reads a table.
    shared = {"columns", "fake_label", "real_label"}
    shown = [param for param in load(("data", "fetch")).params if not param.hidden and param.name not in shared]
    assert len(shown) <= 15  # the manifest, the folder, and 13 more


# --- what is imported --------------------------------------------------------------------------------------


def imported(*arguments: str, **environment: str) -> set[str]:
    """Modules after ``unmask`` with these arguments, in a process of its own."""
    code = (
        "import sys\nfrom unmask.cli import main\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=os.environ | environment,
    )
    assert done.stdout
    return set(done.stderr.split())


HEAVY = {"torch", "sklearn", "pandas", "pyarrow", "onnxruntime", "numpy", "PIL", "yaml", "rich", "pydantic"}
COMMAND_LINE = {"unmask.cli", "unmask.cli.root", "unmask.cli.lazy", "unmask.cli.deprecated"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        # the version needs not even the library for command lines
        (["--version"], {"unmask.cli"}),
        # the table has the summaries
        (["--help"], COMMAND_LINE),
        (["data", "--help"], COMMAND_LINE),
        # a command's help needs that command and the options it shares
        (
            ["detect", "-h"],
            COMMAND_LINE | {f"unmask.cli.{name}" for name in ("detect", "limits", "options", "examples")},
        ),
        (
            ["data", "audit", "-h"],
            COMMAND_LINE
            | {f"unmask.cli.{name}" for name in ("data", "data.audit", "limits", "manifests", "options", "examples")},
        ),
    ],
)
def test_only_what_is_needed_is_imported(arguments: list[str], expected: set[str]) -> None:
    modules = imported(*arguments)
    assert {name for name in modules if name.startswith("unmask.cli")} == expected
    assert not HEAVY & modules
    assert ("typer" in modules) is (arguments != ["--version"])


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        # a command
        ("unmask che", {"check-maps"}),
        # a command below another
        ("unmask data f", {"fetch", "faces"}),
        # an option, for which the command is imported; one that is deprecated is not offered
        ("unmask explain --s", {"--seed"}),
    ],
)
def test_completion_knows_commands_and_options(typed: str, expected: set[str]) -> None:
    words = typed.split()
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv = ['unmask']; from unmask.cli import main; main()"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"_UNMASK_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1)},
    )
    assert set(done.stdout.split()) == expected


@pytest.mark.parametrize(
    ("shell", "known"), [("bash", "complete -o"), ("zsh", "#compdef unmask"), ("fish", "complete ")]
)
def test_the_script_of_each_shell_can_be_printed(shell: str, known: str, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("unmask")
    if not program.exists():
        pytest.skip("unmask is not installed as a command")
    environment = os.environ | {"_UNMASK_COMPLETE": f"source_{shell}"}
    script = subprocess.run([program], env=environment, capture_output=True, text=True, timeout=60, check=True).stdout
    assert known in script
    if shell != "bash" or not (bash := shutil.which("bash")):
        return
    (tmp_path / "completion").write_text(script, encoding="utf-8")
    typed = (
        "source completion; COMP_WORDS=(unmask data f); COMP_CWORD=2; _unmask_completion unmask; echo ${COMPREPLY[@]}"
    )
    found = os.environ | {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    command = [bash, "-c", typed]
    done = subprocess.run(command, cwd=tmp_path, env=found, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["fetch", "faces"]


def test_a_misspelt_command_is_suggested() -> None:
    result = CliRunner().invoke(app, ["evalute"])
    assert result.exit_code == 2
    assert "Did you mean 'evaluate'" in result.output


def test_a_group_can_be_walked_without_importing() -> None:
    group = get_command(app)
    assert isinstance(group, LazyGroup)
    assert list(group.commands) == [entry.name for entry in COMMANDS]
    assert all(isinstance(command, LazyCommand | LazyGroup) for command in group.commands.values())


def test_every_command_that_reads_images_has_the_one_limit() -> None:
    from unmask.cli.root import COMMANDS

    verbs = [verb for entry in COMMANDS for verb in getattr(entry, "verbs", (entry,))]
    named = {verb.name for verb in verbs if verb.reads_images}
    # What reads no image file: tables, bundles, recipes; fetch and serve have limits of their own.
    assert {verb.name for verb in verbs} - named == {
        *("compare", "doctor", "serve", "split", "fetch", "info", "verify", "export", "card", "list", "show"),
        *("push", "pull"),
        "demo",  # its own images
    }


def test_commands_that_judge_images_have_the_choice_of_device() -> None:
    from unmask.cli.root import COMMANDS

    verbs = [verb for entry in COMMANDS for verb in getattr(entry, "verbs", (entry,))]
    # serve has it among its settings.
    assert {verb.name for verb in verbs if verb.uses_device} == {"detect", "scan", "explain", "evaluate"}


def test_every_command_that_reads_a_table_can_be_told_its_columns() -> None:
    from unmask.cli.root import COMMANDS

    verbs = [verb for entry in COMMANDS for verb in getattr(entry, "verbs", (entry,))]
    named = {verb.name for verb in verbs if verb.reads_tables}
    # What reads no manifest and no scores, and scan, whose tables need no labels and may hold addresses or images;
    # regressions run, whose tables have columns of their own.
    assert {verb.name for verb in verbs} - named == {
        *("detect", "scan", "doctor", "explain", "bench", "serve", "info", "verify", "card", "list", "show"),
        *("push", "pull"),
        *("run", "demo", "push"),
    }
