"""Held-out, ablation and calibration results as Markdown."""

from __future__ import annotations

from statistics import fmean

from _markdown import Result, area, share, table
from _markdown import percent as plain
from unmask.evaluation.reports.ablation import sentences as ablation_sentences
from unmask.evaluation.reports.held_out import sentences as held_out_sentences
from unmask.evaluation.reports.sentences import difference, percent, three_digits, with_interval
from unmask.evaluation.results import Ablation, HeldOut
from unmask.evaluation.results.calibration import CalibrationChange


def logo(result: Result) -> list[str]:
    """Each generator with and without training on it, and the matrix."""
    found, drawn = HeldOut.from_dict(result), result["drawn"]
    pairs = table(
        (
            "generator",
            "fakes",
            "AUC, seen in training",
            "AUC, held out",
            "difference",
            "recall of fake, seen",
            "recall of fake, held out",
        ),
        (
            (
                entry.value,
                entry.n_fake,
                with_interval(entry.in_distribution.auc),
                with_interval(entry.held_out.auc),
                difference(entry.difference.auc),
                percent(entry.in_distribution.recall_fake),
                percent(entry.held_out.recall_fake),
            )
            for entry in found.held_out or ()
        ),
    )
    matrix = table(
        ("training (AUC on →)", *found.columns),
        (
            (
                row.title,
                *(
                    f"**{three_digits(row.cells[value].auc)}**"
                    if row.name == value
                    else three_digits(row.cells[value].auc)
                    for value in found.columns
                ),
            )
            for row in found.rows
        ),
    )
    what = (
        f"`{result['recipe']['name']}`, the built-in recipe, on {drawn['pictures']:,} images: a random sample of "
        f"{100 * drawn['share']:g} % of the groups. AUC compares each generator's fakes with all real test images."
    )
    return [" ".join(list(held_out_sentences(found))[:-1]), what, pairs, matrix]


def left_out_summary(result: Result) -> list[str]:
    """Mean and worst metrics on sources and generators that training did not see."""
    sources, generators = _by_column(result)
    kept = {entry["value"]: entry["kept"]["value"] for entry in sources}
    areas = {entry["value"]: entry["auc"]["value"] for entry in generators}
    poorest, hardest = min(kept, key=kept.__getitem__), min(areas, key=areas.__getitem__)
    known = result["validation_auc"]
    changed = ", ".join(f"`{change}`" for change in result["recipe"]["changed"])
    return [
        f"`{result['recipe']['name']}`{f' with {changed}' if changed else ''}, trained {len(sources)} times, each time "
        f"without one source of real images, and {len(generators)} times without one generator of fakes. Recall of "
        f"real on sources that training did not see, at a threshold with {100 * result['kept']:g} % on real validation "
        f"images of the other sources: mean {plain(fmean(kept.values()))}, worst {plain(kept[poorest])} ({poorest}). "
        f"AUC on generators that training did not see: mean {three_digits(fmean(areas.values()))}, worst "
        f"{three_digits(areas[hardest])} ({hardest}). Validation AUC of the runs: {three_digits(min(known))} to "
        f"{three_digits(max(known))}."
    ]


def _by_column(result: Result) -> tuple[list[Result], list[Result]]:
    sources = [entry for entry in result["held_out"] if entry["column"] == "source"]
    return sources, [entry for entry in result["held_out"] if entry["column"] == "generator"]


def left_out(result: Result) -> list[str]:
    """Each source of real images and each generator of fakes that training did not see."""
    sources, generators = _by_column(result)
    reals = table(
        ("source held out", "real images", "recall of real", "recall of real, seen in training"),
        ((entry["value"], entry["kept"]["n"], share(entry["kept"]), plain(entry["seen"]["kept"])) for entry in sources),
    )
    fakes = table(
        (
            "generator held out",
            "fakes",
            "AUC",
            "AUC, seen in training",
            "recall of fake",
            "recall of fake, seen in training",
            "AUC against the source held out",
        ),
        (
            (
                entry["value"],
                entry["found"]["n"],
                area(entry["auc"]),
                three_digits(entry["seen"]["auc"]),
                share(entry["found"]),
                plain(entry["seen"]["found"]),
                area(entry["auc_against_left_out"]),
            )
            for entry in generators
        ),
    )
    seen = "*Seen in training*: mean over the other runs, on validation images."
    return [*left_out_summary(result), seen, reals, fakes]


def calibration(result: Result) -> list[str]:
    """Each calibration method on the whole split, and on the few images that a user may have."""
    methods = result["methods"]
    fitted, measured = result["fitted_on"], result["measured_on"]
    names = {
        "none": "none: the network's logit",
        "temperature": "temperature",
        "platt": "Platt",
        "isotonic": "isotonic",
        "auto": "auto: scale and bias",
    }
    changes = {name: CalibrationChange.model_validate(found) for name, found in methods.items()}
    lines = [("as shipped", changes["platt"].before)] + [(names[name], found.after) for name, found in changes.items()]
    whole = table(
        ("calibration", "expected calibration error", "log loss", "Brier score"),
        ((name, *map(with_interval, (found.ece, found.log_loss, found.brier))) for name, found in lines),
    )
    chance = changes["platt"].chance_ece
    what = (
        f"`{result['model']}`, fitted on {fitted['n']:,} validation images ({fitted['n_real']:,} real) and measured "
        f"on {measured['n']:,} test images ({measured['n_real']:,} real) in {measured['groups']:,} groups, with equal "
        "class weights. If the probabilities were exactly right, this many images would show an expected calibration "
        f"error of {three_digits(chance.mean)} on average, and less than {three_digits(chance.high)} in 97.5 % of "
        "cases."
    )
    order = ("as shipped", "auto", "temperature", "platt", "isotonic")
    few = table(
        ("source", "images for fitting", *order),
        (
            (
                entry["source"],
                entry["pictures"],
                *(f"{entry['log_loss'][name]:.3f} ({entry['worst_tenth'][name]:.3f})" for name in order),
            )
            for entry in result["few"]
        ),
    )
    about = (
        "Calibration on a few images of one source, half of them real: log loss on the rest of that source, as mean "
        "over random samples, with the value that one sample in ten exceeds in parentheses. Always predicting 0.5 "
        "gives 0.693."
    )
    return [what, whole, about, few]


def ablation(result: Result) -> list[str]:
    """The effect of each variant."""
    found = Ablation.from_dict(result)
    whole = found.whole
    rows: list[tuple[str, ...]] = [
        (whole.title, three_digits(whole.auc.value), "", three_digits(whole.balanced_accuracy.value), "")
    ]
    for entry in found.variants:
        cells = [entry.title]
        for metric, effect in (
            (entry.auc, entry.effect.auc),
            (entry.balanced_accuracy, entry.effect.balanced_accuracy),
        ):
            cells += [
                three_digits(metric.value),
                difference(effect) + (" **established**" if effect.established else ""),
            ]
        rows.append(tuple(cells))
    what = (
        f"`{result['recipe']['name']}` on the images of {result['source']} only. Differences are paired by random seed "
        "and image, their intervals come from a bootstrap over groups and seeds, and *established* holds after Holm's "
        "correction."
    )
    head = ("recipe", "AUC", "AUC difference (95 % interval)", "balanced accuracy", "difference (95 % interval)")
    return [" ".join(ablation_sentences(found)), what, table(head, rows)]
