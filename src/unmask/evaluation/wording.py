"""The words of a result, which the terminal, the page and the Markdown report share."""

from __future__ import annotations

from typing import Any, Final

METRIC_NAMES: Final = {
    "accuracy": "accuracy",
    "recall_fake": "recall of fake",
    "specificity": "recall of real (specificity)",
    "precision_fake": "precision of fake",
    "precision_real": "precision of real",
    "balanced_accuracy": "balanced accuracy",
    "f1_fake": "F1 of fake",
    "f1_real": "F1 of real",
    "f1_weighted": "F1, weighted",
    "precision_weighted": "precision, weighted",
    "mcc": "Matthews' correlation",
    "auc": "AUC",
    "average_precision": "average precision",
    "eer": "equal error rate",
    "tpr_at_fpr_1": "fakes found at 1 % false positives",
    "tpr_at_fpr_5": "fakes found at 5 % false positives",
    "log_loss": "log loss",
    "brier": "Brier score",
    "ece": "expected calibration error",
}


def figure(value: float | None) -> str:
    """A figure with three digits after the point."""
    return "undefined" if value is None else f"{value:.3f}"


def with_interval(found: dict[str, Any] | None) -> str:
    """A figure and its interval."""
    if found is None or found["value"] is None:
        return "–"
    ends = "" if found["low"] is None else f" ({figure(found['low'])}–{figure(found['high'])})"
    return figure(found["value"]) + ends


def percent(found: dict[str, Any] | None) -> str:
    """A share and its interval in percent."""
    if found is None or found["value"] is None:
        return "–"
    ends = "" if found["low"] is None else f" ({100 * found['low']:.1f}–{100 * found['high']:.1f})"
    return f"{100 * found['value']:.1f} %{ends}"


def headline(result: dict[str, Any]) -> list[str]:
    """The sentences to read first."""
    overall, head = result["overall"], result["headline"]
    trivial = overall["baseline"]
    lines = [
        f"{overall['n']:,} pictures ({overall['n_real']:,} real, {overall['n_fake']:,} fake) in {overall['groups']:,} "
        f"groups. AUC {with_interval(head['auc'])}, balanced accuracy {percent(head['balanced_accuracy'])}, accuracy "
        f"{percent(head['accuracy'])}.",
        f"Always answering “{trivial['answer']}” is right on {100 * trivial['accuracy']:.1f} %: the accuracy is "
        f"{'above' if head['above_baseline'] else 'not shown to be above'} that.",
    ]
    for label, what in (("fake", "fakes found"), ("real", "real pictures called real")):
        worst = head["worst_source"][label]
        if worst is not None and head["sources"] > 1:
            seen = ", seen in training" if worst["seen"] else ""
            lines.append(
                f"Worst source of {label}: {worst['source'] or '(blank)'}{seen}: {percent(worst)} of {worst['n']} "
                f"{what}."
            )
    if head["unseen"] is not None:
        unseen = head["unseen"]
        area = unseen["auc_within"]
        lines.append(
            f"Sources that training never saw: {percent(unseen['accuracy'])} of {unseen['n']:,} right"
            f"{'' if area is None else f', AUC {with_interval(area)}'}."
        )
    elif head["sources_seen"]:
        lines.append("Training saw every source of these pictures: nothing here speaks of pictures from elsewhere.")
    if overall["failures"]:
        lines.append(f"Not readable, counted as mistakes: {overall['failures']:,}.")
    if "train" in result["data"]["splits"]:
        lines.append("Pictures of the split “train” are among these: the detector may have learned them.")
    return lines
