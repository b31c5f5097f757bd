"""Markdown of the parts of the result of ``scan.py``, each with its own run."""

from __future__ import annotations

from _markdown import Result, footer, table


def scan(result: Result) -> list[str]:
    """Every part that was measured, the newest last: its run is that of the result, and follows by itself."""
    parts = sorted(result["parts"].items(), key=lambda pair: pair[1]["run"]["command"] == result["run"]["command"])
    found: list[str] = []
    for name, part in parts:
        found += [*_PARTS[name](part), footer(part["run"])]
    return found[:-1]


def _rate(part: Result) -> list[str]:
    rows: Result = part["rows"]
    headline = (
        f"**`unmask scan` judges {rows['scan']['images_per_s']:.1f} images per second, {part['ratio']:.2f} times as "
        "many as `unmask detect` on the same folder**, start and end included: "
        f"{part['cpu_hours_per_million']:.1f} CPU-hours per million images of 512 px."
    )
    lines = [
        (
            f"`unmask {name}`",
            f"{row['images_per_s']:.1f}",
            f"{row['cpu_ms_per_image']:.1f}",
            f"{row['command_mib']:,.0f}",
            f"{row['worker_mib']:,.0f}" if row["worker_mib"] else "–",
        )
        for name, row in rows.items()
    ]
    header = ("", "images/s", "CPU ms per image", "peak memory, MiB", "largest worker, MiB")
    about = f"{part['images']:,} images, {part['workers']} workers, medians of {part['rounds']} runs in turn."
    return [headline, about, table(header, lines)]


def _growth(part: Result) -> list[str]:
    rows = part["rows"]
    first, last = rows[0], rows[-1]
    headline = (
        f"**From {first['images']:,} to {last['images']:,} images the time of one stays the same, to a factor of "
        f"{part['time_ratio']:.3f}; memory grows by {part['command_mib_growth']:+.0f} MiB** in the command and by "
        f"{part['worker_mib_growth']:+.0f} MiB in its largest worker."
    )
    lines = [
        (
            f"{row['images']:,}",
            f"{row['wall_s']:,.0f}",
            f"{row['cpu_ms_per_image']:.2f}",
            f"{row['command_mib']:,.0f}",
            f"{row['worker_mib']:,.0f}",
        )
        for row in rows
    ]
    header = ("images", "s", "CPU ms per image", "peak memory, MiB", "largest worker, MiB")
    about = f"{part['workers']} workers. CPU time is without the {part['start_cpu_s']:.1f} s of start and end."
    return [headline, about, table(header, lines)]


_PARTS = {"rate": _rate, "growth": _growth}
