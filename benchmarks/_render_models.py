"""Model and training results as Markdown: contract, classical heads, feature cache, the papers' systems."""

from __future__ import annotations

from _markdown import Result, area, percent, share, table

_HEADS = {
    "linear": "linear",
    "dense": "dense, softmax",
    "se": "squeeze-and-excitation",
    "cbam": "CBAM",
    "gated": "gated with a spectrum",
    "spectrum": "block-DCT input",
}
_CLASSICAL = {
    "random_forest": "Random Forest, 100 trees",
    "linear_svm": "linear SVM",
    "rbf_svm": "RBF SVM",
    "logistic_regression": "logistic regression",
}
_REPRODUCTIONS = {
    "all": "Every system of every paper",
    "mobilenetv2-random": "The MobileNetV2 systems without their pretrained weights",
}


def contract(result: Result) -> list[str]:
    """Parity of each backbone with each head."""
    rows = {(row["backbone"], row["head"]): row for row in result["rows"]}
    backbones = list(dict.fromkeys(row["backbone"] for row in result["rows"]))
    heads = list(dict.fromkeys(row["head"] for row in result["rows"]))
    worst = max(row["parity"] for row in result["rows"])
    return [
        f"**All {len(backbones)} backbones with all {len(heads)} kinds of head pass the contract test**: forward pass, "
        "training steps that change every parameter, pooled features, export, parity of the graph with torch, and a "
        f"verdict of the bundle. Logits and evidence of the graphs differ from torch by at most {worst:.1g} (tolerance "
        f"{result['tolerance']:.0e}).",
        table(
            ("backbone", "parameters, linear head", "side", *(_HEADS[head] for head in heads)),
            (
                (
                    f"`{backbone}`",
                    f"{rows[backbone, 'linear']['parameters_millions']:.1f} M",
                    f"{rows[backbone, 'linear']['side']} px",
                    *(f"{rows[backbone, head]['parity']:.0e}" for head in heads),
                )
                for backbone in backbones
            ),
        ),
    ]


def classical_heads(result: Result) -> list[str]:
    """Difference of the exported classical heads from scikit-learn, and time per row."""
    worst = max(head["difference"] for head in result["heads"].values())
    return [
        f"**Logits of ONNX and scikit-learn differ by at most {worst:.1g}** on {result['asked_rows']:,} held-out rows "
        f"({result['width']:,} features; fitted on {result['rows']:,} rows).",
        table(
            ("head", "largest difference", "one row, ONNX", "one row, scikit-learn", "ratio", "graph"),
            (
                (
                    _CLASSICAL[name],
                    f"{head['difference']:.1g}",
                    f"{head['onnx_ms']:.3f} ms",
                    f"{head['sklearn_ms']:.3f} ms",
                    f"{head['ratio']:.1f} ×",
                    f"{head['graph_bytes'] / 2**20:.2f} MiB",
                )
                for name, head in result["heads"].items()
            ),
        ),
    ]


def feature_cache(result: Result) -> list[str]:
    """Training on cached features against training epoch by epoch."""
    names = {
        "epoch_by_epoch": "epoch by epoch",
        "cached": "cached features, first run",
        "warm": "cached features, again",
    }
    return [
        f"**{result['ratio']:.0f} times as fast, and {result['warm_ratio']:.0f} times once the features are "
        f"cached**: `{result['recipe']}` with a frozen backbone, {result['epochs']} epochs on "
        f"{result['rows']:,} images.",
        table(
            ("", "seconds", "epochs", "validation accuracy", "validation AUC"),
            (
                (
                    title,
                    f"{result[name]['seconds']:.1f}",
                    result[name]["epochs"],
                    percent(result[name]["validation_accuracy"]),
                    f"{result[name]['validation_auc']:.3f}",
                )
                for name, title in names.items()
            ),
        ),
    ]


def training_step(result: Result) -> list[str]:
    """Effects of reusing freed memory and of precision."""
    names = {
        "returned": "single precision, memory returned",
        "kept": "single precision, memory kept",
        "returned-bf16": "bf16, memory returned",
        "kept-bf16": "bf16, memory kept",
    }
    ways = result["ways"]
    return [
        f"**{ways['kept']['ratio']:.2f} times as fast if freed memory is kept for reuse**, by CPU time: training steps "
        f"of `unmask-single` with batches of {result['batch']}, medians of {result['rounds']} processes.",
        table(
            ("", "images per second, one thread", "ratio", "time in the kernel", "peak memory"),
            (
                (
                    title,
                    f"{ways[name]['pictures_per_cpu_s']:.1f}",
                    f"{ways[name]['ratio']:.2f}",
                    f"{ways[name]['system_share']:.0%}".replace("%", " %"),
                    f"{ways[name]['peak_mib']:,.0f} MiB",
                )
                for name, title in names.items()
            ),
        ),
    ]


