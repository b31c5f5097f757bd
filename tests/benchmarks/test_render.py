"""The documents' figures come from the committed results."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import pytest

import render

_RUN = {
    "command": "python benchmarks/x.py --out x.json",
    "date": "2026-01-02",
    "smoke": False,
    "bundle_sha256": "0123456789abcdef",
    "python": "3.11",
    "packages": {"unmask": "0.1.0"},
    "cpu": "Some CPU",
    "cores": 2,
}


def _figure(value: float, n: int = 100) -> dict[str, Any]:
    return {"value": value, "low": value - 0.01, "high": value + 0.01, "count": round(value * n), "n": n}


def _area(value: float) -> dict[str, Any]:
    return {"value": value, "low": value - 0.01, "high": value + 0.01, "n_fake": 40, "n_real": 60}


def _source(source: str, label: str, recall: float, within: float | None = None) -> dict[str, Any]:
    return {
        "source": source,
        "label": label,
        "seen": True,
        "recall": _figure(recall),
        "uncertain": _figure(0.1),
        "face_found": _figure(0.9),
        "auc": _area(0.8) if label == "fake" else None,
        "auc_within_source": _area(within) if within is not None else None,
    }


def _tool(seconds: float, memory: float) -> dict[str, Any]:
    return {
        "runs": 9,
        "median_s": seconds,
        "min_s": seconds / 2,
        "max_s": seconds * 2,
        "peak_rss_mib": memory,
        "pictures_per_s": 1 / seconds,
    }


def _finder(share: float) -> dict[str, Any]:
    return {
        "all": _figure(share),
        "by_label": {"real": _figure(share)},
        "by_source": {"lfw": _figure(share)},
        "median_ms": 9.5,
        "mean_ms": 12.5,
        "face_free": {"pictures": 22, "pictures_with_faces": 1, "faces": 2, "where": {"coffee.png": 2}},
    }


_PAIR = {"pictures": 500, "unmask": _tool(0.5, 150), "peer": _tool(4.5, 900), "ratio": 9.0}
_RESULTS: dict[str, dict[str, Any]] = {
    "default-detector": {
        "run": _RUN,
        "detector": {
            "name": "d",
            "version": 1,
            "threshold": {"name": "fpr_5", "fake_probability": 0.6, "false_positive_budget": 0.05},
        },
        "split": "test",
        "bootstrap": {"draws": 2000, "seed": 0},
        "n": 1234,
        "failures": [],
        "overall": {
            "n": 1234,
            "n_real": 734,
            "n_fake": 500,
            "auc": _area(0.912),
            "accuracy": _figure(0.81),
            "balanced_accuracy": _figure(0.82),
            "real_recall": _figure(0.83),
            "fake_recall": _figure(0.84),
            "majority_baseline": {"answer": "real", "accuracy": 0.595, "balanced_accuracy": 0.5},
            "calibration": {"ece": 0.043, "ece_method": "15 bins", "brier": 0.12},
            "uncertain": _figure(0.2),
            "accuracy_outside_uncertain": _figure(0.95),
            "face_found": _figure(0.97),
        },
        "by_source": [
            _source("lfw", "real", 0.93),
            _source("dfdc", "real", 0.71),
            _source("dfdc", "fake", 0.31, within=0.6),
            _source("tpdne", "fake", 0.99),
        ],
        "by_kind": [{"kind": "gan", "recall": _figure(0.9), "auc": _area(0.95)}],
    },
    "speed": {
        "run": _RUN,
        "peer": "torch",
        "pictures": "JPEG",
        "cold": _PAIR,
        "help": _tool(0.08, 17),
        "folder": _PAIR,
        "large": _PAIR,
    },
    "face-finder": {"run": _RUN, "finders": {"plain": _finder(0.6), "shipped": _finder(0.98)}},
}


def _document(names: list[str]) -> str:
    blocks = "\n".join(f"<!-- results:{name} -->\nold\n<!-- /results -->\n" for name in names)
    return f"# Title\n\n{blocks}\nThe end.\n"


def test_committed_documents_show_the_committed_results(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not any("<!-- results:" in path.read_text(encoding="utf-8") for path in render.documents()):
        pytest.skip("no document has a results block")
    if not any((Path(render.__file__).parent / "results").glob("*.json")):
        pytest.skip("there are no results")
    monkeypatch.setattr(sys, "argv", ["render.py", "--check"])
    assert render.main() == 0, capsys.readouterr()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "default-detector",
            [
                "**AUC 0.912 (0.902–0.922)** on 1,234 images of the test split (734 real, 500 fake)",
                "of the fakes of dfdc 31.0 % (30.0–32.0) are found (n = 100)",
                "of the real images of dfdc 71.0 %",
                "always answering “real” has AUC 0.5, balanced accuracy 50.0 % and accuracy 59.5 %",
                "says nothing about sources that it never saw",
                "| dfdc | fake | 100 | yes | 31.0 % (30.0–32.0) | 0.800 (0.790–0.810) | 0.600 (0.590–0.610) |",
                "| gan | 100 | 90.0 % (89.0–91.0) | 0.950 (0.940–0.960) |",
            ],
        ),
        ("speed", ["0.50 s**, median of 9 (the peer: 4.50 s, 9.0 times that)", "| 150 MiB | 900 MiB | 6.0 × |"]),
        ("face-finder", ["in 98.0 % (97.0–99.0) of 100 images", "| lfw | 100 | 60.0 % (59.0–61.0) | 98.0 %"]),
    ],
)
def test_render_holds_the_figures(name: str, expected: list[str]) -> None:
    text = render.render(name, _RESULTS[name])
    for part in [*expected, "bundle 0123456789ab: `python benchmarks/x.py"]:
        assert part in text


def test_unseen_sources_are_named() -> None:
    result = copy.deepcopy(_RESULTS["default-detector"])
    result["by_source"][0]["seen"] = False
    assert "Training saw no images of: lfw (real)." in render.render("default-detector", result)


def test_command_writes_then_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = tmp_path / "benchmarks" / "results"
    results.mkdir(parents=True)
    for name, result in _RESULTS.items():
        (results / f"{name}.json").write_text(json.dumps(result))
    (tmp_path / "docs").mkdir()
    readme, page = tmp_path / "README.md", tmp_path / "docs" / "figures.md"
    readme.write_text(_document(["default-detector"]))
    page.write_text(_document(["speed", "face-finder"]))

    def run(*options: str) -> int:
        monkeypatch.setattr(sys, "argv", ["render.py", "--root", str(tmp_path), *options])
        return render.main()

    assert run("--check") == 1
    assert "old" in readme.read_text()
    assert run() == 0
    assert run("--check") == 0
    assert "AUC 0.912" in readme.read_text() and "\nold\n" not in readme.read_text() + page.read_text()
    assert page.read_text().startswith("# Title\n") and page.read_text().endswith("\nThe end.\n")
    (results / "speed.json").unlink()
    assert run("--check") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # a name that nothing renders
        (_document(["nothing"]), "there is no results:nothing"),
        # an opening mark without its end
        ("<!-- results:speed -->\n", "not closed"),
        # the end of another block must not be taken for its own
        ("<!-- results:speed -->\n<!-- results:speed -->\n<!-- /results -->", "not closed"),
    ],
)
def test_bad_blocks_are_refused(text: str, message: str) -> None:
    with pytest.raises(render.RenderError, match=message):
        render.replace_blocks(text, lambda name: _RESULTS["speed"])


def test_cut_down_runs_are_refused() -> None:
    with pytest.raises(render.RenderError, match="cut-down"):
        render.render("speed", _RESULTS["speed"] | {"run": _RUN | {"smoke": True}})
