"""A detector's card from its bundle and its results, in the format of Hugging Face's model cards."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from unmask.bundle.bundle import Bundle
from unmask.bundle.schema import Card
from unmask.data.families import FAMILIES, TITLES
from unmask.errors import UsageError
from unmask.evaluation.regressions import record_of
from unmask.evaluation.reports.evaluation import bundles_of
from unmask.evaluation.reports.fairness import fairness_lines
from unmask.evaluation.reports.robustness import robustness_content
from unmask.evaluation.reports.sentences import bench_lines, headline, markdown_cell, metric_name
from unmask.evaluation.reports.write import FORMATS, read_result
from unmask.evaluation.results.cost import Bench
from unmask.evaluation.results.evaluation import Evaluation
from unmask.evaluation.results.regressions import Regressions
from unmask.evaluation.results.robustness import Robustness
from unmask.pages.page import render

CardResult = Evaluation | Robustness | Bench | Regressions

# Our metrics that Hugging Face's evaluation library has a name for.
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


def read_card_result(path: Path) -> CardResult:
    """A result for a card, from its file.

    Raises:
        UsageError: ``bad_result``.
    """
    found = read_result(path, Evaluation, Robustness, Bench, Regressions)
    assert isinstance(found, CardResult)
    return found


def model_card(bundle: Bundle, results: Sequence[CardResult] = (), licence: str | None = None) -> str:
    """The card as Markdown with a block of YAML before it.

    Args:
        bundle: the detector.
        results: of ``unmask evaluate``, ``robustness``, ``bench`` and ``regressions run``, in the order of the card.
        licence: of the bundle, such as ``apache-2.0``; left out if not given.

    Raises:
        UsageError: ``other_bundle``, a result belongs to a different bundle.
    """
    for result in results:
        if bundle.sha256 not in bundles_of(result):
            text = f"A result of {result.kind} belongs to a different bundle than {bundle.info.name}."
            raise UsageError("other_bundle", text)
    evaluations = [each for each in results if isinstance(each, Evaluation)]
    robustness = [robustness_content(each) for each in results if isinstance(each, Robustness)]
    benches = [
        each.model_copy(
            update={"models": tuple(model for model in each.models if model.bundle_sha256 == bundle.sha256)}
        )
        for each in results
        if isinstance(each, Bench)
    ]
    info = bundle.info
    records = [record_of(each) for each in results if isinstance(each, Regressions)]
    text = render(
        "unmask.evaluation.reports/model_card.md.j2",
        front_matter=_front_matter(bundle, evaluations, licence),
        info=info,
        sha256=bundle.sha256,
        model_bytes=len(bundle.model),
        networks=_networks(info.card),
        schedules={name: _schedule(member) for name, member in (info.card.members or {"": info.card.recipe}).items()},
        sources=_sources(info.card.sources),
        families={TITLES.get(name, name): count for name, count in info.card.families.items()},
        missing_families=[TITLES[name] for name in FAMILIES if name not in info.card.families],
        unseen={TITLES.get(name, name): found for name, found in info.card.unseen.items()},
        random_weights=any(key.endswith("source") and value == "none" for key, value in info.card.weights.items()),
        # The headline of the first evaluation and of the first robustness result.
        lines=[
            *(line for each in evaluations[:1] for line in headline(each)),
            *(line for each in robustness[:1] for line in each["headline"][:1]),
        ],
        evaluations=evaluations,
        robustness=robustness,
        benches=benches,
        regressions=records[0] if records else info.card.regressions,
        bench_lines=bench_lines,
        headline=headline,
        fairness_lines=fairness_lines,
        cell=markdown_cell,
        **FORMATS,
    )
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def _front_matter(bundle: Bundle, evaluations: Sequence[Evaluation], licence: str | None) -> str:
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


def _index_entry(result: Evaluation) -> dict[str, Any]:
    data, metrics = result.data, result.overall.metrics
    dataset = {"name": data.name, "type": re.sub(r"[^a-z0-9]+", "-", data.name.lower()).strip("-") or "images"}
    values = [(name, type_, metrics[name].value) for name, type_ in _METRICS.items() if name in metrics]
    return {
        "task": {"type": "image-classification", "name": "Real or fake face"},
        "dataset": dataset | ({"split": ", ".join(data.splits)} if data.splits else {}),
        "metrics": [
            {"type": type_, "name": metric_name(name), "value": round(value, 4)}
            for name, type_, value in values
            if value is not None
        ],
    }


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
