"""Markdown of the results about data: the audit of the shared images, near-duplicates, the crop cache."""

from __future__ import annotations

from _markdown import Result, percent, table

_READINGS = {
    "file-facts": "file facts, as collected",
    "pixels": "pixel statistics, as collected",
    "common-file-facts": "bytes per pixel, after the common crop and re-encoding",
    "common-pixels": "pixel statistics, after the common crop and re-encoding",
}


def audit_shared(result: Result) -> list[str]:
    """Probes, findings and facts by class of the shared images."""
    counts = result["counts"]
    raw = {probe["reading"]: probe for probe in result["probes"]}
    one_class = result["one_class_sources"]
    headline = (
        f"**Without looking at a face, file facts alone tell real from fake with an AUC of "
        f"{raw['file-facts']['auc']:.3f}**, pixel statistics with {raw['pixels']['auc']:.3f}; after the common face "
        f"crop and re-encoding pixel statistics still reach {raw['common-pixels']['auc']:.3f}. {len(one_class)} of "
        f"{len(counts['by']['source'])} sources have one label only."
    )
    probes = table(
        ("what the probe sees", "AUC (95 %)", "inside single sources", "gives it away"),
        (
            (
                _READINGS[probe["reading"]],
                f"{probe['auc']:.3f} ({probe['low']:.3f}–{probe['high']:.3f})",
                ", ".join(f"{source} {found['auc']:.2f}" for source, found in probe["within_sources"].items()),
                "; ".join(
                    f"{item['about']} ({item['fact']} alone {item['alone']:.2f})" for item in probe["giveaways"][:3]
                ),
            )
            for probe in result["probes"]
        ),
    )
    findings = table(
        ("finding", "severity", "what"),
        ((f"`{finding['code']}`", finding["severity"], finding["message"]) for finding in result["findings"]),
    )
    return [headline, probes, findings]


def near_duplicates(result: Result) -> list[str]:
    """Cost and recall of the index."""
    found = result["recall"]
    what = "pairs" if found["recall_of"] == "pairs" else "connections"
    return [
        f"**{result['hashes']:,} hashes: {result['seconds']:.1f} s** on one thread ({result['cpu_seconds']:.1f} s of "
        f"processor time), {result['peak_mib']:,} MiB at most. Against a comparison of {found['queries']:,} hashes "
        f"with all others, {percent(found['recall'])} of {found['true_pairs']:,} {what} within "
        f"{result['max_distance']} of 256 bits were found."
    ]


def crop_cache(result: Result) -> list[str]:
    """What loading from the cache saves."""
    rows = [
        (name, f"{part['direct_ms']:.2f} ms", f"{part['cached_ms']:.2f} ms", f"{part['ratio']:.2f} ×")
        for name, part in (("load", result["load"]), ("load and augment", result["view"]))
    ]
    return [
        f"{result['pictures']:,} images ({result['file_bytes'] / 1e6:,.0f} MB of files, "
        f"{result['cache_bytes'] / 1e6:,.0f} MB of cache, built in {result['build_s']:.0f} s); "
        f"{result['same_views']:,} of their views are the same bytes both ways.",
        table(("median an image, one thread", "from files", "from the cache", "faster"), rows),
    ]
