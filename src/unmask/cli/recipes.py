"""``unmask recipes``: what can be trained."""

from __future__ import annotations

import json
import textwrap

from unmask.cli import options
from unmask.cli.examples import with_examples


@with_examples("unmask recipes list --json")
def list_recipes(as_json: options.Json = False) -> None:
    """List the built-in recipes.

    The second column names the paper (S0 to S4) that a recipe follows, if any.
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


@with_examples("unmask recipes show unmask-single --set schedule.batch_size=16")
def show(recipe: options.Recipe, overrides: options.Overrides = None) -> None:
    """Print a recipe with all its settings.

    Comments name the paper that it follows, and where it differs from the paper.
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
