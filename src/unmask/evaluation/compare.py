"""Two or more detectors on the same images: which differences are established."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np

from unmask.errors import UsageError
from unmask.evaluation.measure import baseline, estimate, rate
from unmask.evaluation.results.base import Estimate, Intervals
from unmask.evaluation.results.comparison import CochranQ, ComparedDetector, Comparison, Pair, Paired
from unmask.evaluation.scores import Scores
from unmask.stats.images import Images
from unmask.stats.intervals import LEVEL, rounded
from unmask.stats.metrics import Confusion, Floats, Ranking
from unmask.stats.registry import MetricValues
from unmask.stats.resample import Draws, resample
from unmask.stats.significance import Swap, cochran_q, delong, holm, mcnemar, swap
from unmask.text import quote

ALPHA: Final = 1 - LEVEL


@dataclass(frozen=True)
class _Paired:
    """Tables reduced to the images that all of them have, in one order."""

    names: list[str]
    images: list[Images]
    left_out: list[int]


def compare(tables_of_scores: Sequence[Scores], draws: Draws | None = None) -> Comparison:
    """Compare every pair of detectors on the images that all tables have.

    Differences in accuracy are tested after McNemar, in AUC after DeLong, in balanced accuracy by swapping predictions;
    where groups hold several images, with the forms for whole groups. The p-values of each metric are corrected over
    the pairs after Holm.

    Args:
        tables_of_scores: two or more; the groups of the first hold for all.
        draws: how intervals are drawn.

    Raises:
        UsageError: ``too_few_scores``, ``nothing_in_common``, or ``labels_differ`` naming the image.
    """
    draws = draws or Draws()
    paired = _pair(tables_of_scores)
    first = paired.images[0]
    pairs = _corrected(
        [
            _difference(paired.names[a], paired.names[b], paired.images[a], paired.images[b], draws)
            for a, b in combinations(range(len(paired.names)), 2)
        ]
    )
    result = Comparison(
        n=len(first),
        n_real=int(np.count_nonzero(~first.is_fake)),
        n_fake=int(np.count_nonzero(first.is_fake)),
        groups=int(first.group.max()) + 1,
        baseline=baseline(first),
        intervals=Intervals(level=LEVEL, draws=draws.draws, seed=draws.seed, drawn="groups"),
        detectors=tuple(
            ComparedDetector(
                name=name,
                left_out=left_out,
                failures=int(np.count_nonzero(own.failed)),
                accuracy=rate(own.is_right, own.group),
                balanced_accuracy=rounded(Confusion.of(own.called_fake, own.is_fake).balanced_accuracy),
                auc=rounded(Ranking(own.score, own.is_fake).roc().auc()),
            )
            for name, own, left_out in zip(paired.names, paired.images, paired.left_out, strict=True)
        ),
        cochran_q=_cochran_q(paired.images) if len(paired.names) > 2 else None,
        pairs=pairs,
    )
    return result.model_copy(update={"sentences": tuple(sentences(result))})


def _cochran_q(images: Sequence[Images]) -> CochranQ:
    found = cochran_q(np.stack([each.is_right for each in images], axis=1))
    return CochranQ(q=rounded(found.q), degrees=found.degrees, p=found.p)


def _pair(given: Sequence[Scores]) -> _Paired:
    if len(given) < 2:
        raise UsageError("too_few_scores", "A comparison needs two tables of scores or more.")
    places = [{path: at for at, path in enumerate(scores.path)} for scores in given]
    common = [path for path in given[0].path if all(path in place for place in places)]
    if not common:
        raise UsageError("nothing_in_common", "The tables have no image in common; they are paired by path.")
    order = [np.array([place[path] for path in common]) for place in places]
    truth = given[0].is_fake[order[0]]
    for scores, at in zip(given, order, strict=True):
        differs = np.flatnonzero(scores.is_fake[at] != truth)
        if len(differs):
            text = f"{given[0].name} and {scores.name} give {quote(common[differs[0]])} different labels"
            raise UsageError("labels_differ", text)
    images = [Images.of(scores) for scores in given]
    _, group = np.unique(images[0].group[order[0]], return_inverse=True)
    return _Paired(
        names=_names(given),
        images=[
            Images(truth, own.probability[at], own.called_fake[at], group)
            for own, at in zip(images, order, strict=True)
        ],
        left_out=[len(scores) - len(common) for scores in given],
    )


def _names(given: Sequence[Scores]) -> list[str]:
    """What to call each: its model, or its file where models share a name."""
    models = [scores.model for scores in given]
    names = [model if models.count(model) == 1 else scores.name for model, scores in zip(models, given, strict=True)]
    return [f"{name} ({at})" if names.count(name) > 1 else name for at, name in enumerate(names, 1)]


def _difference(name: str, other: str, first: Images, second: Images, draws: Draws) -> Pair:
    """First minus second in each metric, with an interval and a p-value."""
    right = mcnemar(first.is_right, second.is_right, first.group)
    surplus = first.is_right.astype(np.float64) - second.is_right
    accuracy = swap(surplus / len(first), first.group, draws.draws, draws.seed)
    unknown = estimate(math.nan, None)
    balanced_accuracy, auc = _paired(unknown, None, "swap"), _paired(unknown, None, "delong")
    if first.has_both:
        size = np.where(first.is_fake, np.count_nonzero(first.is_fake), np.count_nonzero(~first.is_fake))
        balanced = swap(surplus / (2 * size), first.group, draws.draws, draws.seed)
        balanced_accuracy = _paired(_ends(balanced), balanced.p, "swap")
        auc = _auc(first, second, draws)
    return Pair(
        first=name,
        second=other,
        accuracy=_paired(_ends(accuracy), right.p, "mcnemar"),
        balanced_accuracy=balanced_accuracy,
        auc=auc,
        only_first_right=right.only_first,
        only_second_right=right.only_second,
        mcnemar_form=right.form,
    )


def _auc(first: Images, second: Images, draws: Draws) -> Paired:
    ranks = delong(first.score, second.score, first.is_fake, first.group)
    areas = [MetricValues(own, ("auc",)) for own in (first, second)]

    def statistic(weight: Floats) -> Floats:
        return areas[0](weight) - areas[1](weight)

    found = resample(first.group, statistic, draws)
    # Bare labels rank nothing; DeLong's normal approximation would find more in a few of them than McNemar does.
    is_bare = all(len(np.unique(own.score)) <= 2 for own in (first, second))
    p = None if is_bare or math.isnan(ranks.p) else ranks.p
    return _paired(estimate(ranks.first - ranks.second, found.interval(0)), p, "delong")


def _ends(found: Swap) -> Estimate:
    return estimate(found.difference, (found.low, found.high))


def _paired(difference: Estimate, p: float | None, test: str) -> Paired:
    return Paired(value=difference.value, low=difference.low, high=difference.high, p=p, test=test)


def _corrected(pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    """The pairs with Holm's correction of each metric's p-values."""
    columns = []
    for column in (
        [pair.accuracy for pair in pairs],
        [pair.balanced_accuracy for pair in pairs if pair.balanced_accuracy is not None],
        [pair.auc for pair in pairs],
    ):
        adjusted = holm([math.nan if each.p is None else each.p for each in column])
        columns.append(
            [
                each.model_copy(update={"p_holm": None if math.isnan(p) else p, "established": p < ALPHA})
                for each, p in zip(column, adjusted, strict=True)
            ]
        )
    return tuple(
        pair.model_copy(update={"accuracy": accuracy, "balanced_accuracy": balanced_accuracy, "auc": auc})
        for pair, accuracy, balanced_accuracy, auc in zip(pairs, *columns, strict=True)
    )


def sentences(result: Comparison) -> Iterator[str]:
    """A comparison in words."""
    assert result.baseline is not None
    by_name = {each.name: each for each in result.detectors}
    yield (
        f"{result.n:,} images ({result.n_real:,} real, {result.n_fake:,} fake) in {result.groups:,} groups; always "
        f"predicting “{result.baseline.answer}” is right on {100 * result.baseline.accuracy:.1f} %."
    )
    for each in result.detectors:
        if each.left_out:
            yield f"Left out of {each.name}, because not all tables have them: {each.left_out:,} images."
        if each.failures:
            yield f"Unreadable for {each.name}, counted as mistakes: {each.failures:,} images."
    is_grouped = result.groups is not None and result.groups < result.n
    if result.cochran_q is not None:
        q = result.cochran_q
        finding = "are not all equally often right" if q.p < ALPHA else "may all be equally often right"
        yield (
            f"The {len(by_name)} detectors {finding}: Cochran's Q = {q.q:.2f}, {_p(q.p)}"
            f"{'. The test takes images as independent; those of one group are not' if is_grouped else ''}."
        )
    for pair in result.pairs:
        yield from _of_pair(pair, by_name[pair.first], by_name[pair.second], " over whole groups" if is_grouped else "")


def _of_pair(pair: Pair, first: ComparedDetector, second: ComparedDetector, whole: str) -> Iterator[str]:
    form = "exact McNemar" if pair.mcnemar_form == "exact" else "McNemar with continuity correction"
    yield _sentence(
        "is more often right",
        pair,
        pair.accuracy,
        f"{pair.first} is right on {_percent(first.accuracy.value)} and {pair.second} on "
        f"{_percent(second.accuracy.value)} of the images; only {pair.first} on {pair.only_first_right:,}, only "
        f"{pair.second} on {pair.only_second_right:,} ({form}{whole}",
    )
    for name, found, test, values in (
        (
            "balanced accuracy",
            pair.balanced_accuracy,
            f"predictions swapped at random{whole}",
            (first.balanced_accuracy, second.balanced_accuracy),
        ),
        ("AUC", pair.auc, f"DeLong{whole}", (first.auc, second.auc)),
    ):
        if found is not None and found.p is not None:
            facts = f"{pair.first} has {name} {values[0]:.3f} and {pair.second} {values[1]:.3f} ({test}"
            yield _sentence(f"has the higher {name}", pair, found, facts)


def _sentence(better: str, pair: Pair, found: Paired, facts: str) -> str:
    """Facts, the p-value that decides, and the decision."""
    corrected = f", after Holm {_p(found.p_holm)}" if found.p_holm != found.p else ""
    tested = f"{facts}, {_p(found.p)}{corrected})."
    if found.established and found.value is not None:
        winner = pair.first if found.value > 0 else pair.second
        return f"{tested} Established: {winner} {better}{_range(found)}."
    return f"{tested} Not established that they differ{_range(found)}."


def _range(found: Paired) -> str:
    if found.low is None:
        return ""
    return f"; the difference is {found.value:+.3f} (95 % interval {found.low:+.3f} to {found.high:+.3f})"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _p(p: float | None) -> str:
    return "no p-value" if p is None else "p < 0.0001" if p < 0.0001 else f"p = {p:.4f}"
