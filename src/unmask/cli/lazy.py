"""Commands that are imported when they are called or their help is asked for.

``unmask --help`` takes names and summaries from a table and imports no command.
"""

from __future__ import annotations

import gc
import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import typer
from typer.core import TyperCommand, TyperGroup

from unmask.cli.deprecated import rename_options


@dataclass(frozen=True, slots=True)
class Verb:
    """A line in the table of commands.

    Attributes:
        name: as typed.
        home: ``module:function``; the function's docstring begins with ``summary``.
        summary: one sentence of at most 64 characters, so that a line of ``--help`` holds it.
        renamed: old spellings of options that still work for one release, with the new ones.
        reads_images: whether it has the option for the largest image to read.
        uses_device: whether it has the option that says what computes the networks.
        reads_tables: whether it has the options that say what a table calls its columns and labels.
        below: commands that are called by their name after this one's.
    """

    name: str
    home: str
    summary: str
    renamed: Mapping[str, str] = field(default_factory=dict)
    reads_images: bool = False
    uses_device: bool = False
    reads_tables: bool = False
    below: Sequence[Verb] = ()


@dataclass(frozen=True, slots=True)
class Family:
    """A command with commands below it, such as ``unmask data``."""

    name: str
    summary: str
    verbs: Sequence[Verb]


class LazyCommand(TyperCommand):
    """Name and summary of a command that is not imported yet."""

    def __init__(self, verb: Verb) -> None:
        super().__init__(verb.name, help=verb.summary, short_help=verb.summary, rich_markup_mode=None)
        self._verb = verb
        self.commands = {below.name: LazyCommand(below) for below in verb.below}

    def load(self) -> VerbCommand:
        """Import the function and build the command from its signature."""
        module, _, function = self._verb.home.partition(":")
        app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        verb = getattr(importlib.import_module(module), function)
        if self._verb.uses_device:
            from unmask.cli.limits import with_device

            verb = with_device(verb)
        if self._verb.reads_images:
            from unmask.cli.limits import with_max_megapixels

            verb = with_max_megapixels(verb)
        if self._verb.reads_tables:
            from unmask.cli.manifests import with_translation

            verb = with_translation(verb)
        app.command(self._verb.name, cls=VerbCommand)(verb)
        command = cast(VerbCommand, typer.main.get_command(app))
        command.renamed, command.commands = self._verb.renamed, self.commands
        return command


class VerbCommand(TyperCommand):
    """A command whose options may have old spellings, and whose help lists options by group.

    Attributes:
        renamed: old spellings with the new ones.
        commands: those below it, by name.
    """

    renamed: Mapping[str, str] = {}
    commands: Mapping[str, LazyCommand] = {}

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, with old spellings replaced and warned about."""
        return super().parse_args(ctx, args if ctx.resilient_parsing else rename_options(args, self.renamed))

    def invoke(self, ctx: Any) -> Any:
        """Run the command, and give back the folder that it held."""
        from unmask.cli.hold import command_runs

        gc.enable()
        with command_runs():
            return super().invoke(ctx)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, then options by their ``rich_help_panel``."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is None:
                continue
            name, text = record
            if param.param_type_name == "argument":
                groups.setdefault("Arguments", []).append((name.partition(" <")[0], text))  # without its Python type
            else:
                groups.setdefault(getattr(param, "rich_help_panel", None) or "Options", []).append(record)
        for name in sorted(groups, key=["Arguments", *groups].index):
            with formatter.section(name):
                formatter.write_dl(groups[name])


@contextmanager
def imports() -> Iterator[None]:
    """Around the imports of a command that must start fast: they are not searched for garbage, now and later."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


class LazyGroup(TyperGroup):
    """A group whose commands come from a table."""

    table: ClassVar[Sequence[Verb | Family]] = ()

    def __init__(self, *, table: Sequence[Verb | Family] | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        for entry in self.table if table is None else table:
            self.commands[entry.name] = LazyCommand(entry) if isinstance(entry, Verb) else _group(entry)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        """The command that ``args`` begin with, imported, and what follows it."""
        name, command, rest = super().resolve_command(ctx, args)
        if isinstance(command, LazyCommand) and rest and rest[0] in command.commands:
            name, command, rest = f"{name} {rest[0]}", command.commands[rest[0]], rest[1:]
        return name, command.load() if isinstance(command, LazyCommand) else command, rest

    def get_params(self, ctx: Any) -> list[Any]:
        """The options of the group."""
        params = super().get_params(ctx)
        for param in params:
            # Typer validates a default of None with pydantic, whose import takes as long as all else.
            if getattr(param, "is_bool_flag", False) and param.default is None:
                param.default = False
        return params


def _group(family: Family) -> LazyGroup:
    return LazyGroup(
        name=family.name,
        help=family.summary,
        short_help=family.summary,
        no_args_is_help=True,
        rich_markup_mode=None,
        table=family.verbs,
    )
