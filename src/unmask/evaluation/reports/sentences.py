"""The words of a result, which the terminal, the page and the Markdown report share."""

from __future__ import annotations

from typing import Any, Final

from unmask.stats.registry import METRICS

METRIC_NAMES: Final = {name: metric.title for name, metric in METRICS.items()}


def figure(value: float | None) -> str:
    """A figure with three digits after the point."""
    return "undefined" if value is None else f"{value:.3f}"


def with_interval(found: dict[str, Any] | None) -> str:
    """A figure and its interval."""
    if found is None or found["value"] is None:
        return "–"
    ends = "" if found["low"] is None else f" ({figure(found['low'])}–{figure(found['high'])})"
    return figure(found["value"]) + ends


def percent(found: dict[str, Any] | None) -> str:
    """A share and its interval in percent."""
    if found is None or found["value"] is None:
        return "–"
    ends = "" if found["low"] is None else f" ({100 * found['low']:.1f}–{100 * found['high']:.1f})"
    return f"{100 * found['value']:.1f} %{ends}"


def markdown_cell(text: str) -> str:
    """Text of a table made safe for a cell of a Markdown table."""
    escaped = "".join(f"\\{char}" if char in r"\`*_[]<>|#" else char for char in text)
    return " ".join(escaped.split())


def headline(result: dict[str, Any]) -> list[str]:
    """The sentences to read first."""
    overall, head = result["overall"], result["headline"]
    trivial = overall["baseline"]
    lines = [
        f"{overall['n']:,} images ({overall['n_real']:,} real, {overall['n_fake']:,} fake) in {overall['groups']:,} "
        f"groups. AUC {with_interval(head['auc'])}, balanced accuracy {percent(head['balanced_accuracy'])}, accuracy "
        f"{percent(head['accuracy'])}.",
        f"Always answering “{trivial['answer']}” is right on {100 * trivial['accuracy']:.1f} %: the accuracy is "
        f"{'above' if head['above_baseline'] else 'not shown to be above'} that.",
    ]
    for label, what in (("fake", "fakes found"), ("real", "real images called real")):
        worst = head["worst_source"][label]
        if worst is not None and head["sources"] > 1:
            seen = ", seen in training" if worst["seen"] else ""
            lines.append(
                f"Worst source of {label}: {worst['source'] or '(blank)'}{seen}: {percent(worst)} of {worst['n']} "
                f"{what}."
            )
    if head["unseen"] is not None:
        unseen = head["unseen"]
        area = unseen["auc_within"]
        lines.append(
            f"Sources that training never saw: {percent(unseen['accuracy'])} of {unseen['n']:,} right"
            f"{'' if area is None else f', AUC {with_interval(area)}'}."
        )
    elif head["sources_seen"]:
        lines.append("Training saw every source of these images: nothing here speaks of images from elsewhere.")
    if overall["failures"]:
        lines.append(f"Not readable, counted as mistakes: {overall['failures']:,}.")
    calibrated_on = result["detector"].get("calibrated_on")
    if calibrated_on and calibrated_on == result["detector"].get("manifest_digest"):
        lines.append("The detector was calibrated on these very images: its thresholds and probabilities fit them.")
    if "train" in result["data"]["splits"]:
        lines.append("Images of the split “train” are among these: the detector may have learned them.")
    return lines


def difference(found: dict[str, Any]) -> str:
    """A signed difference and its interval."""
    if found["value"] is None:
        return "–"
    ends = "" if found["low"] is None else f" ({found['low']:+.3f} to {found['high']:+.3f})"
    return f"{found['value']:+.3f}{ends}"


def robustness_headline(result: dict[str, Any]) -> list[str]:
    """The sentences to read first: the worst tier, and the worst of the grid."""
    data, by_name = result["data"], {entry["name"]: entry for entry in result["conditions"]}
    clean = by_name["clean"]["figures"]
    lines = []
    for what, name in (
        ("Worst tier", result["headline"]["worst_tier"]),
        ("Worst of the grid", result["headline"]["worst_of_grid"]),
    ):
        if name is None:
            continue
        entry = by_name[name]
        figures, about = entry["figures"], result["families"][entry["family"]]
        level = "" if entry["level"] is None else f" ({entry['level']:g} {about['unit']})"
        drop = figures["balanced_accuracy"]["drop"]
        shown = drop["low"] is not None and drop["low"] > 0
        lines.append(
            f"{what}: {name}{level}, {about['about']}: balanced accuracy {with_interval(figures['balanced_accuracy'])} "
            f"where clean images give {figure(clean['balanced_accuracy']['value'])}, "
            f"{'a drop of' if shown else 'no drop is shown:'} {difference(drop)}; "
            f"AUC {with_interval(figures['auc'])}. {percent(entry['flips']['all'])} of the verdicts flip."
        )
        worst = [
            f"{percent(of)} of the {label} images of {of['source'] or '(no source)'}"
            for label, of in entry["worst_source"].items()
            if of is not None
        ]
        lines.append(f"Worst sources under {name}: right on {', on '.join(worst)}.")
    lines.append(
        f"{data['n']:,} images ({data['n_real']:,} real, {data['n_fake']:,} fake) in {data['groups']:,} groups, the "
        f"same ones under every condition and at the same threshold ({result['detector']['threshold']:.3f})."
    )
    if result["unavailable"]:
        lines.append(f"Not made, for this Pillow lacks the format: {', '.join(result['unavailable'])}.")
    return lines


def bench_lines(result: dict[str, Any]) -> list[str]:
    """What the table of a result of unmask bench does not say: cost, training time, and what stands beside what."""
    lines = []
    for model in result["models"]:
        cost, ratios, whole = model["cost"], model["torch_over_onnx"], model["pictures"]
        name = model["name"]
        if ratios is None:
            lines.append(f"{name}: no torch beside it, for {model['no_torch']}.")
        else:
            lines.append(
                f"{name}: torch eager, with random weights, takes {ratios['latency_p50']:.1f} times as long for one "
                f"image and holds {ratios['peak_memory']:.1f} times the memory."
            )
        if whole is not None:
            lines.append(
                f"{name}: a whole detection, from the file's bytes to the verdict, takes {whole['p50_ms']:.1f} ms "
                f"(p50), {whole['p95_ms']:.1f} (p95), {whole['p99_ms']:.1f} (p99), over {whole['n']:,} images."
            )
        spent = (
            ""
            if cost["per_million"] is None
            else f", {cost['per_million']:.2f} at a price of {cost['price_per_core_hour']:g} per core-hour"
        )
        lines.append(
            f"{name}: a million images, {cost['of']}, take {cost['core_hours_per_million']:.1f} core-hours{spent}."
        )
        if model["uncounted"]:
            lines.append(f"{name}: the MACs leave out {', '.join(model['uncounted'])}.")
        if model["training"] is not None and "training_seconds" in model["training"]:
            minutes = model["training"]["training_seconds"] / 60
            lines.append(f"{name}: trained in {minutes:.1f} minutes.")
    load, cores = result["run"].get("load_average"), result["run"].get("cores")
    if load is not None and cores is not None and load > cores / 2:
        lines.append(
            f"The machine was busy with other work: a load average of {load:.1f} on {cores} cores. Times are longer "
            "than on an idle one; what stands side by side met the same."
        )
    return lines
