"""Markdown of the results about explanations: whether maps are to be believed, what a report costs, what is unlike."""

from __future__ import annotations

from _markdown import Result, percent, share, table


def explanations(result: Result) -> list[str]:
    """Checks of evidence maps over images, and the cost of a report."""
    checked = result["faithfulness"]
    every = checked["by_result"]["all"]
    gain, redrawn = every["means"]["gain"], every["means"]["redrawn_gain"]
    headline = (
        f"**On {every['n']} images of the {checked['split']} split the map gains {_mean(gain)} over random orders**, "
        f"and is better than their mean on {share(every['better_than_random'])} of them; the map of the same network "
        f"with re-drawn weights gains {_mean(redrawn)}. Gain: the mean of how much smaller the area under the deletion "
        f"curve is, and how much larger that under the insertion curve, than in {checked['random_orders']} random "
        "orders. In brackets 95 % intervals, by drawing whole groups; of shares Wilson's."
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
        "pictures",
        "deletion gain",
        "insertion gain",
        "gain of re-drawn weights",
        "better than random",
        "rank correlation with occlusion",
        "with re-drawn weights",
    )
    return [headline, table(header, rows), _areas(every), _report(result["report"])]


def _areas(found: Result) -> str:
    titles = {"map": "the map", "random": "random orders", "redrawn": "map of re-drawn weights"}
    rows = [
        (titles[name], _mean(areas["deletion_area"]), _mean(areas["insertion_area"]))
        for name, areas in found["areas"].items()
    ]
    return table(("order", "area under deletion (small is good)", "area under insertion (large is good)"), rows)


def _report(report: Result) -> str:
    seconds, processor = report["seconds"], report["processor_seconds"]
    return (
        f"A report on a photo of {report['width'] * report['height'] / 1e6:.0f} megapixels, from the start of the "
        f"process to its end, without torch: {seconds['median']:.1f} s ({seconds['min']:.1f} to {seconds['max']:.1f}, "
        f"{report['runs']} runs; {processor['median']:.1f} s of processor time), at most "
        f"{report['peak_rss_mib']:,.0f} MiB; the page has {report['page_bytes'] / 1e6:.1f} MB."
    )


def ood(result: Result) -> list[str]:
    """How well the distance from training tells images apart."""
    limits, reference = result["limits"], result["reference"]
    headline = (
        f"Threshold: the distance within which {percent(limits['quantile'])} of {limits['pictures']} validation "
        f"images lie, from {limits['training_pictures']:,} images of training. Compared with {reference['n']} of "
        "the validation images, of which no kind was made. *Flagged* counts images beyond the threshold; "
        "*called fake* is what the detector says of them all the same."
    )
    kinds = table(
        ("pictures", "n", "AUC of the distance", "flagged", "called fake"),
        (
            (kind["about"], kind["n"], _mean(kind["auc"]), share(kind["flagged"]), percent(kind["called_fake"]))
            for kind in result["kinds"]
        ),
    )
    errors = table(
        ("distance, quarters of the test images", "wrong verdicts"),
        ((f"{row['from']:.2f} to {row['to']:.2f}", share(row["wrong"])) for row in result["errors_by_distance"]),
    )
    return [headline, kinds, errors]


def _mean(figure: Result | None) -> str:
    if figure is None:
        return "–"
    ends = "" if figure["low"] is None else f" ({figure['low']:.3f} to {figure['high']:.3f})"
    return f"{figure['value']:.3f}{ends}"
