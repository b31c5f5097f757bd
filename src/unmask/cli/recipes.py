"""``unmask recipes``: what can be trained."""

from __future__ import annotations

import json
from typing import Annotated

import typer

app = typer.Typer(help="Show the recipes in the package.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_recipes(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """List the shipped recipes.

    Example:

      unmask recipes list --json
    """
    from unmask.recipes import Recipe

    recipes = [Recipe.load(name) for name in Recipe.shipped()]
    if as_json:
        print(json.dumps([{"name": recipe.name, "summary": recipe.summary} for recipe in recipes], indent=2))
        return
    width = max(len(recipe.name) for recipe in recipes)
    for recipe in recipes:
        print(f"{recipe.name:<{width}}  {recipe.summary}")


@app.command()
def show(
    recipe: Annotated[str, typer.Argument(help="Name of a shipped recipe, or a YAML file.")],
    overrides: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting.")] = None,
) -> None:
    """Print a recipe with every setting written out.

    Example:

      unmask recipes show unmask-default --set schedule.epochs=3
    """
    from unmask.recipes import Recipe

    print(Recipe.load(recipe, overrides or []).to_yaml(), end="")