def papers(result: Result) -> list[str]:
    """Frozen features against fine-tuning, and the papers' systems with the metrics that the papers report.

    The headline is about the systems with the best validation AUC: the best of several test results would flatter.
    """
    systems: dict[str, Result] = result["weights"]["systems"]
    tuned = max((each for each in systems.values() if each["epochs"]), key=lambda each: float(each["validation_auc"]))
    frozen = max(
        (each for each in systems.values() if not each["epochs"] and each["weights"] != "none"),
        key=lambda each: float(each["validation_auc"]),
    )
    first = next(iter(systems.values()))
    headline = (
        f"**{tuned['about']}: AUC {area(tuned['metrics']['auc'])}, accuracy {share(tuned['metrics']['accuracy'])}** on "
        f"{tuned['n']:,} test images of `{result['source']}` ({tuned['n_real']:,} real, {tuned['n_fake']:,} fake; "
        f"always predicting “{tuned['baseline']['answer']}”: accuracy {percent(tuned['baseline']['accuracy'])}, AUC "
        f"0.5). The best AUC with frozen features is {area(frozen['metrics']['auc'])} ({frozen['about']})."
    )
    rows = [
        (
            each["about"],
            _source(each["weights"]),
            each["epochs"] or "",
            f"{each['validation_auc']:.3f}",
            area(each["metrics"]["auc"]),
            share(each["metrics"]["balanced_accuracy"]),
            share(each["metrics"]["accuracy"]),
        )
        for each in systems.values()
    ]
    rows.append(
        (
            f"always “{first['baseline']['answer']}”",
            "",
            "",
            0.5,
            0.5,
            "50.0 %",
            percent(first["baseline"]["accuracy"]),
        )
    )
    weights = table(
        (
            "system, 256 px",
            "weights",
            "epochs",
            "validation AUC",
            "test AUC",
            "balanced accuracy",
            "accuracy",
        ),
        rows,
    )
    differences = _differences(result["weights"])
    differences = f"{differences[0].upper()}{differences[1:]}"
    blocks = [headline, "### Frozen features, fine-tuning, and no weights", weights, differences]
    for name, reproduction in result["reproductions"].items():
        blocks += _reproduction(name, reproduction, result["cpu_minutes"][name])
    return blocks


def _reproduction(name: str, result: Result, minutes: float) -> list[str]:
    studies: list[Result] = result["papers"]
    entries = [(paper, system) for paper in studies for system in paper["systems"]]
    random = sum(bool(system["figures"] and system["figures"]["random_weights"]) for _, system in entries)
    settings = result["settings"]
    epochs = f"{settings['epochs']} epoch{'s' if settings['epochs'] > 1 else ''}"
    changed = [*(f"`--set {override}`" for override in settings["set"]), f"at most {epochs} per phase"]
    text = f"{len(entries)} systems, {', '.join(changed)}; {minutes:.0f} minutes of CPU time."
    if random:
        text += (
            f" **{random} of them started from random weights: their metrics say nothing about the papers' systems.**"
        )
    rows = []
    for paper, system in entries:
        reported = system["reported"]
        if system["figures"] is None:
            rows.append((paper["paper"], f"`{system['recipe']}`", f"failed: {system['error']['message']}", *[""] * 7))
            continue
        metrics = system["figures"]["metrics"]
        rows.append(
            (
                paper["paper"],
                f"`{system['recipe']}`",
                "random" if system["figures"]["random_weights"] else "pretrained",
                system["figures"]["epochs"] or "",
                share(metrics["accuracy"]),
                _theirs(reported, "accuracy"),
                f"{metrics['f1']['value']:.3f}",
                _theirs(reported, "f1"),
                area(metrics["auc"]),
                _theirs(reported, "auc"),
            )
        )
    header = ("", "recipe", "weights", "epochs", "accuracy", "paper", "F1", "paper", "AUC", "paper")
    splits = []
    for paper in studies:
        test = paper["data"]["counts"]["test"]
        total = sum(test.values())
        splits.append(
            f"{paper['paper']} {total:,} ({test['real']:,} real; majority {percent(max(test.values()) / total)})"
        )
    comparisons = " ".join(
        f"{paper['paper']}: {_differences(paper['comparison'])}" for paper in studies if paper["comparison"]
    )
    return [
        f"### {_REPRODUCTIONS[name]}",
        text,
        table(header, rows),
        f"Test images: {', '.join(splits)}. {comparisons}".strip(),
    ]


def _differences(comparison: Result) -> str:
    """Which pairs differ by McNemar's test after Holm."""
    pairs: list[Result] = comparison.get("comparison", comparison)["pairs"]
    found = [
        f"{better} over {worse} ({more}:{less}, p {_p(pair['accuracy']['p_holm'])})"
        for pair in pairs
        if pair["accuracy"]["p_holm"] is not None and pair["accuracy"]["p_holm"] < 0.05
        for (more, better), (less, worse) in [_order(pair)]
    ]
    start = f"the exact McNemar test, Holm-corrected over {len(pairs)} pair{'s' if len(pairs) > 1 else ''}, finds "
    if not found:
        return f"{start}no difference."
    if len(found) > 6:
        return f"{start}{len(found)} differences (see the result file)."
    return f"{start}{'; '.join(found)}."


def _order(pair: Result) -> tuple[tuple[int, str], tuple[int, str]]:
    """Both systems with the number of images that only they got right, the better one first."""
    sides = [(pair[f"only_{side}_right"], pair[side].partition("@")[0]) for side in ("first", "second")]
    first, second = sorted(sides, reverse=True)
    return first, second


def _p(p: float) -> str:
    return "< 0.0001" if p < 0.0001 else f"= {p:.4f}"


def _theirs(reported: dict[str, float], metric: str) -> str:
    return f"{reported[metric]:.4g}" if metric in reported else ""


def _source(weights: str) -> str:
    return "random" if weights == "none" else weights
