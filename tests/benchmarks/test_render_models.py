"""Figures about models and training as the documents show them."""

from __future__ import annotations

from typing import Any

import pytest

import _render_models as models


def _figure(value: float | None) -> dict[str, Any]:
    return {"value": value, "low": None if value is None else value - 0.02, "high": value and value + 0.02, "n": 50}


def _metrics(accuracy: float, auc: float) -> dict[str, Any]:
    names = ("accuracy", "balanced_accuracy", "precision", "recall", "f1")
    return {name: _figure(accuracy) for name in names} | {"auc": _figure(auc)}


def _pair(first: str, second: str, counts: tuple[int, int], p: float | None) -> dict[str, Any]:
    return {
        "first": first,
        "second": second,
        "only_first_right": counts[0],
        "only_second_right": counts[1],
        "accuracy": {"p_holm": p},
    }


def _system(about: str, weights: str, epochs: int, auc: float) -> dict[str, Any]:
    return {
        "about": about,
        "weights": weights,
        "epochs": epochs,
        "validation_auc": auc + 0.01,
        "n": 50,
        "n_real": 30,
        "n_fake": 20,
        "baseline": {"answer": "real", "accuracy": 0.6},
        "metrics": _metrics(0.9, auc),
    }


def _entry(recipe: str, reported: dict[str, float], *, random: bool) -> dict[str, Any]:
    figures = {"random_weights": random, "epochs": 1, "metrics": _metrics(0.5, 0.55)}
    return {"recipe": recipe, "reported": reported, "error": None, "figures": figures}


def _papers() -> dict[str, Any]:
    systems = [
        _entry("s0-a", {"accuracy": 0.98, "auc": 0.99}, random=True),
        _entry("s0-b", {}, random=False),
        {"recipe": "s0-c", "reported": {}, "error": {"code": "x", "message": "no | memory"}, "figures": None},
    ]
    paper = {
        "paper": "S0",
        "systems": systems,
        "data": {"counts": {"test": {"real": 30, "fake": 20}}},
        "comparison": {"pairs": [_pair("s0-a@1", "s0-b@1", (2, 12), 0.0129)]},
    }
    return {
        "source": "pictures",
        "cpu_minutes": {"all": 30.2},
        "weights": {
            "systems": {
                "frozen": _system("Frozen", "pip:w", 0, 0.9),
                "frozen-random": _system("Frozen", "none", 0, 0.95),
                "tuned": _system("Tuned", "pip:w", 22, 0.973),
            },
            "comparison": {"pairs": [_pair("frozen", "tuned", (3, 9), 0.2), _pair("x", "y", (0, 0), None)]},
        },
        "reproductions": {"all": {"settings": {"set": ["a.b=c"], "epochs": 1}, "papers": [paper]}},
    }


def test_the_papers_systems() -> None:
    text = "\n\n".join(models.papers(_papers()))
    for part in [
        "**Tuned: AUC 0.973 (0.953–0.993), accuracy 90.0 % (88.0–92.0)** on 50 test images of `pictures`",
        "always predicting “real”: accuracy 60.0 %",
        # The best of frozen features is one with pretrained weights.
        "The best AUC with frozen features is 0.900 (0.880–0.920) (Frozen)",
        "| Frozen | random |  | 0.960 |",
        "| Tuned | pip:w | 22 | 0.983 | 0.973 (0.953–0.993) | 90.0 % (88.0–92.0) | 90.0 % (88.0–92.0) |",
        "over 2 pairs, finds no difference",
        "3 systems, `--set a.b=c`, at most 1 epoch per phase; 30 minutes of CPU time. **1 of them started",
        "| S0 | `s0-a` | random | 1 | 50.0 % (48.0–52.0) | 0.98 | 0.500 |  | 0.550 (0.530–0.570) | 0.99 |",
        r"failed: no \| memory",
        # The better one first, with its side of the discordant images named in the order of the pair.
        "finds s0-b over s0-a (12:2, p = 0.0129).",
        "S0 50 (30 real; majority 60.0 %)",
    ]:
        assert part in text, part
    rows = [line for line in text.splitlines() if line.startswith("| S0")]
    assert {line.replace(r"\|", "").count("|") for line in rows} == {11}


def test_the_contract() -> None:
    row = {"backbone": "b", "side": 64, "parameters_millions": 2.23}
    rows = [row | {"head": "linear", "parity": 2e-6}, row | {"head": "se", "parity": 3e-5}]
    text = "\n".join(models.contract({"tolerance": 1e-4, "rows": rows}))
    assert "All 1 backbones with all 2 kinds of head" in text
    assert "at most 3e-05 (tolerance 1e-04)" in text
    assert "| `b` | 2.2 M | 64 px | 2e-06 | 3e-05 |" in text


def test_classical_heads() -> None:
    head = {"difference": 2.01e-6, "onnx_ms": 0.2, "sklearn_ms": 5.0, "ratio": 25.0, "graph_bytes": 1_858_818}
    result = {"asked_rows": 1000, "rows": 2000, "width": 1280, "heads": {"random_forest": head}}
    text = "\n".join(models.classical_heads(result))
    assert "differ by at most 2e-06** on 1,000 held-out rows" in text
    assert "| Random Forest, 100 trees | 2e-06 | 0.200 ms | 5.000 ms | 25.0 × | 1.77 MiB |" in text


def test_the_feature_cache() -> None:
    run = {"seconds": 100.0, "epochs": 20, "validation_accuracy": 0.75, "validation_auc": 0.8}
    result = {"ratio": 25.2, "warm_ratio": 99.6, "recipe": "r", "epochs": 20, "rows": 1000}
    text = "\n".join(models.feature_cache(result | dict.fromkeys(("epoch_by_epoch", "cached", "warm"), run)))
    assert "**25 times as fast, and 100 times once" in text
    assert "| epoch by epoch | 100.0 | 20 | 75.0 % | 0.800 |" in text


@pytest.mark.parametrize(("p", "said"), [(0.00005, "< 0.0001"), (0.04999, "= 0.0500")])
def test_small_p_values_are_not_zero(p: float, said: str) -> None:
    assert said in models._differences({"pairs": [_pair("a", "b", (9, 1), p)]})
