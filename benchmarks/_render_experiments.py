"""Results of held-out protocols, ablation and calibration as Markdown."""

from __future__ import annotations

from statistics import fmean

from _markdown import Result, table
from _markdown import percent as plain
from unmask.evaluation.reports.sentences import difference, figure, percent, with_interval


def logo(result: Result) -> list[str]:
    """Each generator beside itself where training did not see it, and the matrix."""
    rows, drawn = result["rows"], result["drawn"]
    beside = table(
        ("generator", "fakes", "AUC, trained with it", "without it", "difference", "fakes found, with", "without"),
        (
            (
                entry["value"],
                entry["n_fake"],
                with_interval(entry["in_distribution"]["auc"]),
                with_interval(entry["held_out"]["auc"]),
                difference(entry["difference"]["auc"]),
                percent(entry["in_distribution"]["recall_fake"]),
                percent(entry["held_out"]["recall_fake"]),
            )
            for entry in result["held_out"]
        ),
    )
    matrix = table(
        ("trained (AUC on →)", *result["columns"]),
        (
            (
                row["title"],
                *(
                    f"**{figure(row['cells'][value]['auc'])}**"
                    if row["name"] == value
                    else figure(row["cells"][value]["auc"])
                    for value in result["columns"]
                ),
            )
            for row in rows
        ),
    )
    what = (
        f"`{result['recipe']['name']}`, the recipe as it ships, on {drawn['pictures']:,} images: the whole groups "
        f"that a draw of {100 * drawn['share']:g} % of them gave. Each generator's fakes stand against all real "
        "images of the test split."
    )
    return [" ".join(result["sentences"][:-1]), what, beside, matrix]


def left_out_summary(result: Result) -> list[str]:
    """Mean and worst on what training did not see."""
    sources, generators = _by_column(result)
    kept = {entry["value"]: entry["kept"]["value"] for entry in sources}
    areas = {entry["value"]: entry["auc"]["value"] for entry in generators}
    poorest, hardest = min(kept, key=kept.__getitem__), min(areas, key=areas.__getitem__)
    known = result["validation_auc"]
    changed = ", ".join(f"`{change}`" for change in result["recipe"]["changed"])
    return [
        f"`{result['recipe']['name']}`{f' with {changed}' if changed else ''}, trained {len(sources)} times, each time "
        "without a source of real images and, where one is left, without a generator of fakes. Real images of "
        f"sources that training did not see, kept as real where {100 * result['kept']:g} % of the real validation "
        f"images of the others are: mean {plain(fmean(kept.values()))}, worst {plain(kept[poorest])} ({poorest}). "
        f"AUC of generators that training did not see: mean {figure(fmean(areas.values()))}, worst "
        f"{figure(areas[hardest])} ({hardest}). Validation AUC of the runs: {figure(min(known))} to "
        f"{figure(max(known))}."
    ]


def _by_column(result: Result) -> tuple[list[Result], list[Result]]:
    sources = [entry for entry in result["held_out"] if entry["column"] == "source"]
    return sources, [entry for entry in result["held_out"] if entry["column"] == "generator"]


def left_out(result: Result) -> list[str]:
    """Real images of sources, and fakes of generators, that training did not see, one by one."""
    sources, generators = _by_column(result)
    reals = table(
        ("source left out", "real images", "kept as real", "where training saw it"),
        (
            (entry["value"], entry["kept"]["n"], percent(entry["kept"]), plain(entry["seen"]["kept"]))
            for entry in sources
        ),
    )
    fakes = table(
        (
            "generator left out",
            "fakes",
            "AUC",
            "where training saw it",
            "found",
            "where training saw it",
            "AUC against the source left out",
        ),
        (
            (
                entry["value"],
                entry["found"]["n"],
                with_interval(entry["auc"]),
                figure(entry["seen"]["auc"]),
                percent(entry["found"]),
                plain(entry["seen"]["found"]),
                with_interval(entry["auc_against_left_out"]),
            )
            for entry in generators
        ),
    )
    beside = "What training saw, beside it, is the mean over the other runs, on validation images."
    return [*left_out_summary(result), beside, reals, fakes]


def calibration(result: Result) -> list[str]:
    """Each method on the whole split, and on the few images that a user may have."""
    methods = result["methods"]
    fitted, measured = result["fitted_on"], result["measured_on"]
    as_shipped = methods["platt"]
    names = {
        "none": "none: the network's own logit",
        "temperature": "temperature",
        "platt": "Platt",
        "isotonic": "isotonic",
        "auto": "auto: stretched and moved",
    }
    lines = [("as shipped", as_shipped["before"])] + [(names[name], found["after"]) for name, found in methods.items()]
    whole = table(
        ("calibration", "calibration error", "log loss", "Brier score"),
        ((name, *(with_interval(found[key]) for key in ("ece", "log_loss", "brier"))) for name, found in lines),
    )
    chance = as_shipped["chance_ece"]
    what = (
        f"`{result['model']}`, fitted on {fitted['n']:,} validation images ({fitted['n_real']:,} real) and measured "
        f"on {measured['n']:,} test images ({measured['n_real']:,} real) in {measured['groups']:,} groups, classes "
        f"weighing the same. Were the probabilities exactly right, so many images would show a calibration error of "
        f"{figure(chance['mean'])}, at most {figure(chance['high'])}."
    )
    order = ("as shipped", "auto", "temperature", "platt", "isotonic")
    few = table(
        ("source", "images fitted on", *order),
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
        "Few images of one source, half of them real: log loss on the rest of that source, mean over draws, and in "
        "brackets what one draw in ten exceeds. 0.693 is what always answering one half gives."
    )
    return [what, whole, about, few]


def ablation(result: Result) -> list[str]:
    """Each variant's effect."""
    rows: list[tuple[str, ...]] = [
        (
            result["whole"]["title"],
            figure(result["whole"]["auc"]["value"]),
            "",
            figure(result["whole"]["balanced_accuracy"]["value"]),
            "",
        )
    ]
    for entry in result["variants"]:
        cells = [entry["title"]]
        for name in ("auc", "balanced_accuracy"):
            found = entry["effect"][name]
            cells += [
                figure(entry[name]["value"]),
                difference(found) + (" **established**" if found["established"] else ""),
            ]
        rows.append(tuple(cells))
    what = (
        f"`{result['recipe']['name']}` on the images of {result['source']} alone. Differences are paired by seed and "
        "image; intervals come from drawing groups and seeds anew, and *established* holds after Holm's correction."
    )
    head = ("recipe", "AUC", "difference (95 %)", "balanced accuracy", "difference (95 %)")
    return [" ".join(result["sentences"]), what, table(head, rows)]
