"""The report of an evaluation: nothing from outside, nothing unescaped, and what may stand beside the figures."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unmask.bundle.bundle import Bundle
from unmask.detect.detector import load
from unmask.errors import UsageError
from unmask.evaluation.by_face import by_face
from unmask.evaluation.degradations import tiers
from unmask.evaluation.evaluate import evaluate
from unmask.evaluation.reports.evaluation import Beside, report, write_report
from unmask.evaluation.reports.write import read_result
from unmask.evaluation.results import Bench, Evaluation, Robustness
from unmask.evaluation.results.base import DetectorFacts
from unmask.evaluation.robustness import measure_conditions
from unmask.evaluation.scores import Scores
from unmask.imaging.preprocessing import Preprocessing
from unmask.stats.registry import METRICS
from unmask.stats.resample import Draws

MakeScores = Callable[..., Scores]
MakeBundle = Callable[..., Bundle]
FEW = Draws(draws=100, workers=1)
HOSTILE = "<img src=x onerror=alert(1)>|`*"


@pytest.fixture(scope="module")
def scores(make_scores: MakeScores) -> Scores:
    draw = np.random.default_rng(2)
    is_fake = np.arange(40) % 2 == 0
    probability = np.clip(draw.normal(0.4 + 0.2 * is_fake, 0.2), 0, 1)
    return make_scores(
        is_fake,
        probability,
        paths=[f"{HOSTILE}{at}.png" for at in range(40)],
        source=[HOSTILE if at % 3 else "b" for at in range(40)],
        group=[f"g{at // 4}" for at in range(40)],
        face_probabilities=[f"{value!r} 0.5" if at % 5 else "" for at, value in enumerate(probability.tolist())],
        face_found=["true" if at % 5 else "false" for at in range(40)],
        model=HOSTILE,
    )


@pytest.fixture(scope="module")
def result(scores: Scores) -> Evaluation:
    return evaluate(scores, draws=FEW, command=["unmask", "evaluate", HOSTILE])


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        assert not any(name.startswith("on") for name, _ in attributes)
        assert all(value is None or value.startswith("data:") for name, value in attributes if name in ("src", "href"))
        if tag == "svg":
            assert dict(attributes)["role"] == "img" and dict(attributes)["aria-label"]
        if tag not in ("meta", "img", "br", "rect", "path", "circle"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_asks_for_nothing(result: Evaluation) -> None:
    page = report(result).html()
    tags = _Tags()
    tags.feed(page)
    assert tags.open == [] and "svg" in tags.seen and "script" not in tags.seen and "img" not in tags.seen
    assert "://" not in page
    for title in ("ROC", "Precision and recall", "DET", "Reliability", "Confusion", "By source", "Scores by source"):
        assert f">{title}<" in page, title
    for word in ("Most confident mistakes", "The images", "How it was made", "onnxruntime"):
        assert word in page, word


def test_markdown_holds_every_figure_in_its_cells(result: Evaluation) -> None:
    text = report(result).markdown()
    assert "\\<img" in text and not re.search(r"(?<!\\)<img", text.split("## How it was made")[0])
    figures = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(figures) > len(METRICS) and "| single faces |" in text and "| whole groups |" in text


def test_faces_are_rows_of_their_own(make_scores: MakeScores) -> None:
    scores = make_scores(
        [False, True, True],
        [0.9, 0.8, 0.3],
        group=["", "v", "v"],
        # Two faces, one, and none found.
        face_probabilities=["0.9 0.2", "0.8", ""],
    )
    faces = by_face(scores)
    assert faces is not None
    assert faces.path == ("0.png#1", "0.png#2", "1.png#1")
    assert faces.fake_probability.tolist() == [0.9, 0.2, 0.8] and faces.is_fake.tolist() == [False, False, True]
    # Two faces of one image hang together, though the image has no group.
    assert faces.groups()[0] == faces.groups()[1] != faces.groups()[2]
    block = evaluate(scores, draws=FEW).by_face
    assert block is not None and block.n == 3 and block.metrics["accuracy"].value == pytest.approx(2 / 3)
    # Nothing to add where each image has one face, or the table tells none.
    alone = make_scores([False, True], [0.1, 0.9], face_probabilities=["0.1", "0.9"])
    assert evaluate(alone, draws=FEW).by_face is None
    assert by_face(make_scores([False], [0.1])) is None


@pytest.mark.parametrize("cell", ["0.5 x", "1.5", "nan"])
def test_faces_with_no_probability_are_refused(cell: str, make_scores: MakeScores) -> None:
    with pytest.raises(UsageError) as caught:
        by_face(make_scores([True], [0.5], face_probabilities=[cell]))
    assert caught.value.code == "bad_probability"


def test_images_and_evidence_of_mistakes(make_bundle: MakeBundle, make_scores: MakeScores, tmp_path: Path) -> None:
    make_bundle(tmp_path / "bundle", preprocessing=Preprocessing(size=32, faces=None))
    detector = load(tmp_path / "bundle")
    for name in ("a", "b"):
        Image.new("RGB", (64, 64), (200, 200, 200)).save(tmp_path / f"{name}.png")
    # The third image has gone, the fourth leads out of the folder.
    table = make_scores(
        [False] * 4, [0.9, 0.8, 0.7, 0.6], paths=["a.png", "b.png", "gone.png", "../out.png"], source=["s"] * 4
    )
    Image.new("RGB", (64, 64)).save(tmp_path.parent / "out.png")
    found = evaluate(table, draws=FEW)
    assert report(found).html().count("<img") == 0
    assert report(found, tmp_path).html().count("<img") == 2
    page = report(found, tmp_path, detector).html()
    assert page.count("<img") == 4 and page.count('alt="Evidence on ') == 2
    sources = re.findall(r'src="(data:[^"]+)"', page)
    # The evidence is drawn on it: not the same image again.
    assert sources[0] != sources[1] and all(source.startswith("data:image/jpeg;base64,") for source in sources)


def _robustness(make_scores: MakeScores, sha256: str) -> Robustness:
    is_fake = np.arange(20) % 2 == 0
    draw = np.random.default_rng(0)
    tables = {
        each.name: make_scores(is_fake, np.clip(draw.normal(0.4 + 0.2 * is_fake, 0.2), 0, 1), source=["s"] * 20)
        for each in tiers()
    }
    return measure_conditions(tables, tiers(), FEW, detector=DetectorFacts(bundle_sha256=sha256))


def _bench(sha256: str) -> Bench:
    engine = {
        "load_ms": 100.0,
        "latency": {"p50_ms": 10.0, "p95_ms": 11.0, "p99_ms": 12.0, "mean_ms": 10.5, "calls": 200},
        "images_per_second": 99.0,
        "peak_memory_mb": 123.0,
    }
    model = {
        "name": HOSTILE,
        "bundle_sha256": sha256,
        "size": 32,
        "parameters": 1234567,
        "macs": 7654321,
        "uncounted": {},
        "model_bytes": 5_000_000,
        "engines": {"onnx": engine},
        "no_torch": "torch is not installed",
        "torch_over_onnx": None,
        "images": None,
        "cost": {
            "of": "the network alone",
            "core_hours_per_million": 2.8,
            "price_per_core_hour": 0.5,
            "per_million": 1.4,
        },
        "training": {"training_seconds": 600.0},
    }
    return Bench.from_dict({"schema": 1, "kind": "bench", "run": {}, "models": [model]})


def _of_bundle(result: Evaluation, sha256: str) -> Evaluation:
    detector = result.detector.model_copy(update={"bundle_sha256": sha256})
    return result.model_copy(update={"detector": detector})


def test_what_lies_in_the_folder_is_shown(result: Evaluation, make_scores: MakeScores, tmp_path: Path) -> None:
    mine = _of_bundle(result, "5" * 64)
    assert "<h2>Robustness" not in report(mine).html()
    (tmp_path / "robustness.json").write_text(_robustness(make_scores, "5" * 64).to_json())
    (tmp_path / "bench.json").write_text(_bench("5" * 64).to_json())
    write_report(mine, tmp_path, beside=Beside.of(mine, tmp_path, None, None))
    page = (tmp_path / "report.html").read_text()
    _Tags().feed(page)
    # In the headline, and in its own section.
    assert "<h2>Robustness" in page and page.count("Worst tier: ") == 2 and "1,234,567" in page
    assert "take 2.8 core-hours (the network alone), which cost 1.40 at 0.5 per core-hour" in page
    assert "not compared with PyTorch, because torch is not installed" in page and "trained in 10.0 minutes" in page
    text = (tmp_path / "report.md").read_text()
    assert "## Robustness" in text and "| hard |" in text and "7,654,321" in text
    assert read_result(tmp_path / "result.json", Evaluation) == mine


def test_results_of_another_bundle_are_not_shown(result: Evaluation, make_scores: MakeScores, tmp_path: Path) -> None:
    mine = _of_bundle(result, "5" * 64)
    other = tmp_path / "robustness.json"
    other.write_text(_robustness(make_scores, "6" * 64).to_json())
    # Left over in the folder: passed over. Asked for: refused.
    assert Beside.of(mine, tmp_path, None, None) == Beside()
    with pytest.raises(UsageError) as caught:
        Beside.of(mine, tmp_path, other, None)
    assert caught.value.code == "other_bundle"
    # Scores of an unknown bundle may be shown beside whatever is given.
    assert Beside.of(result, tmp_path, other, None).robustness is not None


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"schema": 2, "kind": "bench"}', '{"schema": 1, "kind": "robustness"}']
)
def test_files_that_are_no_result_are_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(UsageError, match="is not a readable bench result") as caught:
        read_result(tmp_path / "x.json", Bench)
    assert caught.value.code == "bad_result"


def test_a_card_tells_what_its_networks_are_and_how_they_were_trained(make_bundle: MakeBundle, tmp_path: Path) -> None:
    from unmask.bundle.schema import Card
    from unmask.evaluation.reports.model_card import model_card
    from unmask.recipes import Recipe

    def card_of(name: str, **parts: Any) -> str:
        return model_card(make_bundle(tmp_path / name, card=Card(recipe=Recipe.load(name).model_dump(), **parts)))

    fused = card_of("s2-fusion-attention")
    branches = ", ".join(branch.name.replace("_", "\\_") for branch in Recipe.load("s2-fusion-attention").branches)
    assert f"- Network: {branches}; input" in fused
    assert "- epochs: 10\n" in fused and "- learning\\_rate: 0.001\n" in fused
    phases = card_of("s1-vgg16")
    assert "- epochs: 8 at 0.001 (trained: head), then 6 at 0.0001 (trained: head), then 6 at 1e-05\n" in phases
    assert "learning\\_rate" not in phases
    members = {name: Recipe.load(name).model_dump() for name in ("s1-vgg16", "s4-mobilenet")}
    both = card_of("s2-ensemble", members=members)
    assert "- Network: a weighted mean of vgg16; mobilenet\\_v1; input" in both
    assert "- s1-vgg16, epochs: 8 at" in both and "- s4-mobilenet, epochs: 5 at 0.0003 (trained: head)\n" in both


def test_a_card_says_what_its_results_say(
    result: Evaluation, make_scores: MakeScores, make_bundle: MakeBundle, tmp_path: Path
) -> None:
    import yaml

    from unmask.bundle.schema import Card
    from unmask.evaluation.reports.model_card import model_card

    card = Card(
        summary="A detector",
        sources={"real": {"lfw": 3}, "fake": {"gan|": 4}},
        limits=("It fails at night.",),
        weights={"source": "none", "detail": "random"},
    )
    bundle = make_bundle(tmp_path / "b", card=card)
    mine = _of_bundle(result, bundle.sha256)
    results = [mine, _robustness(make_scores, bundle.sha256), _bench(bundle.sha256)]
    text = model_card(bundle, results, "apache-2.0")
    assert text == model_card(bundle, results, "apache-2.0")
    _, front, body = text.split("---\n", 2)
    content = yaml.safe_load(front)
    assert (content["license"], content["pipeline_tag"]) == ("apache-2.0", "image-classification")
    (entry,) = content["model-index"][0]["results"]
    area = next(metric for metric in entry["metrics"] if metric["type"] == "roc_auc")
    assert area["value"] == round(mine.overall.metrics["auc"].value or 0, 4)
    assert entry["task"]["type"] == "image-classification" and entry["dataset"]["name"] and entry["dataset"]["type"]
    for part in (
        "| lfw | 3 | 0 |",
        "| gan\\| | 0 | 4 |",
        "It fails at night",
        "random weights",
        "| hard |",
        "1,234,567",
    ):
        assert part in body, part
    assert "<img" not in body.replace("\\<img", "")
    # Without results it says so, and claims nothing.
    bare = model_card(bundle)
    assert "- Network: not stated; input" in bare
    assert (
        "This card was made without a result of this bundle." in bare
        and "model-index" not in bare
        and "license" not in bare
    )
    with pytest.raises(UsageError) as caught:
        model_card(bundle, [_bench("0" * 64)])
    assert caught.value.code == "other_bundle"
