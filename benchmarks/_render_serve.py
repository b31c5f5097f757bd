"""Markdown of the results of ``serve_load.py``, ``serve_clips.py`` and ``hostile.py``."""

from __future__ import annotations

from collections.abc import Mapping

from _markdown import Result, table


def serve(result: Result) -> list[str]:
    """Throughput and latency, mixed and hostile load, memory, and other settings."""
    steady, mixed, hostile, memory = (result[name] for name in ("steady", "mixed", "hostile", "memory"))
    best = max(steady["unmask"], key=lambda row: float(row["per_s"]))
    names = {"fast": "unmask --model fast --batch 8"}
    base = {row["clients"]: row["per_s"] for row in steady["peer"]}
    ratios = "; ".join(
        f"{names.get(name, name)}: "
        + ", ".join(f"{row['per_s'] / base[row['clients']]:.1f} with {row['clients']} clients" for row in found[1:])
        for name, found in steady.items()
        if name != "peer"
    )
    headline = (
        f"**{best['per_s']:.0f} images per second** of 256 px with {best['clients']} clients, history on disk, on "
        f"{result['run']['cores']} cores shared with the clients. Resident memory after {memory['requests']:,} "
        f"requests: {memory['rss_mib'][-1]:,.0f} MiB, {memory['growth_second_half_mib']:+.1f} MiB between the third "
        "and the last quarter of them. "
        f"Images per second, as multiples of the baseline's: {ratios}."
    )
    rows = [
        (
            load,
            names.get(name, name),
            row["clients"],
            f"{row['per_s']:.1f}",
            row["p50_ms"],
            row["p95_ms"],
            row["p99_ms"],
            _answers(row),
        )
        for load, servers in (("256 px", steady), ("one in ten of 12 megapixels", mixed))
        for name, found in servers.items()
        for row in (found if isinstance(found, list) else [found])
    ]
    rows.append(
        (
            "the same, plus garbage, slow and broken uploads",
            "unmask",
            hostile["clients"],
            f"{hostile['per_s']:.1f}",
            hostile["p50_ms"],
            hostile["p95_ms"],
            hostile["p99_ms"],
            _answers(hostile),
        )
    )
    loads = table(("load", "server", "clients", "verdicts/s", "p50 ms", "p95 ms", "p99 ms", "responses"), rows)
    others = ", ".join(f"{count} {what}" for what, count in hostile["others"].items())
    settings = table(
        ("threads", "batch size", "verdicts/s", "p50 ms", "p99 ms"),
        (
            (row["workers"], row["batch"], f"{row['per_s']:.1f}", row["p50_ms"], row["p99_ms"])
            for row in result["settings"]
        ),
    )
    return [
        headline,
        f"Baseline (`peer`): {result['peer']}. Images: {result['pictures']}.",
        loads,
        f"Other clients during the last load, by HTTP status or outcome: {others}.",
        "64 clients with other settings:",
        settings,
    ]


def hostile(result: Result) -> list[str]:
    """Costly files: the worst of them, what the child processes cost, and a service that receives them."""
    files, request = result["files"], result["request"]
    slowest = max(files, key=lambda row: row["cpu_s"] if row["cpu_s"] is not None else float("inf"))
    largest = max(files, key=lambda row: row["peak_mib"] or 0)
    refused = sum(row["outcome"] == "too_complex" for row in files)
    summary = (
        f"**{len(files)} files made to cost more than their size**, of every format but HEIC: none takes more than "
        f"{result['worst_cpu_s']:.1f} s of CPU time (`{slowest['case']}`) or {result['worst_peak_mib']} MiB of memory "
        f"(`{largest['case']}`) at the default limits. {refused} are refused before they are decoded, by what their "
        f"containers hold. Decoding in a child process makes the detection of a 512-pixel JPEG {request['ratio']:.2f} "
        f"times as long ({request['here_ms']:.1f} and {request['child_ms']:.1f} ms)."
    )
    rows = [
        (
            what,
            _statuses(row["good"]),
            _statuses(row["costly"]) or "none",
            row["p50_ms"],
            row["p99_ms"],
            row["peak_mib"],
        )
        for what, row in (
            ("256 px", result["service"]["without"]),
            ("the same, one request in ten costly", result["service"]["with"]),
        )
    ]
    header = ("64 clients", "good requests", "costly requests", "p50 ms", "p99 ms", "peak memory, MiB")
    return [summary, table(header, rows), "Times are those of good requests; memory is that of all processes together."]


def serve_clips(result: Result) -> list[str]:
    """Response times of images beside clips, and of clips beside images."""
    clips = result["clips"]
    rows = [
        (
            row["clients"],
            row["p50_ms"],
            row["beside"]["p50_ms"],
            f"{row['beside']['p50_ms'] / row['p50_ms']:.2f}",
            row["p99_ms"],
            row["beside"]["p99_ms"],
        )
        for row in result["images"]
    ]
    header = ("clients", "p50 ms alone", "p50 ms beside clips", "ratio", "p99 ms alone", "p99 ms beside clips")
    return [
        f"**A clip takes {clips['alone']:.1f} s, and {clips['beside']:.1f} s beside 4 clients that send images all the "
        f"time** ({result['clip']}). Images, medians of {result['rounds']} runs:",
        table(header, rows),
    ]


def _statuses(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} × {status}" for status, count in counts.items())


def _answers(row: Result) -> str:
    return _statuses(row["statuses"])
