"""What is left out of training stays out, and held-out figures are of the same images as those beside them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("skl2onnx")

from tests.evaluation.conftest import MakeScores
from typer.testing import CliRunner

from unmask.cli import app
from unmask.data.manifest import Manifest
from unmask.data.rows import ManifestRow
from unmask.errors import UsageError
from unmask.evaluation.experiments import train_and_score as experiment
from unmask.evaluation.experiments.held_out import LEFT_OUT, _over_folds, plan
from unmask.evaluation.reports.held_out import sentences
from unmask.evaluation.results import HeldOut
from unmask.evaluation.scores import Scores
from unmask.stats import metrics
from unmask.stats.resample import Draws

pytestmark = pytest.mark.train

RECIPE = """
name: tiny
backbone: {name: test_efficientnet, weights: [none]}
classifier: {estimator: naive_bayes}
features: {copies: 0}
preprocessing: {size: 32, faces: null}
data: {balance: none}
augmentation: {preset: plain}
"""


def rows_of(*given: tuple[str, str, str, str, str]) -> list[ManifestRow]:
    """Label, source, generator, group, split of each."""
    return [
        ManifestRow(path=f"{at}.png", label=label, source=source, generator=generator, group=group, split=split)
        for at, (label, source, generator, group, split) in enumerate(given)
    ]


def small() -> list[ManifestRow]:
    """Two sources of each class in every split; a fake of gan-a shares its group with a real image of web."""
    given: list[tuple[str, str, str, str, str]] = []
    for split in ("train", "train", "val", "test"):
        for source, label, generator in (
            ("web", "real", "camera"),
            ("film", "real", "camera"),
            ("a", "fake", "gan-a"),
            ("b", "fake", "gan-b"),
        ):
            given.append((label, source, generator, f"{source}-{split}-{len(given)}", split))
    given[0] = (*given[0][:3], "shared", "train")
    given[2] = (*given[2][:3], "shared", "train")
    return rows_of(*given)


def manifest(rows: list[ManifestRow]) -> Manifest:
    return Manifest.from_rows(rows, ".")


def test_leaving_out_a_source_takes_its_rows_and_their_groups_out_of_training() -> None:
    planned = plan(manifest(small()), "loso")
    assert planned.names == (None, "a", "b", "film", "web")
    assert planned.columns == ("a", "b", "film", "web")
    whole, without_a = list(planned.manifests[0]), list(planned.manifests[1])
    assert [row.split for row in whole] == [row.split for row in small()]
    for was, now in zip(whole, without_a, strict=True):
        out = was.split != "test" and (was.source == "a" or was.group == "shared")
        assert now.split == (LEFT_OUT if out else was.split)
    assert "1 rows that are grouped with a are left out with it" in planned.notices


def test_leaving_out_a_generator_leaves_real_images_alone() -> None:
    rows = small()
    rows[1] = ManifestRow(path="1.png", label="real", source="film", generator="gan-b", group="odd", split="train")
    planned = plan(manifest(rows), "logo")
    assert planned.names == (None, "gan-a", "gan-b")
    assert next(row for row in planned.manifests[2] if row.path == "1.png").split == "train"


def test_all_test_sets_are_one() -> None:
    for protocol in ("loso", "logo"):
        tests = {
            tuple(row.path for row in each.select(split="test")) for each in plan(manifest(small()), protocol).manifests
        }
        assert len(tests) == 1


def test_what_cannot_be_left_out_is_said() -> None:
    rows = [row for row in small() if row.source != "web" and (row.source != "b" or row.split != "test")]
    planned = plan(manifest(rows), "loso")
    # Without film there is no real image left; of b there is nothing to test.
    assert planned.names == (None, "a")
    assert "film is not left out: train and val would lack a class" in planned.notices
    assert "b is not left out: no test row has it" in planned.notices


def test_a_manifest_without_splits_gets_them() -> None:
    given = [
        (label, source, "", f"{source}-{number}", "")
        for source, label in (("web", "real"), ("film", "real"), ("a", "fake"), ("b", "fake"))
        for number in range(200)
    ]
    planned = plan(manifest(rows_of(*given)), "loso", seed=3)
    counts = Counter(row.split for row in planned.manifests[0])
    assert set(counts) == {"train", "val", "test"}
    assert counts["test"] / 800 == pytest.approx(0.2, abs=0.05)


def test_every_image_is_tested_in_one_fold() -> None:
    given = [("fake" if n % 2 else "real", "s", "", f"person {n // 4}", "train") for n in range(96)]
    planned = plan(manifest(rows_of(*given)), "kfold", folds=4, seed=1)
    tested: Counter[str] = Counter()
    for each in planned.manifests:
        parts = {name: {row.group for row in each.select(split=name)} for name in ("train", "val", "test")}
        assert (
            not parts["train"] & parts["test"]
            and not parts["val"] & parts["test"]
            and not parts["train"] & parts["val"]
        )
        tested.update(row.path for row in each.select(split="test"))
    assert set(tested.values()) == {1} and len(tested) == 96


@pytest.mark.parametrize(
    ("rows", "protocol", "folds", "code"),
    [
        (small(), "lodo", 5, "bad_protocol"),
        (small(), "kfold", 2, "bad_folds"),
        # some splits, not all
        ([row for row in small() if row.split != "val"], "loso", 5, "missing_split"),
        # one source
        ([row for row in small() if row.source == "a"], "loso", 5, "nothing_to_leave_out"),
        # two, and neither class can be spared
        ([row for row in small() if row.source in ("a", "web")], "loso", 5, "nothing_to_leave_out"),
    ],
)
def test_refused(rows: list[ManifestRow], protocol: str, folds: int, code: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan(manifest(rows), protocol, folds=folds)
    assert caught.value.code == code


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two real and two fake sources; fakes have stripes in them, those of b fainter ones."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "tiny.yaml").write_text(RECIPE, encoding="utf-8")
    lines = ["path,label,source,generator,group,split"]
    for number in range(96):
        source = ("web", "a", "film", "b")[number % 4]
        split = ("train", "train", "val", "test")[number // 4 % 4]
        rng = np.random.default_rng(number)
        pixels = rng.integers(60, 190, (40, 40, 3))
        pixels += {"a": 40, "b": 12}.get(source, 0) * (np.arange(40) // 4 % 2)[None, :, None]
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number:02}.png")
        label = "fake" if source in "ab" else "real"
        lines.append(f"{number:02}.png,{label},{source},{'gan-' + source if label == 'fake' else ''},p{number},{split}")
    (folder / "faces.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def call(images: Path, out: Path, *arguments: str) -> Any:
    given = ["held-out", str(images / "tiny.yaml"), "--manifest", str(images / "faces.csv")]
    return CliRunner().invoke(app, [*given, "--out", str(out), "--draws", "100", "--workers", "1", *arguments])


@pytest.fixture(scope="module")
def logo(images: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("logo")
    done = call(images, out, "--protocol", "logo", "--set", "classifier.estimator=decision_tree")
    assert done.exit_code == 0, done.output
    return out, json.loads((out / "protocol.json").read_text(encoding="utf-8"))


def test_the_matrix_is_what_the_scores_say(logo: tuple[Path, dict[str, Any]]) -> None:
    out, result = logo
    assert result["columns"] == ["gan-a", "gan-b"]
    assert result["recipe"]["settings"]["classifier"]["estimator"] == "decision_tree"
    places = ("in-distribution", "leave-out-gan-a", "leave-out-gan-b")
    for place, row in zip(places, result["rows"], strict=True):
        scores = Scores.open(out / place / "scores.csv")
        for value in result["columns"]:
            own = np.array([name == value for name in scores.column("generator")])
            chosen = own | ~scores.is_fake
            area = metrics.auc(scores.fake_probability[chosen], scores.is_fake[chosen])
            assert row["cells"][value]["auc"] == pytest.approx(area, abs=1e-9)
            found = float((scores.fake_probability[own] >= scores.threshold).mean())
            assert row["cells"][value]["recall_fake"]["value"] == pytest.approx(found)
            assert row["cells"][value]["against"] == "all"
    for entry, row in zip(result["held_out"], result["rows"][1:], strict=True):
        value = entry["value"]
        sides = [result["rows"][0]["cells"][value]["auc"], row["cells"][value]["auc"]]
        assert [entry["in_distribution"]["auc"]["value"], entry["held_out"]["auc"]["value"]] == sides
        assert entry["difference"]["auc"]["value"] == pytest.approx(sides[1] - sides[0])


def test_what_was_left_out_was_not_trained_on(logo: tuple[Path, dict[str, Any]]) -> None:
    out, _ = logo
    cards = {
        place: json.loads((out / place / "run/bundle/bundle.json").read_text(encoding="utf-8"))["card"]["sources"]
        for place in ("in-distribution", "leave-out-gan-a")
    }
    assert set(cards["in-distribution"]["fake"]) == {"a", "b"}
    assert set(cards["leave-out-gan-a"]["fake"]) == {"b"}
    assert cards["leave-out-gan-a"]["real"] == cards["in-distribution"]["real"]


def test_features_are_computed_once_for_all(logo: tuple[Path, dict[str, Any]]) -> None:
    shards = list((logo[0] / "cache" / "features").glob("*.json"))
    assert sum(len(json.loads(shard.read_text(encoding="utf-8"))) for shard in shards) == 72  # train and val


def test_a_finished_series_is_not_run_again(
    logo: tuple[Path, dict[str, Any]], images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("done again")

    monkeypatch.setattr(experiment, "fit", refuse)
    again = call(images, logo[0], "--protocol", "logo", "--set", "classifier.estimator=decision_tree", "--json")
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["rows"] == logo[1]["rows"]


def test_the_page_says_what_was_left_out(logo: tuple[Path, dict[str, Any]]) -> None:
    page = (logo[0] / "protocol.html").read_text(encoding="utf-8")
    assert page.count('title="left out of training"') == 4  # each generator in the matrices of AUC and of recall
    assert "one class only" in page
    assert "http" not in page.replace("http-equiv", "")
    assert "without gan-a" in (logo[0] / "protocol.md").read_text(encoding="utf-8")
    said = " ".join(sentences(HeldOut.from_dict(logo[1])))
    assert "2 generators left out in turn" in said and "Worst left out, AUC: gan-" in said


def test_figures_over_folds_are_means_of_theirs(make_scores: MakeScores) -> None:
    rng = np.random.default_rng(0)
    tables, areas = [], []
    for _ in range(4):
        is_fake = rng.random(80) < 0.5
        tables.append(make_scores(is_fake, np.clip(0.3 * is_fake + rng.random(80) * 0.7, 0, 1)))
        areas.append(metrics.auc(tables[-1].fake_probability, is_fake))
    found = _over_folds(tables, Draws(400, 0, 1)).auc.model_dump()
    assert found["value"] == pytest.approx(np.mean(areas))
    assert (found["least"], found["most"]) == pytest.approx((min(areas), max(areas)))
    # Four folds know more than one: the deviation of the mean is half that of a fold.
    one = _over_folds(tables[:1], Draws(400, 0, 1)).auc.model_dump()
    assert 0.35 < (found["high"] - found["low"]) / (one["high"] - one["low"]) < 0.7


def test_a_protocol_needs_all_its_parts(images: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", "--recipe", "tiny", "--manifest", str(images / "faces.csv")])
    assert isinstance(done.exception, UsageError)
    assert done.exception.code == "bad_call"
