"""The card of a bundle as Markdown."""

from __future__ import annotations

from unmask.bundle.schema import BundleInfo
from unmask.data.families import FAMILIES, TITLES


def _families(info: BundleInfo) -> list[str]:
    card = info.card
    if not card.families:
        return []
    lines = ["## Families of generators", ""]
    lines += [f"- {TITLES.get(name, name)}: {count} fakes in training" for name, count in card.families.items()]
    missing = [TITLES[name] for name in FAMILIES if name not in card.families]
    lines += [f"- not seen: {'; '.join(missing)}"] if missing else []
    lines += [
        f"- {TITLES.get(name, name)}, left out of training: AUC {found.auc.value:.3f} ({found.auc.low:.3f}-"
        f"{found.auc.high:.3f}), {100 * found.found.value:.0f} % of {found.found.n} fakes found"
        for name, found in card.unseen.items()
    ]
    return [*lines, ""]


def card_text(info: BundleInfo, sha256: str) -> str:
    """The training data, validation metrics and limits of a detector, as Markdown.

    Args:
        info: the content of ``bundle.json``.
        sha256: digest of the bundle.
    """
    card = info.card
    lines = [f"# {info.name}@{info.version}", "", card.summary, ""]
    if any(key.endswith("source") and value == "none" for key, value in card.weights.items()):
        lines += ["**Started from random weights, not from pretrained ones.** Expect worse results.", ""]
    lines += ["## Metrics on the validation images", ""]
    lines += [f"- {name}: {value:.6g}" for name, value in card.metrics.items()]
    for threshold in info.thresholds:
        used = " (used for verdicts)" if threshold.name == info.default_threshold else ""
        lines.append(
            f"- threshold {threshold.name}{used}: probability {threshold.fake_probability:.4f} finds "
            f"{100 * threshold.true_positive_rate:.1f} % of fakes with at most "
            f"{100 * threshold.false_positive_budget:.0f} % false positives"
        )
    lines += [
        f"- uncertain from {info.uncertain.low:.4f} to {info.uncertain.high:.4f}: "
        f"{100 * info.uncertain.coverage:.1f} % of images; verdicts on the others are "
        f"{100 * info.uncertain.accuracy_outside:.1f} % accurate",
        f"- calibrated on {info.calibration.provenance}",
        "",
        "Thresholds and probabilities were set on these images. Evaluate the detector on images that it has not seen.",
        "",
        "## Limits",
        "",
        *([f"- {limit}" for limit in card.limits] or ["None are stated, which does not mean that there are none."]),
        "",
        "## Training images",
        "",
        *[
            f"- {label}, {source or 'no source given'}: {count}"
            for label, sources in card.sources.items()
            for source, count in sources.items()
        ],
        "",
        *_families(info),
        "## Made from",
        "",
        *[f"- weights, {name.replace('_', ' ')}: {value}" for name, value in card.weights.items()],
        f"- recipe sha256 {card.recipe_digest}",
        f"- manifest sha256 {card.manifest_digest}",
        f"- bundle sha256 {sha256}",
        *([f"- unmask at revision {card.commit}"] if card.commit else []),
        f"- {', '.join(f'{name} {version}' for name, version in card.packages.items())}",
    ]
    return "\n".join(lines) + "\n"
