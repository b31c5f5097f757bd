"""Markdown of the result of ``detect_many.py``."""

from __future__ import annotations

from _markdown import Result, table

_TITLES = {
    "plain": "no option",
    "resume, new": "`--resume`, a new journal",
    "resume, done": "`--resume`, all in the journal",
    "html": "`--html`",
    "sort": "`--sort suspicion`",
    "top and html": "`--sort suspicion --top 20 --html`",
}


def detect_many(result: Result) -> list[str]:
    """CPU time and memory of the options for many images, and a large gallery."""
    groups: dict[str, Result] = result["commands"]
    first = next(iter(groups.values()))["rows"]
    headline = (
        f"**Of the CPU time without them, `--resume` takes {first['resume, new']['ratio']:.2f} times as much, `--html` "
        f"{first['html']['ratio']:.2f} times**, and a run whose verdicts are all in the journal "
        f"{first['resume, done']['ratio']:.2f} times, most of which is the start."
    )
    header = ["`unmask detect FOLDER --json --workers 2`"]
    for name, group in groups.items():
        header += [f"{group['images']} images of {name}: CPU s", "ratio", "peak memory, MiB"]
    rows = []
    for option, title in _TITLES.items():
        row = [title]
        for group in groups.values():
            found = group["rows"][option]
            row += [f"{found['cpu_s']:.2f}", f"{found['ratio']:.2f}", f"{found['peak_rss_mib']:,.0f}"]
        rows.append(tuple(row))
    gallery = result["gallery"]
    seconds = gallery["thumbnails_s"] + gallery["page_s"]
    large = (
        f"A gallery of {gallery['images']:,} images of 512 px takes {seconds:.0f} s of CPU time "
        f"({1000 * gallery['thumbnails_s'] / gallery['images']:.1f} ms per thumbnail) and raises the peak of memory by "
        f"{gallery['memory_mib']:.0f} MiB over that of detection; the page has {gallery['page_mib']:.0f} MiB."
    )
    return [
        headline,
        f"Medians of {next(iter(groups.values()))['rounds']} runs each.",
        table(tuple(header), rows),
        large,
    ]
