"""Results of the evaluation's commands in the documents, and the model card as a document."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import render
from unmask.bundle.bundle import Bundle
from unmask.evaluation.degradations import tiers
from unmask.evaluation.evaluate import evaluate
from unmask.evaluation.results.base import DetectorFacts
from unmask.evaluation.robustness import measure_conditions
from unmask.evaluation.scores import Scores
from unmask.stats.resample import Draws

_RUN = {
    "command": "python benchmarks/x.py",
    "date": "2026-01-02",
    "smoke": False,
    "bundle_sha256": "0123456789abcdef",
    "python": "3.11",
    "packages": {"unmask": "0.1.0"},
    "cpu": "Some CPU",
    "cores": 2,
}
_FEW = Draws(draws=100, workers=1)


def _scores(shift: float = 0.0) -> Scores:
    columns = ("path", "label", "source", "kind", "seen", "face_found", "uncertain", "fake_probability")
    rows = [
        (
            at,
            (
                f"{at}.png",
                "fake" if at % 2 else "real",
                f"s{at % 3}",
                "gan" if at % 2 else "real",
                "true" if at % 3 else "false",
                str(at != 5).lower(),
                str(at in (9, 10)).lower(),
                repr(round(0.3 + 0.02 * at - shift * (at % 2), 6)),
            ),
        )
        for at in range(30)
    ]
    return Scores.from_rows(columns, rows, "small.csv")


@pytest.fixture
def contents() -> dict[str, dict[str, Any]]:
    facts = DetectorFacts(bundle_sha256=Bundle.open().sha256)
    tables = {"clean": _scores(), "web": _scores(0.1), "hard": _scores(0.25)}
    robustness = measure_conditions(tables, tiers()[:3], _FEW, detector=facts).to_dict()
    engine = {
        "load_ms": 100.0,
        "latency": {"p50_ms": 10.04, "p95_ms": 11.0, "p99_ms": 12.0, "mean_ms": 10.5, "calls": 200},
        "pictures_per_second": 99.0,
        "peak_memory_mb": 123.0,
    }
    model = {
        "name": "m@1",
        "size": 32,
        "parameters": 1234567,
        "macs": 7_000_000,
        "uncounted": {},
        "model_bytes": 5_000_000,
        "engines": {"onnx": engine},
        "no_torch": "torch is not installed",
        "torch_over_onnx": None,
        "pictures": None,
        "cost": {
            "of": "the network alone",
            "core_hours_per_million": 2.8,
            "price_per_core_hour": None,
            "per_million": None,
        },
        "training": None,
        "bundle_sha256": facts.bundle_sha256,
    }
    return {
        "evaluation": {"run": _RUN, "result": evaluate(_scores(), draws=_FEW, detector=facts).to_dict()},
        "evaluation-edition-2": {"run": _RUN, "result": evaluate(_scores(0.2), draws=_FEW, detector=facts).to_dict()},
        "robustness": {"run": _RUN, "tiers": robustness, "grid": robustness},
        "bench": {"run": _RUN, "result": {"schema": 1, "kind": "bench", "run": {}, "models": [model]}},
    }


def test_blocks_hold_the_figures(contents: dict[str, dict[str, Any]]) -> None:
    evaluation = contents["evaluation"]["result"]
    text = render.render("evaluation", contents["evaluation"])
    area = evaluation["overall"]["metrics"]["auc"]
    assert f"| AUC | {area['value']:.3f} ({area['low']:.3f}–{area['high']:.3f}) | 30 |" in text
    assert "Worst source of fake: " in text and "| s0 | 5 | 5 |" in text
    tiers_alone = render.render("robustness#tiers", contents["robustness"])
    hard = contents["robustness"]["tiers"]["conditions"][2]["figures"]["balanced_accuracy"]
    assert f"| {hard['value']:.3f} (" in tiers_alone and f"| {hard['drop']['value']:+.3f} (" in tiers_alone
    assert "Worst tier: hard" in tiers_alone
    assert "Every degradation, on a random sample of 30 images" in render.render("robustness", contents["robustness"])
    bench = render.render("bench", contents["bench"])
    assert "| m@1, 32 px | onnx | 1,234,567 | 7,000,000 | 4.8 MiB | 100 ms | 10.0 ms |" in bench
    assert "a million images take 2.8 core-hours (" in bench


def test_the_headline_and_its_slices(contents: dict[str, dict[str, Any]]) -> None:
    metrics = contents["evaluation"]["result"]["overall"]["metrics"]
    text = render.render("evaluation#headline", contents["evaluation"])
    for part in (
        f"**AUC {metrics['auc']['value']:.3f} ({metrics['auc']['low']:.3f}–",
        "on 30 test images (15 real, 15 fake) from 3 sources. Training saw other images of 2 of the 3 sources.",
        "Always predicting “real” has AUC 0.5, balanced accuracy 50.0 % and accuracy 50.0 %.",
        # By hand: 0.3 + 0.02 i is 0.5 or more from image 10 on, so 5 of 15 reals and 10 of 15 fakes are called right.
        "At the default threshold (0.500): balanced accuracy 50.0 %",
        "33.3 % (15.2–58.3) of the real images are called real, and 66.7 % (41.7–84.8) of the fakes are found.",
        # Images 9 and 10 are uncertain and wrong; one face in 30 was not found.
        "6.7 % (1.8–21.3) of the predictions are uncertain; accuracy outside the uncertain band is 53.6 %",
        "A face was found in 96.7 %",
    ):
        assert part in text
    slices = render.render("evaluation#by-source", contents["evaluation"])
    assert "| s0 | 5 | 5 |" in slices and "| s1 (seen) | 5 | 5 |" in slices


def test_the_card_is_written_whole_and_checked(
    contents: dict[str, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / "benchmarks" / "results"
    results.mkdir(parents=True)
    (tmp_path / "docs").mkdir()
    card = tmp_path / "docs" / "model-card.md"
    card.write_text("old")

    def run(*options: str) -> int:
        for name, content in contents.items():
            (results / f"{name}.json").write_text(json.dumps(content))
        monkeypatch.setattr(sys, "argv", ["render.py", "--root", str(tmp_path), *options])
        return render.main()

    assert run("--check") == 1 and card.read_text() == "old"
    assert run() == 0 and run("--check") == 0
    assert card.read_text().startswith("---\nlicense: apache-2.0\n") and "1,234,567" in card.read_text()
    # A figure that changes in the file makes the card stale.
    contents["evaluation"]["result"]["overall"]["metrics"]["auc"]["value"] = 0.123
    assert run("--check") == 1
    # A result of another bundle than the one in the package is not shown as if it were of this one.
    for name in ("evaluation", "evaluation-edition-2"):
        contents[name]["result"]["detector"]["bundle_sha256"] = "0" * 64
    assert run() == 0 and "0.123" not in card.read_text() and "| Brier score |" not in card.read_text()
    contents["evaluation"]["result"]["detector"]["bundle_sha256"] = Bundle.open().sha256
    # One of a cut-down run is refused.
    contents["bench"]["run"] = _RUN | {"smoke": True}
    assert run() == 1
