"""``unmask serve``: the service and its page."""

from __future__ import annotations

import json

import typer


def serve(context: typer.Context) -> None:
    """Serve verdicts by HTTP, with a page for browsers.

    Every setting is a flag or a variable of the environment: see `unmask serve --help`.
    """
    from unmask.cli.extras import need

    need(
        "serve",
        "The service",
        *("fastapi", "uvicorn", "python_multipart", "sqlalchemy", "alembic", "prometheus_client", "pydantic_settings"),
    )
    from unmask.serve.arguments import parse

    arguments = parse(context.args)
    if arguments.new_token:
        from unmask.serve.access import new_token

        token, hashed = new_token()
        print(f"token, for whoever may use the service: {token}\nhash, for --token-hashes: {hashed}")
    elif arguments.show_config:
        print(json.dumps(arguments.settings.shown(), indent=2))
    else:
        from unmask.serve.server import run

        run(arguments.settings)
