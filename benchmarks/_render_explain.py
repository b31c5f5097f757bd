"""Explanation results as Markdown: faithfulness of evidence maps, their check, cost of a report, novelty of images."""

from __future__ import annotations

from _markdown import Result, percent, share, table


def explanations(result: Result) -> list[str]:
    """Faithfulness of evidence maps over many images, and the cost of a report."""
    checked = result["faithfulness"]
    every = checked["by_result"]["all"]
    gain, redrawn = every["means"]["gain"], every["means"]["redrawn_gain"]
    headline = (
        f"**On {every['n']} images of the {checked['split']} split, the map gains {_mean(gain)} over random orders**. "
        f"It is better than their mean on {share(every['better_than_random'])} of the images. The map of the same "
        f"network with random weights gains {_mean(redrawn)}. Gain: the mean of the decrease of the area under the "
        f"deletion curve and the increase of the area under the insertion curve, against {checked['random_orders']} "
        "random orders. 95 % confidence intervals in parentheses, from a bootstrap over groups; Wilson's for "
        "proportions."
    )
    rows = [
        (
            name,
            found["n"],
            *(_mean(found["means"][figure]) for figure in ("deletion_gain", "insertion_gain", "redrawn_gain")),
            share(found["better_than_random"]),
            _mean(found["means"]["agreement"]),
            _mean(found["means"]["redrawn_correlation"]),
        )
        for name, found in checked["by_result"].items()
    ]
    header = (
        "verdict",
        "images",
        "deletion gain",
        "insertion gain",
        "gain with random weights",
        "better than random",
        "rank correlation with occlusion",
        "with random weights",
    )
    return [headline, table(header, rows), _areas(every), _report(result["report"])]


def _areas(found: Result) -> str:
    titles = {"map": "the map", "random": "random orders", "redrawn": "the map of random weights"}
    rows = [
        (titles[name], _mean(areas["deletion_area"]), _mean(areas["insertion_area"]))
        for name, areas in found["areas"].items()
    ]
    return table(("order", "area under deletion (lower is better)", "area under insertion (higher is better)"), rows)


def _report(report: Result) -> str:
    seconds, processor = report["seconds"], report["processor_seconds"]
    return (
        f"A report on an image of {report['width'] * report['height'] / 1e6:.0f} megapixels, in a new process without "
        f"torch: {seconds['median']:.1f} s (range {seconds['min']:.1f}–{seconds['max']:.1f} s, {report['runs']} runs; "
        f"{processor['median']:.1f} s CPU time), peak memory {report['peak_rss_mib']:,.0f} MiB. The page has "
        f"{report['page_bytes'] / 2**20:.1f} MiB."
    )


def map_check(result: Result) -> list[str]:
    """How often maps pass their check, and how often chance decides about it."""
    every = result["rows"][0]
    headline = (
        f"{every['n']} images of the {result['split']} split with a face, from all sources in turn. *Passed*: by the "
        f"quick check with {result['orders']} random orders, which is the default. *As the full check*: the same "
        f"decision. *As other orders*: the same decision with {result['thorough_orders']} other random orders; chance "
        "decides about the rest. 95 % Wilson intervals in parentheses. CPU time, median (and the 90th percentile)."
    )
    header = ("images", "n", "passed", "as the full check", "as other orders", "quick check", "full check")
    rows = (
        (
            row["name"],
            row["n"],
            *(share(row[name]) for name in ("reliable", "as_full", "as_thorough")),
            *(_seconds(row[f"{kind}_cpu_seconds"]) for kind in ("quick", "full")),
        )
        for row in result["rows"]
        if row["n"]
    )
    return [headline, table(header, rows)]


def _seconds(found: Result) -> str:
    return f"{found['median']:.2f} s ({found['high']:.2f} s)"


def ood(result: Result) -> list[str]:
    """How well the distance from training separates unusual images."""
    limits, reference = result["limits"], result["reference"]
    headline = (
        f"The threshold is the distance from {limits['training_pictures']:,} training images that "
        f"{percent(limits['quantile'])} of {limits['pictures']} validation images do not exceed. AUC compares each "
        f"kind with {reference['n']} unchanged validation images. *Flagged*: beyond the threshold. *Called fake*: rate "
        "of FAKE verdicts on the same images."
    )
    kinds = table(
        ("images", "n", "AUC of the distance", "flagged", "called fake"),
        (
            (
                kind["about"].replace("pictures", "images"),
                kind["n"],
                _mean(kind["auc"]),
                share(kind["flagged"]),
                percent(kind["called_fake"]),
            )
            for kind in result["kinds"]
        ),
    )
    errors = table(
        ("distance, quartiles of the test images", "wrong verdicts"),
        ((f"{row['from']:.2f} to {row['to']:.2f}", share(row["wrong"])) for row in result["errors_by_distance"]),
    )
    return [headline, kinds, errors]


def _mean(figure: Result | None) -> str:
    if figure is None:
        return "–"
    ends = "" if figure["low"] is None else f" ({figure['low']:.3f} to {figure['high']:.3f})"
    return f"{figure['value']:.3f}{ends}"
