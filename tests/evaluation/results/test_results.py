"""Result models: files of before still read, the JSON is the contract, and a wrong field is an error."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from unmask.errors import UsageError
from unmask.evaluation.reports.write import read_result
from unmask.evaluation.results import (
    RESULTS,
    Ablation,
    Bench,
    Comparison,
    Evaluation,
    HeldOut,
    MapStudy,
    Metric,
    Reproduction,
    Result,
    Robustness,
)
from unmask.evaluation.results.base import Run
from unmask.evaluation.results.calibration import CalibrationChange
from unmask.evaluation.results.map_study import MapSummary

ROOT = Path(__file__).resolve().parents[3]
# Keys that the benchmark scripts add, and keys with another name now.
ADDED = {"cpu", "date", "smoke", "bundle_sha256", "sentences", "source", "drawn", "system", "cores"}
RENAMED = {"pictures": "images", "pictures_per_second": "images_per_second"}


def committed(name: str, *keys: str) -> Any:
    content = json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8"))
    for key in keys:
        content = content[key]
    return content


def assert_kept(before: Any, after: Any, where: str = "") -> None:
    """Every value of a file is in the result that was read from it."""
    if isinstance(before, dict):
        for name, value in before.items():
            if name not in ADDED or name in after:
                assert_kept(value, after[RENAMED.get(name, name)], f"{where}/{name}")
    elif isinstance(before, list):
        assert len(before) == len(after), where
        for one, other in zip(before, after, strict=True):
            assert_kept(one, other, where)
    elif where == "/run/command" and isinstance(after, list):
        assert " ".join(after) == before
    else:
        assert before == after, where


@pytest.mark.parametrize(
    ("kind", "name", "keys"),
    [
        (Evaluation, "evaluation", ["result"]),
        (Robustness, "robustness", ["tiers"]),
        (Robustness, "robustness", ["grid"]),
        (Bench, "bench", ["result"]),
        (Ablation, "ablation", []),
        (HeldOut, "logo", []),
    ],
)
def test_committed_results_are_read_and_nothing_is_lost(kind: type[Result], name: str, keys: list[str]) -> None:
    content = committed(name, *keys)
    read = kind.from_dict(content)
    assert_kept(content, read.to_dict())
    assert kind.from_json(read.to_json()) == read


def test_committed_parts_of_results_are_read() -> None:
    for name in ("all", "mobilenetv2-random"):
        content = committed("papers", "reproductions", name)
        read = Reproduction.from_dict(content)
        before = content["papers" if "papers" in content else "seeds"]
        assert [len(paper.systems) for paper in read.papers] == [len(paper["systems"]) for paper in before]
        for paper, old in zip(read.papers, before, strict=True):
            for system, was in zip(paper.systems, old["systems"], strict=True):
                assert system.figures is not None
                assert system.figures.metrics.auc.value == was["figures"]["metrics"]["auc"]["value"]
    for summary in committed("explanations", "faithfulness", "by_result").values():
        assert MapSummary.model_validate(summary).n == summary["n"]
    for change in committed("calibration", "methods").values():
        assert CalibrationChange.model_validate(change).after.ece.value == change["after"]["ece"]["value"]


def test_a_reproduction_of_schema_1_is_read() -> None:
    protocol = {"data": "faces", "split": "80 / 20", "readings": []}
    paper = {"seed": "S1", "title": "MobileNetV2", "paper": protocol, "split": [], "systems": [], "comparison": None}
    content = {
        "schema": 1,
        "run": {"python": "3.11", "packages": {}},
        "settings": {"where": {}, "set": ["a=1"], "epochs": None, "seed": 1, "given": False, "threshold": 0.5},
        "intervals": {"draws": 10, "seed": 0},
        "seeds": [{**paper, "data": {"counts": {}, "sources": [], "digest": "0"}}],
    }
    read = Reproduction.from_dict(content)
    assert (read.schema_version, read.papers[0].paper, read.papers[0].protocol.split) == (2, "S1", "80 / 20")
    assert read.to_dict()["settings"]["set"] == ["a=1"] and read.papers[0].reference == ""


def test_pictures_are_read_as_images_and_written_as_images() -> None:
    study = {
        "schema": 1,
        "detector": {"model": "m@1", "bundle_sha256": "0"},
        "seed": 0,
        "by_result": {},
        "failures": [],
        "pictures": [],
    }
    written = MapStudy.from_dict(study).to_dict()
    assert written["images"] == [] and "pictures" not in written
    bench = committed("bench", "result")
    assert "pictures" in bench["models"][0]
    model = Bench.from_dict(bench).to_dict()["models"][0]
    assert model["images"] == bench["models"][0]["pictures"] and "pictures" not in model
    engine = bench["models"][0]["engines"]["onnx"]
    assert model["engines"]["onnx"]["images_per_second"] == engine["pictures_per_second"]


def test_a_comparison_of_before_is_read() -> None:
    # It had no schema, no balanced accuracy, and another name for the form of McNemar's test.
    difference = {"value": 0.1, "low": 0.0, "high": 0.2, "p": 0.3, "p_holm": 0.3}
    pair = {
        "first": "a",
        "second": "b",
        "only_first_right": 1,
        "only_second_right": 2,
        "form": "exact",
        "accuracy": difference,
        "auc": difference,
    }
    read = Comparison.from_dict({"n": 3, "cochran_q": None, "pairs": [pair]})
    assert read.pairs[0].mcnemar_form == "exact" and read.pairs[0].balanced_accuracy is None


def test_keys_of_later_versions_are_ignored_and_missing_ones_are_not() -> None:
    content = committed("evaluation", "result")
    assert Evaluation.from_dict({**content, "new": {"x": 1}}) == Evaluation.from_dict(content)
    with pytest.raises(ValidationError, match="overall"):
        Evaluation.from_dict({name: value for name, value in content.items() if name != "overall"})


def test_a_misspelt_attribute_is_an_error_and_results_are_frozen() -> None:
    metric = Metric(value=0.5, n=3, method="wilson")
    with pytest.raises(AttributeError):
        metric.lo  # type: ignore[attr-defined]  # noqa: B018 - that is the test
    with pytest.raises(ValidationError):
        metric.value = 0.6  # type: ignore[misc]
    with pytest.raises(ValidationError):  # JSON has no NaN
        Metric(value=float("nan"))


def test_file_names_that_are_not_unicode_survive() -> None:
    # As Python reads the name b"\x80.png".
    run = Run(command=("unmask", "evaluate", "\udc80.png"))
    content = committed("evaluation", "result") | {"run": run.model_dump()}
    read = Evaluation.from_dict(content)
    assert Evaluation.from_json(read.to_json()).run.command[-1] == "\udc80.png"


@pytest.mark.parametrize(
    ("content", "kinds", "names"),
    [
        # No JSON; no object; another kind; another schema; nested too deeply; bytes that are no text.
        (b"", (Bench,), "bench"),
        (b"[]", (Evaluation, Robustness), "evaluation or robustness"),
        (b'{"schema": 1, "kind": "robustness"}', (Bench,), "bench"),
        (b'{"schema": 2, "kind": "bench", "run": {}, "models": []}', (Bench,), "bench"),
        (b"[" * 100_000, (HeldOut,), "protocol"),
        (b"\xff\xfe", (MapStudy,), "map-study"),
    ],
)
def test_files_that_are_not_a_result(
    content: bytes, kinds: tuple[type[Result], ...], names: str, tmp_path: Path
) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(UsageError, match=f"x.json: is not a readable {names} result") as caught:
        read_result(tmp_path / "x.json", *kinds)
    assert caught.value.code == "bad_result"
    with pytest.raises(UsageError):
        read_result(tmp_path / "gone.json", *kinds)


def test_the_schemas_are_those_in_the_docs() -> None:
    spec = importlib.util.spec_from_file_location("result_schemas", ROOT / "tools" / "result_schemas.py")
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    kept = {path.name: path.read_text(encoding="utf-8") for path in tool.TARGET.iterdir()}
    assert tool.schemas() == kept, "run python tools/result_schemas.py"
    assert len(kept) == len(RESULTS)


@pytest.mark.parametrize(
    "first",
    [
        # The submodules of the same names before the package's functions, in both forms, and after them.
        "import unmask.evaluation.evaluate, unmask.evaluation.compare",
        "from unmask.evaluation.compare import compare as a; from unmask.evaluation.evaluate import evaluate as b",
        "import unmask.evaluation; import unmask.evaluation.evaluate; import unmask.evaluation.compare",
        "from unmask.evaluation.reports import evaluation",
    ],
)
def test_the_package_gives_its_functions_whatever_was_imported_first(first: str) -> None:
    code = (
        f"{first}\nimport unmask.evaluation as package\n"
        "print(callable(package.evaluate), callable(package.compare), package.Scores.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True", "Scores"]


def test_detecting_imports_nothing_of_it() -> None:
    code = (
        "import sys, unmask.cli.detect, unmask.detect.detector; "
        "print([name for name in sys.modules if name.startswith('unmask.evaluation')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
