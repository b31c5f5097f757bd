"""What each part of a recipe contributes: the recipe without it, on the same images, with several random seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from unmask.data.manifest import Manifest
from unmask.evaluation.compare import ALPHA
from unmask.evaluation.evaluate import describe_run
from unmask.evaluation.experiments.ablation_variants import Variant
from unmask.evaluation.experiments.run_experiments import Experiment, run_series
from unmask.evaluation.measure import baseline, estimate
from unmask.evaluation.results.ablation import (
    Ablation,
    Effect,
    Effects,
    MeanMetric,
    NotApplicable,
    Trained,
    TrainedVariant,
)
from unmask.evaluation.results.base import Intervals, ManifestFacts, RecipeFacts
from unmask.evaluation.scores import Scores
from unmask.recipes import Recipe
from unmask.stats.images import Images
from unmask.stats.intervals import LEVEL, rounded
from unmask.stats.metrics import Floats
from unmask.stats.registry import MetricValues
from unmask.stats.resample import Draws, draw_groups, percentile_interval
from unmask.stats.significance import delong_runs, holm, swap

METRICS: Final = ("auc", "balanced_accuracy")
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
) -> Ablation:
    """Train a recipe and its variants with several random seeds, and compare them.

    A variant's effect is the mean over seeds of its metric minus that of the whole recipe with the same seed, on the
    same test images. Its interval comes from drawing groups and seeds. Significance is tested over whole groups, for
    AUC with DeLong's variance of the mean over seeds and for balanced accuracy by swapping predictions, and corrected
    over the variants after Holm. An effect is called established where both agree.

    Args:
        recipe: the whole recipe; its seed is the first of the seeds.
        changed: of :func:`unmask.evaluation.experiments.ablation_variants.variants`.
        manifest: with splits ``train``, ``val`` and ``test``.
        out: gets a folder for each variant and seed.
        seeds: number of seeds, in succession.
        draws: how intervals are drawn.
        cache: see :func:`unmask.evaluation.experiments.run_experiments.run_series`.
        workers: likewise.
        command: arguments of the call, to note.
        announce: called with one line before each training.
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
    trained = [Trained(name=name, title=title, **_means(by_name[name])) for name, title, _ in named]
    effects = _corrected([effect(by_name[WHOLE], by_name[each.name], draws) for each in trained[1:]])
    return Ablation(
        kind="ablation",
        run=describe_run(command),
        recipe=RecipeFacts(name=recipe.name, digest=recipe.digest(), settings=recipe.model_dump(mode="json")),
        data=ManifestFacts(name=Path(manifest.name).name, manifest_digest=manifest.digest()),
        n=len(first),
        n_real=int(np.count_nonzero(~first.is_fake)),
        n_fake=int(np.count_nonzero(first.is_fake)),
        groups=int(first.group.max()) + 1,
        baseline=baseline(first),
        seeds=tuple(numbers),
        intervals=Intervals(level=LEVEL, draws=draws.draws, seed=draws.seed, drawn="groups and seeds"),
        whole=trained[0],
        variants=tuple(
            TrainedVariant(
                name=each.name, title=each.title, auc=each.auc, balanced_accuracy=each.balanced_accuracy, effect=found
            )
            for each, found in zip(trained[1:], effects, strict=True)
        ),
        not_applicable=tuple(
            NotApplicable(name=variant.name, title=variant.title, why=variant.why_not)
            for variant in changed
            if variant.recipe is None
        ),
    )


def _corrected(effects: Sequence[Effects]) -> list[Effects]:
    """The effects with Holm's correction of each metric's p-values, and whether each is established."""

    def corrected(column: list[Effect]) -> list[Effect]:
        adjusted = holm([math.nan if each.p is None else each.p for each in column])
        return [
            each.model_copy(update={"p_holm": rounded(p), "established": bool(p < ALPHA and _excludes_zero(each))})
            for each, p in zip(column, adjusted, strict=True)
        ]

    pairs = zip(
        corrected([each.auc for each in effects]),
        corrected([each.balanced_accuracy for each in effects]),
        strict=True,
    )
    return [Effects(auc=auc, balanced_accuracy=balanced_accuracy) for auc, balanced_accuracy in pairs]


def _excludes_zero(found: Effect) -> bool:
    return found.low is not None and found.high is not None and (found.low > 0 or found.high < 0)


def _means(tables: Sequence[Scores]) -> dict[str, MeanMetric]:
    """Each metric by seed, and its mean."""
    by_seed = np.array([_values(Images.of(table)) for table in tables])
    return {
        name: MeanMetric(
            value=rounded(float(by_seed[:, at].mean())), by_seed=tuple(rounded(value) for value in by_seed[:, at])
        )
        for at, name in enumerate(METRICS)
    }


def _values(images: Images) -> list[float]:
    values: list[float] = MetricValues(images, METRICS)(np.ones(len(images))).tolist()
    return values


def effect(whole: Sequence[Scores], changed: Sequence[Scores], draws: Draws) -> Effects:
    """Changed minus whole in each metric: mean over paired seeds, interval and p-value.

    Args:
        whole: the scores of the unchanged recipe, one table for each seed, of the same images in the same order.
        changed: those of the changed recipe.
        draws: how intervals are drawn.
    """
    pairs = [(Images.of(one), Images.of(other)) for one, other in zip(whole, changed, strict=True)]
    first = pairs[0][0]
    is_fake, group = first.is_fake, first.group
    values = np.array([_values(other) for _, other in pairs]) - np.array([_values(one) for one, _ in pairs])
    of_pairs = [[MetricValues(side, METRICS) for side in pair] for pair in pairs]

    def by_seed(weight: Floats) -> Floats:
        return np.array([other(weight) - one(weight) for one, other in of_pairs])

    drawn = draw_groups(group, by_seed, draws)
    # Groups and seeds are drawn independently: a set of seeds for each set of groups.
    seeds = np.random.default_rng([draws.seed, 1]).integers(0, len(pairs), (len(drawn), len(pairs)))
    means = np.take_along_axis(drawn, seeds[:, :, None], axis=1).mean(axis=1)
    size = np.where(is_fake, np.count_nonzero(is_fake), np.count_nonzero(~is_fake))
    surplus = np.mean([other.is_right.astype(float) - one.is_right for one, other in pairs], axis=0)

    def found(name: str, p: float) -> Effect:
        at = METRICS.index(name)
        mean = estimate(float(values[:, at].mean()), percentile_interval(means[:, at]))
        by_seed = tuple(rounded(value) for value in values[:, at])
        return Effect(value=mean.value, low=mean.low, high=mean.high, by_seed=by_seed, p=rounded(p))

    return Effects(
        auc=found(
            "auc",
            delong_runs([other.score for _, other in pairs], [one.score for one, _ in pairs], is_fake, group).p,
        ),
        balanced_accuracy=found("balanced_accuracy", swap(surplus / (2 * size), group, draws.draws, draws.seed).p),
    )
