"""A detector's card from its bundle and its results, in the format of Hugging Face's model cards."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import yaml

from unmask.bundle.bundle import Bundle
from unmask.bundle.schema import Card
from unmask.errors import UsageError
from unmask.evaluation.reports.evaluation import of_bundles
from unmask.evaluation.reports.robustness import robustness_content
from unmask.evaluation.reports.sentences import (
    METRIC_NAMES,
    bench_lines,
    figure,
    headline,
    markdown_cell,
    percent,
    with_interval,
)
from unmask.pages.page import render

# Our figures that Hugging Face's evaluation library has a name for.
_METRICS: Final = {
    "auc": "roc_auc",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced_accuracy",
    "f1_fake": "f1",
    "precision_fake": "precision",
    "recall_fake": "recall",
    "brier": "brier_score",
}
_TAGS: Final = ["deepfake-detection", "image-forensics", "faces", "onnx", "unmask"]
_SCHEDULE: Final = ("epochs", "batch_size", "optimizer", "learning_rate", "weight_decay", "decay", "loss", "precision")
_COMBINED: Final = {
    "mean": "the mean of",
    "weighted": "a weighted mean of",
    "stacked": "a logistic regression on the logits of",
}


def model_card(bundle: Bundle, results: Sequence[dict[str, Any]] = (), licence: str | None = None) -> str:
    """The card as Markdown with a block of YAML before it.

    Args:
        bundle: the detector.
        results: of ``unmask evaluate``, ``unmask robustness`` and ``unmask bench``, in the order of the card.
        licence: of the bundle, e.g. ``apache-2.0``; left out if not given.

    Raises:
        UsageError: ``other_bundle``, a result speaks of another bundle.
    """
    for result in results:
        if bundle.sha256 not in of_bundles(result):
            text = f"A result of {result['kind']} speaks of another bundle than {bundle.info.name}."
            raise UsageError("other_bundle", text)
    of_kind: dict[str, list[dict[str, Any]]] = {"evaluation": [], "robustness": [], "bench": []}
    for result in results:
        of_kind[result["kind"]].append(result)
    info = bundle.info
    benches = [
        {**result, "models": [each for each in result["models"] if each["bundle_sha256"] == bundle.sha256]}
        for result in of_kind["bench"]
    ]
    text = render(
        "unmask.evaluation.reports/model_card.md.j2",
        front_matter=_front_matter(bundle, of_kind["evaluation"], licence),
        info=info,
        sha256=bundle.sha256,
        model_bytes=len(bundle.model),
        networks=_networks(info.card),
        schedules={name: _schedule(member) for name, member in (info.card.members or {"": info.card.recipe}).items()},
        sources=_sources(info.card.sources),
        random_weights=any(key.endswith("source") and value == "none" for key, value in info.card.weights.items()),
        lines=_first_lines(of_kind),
        evaluations=of_kind["evaluation"],
        robustness=[robustness_content(result) for result in of_kind["robustness"]],
        benches=benches,
        bench_lines=bench_lines,
        headline=headline,
        names=METRIC_NAMES,
        figure=figure,
        percent=percent,
        with_interval=with_interval,
        cell=markdown_cell,
    )
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def _front_matter(bundle: Bundle, evaluations: Sequence[dict[str, Any]], licence: str | None) -> str:
    content: dict[str, Any] = {"license": licence} if licence else {}
    content |= {
        "library_name": "unmask",
        "pipeline_tag": "image-classification",
        "tags": _TAGS,
        "metrics": list(_METRICS.values()),
    }
    if evaluations:
        content["model-index"] = [
            {"name": bundle.info.name, "results": [_index_entry(result) for result in evaluations]}
        ]
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _index_entry(result: dict[str, Any]) -> dict[str, Any]:
    data, metrics = result["data"], result["overall"]["metrics"]
    dataset = {"name": data["name"], "type": re.sub(r"[^a-z0-9]+", "-", data["name"].lower()).strip("-") or "pictures"}
    return {
        "task": {"type": "image-classification", "name": "Real or fake face"},
        "dataset": dataset | ({"split": ", ".join(data["splits"])} if data["splits"] else {}),
        "metrics": [
            {"type": type_, "name": METRIC_NAMES[name], "value": round(metrics[name]["value"], 4)}
            for name, type_ in _METRICS.items()
            if metrics[name]["value"] is not None
        ],
    }


def _first_lines(of_kind: dict[str, list[dict[str, Any]]]) -> list[str]:
    """What to read first: the headline of the first evaluation and of the first robustness."""
    lines = [line for result in of_kind["evaluation"][:1] for line in headline(result)]
    for result in of_kind["robustness"][:1]:
        lines += robustness_content(result)["headline"][:1]
    return lines


def _networks(card: Card) -> str:
    ensemble = card.recipe.get("ensemble")
    if not ensemble:
        return _network(card.recipe)
    members = [_network(member) for member in card.members.values()] or ["members that are not stated"]
    return f"{_COMBINED.get(ensemble.get('combine'), 'an ensemble of')} {'; '.join(members)}"


def _network(recipe: dict[str, Any]) -> str:
    branches = [recipe.get("backbone") or {}, *((recipe.get("fusion") or {}).get("branches") or [])]
    return ", ".join(str(branch.get("name", "not stated")) for branch in branches)


def _schedule(recipe: dict[str, Any]) -> dict[str, str]:
    """How it was trained, in the order of ``_SCHEDULE``; phases in place of epochs and rate where it had some."""
    schedule = dict(recipe.get("schedule", {}))
    if phases := schedule.get("phases"):
        schedule["epochs"] = ", then ".join(
            f"{phase['epochs']} at {phase['learning_rate']:g}"
            + ("" if phase["train"] == "all" else f" (trained: {phase['train']})")
            for phase in phases
        )
        del schedule["learning_rate"]
    return {name: str(schedule[name]) for name in _SCHEDULE if name in schedule}


def _sources(by_label: dict[str, dict[str, int]]) -> dict[str, tuple[int, int]]:
    real, fake = by_label.get("real", {}), by_label.get("fake", {})
    return {name: (real.get(name, 0), fake.get(name, 0)) for name in sorted({*real, *fake})}
