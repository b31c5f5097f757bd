"""Results on clips as Markdown."""

from __future__ import annotations

from _markdown import Result, table


def video_speed(result: Result) -> list[str]:
    """Time of a short clip against decoding alone, and memory of a long one."""
    short, hour, stages = result["short"], result["hour"], result["stages_s"]
    detect, decode = short["detect"], short["decode"]
    headline = (
        f"**A clip of {result['clip'].partition(',')[0]} with {result['frames_judged']} frames judged, in a new "
        f"process: {detect['median_s']:.1f} s**, median of {detect['runs']}, {short['ratio']:.1f} times as long as decoding all "
        f"of its frames with PyAV, also in a new process. Peak memory of command and child on a clip of "
        f"{hour['duration_s'] / 60:.0f} minutes: **{hour['peak_mib']:,.0f} MiB**. The clip: {result['clip']}."
    )
    rows = [
        (name, _range(of), f"{of['processor_s']:.2f} s", f"{of['peak_mib']:,.0f} MiB")
        for name, of in (("`unmask detect`", detect), ("decoding alone", decode))
    ]
    rows.append(
        (
            f"`unmask detect`, {hour['duration_s'] / 60:.0f} minutes, {hour['frames']:,} frames",
            f"{hour['seconds']:.1f} s",
            f"{hour['processor_s']:.2f} s",
            f"{hour['peak_mib']:,.0f} MiB",
        )
    )
    parts = ", ".join(
        f"{name} {stages[key]:.2f} s"
        for key, name in (("read", "reading the frames"), ("faces", "finding faces"), ("network", "the network"))
    )
    return [
        headline,
        table(("what", "time", "CPU time", "peak memory"), rows),
        f"In one process, one stage after the other: {parts}. The command does them at once.",
    ]


def _range(found: Result) -> str:
    return f"{found['median_s']:.2f} s ({found['min_s']:.2f}–{found['max_s']:.2f} s)"
