"""Scores under conditions, and what is measured from them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unmask.bundle.bundle import Bundle
from unmask.data.manifest import Manifest
from unmask.data.rows import ManifestRow
from unmask.detect.detector import Detector, load
from unmask.errors import UsageError
from unmask.evaluation.degradations import Condition, grid, tiers
from unmask.evaluation.reports.robustness import write_robustness
from unmask.evaluation.reports.sentences import robustness_headline
from unmask.evaluation.results import Robustness
from unmask.evaluation.robustness import draw_rows, score_conditions
from unmask.evaluation.robustness import measure_conditions as measure_tables
from unmask.evaluation.scores import Scores, score_manifest
from unmask.imaging.preprocessing import Preprocessing
from unmask.stats import metrics
from unmask.stats.resample import Draws

MakeScores = Callable[..., Scores]
MakeBundle = Callable[..., Bundle]
# No faces are searched in noise.
WHOLE = Preprocessing(size=32, faces=None)
FEW = Draws(draws=100, workers=1)


def measure_conditions(*given: Any, **named: Any) -> dict[str, Any]:
    """The result as its file holds it."""
    return measure_tables(*given, **named).to_dict()


@pytest.fixture(scope="module")
def detector(make_bundle: MakeBundle, tmp_path_factory: pytest.TempPathFactory) -> Detector:
    folder = tmp_path_factory.mktemp("bundle") / "b"
    make_bundle(folder, preprocessing=WHOLE)
    return load(folder)


@pytest.fixture
def images(tmp_path: Path) -> Manifest:
    """Brighter for fakes, as the tiny detector wants it; one file is no image."""
    draw = np.random.default_rng(1)
    rows = []
    for at in range(12):
        label = "fake" if at % 3 == 0 else "real"
        mean = 150 if label == "fake" else 110
        pixels = np.clip(draw.normal(mean, 25, (48, 48, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{at}.png")
        rows.append(ManifestRow(path=f"{at}.png", label=label, source=f"s{at % 2}", group=f"g{at // 2}"))
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return Manifest.from_rows([*rows, ManifestRow(path="broken.png", label="real")], tmp_path)


def test_clean_is_what_evaluate_scores(detector: Detector, images: Manifest) -> None:
    (tables,) = score_conditions([detector], images, tiers())
    expected = score_manifest(detector, images)
    assert tables["clean"].digest() == expected.digest()
    assert tables["clean"].columns == expected.columns
    assert tables["clean"].error[-1] == "truncated" == tables["hard"].error[-1]


def test_darker_images_have_lower_scores(detector: Detector, images: Manifest) -> None:
    chosen = [Condition("clean"), *grid(["brightness"])]
    (tables,) = score_conditions([detector], images, chosen)
    means = [np.nanmean(tables[f"brightness-{level}"].fake_probability) for level in ("0.3", "0.5", "0.7")]
    assert means[0] < means[1] < means[2] < np.nanmean(tables["clean"].fake_probability)


def test_a_stopped_run_goes_on(
    detector: Detector, images: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, seen = tmp_path / "store.jsonl", []
    plain = Detector.detect

    def counting(self: Detector, source: object) -> object:
        seen.append(source)
        return plain(self, source)  # type: ignore[arg-type]

    monkeypatch.setattr(Detector, "detect", counting)
    chosen = [Condition("clean"), *grid(["grey", "noise"])]
    stop = iter(range(5))
    with pytest.raises(StopIteration):
        score_conditions([detector], images, chosen, store, seed=1, workers=1, progress=lambda: _pass(next(stop)))
    done = len(store.read_text().splitlines())
    assert done == 6 * len(chosen)
    seen.clear()
    (resumed,) = score_conditions([detector], images, chosen, store, seed=1)
    # Twelve images, and one that cannot be read, which is tried again.
    assert len(seen) == 12 * len(chosen) - done + 1
    (at_once,) = score_conditions([detector], images, chosen, seed=1)
    assert {name: table.digest() for name, table in resumed.items()} == {
        name: table.digest() for name, table in at_once.items()
    }
    # Another seed has other noise, and is judged anew.
    (other,) = score_conditions([detector], images, chosen, store, seed=2)
    assert other["noise-16"].digest() != resumed["noise-16"].digest()
    assert other["grey"].digest() == resumed["grey"].digest()


def _pass(_: object) -> None:
    pass


def test_every_detector_sees_the_same_changed_images(
    detector: Detector, images: Manifest, make_bundle: MakeBundle, tmp_path: Path
) -> None:
    make_bundle(tmp_path / "other", name="other", preprocessing=WHOLE)
    first, second = score_conditions(
        [detector, load(tmp_path / "other")], images, [Condition("clean"), *grid(["noise"])]
    )
    assert first["noise-8"].fake_probability.tolist()[:-1] == second["noise-8"].fake_probability.tolist()[:-1]
    assert (first["noise-8"].model, second["noise-8"].model) == ("tiny@1", "other@1")


def test_images_are_written_only_when_asked_for(detector: Detector, images: Manifest, tmp_path: Path) -> None:
    before = set(tmp_path.rglob("*"))
    score_conditions([detector], images, tiers())
    assert set(tmp_path.rglob("*")) == before
    score_conditions([detector], images, tiers(), keep=tmp_path / "kept")
    kept = sorted(path.parent.name for path in (tmp_path / "kept").rglob("*.png"))
    assert kept == sorted(each.name for each in tiers() for _ in range(12))


def test_nothing_readable_is_refused(detector: Detector, tmp_path: Path) -> None:
    nothing = Manifest.from_rows([ManifestRow(path="gone.png", label="real")], tmp_path)
    with pytest.raises(UsageError) as caught:
        score_conditions([detector], nothing, tiers())
    assert caught.value.code == "nothing_read"


def test_rows_are_drawn_by_the_seed(images: Manifest) -> None:
    def drawn(seed: int) -> list[str]:
        return [row.path for row in draw_rows(images, 5, seed)]

    assert len(drawn(0)) == 5 and drawn(0) == drawn(0) and drawn(0) != drawn(1)
    # In the manifest's order, and all of them where there are no more.
    everything = [row.path for row in images]
    assert drawn(0) == [path for path in everything if path in drawn(0)]
    assert [row.path for row in draw_rows(images, 99, 0)] == everything


def _tables(make_scores: MakeScores, clean: Sequence[float], web: Sequence[float]) -> dict[str, Scores]:
    is_fake = [False] * 5 + [True] * 5
    source = ["a", "a", "a", "b", "b"] * 2
    face = ["true"] * 8 + ["false"] * 2
    return {
        name: make_scores(is_fake, probability, source=source, face_found=face, model="m")
        for name, probability in (("clean", clean), ("web", web))
    }


def test_figures_drops_and_flips_by_hand(make_scores: MakeScores) -> None:
    clean = [0.1, 0.2, 0.3, 0.4, 0.6, 0.9, 0.8, 0.7, 0.6, 0.4]
    web = [0.1, 0.2, 0.6, 0.4, 0.4, 0.9, 0.8, 0.3, 0.2, 0.4]
    tables = _tables(make_scores, clean, web)
    result = measure_conditions(tables, [Condition("clean"), Condition("web")], FEW)
    before, after = result["conditions"]
    assert before["figures"]["balanced_accuracy"]["value"] == 0.8
    # Four reals of five and two fakes of five are right.
    assert after["figures"]["specificity"]["value"] == 0.8 and after["figures"]["recall_fake"]["value"] == 0.4
    assert after["figures"]["balanced_accuracy"]["drop"]["value"] == pytest.approx(0.2)
    assert after["figures"]["specificity"]["drop"]["value"] == 0
    for entry, table in ((before, tables["clean"]), (after, tables["web"])):
        expected = metrics.auc(table.fake_probability, table.is_fake)
        assert entry["figures"]["auc"]["value"] == pytest.approx(expected, abs=1e-9)
    # To fake: the third. To real: the fifth, eighth and ninth.
    assert after["flips"]["all"]["value"] == 0.4
    assert (after["flips"]["to_fake"]["value"], after["flips"]["to_real"]["value"]) == (0.1, 0.3)
    assert before["flips"]["all"]["value"] == 0
    assert after["face_found"]["value"] == 0.8
    assert [entry["path"] for entry in after["most_flipped"]] == ["7.png", "8.png", "2.png", "4.png"]
    # Under web the fakes of b are all missed; of the reals one of three of a is called fake.
    assert (after["worst_source"]["fake"]["source"], after["worst_source"]["fake"]["value"]) == ("b", 0.0)
    assert (after["worst_source"]["real"]["source"], after["worst_source"]["real"]["value"]) == (
        "a",
        pytest.approx(2 / 3),
    )
    assert result["headline"] == {"worst_tier": "web", "worst_of_grid": None}


def test_a_drop_is_surer_than_the_figures_it_is_between(make_scores: MakeScores) -> None:
    draw = np.random.default_rng(4)
    is_fake = np.arange(300) % 2 == 0
    clean = draw.normal(0.5 + 0.1 * is_fake, 0.15)
    # The same images, each a little worse: what is common to both must not widen the difference.
    web = clean - 0.05 * is_fake
    tables = {name: make_scores(is_fake, np.clip(values, 0, 1)) for name, values in (("clean", clean), ("web", web))}
    figures = measure_conditions(tables, tiers()[:2], Draws(400, workers=1))["conditions"][1]["figures"]["auc"]
    drop = figures["drop"]
    assert 0 < drop["low"] < drop["value"] < drop["high"]
    assert drop["high"] - drop["low"] < 0.5 * (figures["high"] - figures["low"])


def test_one_class_alone_and_nothing_changed(make_scores: MakeScores) -> None:
    tables = {name: make_scores([False] * 4, [0.1, 0.2, 0.6, 0.1]) for name in ("clean", "web")}
    result = measure_conditions(tables, tiers()[:2], FEW)
    figures = result["conditions"][1]["figures"]
    assert figures["auc"]["value"] is None and figures["auc"]["drop"]["value"] is None
    assert figures["specificity"]["drop"] == {"value": 0.0, "low": None, "high": None}
    json.dumps(result, allow_nan=False)


def test_a_changed_image_that_fails_is_a_mistake(make_scores: MakeScores) -> None:
    tables = _tables(make_scores, [0.1] * 5 + [0.9] * 5, [0.1] * 4 + [np.nan] + [0.9] * 5)
    after = measure_conditions(tables, tiers()[:2], FEW)["conditions"][1]
    assert after["failures"] == 1 and after["figures"]["specificity"]["value"] == 0.8
    assert after["flips"]["to_fake"]["value"] == 0.1 and after["most_flipped"] == []


def test_the_page_escapes_and_needs_nothing(make_scores: MakeScores, tmp_path: Path) -> None:
    clean = [0.1, 0.2, 0.3, 0.4, 0.6, 0.9, 0.8, 0.7, 0.6, 0.4]
    tables = _tables(make_scores, clean, clean[::-1])
    tables = {
        name: make_scores(
            table.is_fake,
            table.fake_probability,
            paths=[f"<b>{at}|.png" for at in range(10)],
            source=["<i>"] * 10,
            model="<m>",
        )
        for name, table in tables.items()
    }
    result = measure_conditions(tables, tiers()[:2], FEW, command=["unmask", "robustness", "<x>"])
    write_robustness(Robustness.from_dict(result), tmp_path)
    page = (tmp_path / "robustness.html").read_text()
    assert "<b>" not in page and "<i>" not in page and "<m>" not in page and "<x>" not in page
    assert "://" not in page and "<script" not in page
    assert "Worst tier: web" in page and 'aria-label="tiers: Balanced accuracy' in page
    assert json.loads((tmp_path / "robustness.json").read_text()) == result
    assert "| web |" in (tmp_path / "robustness.md").read_text()


def test_clean_images_are_never_the_worst_tier(make_scores: MakeScores) -> None:
    # Under web every prediction is right, on the clean images one is wrong.
    tables = _tables(make_scores, [0.1] * 4 + [0.6] + [0.9] * 5, [0.1] * 5 + [0.9] * 5)
    result = measure_tables(tables, tiers()[:2], FEW)
    assert result.headline.worst_tier == "web"
    (worst,) = [line for line in robustness_headline(result) if line.startswith("Worst tier")]
    assert worst.startswith("Worst tier: web") and "no significant drop: -0.100" in worst
    # Files of before may name them; the sentence is left out then.
    old = result.model_copy(update={"headline": result.headline.model_copy(update={"worst_tier": "clean"})})
    assert not any("Worst tier" in line for line in robustness_headline(old))
