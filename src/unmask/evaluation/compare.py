"""Two or more detectors on the same images: which differences are established, and which are not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np

from unmask.errors import UsageError
from unmask.evaluation.measure import baseline, share
from unmask.evaluation.scores import Scores
from unmask.stats.images import Images
from unmask.stats.intervals import LEVEL, interval, rounded
from unmask.stats.metrics import Confusion, Floats, Ranking
from unmask.stats.registry import MetricValues
from unmask.stats.resample import Draws, resample
from unmask.stats.significance import CochranQ, Swap, cochran_q, delong, holm, mcnemar, swap
from unmask.text import quote

ALPHA: Final = 1 - LEVEL

_MEASURES = ("accuracy", "balanced_accuracy", "auc")


@dataclass(frozen=True)
class _Paired:
    """Tables cut down to the images that all of them have, in one order."""

    names: list[str]
    images: list[Images]
    left_out: list[int]


def compare(tables_of_scores: Sequence[Scores], draws: Draws | None = None) -> dict[str, Any]:
    """Compare every pair of detectors on the images that all tables have, as plain values for JSON.

    Accuracy is tested by McNemar, AUC by DeLong, balanced accuracy by swapping answers; where groups hold several
    images, in the forms that take whole groups. Each measure's p-values are corrected over the pairs after Holm.

    Args:
        tables_of_scores: two or more; the first one's groups hold for all.
        draws: how intervals are drawn.

    Raises:
        UsageError: ``too_few_scores``, ``nothing_in_common``, or ``labels_differ`` naming the image.
    """
    draws = draws or Draws()
    paired = _pair(tables_of_scores)
    first = paired.images[0]
    pairs = [
        {
            "first": paired.names[a],
            "second": paired.names[b],
            **_difference(paired.images[a], paired.images[b], draws),
        }
        for a, b in combinations(range(len(paired.names)), 2)
    ]
    for measure in _MEASURES:
        adjusted = holm([_number(pair[measure]["p"]) for pair in pairs])
        for pair, p in zip(pairs, adjusted, strict=True):
            pair[measure]["p_holm"] = None if math.isnan(p) else p
            pair[measure]["established"] = p < ALPHA
    q = cochran_q(np.stack([each.is_right for each in paired.images], axis=1)) if len(paired.names) > 2 else None
    result = {
        "schema": 1,
        "n": len(first),
        "n_real": int(np.count_nonzero(~first.is_fake)),
        "n_fake": int(np.count_nonzero(first.is_fake)),
        "groups": int(first.group.max()) + 1,
        "baseline": baseline(first),
        "intervals": {"level": LEVEL, "draws": draws.draws, "seed": draws.seed, "drawn": "groups"},
        "detectors": [
            {
                "name": name,
                "left_out": left_out,
                "failures": int(np.count_nonzero(own.failed)),
                "accuracy": share(own.is_right, own.group),
                "balanced_accuracy": rounded(Confusion.of(own.called_fake, own.is_fake).balanced_accuracy),
                "auc": rounded(Ranking(own.score, own.is_fake).roc().auc()),
            }
            for name, own, left_out in zip(paired.names, paired.images, paired.left_out, strict=True)
        ],
        "cochran_q": q and {"q": rounded(q.q), "degrees": q.degrees, "p": q.p},
        "pairs": pairs,
    }
    return {**result, "sentences": list(_sentences(result, q))}


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


def _difference(first: Images, second: Images, draws: Draws) -> dict[str, Any]:
    """First minus second in each measure, with an interval and a p-value."""
    answers = mcnemar(first.is_right, second.is_right, first.group)
    surplus = first.is_right.astype(np.float64) - second.is_right
    accuracy = swap(surplus / len(first), first.group, draws.draws, draws.seed)
    found: dict[str, Any] = {
        "accuracy": {**_ends(accuracy), "p": answers.p, "test": "mcnemar"},
        "balanced_accuracy": _no_difference("swap"),
        "auc": _no_difference("delong"),
    }
    if first.has_both:
        size = np.where(first.is_fake, np.count_nonzero(first.is_fake), np.count_nonzero(~first.is_fake))
        balanced = swap(surplus / (2 * size), first.group, draws.draws, draws.seed)
        found["balanced_accuracy"] = {**_ends(balanced), "p": balanced.p, "test": "swap"}
        found["auc"] = _auc(first, second, draws)
    return {
        **found,
        "only_first_right": answers.only_first,
        "only_second_right": answers.only_second,
        "mcnemar_form": answers.form,
    }


def _auc(first: Images, second: Images, draws: Draws) -> dict[str, Any]:
    ranks = delong(first.score, second.score, first.is_fake, first.group)
    areas = [MetricValues(own, ("auc",)) for own in (first, second)]

    def statistic(weight: Floats) -> Floats:
        return areas[0](weight) - areas[1](weight)

    found = resample(first.group, statistic, draws)
    # Bare answers rank nothing; DeLong's normal approximation would find more in a few of them than McNemar does.
    is_bare = all(len(np.unique(own.score)) <= 2 for own in (first, second))
    p = None if is_bare or math.isnan(ranks.p) else ranks.p
    return {**interval(ranks.first - ranks.second, found.interval(0)), "p": p, "test": "delong"}


def _ends(found: Swap) -> dict[str, Any]:
    return interval(found.difference, (found.low, found.high))


def _no_difference(test: str) -> dict[str, Any]:
    return {**interval(math.nan, None), "p": None, "test": test}


def _sentences(result: dict[str, Any], q: CochranQ | None) -> Sequence[str]:
    detectors = {entry["name"]: entry for entry in result["detectors"]}
    lines = [
        f"{result['n']:,} images ({result['n_real']:,} real, {result['n_fake']:,} fake) in {result['groups']:,} "
        f"groups; always answering “{result['baseline']['answer']}” is right on {result['baseline']['accuracy']:.1%}."
    ]
    for name, entry in detectors.items():
        if entry["left_out"]:
            lines.append(f"Left out of {name}, for not all tables have them: {entry['left_out']:,}.")
        if entry["failures"]:
            lines.append(f"Not readable for {name}, counted as its mistakes: {entry['failures']:,}.")
    if q is not None:
        finding = "are not all equally often right" if q.p < ALPHA else "may all be equally often right"
        lines.append(
            f"The {len(detectors)} detectors {finding}: Cochran's Q = {q.q:.2f}, {_p(q.p)}"
            f"{', taking images as independent, which those of one group are not' if _in_groups(result) else ''}."
        )
    for pair in result["pairs"]:
        first, second = pair["first"], pair["second"]
        form = "exact McNemar" if pair["mcnemar_form"] == "exact" else "McNemar with continuity correction"
        whole = " over whole groups" if _in_groups(result) else ""
        lines += [
            _sentence(
                "right",
                pair,
                "accuracy",
                f"{first} is right on {detectors[first]['accuracy']['value']:.1%} and {second} on "
                f"{detectors[second]['accuracy']['value']:.1%} of the images; only {first} on "
                f"{pair['only_first_right']:,}, only {second} on {pair['only_second_right']:,} ({form}{whole}",
            ),
        ]
        for measure, name, test in (
            ("balanced_accuracy", "balanced accuracy", f"answers swapped at random{whole}"),
            ("auc", "AUC", f"DeLong{whole}"),
        ):
            if pair[measure]["p"] is not None:
                of = [detectors[each][measure] for each in (first, second)]
                lines.append(
                    _sentence(name, pair, measure, f"{first} has {name} {of[0]:.3f} and {second} {of[1]:.3f} ({test}")
                )
    return lines


def _sentence(name: str, pair: dict[str, Any], measure: str, facts: str) -> str:
    """Facts, the p-value that decides, and the decision."""
    found = pair[measure]
    corrected = f", after Holm {_p(found['p_holm'])}" if found["p_holm"] != found["p"] else ""
    tested = f"{facts}, {_p(found['p'])}{corrected})."
    if found["established"]:
        better = pair["first" if found["value"] > 0 else "second"]
        more = "is more often right" if name == "right" else f"has the higher {name}"
        return f"{tested} Established: {better} {more}{_range(found)}."
    return f"{tested} Not established that they differ{_range(found)}."


def _range(found: dict[str, Any]) -> str:
    if found["low"] is None:
        return ""
    return f"; the difference is {found['value']:+.3f}, between {found['low']:+.3f} and {found['high']:+.3f}"


def _p(p: float | None) -> str:
    return "no p-value" if p is None else "p < 0.0001" if p < 0.0001 else f"p = {p:.4f}"


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _in_groups(result: dict[str, Any]) -> bool:
    return bool(result["groups"] < result["n"])
