"""The command line of ``unmask serve``, made from the settings."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_settings import CliSettingsSource, SettingsError

from unmask.errors import UsageError
from unmask.serve.settings import Settings

_ABOUT = """Serve verdicts by HTTP, with a page for browsers.

Every option is also a variable of the environment: --keep-days is UNMASK_KEEP_DAYS. Options that take several values
are repeated; their variables are JSON lists.

Examples:

  unmask serve
  unmask serve --store history/ --keep-images --port 8080
  unmask serve --host 0.0.0.0 --store postgresql://unmask@db/unmask --token-hashes sha256:...
"""


@dataclass(frozen=True, slots=True)
class Arguments:
    """What was asked for.

    Attributes:
        settings: of the service.
        show_config: only to show the settings.
        new_token: only to make a token.
    """

    settings: Settings
    show_config: bool
    new_token: bool


def parse(words: Sequence[str]) -> Arguments:
    """The words after ``unmask serve``, over the environment, over the defaults.

    Raises:
        UsageError: ``bad_setting``.
        SystemExit: after help, or for an option that there is not.
    """
    parser = argparse.ArgumentParser(
        prog="unmask serve",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--show-config", action="store_true", help="show all settings as JSON and exit")
    parser.add_argument("--new-token", action="store_true", help="make a bearer token and its hash, and exit")
    try:
        source = CliSettingsSource[argparse.ArgumentParser](Settings, root_parser=parser, cli_exit_on_error=True)
        known = parser.parse_args(words)
        settings = Settings(_cli_settings_source=source(parsed_args=known))
    except ValidationError as error:
        raise UsageError("bad_setting", "; ".join(_said(item["loc"], item["msg"]) for item in error.errors())) from None
    except SettingsError as error:
        raise UsageError("bad_setting", str(error)) from None
    return Arguments(settings, known.show_config, known.new_token)


def _said(where: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    return f"--{str(where[0]).replace('_', '-')}: {message}" if where else message
