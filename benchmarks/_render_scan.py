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


def scan_ray(result: Result) -> list[str]:
    """Every part of ``scan_ray.py`` that was measured."""
    parts: Result = result["parts"]
    found: list[str] = []
    for name, show in (("rate", _ray_rate), ("faults", _ray_faults), ("driver", _ray_driver)):
        if name in parts:
            found += [*show(parts[name]), footer(parts[name]["run"])]
    return found[:-1]


def scan_sizing(result: Result) -> list[str]:
    """What scans of many images take, by the measured constants."""
    parts: Result = result["parts"]
    driver = parts["driver"]
    drive_s = (driver["list_us"] + driver["write_us"]) / 1e6
    told = f"one driver bears {1 / drive_s:,.0f} images per second (d = {1e6 * drive_s:.0f} µs)"
    if "rate" not in parts:
        return [f"**By its CPU time {told}**; t has not been measured on a quiet machine yet."]
    rate = parts["rate"]
    core_s = rate["workers"] / rate["rows"]["ray"]["images_per_s"]
    rows = [
        (
            f"10^{power}",
            f"{10**power * core_s / 3600:,.0f}",
            f"{10**power * core_s / 3600 / 1_000:,.1f}",
            f"{10**power * drive_s / 3600:,.2f}",
            f"{10**power * driver['work_bytes'] / 2**30:,.1f}",
            f"{10**power * driver['parquet_bytes'] / 2**30:,.1f}",
            f"{10**power * rate['image_kib'] / 2**30:,.1f}",
        )
        for power in (6, 8, 9, 10)
    ]
    hours = 1e9 * core_s / 3600
    headline = (
        f"**10^9 images take {hours:,.0f} core-hours, so {hours / 1_000:,.0f} hours on 1,000 cores.** A core judges "
        f"{1 / core_s:.1f} images per second (t = {1000 * core_s:.1f} ms), and {told}, which is what "
        f"{core_s / drive_s:,.0f} cores judge."
    )
    header = ("images", "core-hours", "hours, 1,000 cores", "driver, hours", "lists, GiB", "rows, GiB", "images, TiB")
    return [headline, table(header, rows)]


def _ray_rate(part: Result) -> list[str]:
    rows: Result = part["rows"]
    headline = (
        f"**Ray on one machine judges {part['ratio']:.2f} times as many images per second as the local engine**, with "
        f"{part['workers']} workers each."
    )
    lines = [(engine, f"{row['images_per_s']:.1f}", f"{row['start_s']:.1f}") for engine, row in rows.items()]
    about = f"{part['images']:,} images of 512 px, medians of {part['rounds']} runs in turn."
    return [headline, about, table(("engine", "images/s", "s until the first"), lines)]


def _ray_faults(part: Result) -> list[str]:
    lines = [
        (row["test"].replace("test_", "").replace("_", " "), "every image once" if row["passed"] else "FAILED")
        for row in part["rows"]
    ]
    return [table(("disturbance, on clusters of this machine", "rows of an undisturbed scan"), lines)]


def _ray_driver(part: Result) -> list[str]:
    lines = [
        ("list and deal out", f"{part['plan_us']:.1f} µs", f"{part['work_bytes']:.0f} bytes in `work/`"),
        ("read from the lists", f"{part['list_us']:.1f} µs", f"{part['sent_bytes']:.0f} bytes to the workers"),
        ("write the row", f"{part['write_us']:.1f} µs", f"{part['received_bytes']:.0f} bytes back"),
        ("", "", f"{part['parquet_bytes']:.0f} bytes of Parquet"),
    ]
    return [table(("the driver, for one image", "CPU time", "size"), lines)]
