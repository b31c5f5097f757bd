"""Markdown of the result of ``browser.py``."""

from __future__ import annotations

from _markdown import Result, share, table


def browser(result: Result) -> list[str]:
    """Agreement with Python, times and weight."""
    seconds, weight = result["seconds"], result["weight"]
    headline = (
        f"**{share(result['within'])}** of {result['images']} test images have a probability within "
        f"{result['tolerance']} of Python's, and **{share(result['same_verdict'])}** the same verdict; the largest "
        f"difference is {result['largest_gap']:.4f}. {result['requests_outside']} requests left for another host."
    )
    kinds = table(
        ("file", "images", f"within {result['tolerance']}", "largest difference"),
        (
            (kind, result["kinds"][kind], share(found["within"]), f"{found['largest_gap']:.4f}")
            for kind, found in result["by_kind"].items()
        ),
    )
    times = table(
        ("from", "to", "seconds"),
        (
            ("opening the page, first visit", "the detector is ready", f"{seconds['detector_ready']:.1f}"),
            ("opening the page, offline", "the detector is ready", f"{seconds['offline_ready']:.1f}"),
            ("choosing the first image", "its verdict on the page", f"{seconds['first_answer']:.2f}"),
            ("choosing a later image", "its verdict on the page", f"{seconds['next_answer']:.2f}"),
            ("the bytes of a file", "its verdict, median", f"{seconds['worker_median']:.3f}"),
            ("the same", "its verdict, 95th percentile", f"{seconds['worker_95']:.3f}"),
        ),
    )
    mib = {name: size / 2**20 for name, size in weight.items()}
    return [
        headline,
        kinds,
        f"Times in Chromium {result['browser']}, headless, one thread:",
        times,
        f"The site has {weight['files']} files and {mib['bytes']:.1f} MiB ({mib['gzip_bytes']:.1f} MiB with gzip), of "
        f"which the detector's graph is {mib['model_bytes']:.1f} MiB.",
    ]
