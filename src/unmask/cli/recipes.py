"""``unmask recipes``: what can be trained."""

from __future__ import annotations

import json
import textwrap
from typing import Annotated

import typer

app = typer.Typer(help="Show the recipes in the package.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_recipes(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """List the shipped recipes, with the paper that each follows (S0 to S4), if any.

    Example:

      unmask recipes list --json
    """
    from unmask.recipes import Recipe

    recipes = [Recipe.load(name) for name in Recipe.shipped()]
    if as_json:
        rows = [
            {
                "name": recipe.name,
                "paper": recipe.paper.id if recipe.paper else None,
                "summary": recipe.summary,
                "random_seed": recipe.seed,
            }
            for recipe in recipes
        ]
        print(json.dumps(rows, indent=2))
        return
    width = max(len(recipe.name) for recipe in recipes)
    for recipe in recipes:
        print(f"{recipe.name:<{width}}  {recipe.paper.id if recipe.paper else '  '}  {recipe.summary}")


@app.command()
def show(
    recipe: Annotated[str, typer.Argument(help="Name of a shipped recipe, or a YAML file.")],
    overrides: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting.")] = None,
) -> None:
    """Print a recipe with every setting; comments name its paper and where it differs.

    Example:

      unmask recipes show unmask-single --set schedule.batch_size=16
    """
    from unmask.recipes import Recipe

    resolved = Recipe.load(recipe, overrides or [])
    if resolved.paper is not None:
        paper = resolved.paper
        print(f"# Follows {paper.system} of {paper.id}:")
        print(*textwrap.wrap(str(paper.reference), 116, initial_indent="# ", subsequent_indent="# "), sep="\n")
        print("# It differs from the paper in:")
        for departure in paper.departs:
            print(*textwrap.wrap(departure, 116, initial_indent="# - ", subsequent_indent="#   "), sep="\n")
    print(resolved.to_yaml(), end="")
