"""What each part of a recipe is worth: the recipe without it, on the same images, by several seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from unmask.data.manifest import Manifest
from unmask.evaluation.compare import ALPHA
from unmask.evaluation.evaluate import describe_run
from unmask.evaluation.experiments.ablation_variants import Variant
from unmask.evaluation.experiments.run_experiments import Experiment, run_series
from unmask.evaluation.measure import baseline
from unmask.evaluation.scores import Scores
from unmask.recipes import Recipe
from unmask.stats.images import Images
from unmask.stats.intervals import LEVEL, interval, rounded
from unmask.stats.metrics import Floats
from unmask.stats.registry import MetricValues
from unmask.stats.resample import Draws, draw_groups, percentile_interval
from unmask.stats.significance import delong_runs, holm, swap

FIGURES: Final = ("auc", "balanced_accuracy")
WHOLE: Final = "whole"


def ablate(
    recipe: Recipe,
    changed: Sequence[Variant],
    manifest: Manifest,
    out: Path,
    *,
    seeds: int = 3,
    draws: Draws | None = None,
    cache: Path | None = None,
    workers: int | None = None,
    command: Sequence[str] = (),
    announce: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Train a recipe and its variants by several seeds, and compare them, as plain values for JSON.

    A variant's effect is the mean over seeds of its figure less that of the whole recipe with the same seed, on the
    same test images. Its interval comes from drawing groups and seeds anew. Chance is tested over whole groups, AUC
    by DeLong's variance of the mean over seeds and balanced accuracy by swapping answers, and corrected over the
    variants after Holm. An effect is called established where both agree.

    Args:
        recipe: the whole recipe; its seed is the first of the seeds.
        changed: of :func:`unmask.evaluation.experiments.ablation_variants.variants`.
        manifest: with splits ``train``, ``val`` and ``test``.
        out: gets a folder for each variant and seed.
        seeds: how many, each one more than the one before.
        draws: how intervals are drawn.
        cache: see :func:`unmask.evaluation.experiments.run_experiments.run_series`.
        workers: likewise.
        command: what was called, to be repeated.
        announce: told what begins.
    """
    draws = draws or Draws()
    named = [(WHOLE, "the whole recipe", recipe)]
    named += [(variant.name, variant.title, variant.recipe) for variant in changed if variant.recipe is not None]
    numbers = [recipe.seed + number for number in range(seeds)]
    experiments = [
        Experiment(f"{title}, seed {seed}", f"{name}/seed-{seed}", each.model_copy(update={"seed": seed}), manifest)
        for name, title, each in named
        for seed in numbers
    ]
    tables = list(run_series(experiments, out, cache=cache, workers=workers, announce=announce))
    by_name = {name: tables[at * seeds : (at + 1) * seeds] for at, (name, _, _) in enumerate(named)}
    first = Images.of(by_name[WHOLE][0])
    entries = [{"name": name, "title": title, **_figures(by_name[name])} for name, title, _ in named]
    effects = [effect(by_name[WHOLE], by_name[entry["name"]], draws) for entry in entries[1:]]
    for figure in FIGURES:
        adjusted = holm([math.nan if found[figure]["p"] is None else found[figure]["p"] for found in effects])
        for found, p in zip(effects, adjusted, strict=True):
            own = found[figure]
            apart = own["low"] is not None and (own["low"] > 0 or own["high"] < 0)
            own |= {"p_holm": rounded(p), "established": bool(p < ALPHA and apart)}
    return {
        "schema": 1,
        "kind": "ablation",
        "run": describe_run(command),
        "recipe": {"name": recipe.name, "digest": recipe.digest(), "settings": recipe.model_dump(mode="json")},
        "data": {"name": Path(manifest.name).name, "manifest_digest": manifest.digest()},
        "n": len(first),
        "n_real": int(np.count_nonzero(~first.is_fake)),
        "n_fake": int(np.count_nonzero(first.is_fake)),
        "groups": int(first.group.max()) + 1,
        "baseline": baseline(first),
        "seeds": numbers,
        "intervals": {"level": LEVEL, "draws": draws.draws, "seed": draws.seed, "drawn": "groups and seeds"},
        "whole": entries[0],
        "variants": [{**entry, "effect": found} for entry, found in zip(entries[1:], effects, strict=True)],
        "not_applicable": [
            {"name": variant.name, "title": variant.title, "why": variant.why_not}
            for variant in changed
            if variant.recipe is None
        ],
    }


def _figures(tables: Sequence[Scores]) -> dict[str, Any]:
    """Each figure by seed, and its mean."""
    by_seed = np.array([_values(Images.of(table)) for table in tables])
    return {
        figure: {
            "value": rounded(float(by_seed[:, at].mean())),
            "by_seed": [rounded(value) for value in by_seed[:, at]],
        }
        for at, figure in enumerate(FIGURES)
    }


def _values(images: Images) -> list[float]:
    values: list[float] = MetricValues(images, FIGURES)(np.ones(len(images))).tolist()
    return values


def effect(whole: Sequence[Scores], changed: Sequence[Scores], draws: Draws) -> dict[str, Any]:
    """Changed less whole in each figure: mean over paired seeds, interval and p-value.

    Args:
        whole: the scores of the unchanged recipe, one table a seed, of the same images in the same order.
        changed: those of the changed recipe.
        draws: how intervals are drawn.
    """
    pairs = [(Images.of(one), Images.of(other)) for one, other in zip(whole, changed, strict=True)]
    first = pairs[0][0]
    is_fake, group = first.is_fake, first.group
    values = np.array([_values(other) for _, other in pairs]) - np.array([_values(one) for one, _ in pairs])
    of_pairs = [[MetricValues(side, FIGURES) for side in pair] for pair in pairs]

    def by_seed(weight: Floats) -> Floats:
        return np.array([other(weight) - one(weight) for one, other in of_pairs])

    drawn = draw_groups(group, by_seed, draws)
    # Groups and seeds are drawn independently: a set of seeds for each set of groups.
    seeds = np.random.default_rng([draws.seed, 1]).integers(0, len(pairs), (len(drawn), len(pairs)))
    means = np.take_along_axis(drawn, seeds[:, :, None], axis=1).mean(axis=1)
    size = np.where(is_fake, np.count_nonzero(is_fake), np.count_nonzero(~is_fake))
    surplus = np.mean([other.is_right.astype(float) - one.is_right for one, other in pairs], axis=0)
    p = {
        "auc": delong_runs([other.score for _, other in pairs], [one.score for one, _ in pairs], is_fake, group).p,
        "balanced_accuracy": swap(surplus / (2 * size), group, draws.draws, draws.seed).p,
    }
    return {
        figure: {
            **interval(float(values[:, at].mean()), percentile_interval(means[:, at])),
            "by_seed": [rounded(value) for value in values[:, at]],
            "p": rounded(p[figure]),
        }
        for at, figure in enumerate(FIGURES)
    }
