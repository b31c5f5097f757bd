"""Data results as Markdown: audit of the shared images, near-duplicates, crop cache."""

from __future__ import annotations

from _markdown import Result, percent, table

_READINGS = {
    "file-facts": "file facts, as collected",
    "pixels": "pixel statistics, as collected",
    "common-file-facts": "bytes per pixel, after the common crop and re-encoding",
    "common-pixels": "pixel statistics, after the common crop and re-encoding",
}


def audit_shared(result: Result) -> list[str]:
    """Probes and findings for the shared images."""
    counts = result["counts"]
    raw = {probe["reading"]: probe for probe in result["probes"]}
    one_class = result["one_class_sources"]
    headline = (
        f"**Without looking at a face, file facts alone separate real from fake images with an AUC of "
        f"{raw['file-facts']['auc']:.3f}**, and pixel statistics with {raw['pixels']['auc']:.3f}. After the common "
        f"face crop and re-encoding, pixel statistics still reach {raw['common-pixels']['auc']:.3f}. {len(one_class)} "
        f"of {len(counts['by']['source'])} sources have a single label."
    )
    probes = table(
        ("probe", "AUC (95 % interval)", "within single sources", "giveaways"),
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
        ("finding", "severity", "message"),
        ((f"`{finding['code']}`", finding["severity"], finding["message"]) for finding in result["findings"]),
    )
    return [headline, probes, findings]


def near_duplicates(result: Result) -> list[str]:
    """Cost and recall of the near-duplicate search."""
    found = result["recall"]
    what = "pairs" if found["recall_of"] == "pairs" else "connections"
    return [
        f"**{result['hashes']:,} hashes: {result['seconds']:.1f} s** on one thread ({result['cpu_seconds']:.1f} s of "
        f"CPU time), peak memory {result['peak_mib']:,} MiB. Recall against an exhaustive comparison of "
        f"{found['queries']:,} hashes with all others: {percent(found['recall'])} of {found['true_pairs']:,} {what} "
        f"within {result['max_distance']} of 256 bits."
    ]


def crop_cache(result: Result) -> list[str]:
    """Time saved by loading from the cache."""
    rows = [
        (name, f"{part['direct_ms']:.2f} ms", f"{part['cached_ms']:.2f} ms", f"{part['ratio']:.2f} ×")
        for name, part in (("load", result["load"]), ("load and augment", result["view"]))
    ]
    return [
        f"{result['pictures']:,} images ({result['file_bytes'] / 2**20:,.0f} MiB of files, "
        f"{result['cache_bytes'] / 2**20:,.0f} MiB of cache, built in {result['build_s']:.0f} s); "
        f"{result['same_views']:,} of their views are bit-identical both ways.",
        table(("median per image, one thread", "from files", "from the cache", "speed-up"), rows),
    ]
