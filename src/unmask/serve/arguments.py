"""The options of ``unmask serve``, made from the settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args, get_origin

from pydantic import ValidationError
from pydantic_settings import CliSettingsSource, SettingsError

from unmask.errors import UsageError
from unmask.serve.settings import Settings

_GROUP_FROM: Final = {"host": "Service", "store": "History", "token_hashes": "Access", "workers": "Limits"}
"""Headings in the help, by the first setting below each."""
_METAVARS: Final = {str: "TEXT", int: "N", float: "N", Path: "PATH"}


@dataclass(frozen=True, slots=True)
class ServeOption:
    """One setting as an option.

    Attributes:
        name: of the setting.
        flag: as typed, e.g. ``--keep-days``.
        kind: ``bool`` for a switch, ``list`` for one that may be repeated, else ``str``.
        metavar: of its value in the help, ``None`` for a switch.
        help: its description, with its variable and default.
        group: heading in the help.
    """

    name: str
    flag: str
    kind: type
    metavar: str | None
    help: str
    group: str


def serve_options() -> Iterator[ServeOption]:
    """An option for every setting, in the settings' order."""
    group = ""
    for name, setting in Settings.model_fields.items():
        group = _GROUP_FROM.get(name, group)
        is_list = get_origin(setting.annotation) is tuple
        kind = list if is_list else bool if setting.annotation is bool else str
        types = {setting.annotation, *get_args(setting.annotation)}
        facts = [f"env var: {Settings.model_config['env_prefix']}{name.upper()}"]
        if setting.default not in (None, (), False):
            facts.append(f"default: {setting.default}")
        yield ServeOption(
            name=name,
            flag=f"--{name.replace('_', '-')}",
            kind=kind,
            metavar=None
            if kind is bool
            else next((text for type_, text in _METAVARS.items() if type_ in types), "TEXT"),
            help=f"{setting.description}  [{'; '.join(facts)}]",
            group=group,
        )


def read_settings(given: Mapping[str, Any]) -> Settings:
    """Settings from the command line, over the environment, over the defaults.

    Args:
        given: by name of the setting; ``None``, ``False`` and empty lists are options that were not given.

    Raises:
        UsageError: ``bad_setting``.
    """
    source: CliSettingsSource[Any] = CliSettingsSource(Settings, cli_parse_args=False)
    chosen = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in given.items()
        if value not in (None, False, [], ())
    }
    try:
        return Settings(_cli_settings_source=source(parsed_args=chosen))
    except ValidationError as error:
        raise UsageError("bad_setting", "; ".join(_said(item["loc"], item["msg"]) for item in error.errors())) from None
    except SettingsError as error:
        raise UsageError("bad_setting", str(error)) from None


def _said(where: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    return f"--{str(where[0]).replace('_', '-')}: {message}" if where else message
