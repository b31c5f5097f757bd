"""``unmask serve``: the service and its page. Its options are the settings of the service."""

from __future__ import annotations

import inspect
import json
from typing import Annotated, Any

import typer

from unmask.cli.examples import with_examples
from unmask.cli.extras import need

# The settings are needed for the help already.
need(
    "serve",
    "The service",
    *("fastapi", "uvicorn", "python_multipart", "sqlalchemy", "alembic", "prometheus_client", "pydantic_settings"),
)
from unmask.serve.arguments import ServeOption, read_settings, serve_options  # noqa: E402


@with_examples(
    "unmask serve",
    "unmask serve --store history/ --keep-images --port 8080",
    "unmask serve --host 0.0.0.0 --store history/ --token-hashes sha256:...",
)
def serve(*, show_config: bool, new_token: bool, **given: Any) -> None:
    """Serve verdicts over HTTP, with a web page.

    Every option is an environment variable, too; an option takes precedence. Options that take several values are
    repeated; their variables are JSON lists.

    Exit codes: 0 stopped, 2 usage error, 3 missing extra or broken bundle.
    """
    if new_token:
        from unmask.serve.access import new_token as make_token

        token, hashed = make_token()
        print(f"token, for clients of the service: {token}\nhash, for --token-hashes: {hashed}")
        return
    settings = read_settings(given)
    if show_config:
        print(json.dumps(settings.shown(), indent=2))
    else:
        from unmask.serve.server import run

        run(settings)


def _parameter(option: ServeOption) -> inspect.Parameter:
    annotation = {bool: bool, list: list[str] | None, str: str | None}[option.kind]
    described = typer.Option(
        option.flag, metavar=option.metavar, help=option.help, show_default=False, rich_help_panel=option.group
    )
    default = False if option.kind is bool else None
    return inspect.Parameter(
        option.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[annotation, described]
    )


def _switch(name: str, text: str) -> inspect.Parameter:
    described = typer.Option(f"--{name.replace('_', '-')}", help=text)
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, described])


# Typer reads both.
_PARAMETERS = [
    _switch("show_config", "Print all settings as JSON and exit."),
    _switch("new_token", "Create a bearer token, print it with its hash, and exit."),
    *map(_parameter, serve_options()),
]
serve.__signature__ = inspect.Signature(_PARAMETERS)  # type: ignore[attr-defined]
serve.__annotations__ = {parameter.name: parameter.annotation for parameter in _PARAMETERS}
