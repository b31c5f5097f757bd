"""Markdown of the results of ``stages.py`` and ``quantised.py``."""

from __future__ import annotations

from _markdown import Result, area, estimate, share, table

_STAGES = {
    "read": "read the file",
    "hash": "hash it",
    "marks": "search it for marks of its making",
    "walk": "check its structure",
    "decode": "decode to sRGB",
    "find": "find faces",
    "crop": "crop",
    "network": "network",
    "evidence": "evidence",
    "calibrate": "calibrate",
    "write": "write the verdict as JSON",
}


def stages(result: Result) -> list[str]:
    """Time of each stage beside its limit, for each size of image."""
    rates, cold, sizes = result["rates"], result["cold"], result["sizes"]
    first = next(iter(sizes.values()))
    network = first["stages"]["network"]
    headline = (
        f"**The network takes {100 * network['ms'] / first['all_ms']:.0f} % of the time of a small image**, "
        f"{network['ms'] / network['limit_ms']:.2f} times as long as its multiplications take at the rate of a large "
        f"product of matrices ({rates['float32_gmacs']:.0f} · 10⁹ per second in float32). In 8 bits "
        f"({rates['int8_gmacs']:.0f} · 10⁹ per second) they would take {first['network_int8_limit_ms']:.1f} ms."
    )
    header: list[str] = ["stage"]
    for name in sizes:
        header += [f"{name}: ms", "limit, ms"]
    rows: list[tuple[str, ...]] = []
    for key, title in _STAGES.items():
        cells = [title]
        for of in sizes.values():
            cells += [_ms(of["stages"][key]["ms"]), _ms(of["stages"][key]["limit_ms"])]
        rows.append(tuple(cells))
    rows.append(("`unmask detect`, all", *(cell for of in sizes.values() for cell in (f"{of['all_ms']:.1f}", ""))))
    turbo = "; ".join(
        f"{name}: " + ", ".join(f"{ms:.1f} ms at 1/{by}" for by, ms in of["decode_at"].items())
        for name, of in sizes.items()
    )
    return [
        headline,
        table(tuple(header), rows),
        "Processor time in one thread, medians. Limits: memory copied at "
        f"{rates['copy_gb']:.0f} GB/s for what reads or writes bytes, libjpeg-turbo alone for decoding, "
        f"multiplications for the two networks. libjpeg-turbo at reduced sizes: {turbo}.",
        f"A new process that judges one image takes {cold['detect']['cpu_s']:.2f} s of processor time, "
        f"{cold['cpu_ratio']:.2f} times as much as importing numpy, Pillow and onnxruntime and opening both graphs "
        f"({cold['floor']['cpu_s']:.2f} s); {cold['ratio']:.2f} times by the clock.",
    ]


def _ms(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.01 else "< 0.01"


def quantised(result: Result) -> list[str]:
    """Each detector beside the one that it was made from."""
    rows = []
    for of in result["detectors"]:
        after = of["bytes"][1]
        drift = of["drift"]
        one, many = ({speed["batch"]: speed for speed in of["speed"]}[batch] for batch in (1, 8))
        rows.append(
            (
                of["name"],
                f"{after / 2**20:.1f}",
                f"{of['auc'][1]:.4f}",
                area(of["auc_change"]),
                f"{of['balanced_accuracy'][1]:.3f}",
                share(drift["flips"]),
                share(drift["opposite"]),
                f"{estimate(drift['mean_probability']).value:.4f}",  # type: ignore[union-attr]
                f"{_times(one):.2f} ×",
                f"{_times(many):.2f} ×",
            )
        )
    first = result["detectors"][0]
    setup = (
        f"{first['n']:,} images of the split {result['split']}, read once. Compared with: AUC {first['auc'][0]:.4f}, "
        f"balanced accuracy {first['balanced_accuracy'][0]:.3f}, {first['bytes'][0] / 2**20:.1f} MiB. Speed: processor "
        "time of the network alone, both in turn in one process, for one image and for eight."
    )
    header = (
        "detector",
        "MiB",
        "AUC",
        "change of AUC",
        "balanced accuracy",
        "verdicts that change",
        "REAL for FAKE or back",
        "mean change of probability",
        "speed, 1 image",
        "speed, 8 images",
    )
    return [setup, table(header, rows), *_curve(result)]


def _times(speed: Result) -> float:
    return float(speed["ratio"])


def _curve(result: Result) -> list[str]:
    """AUC by the proportion of multiplications that is left, where channels were pruned."""
    rows = [
        (
            method,
            f"{100 * step['kept']:.0f} %",
            f"{step['multiplications'] / 1e6:.0f}",
            f"{step['parameters'] / 1e6:.2f}",
            f"{step['auc_before']:.4f}",
            f"{step['auc']:.4f}",
            area(step["change"]),
        )
        for method, found in result.get("steps", {}).items()
        for step in found["networks"]
    ]
    header = (
        "channels by",
        "multiplications left",
        "10⁶ of them",
        "10⁶ parameters",
        "AUC before training",
        "after it",
        "change from the unpruned network",
    )
    return [table(header, rows)] if rows else []
