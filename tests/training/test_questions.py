"""A recipe with several questions, from a manifest with kinds to a bundle whose verdicts name the kind."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("onnxscript")

import onnx
import onnx.parser

from unmask.bundle.bundle import Bundle, ask_graph, write_bundle
from unmask.bundle.compose import attach_distance
from unmask.cli.output import remarks_on
from unmask.data.manifest import Manifest
from unmask.detect.detector import Detector
from unmask.errors import UsageError
from unmask.imaging.session import single_thread_session
from unmask.models.balance import fit_balanced
from unmask.models.classical import linear_coefficients
from unmask.models.questions import QuestionHead
from unmask.recipes import Recipe
from unmask.training.dataset import seen
from unmask.training.export import export_with_features
from unmask.training.features import FeatureCache, extract
from unmask.training.fit import export_run, fit, load_network
from unmask.training.rows import TrainingRows
from unmask.training.samples import find_samples

pytestmark = pytest.mark.train

RECIPE = """
name: asked
seed: 5
backbone: {name: test_vit, weights: [none], tokens: [2, 4]}
preprocessing: {size: 32, faces: null}
classifier:
  estimator: logistic_regression
  parameters: {C: 1.0}
  balance: family-source
  mixed_fakes: 0.5
questions:
  - {name: generated, kinds: [gan, diffusion]}
  - {name: manipulated, kinds: [faceswap], shift: 0.5}
features: {copies: 0}
data: {balance: none}
"""
KINDS = ("real", "gan", "real", "faceswap")
VALIDATION = range(72, 96)


def write_images(folder: Path) -> Path:
    """Noise; GAN images are striped upright, face swaps flat."""
    folder.mkdir()
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table)
        writer.writerow(["path", "label", "source", "kind", "generator", "group", "split"])
        for number in range(96):
            kind = KINDS[number % 4]
            rng = np.random.default_rng(number)
            pixels = rng.integers(60, 190, (48, 48, 3))
            if kind != "real":
                stripes = 60 * (np.arange(48) // 4 % 2)
                pixels += (stripes[None, :] if kind == "gan" else stripes[:, None])[..., None]
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / f"{number}.png")
            split = "val" if number in VALIDATION else "train"
            writer.writerow(
                [f"{number}.png", "real" if kind == "real" else "fake", "s", kind, "g", f"g{number}", split]
            )
    return folder / "manifest.csv"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("questions")
    write_images(folder / "images")
    (folder / "asked.yaml").write_text(RECIPE, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def bundle(home: Path) -> Bundle:
    manifest = Manifest.open(home / "images" / "manifest.csv")
    return fit(Recipe.load(home / "asked.yaml"), manifest, home / "run", workers=0)


def images(home: Path, kind: str) -> list[Path]:
    return [home / "images" / f"{number}.png" for number in VALIDATION if KINDS[number % 4] == kind]


def test_each_question_finds_its_kind(home: Path, bundle: Bundle) -> None:
    assert [question.name for question in bundle.info.questions] == ["generated", "manipulated"]
    assert bundle.info.questions[1].kinds == ("faceswap",)
    assert "18 validation images, 6 of them faceswap" in bundle.info.questions[1].calibration.provenance
    detector = Detector(bundle)
    means = {}
    for kind in ("real", "gan", "faceswap"):
        verdicts = [detector.detect(path) for path in images(home, kind)]
        assert all(verdict.kinds is not None for verdict in verdicts)
        means[kind] = {name: np.mean([v.kinds[name] for v in verdicts]) for name in ("generated", "manipulated")}
        assert list(json.loads(json.dumps(verdicts[0].to_dict()))["kinds"]) == ["generated", "manipulated"]
    for kind, own in (("gan", "generated"), ("faceswap", "manipulated")):
        other = {"generated": "manipulated", "manipulated": "generated"}[own]
        assert means[kind][own] > means["real"][own] + 0.2
        assert means[kind][own] > means[kind][other]
    fake = next(v for path in images(home, "gan") if (v := detector.detect(path)).verdict == "FAKE")
    assert fake.likely_kind == "generated"
    assert remarks_on(fake)[0] == "Probably wholly generated."


def test_the_graph_says_what_scikit_learn_says(home: Path, bundle: Bundle) -> None:
    """Each head fitted by hand on torch's features, and joined by probabilities: 1 - (1 - p) * (1 - q)."""
    recipe = Recipe.load(home / "asked.yaml")
    assert recipe.classifier is not None
    manifest = Manifest.open(home / "images" / "manifest.csv")
    train, validation = find_samples(recipe, TrainingRows.read(manifest), home / "run")
    network = load_network(recipe, home / "run" / "checkpoints" / "best.ckpt")
    pooled = extract(network, train, validation, recipe, FeatureCache(home / "none", max_bytes=0), workers=1)
    assert pooled.train.shape == (72, 2 * 64)
    names = np.array([f"{sample.family}/{sample.source}" for sample in train])
    assert set(names) == {"real/s", "stylegan/s", "faceswap/s"}
    logits = []
    for kinds in (("gan",), ("faceswap",)):
        positive = np.array([sample.kind in kinds for sample in train])
        used = positive | np.array([not sample.is_fake for sample in train])
        head = fit_balanced(recipe.classifier, 5, pooled.train[used], positive[used], names[used])
        weights, bias = linear_coefficients(head)  # type: ignore[misc]
        logits.append(pooled.validation @ weights + bias)
    apart = np.stack(logits, 1)
    probability = 1 - np.prod(1 - 1 / (1 + np.exp(-(apart - [0, 0.5]))), axis=1)
    pixels = np.stack([seen(sample, recipe.preprocessing) for sample in validation])
    answer = ask_graph(bundle.session(), pixels)
    assert answer.questions is not None
    assert answer.distance is not None
    np.testing.assert_allclose(answer.questions, apart, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(answer.logit, np.log(probability / (1 - probability)), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(answer.evidence.mean((1, 2)), answer.logit, rtol=1e-4, atol=1e-4)
    assert np.ptp(answer.evidence[0]) > 1e-3


def test_exported_again_it_is_the_same_bundle(home: Path, bundle: Bundle, tmp_path: Path) -> None:
    again = export_run(home / "run", Manifest.open(home / "images" / "manifest.csv"), tmp_path / "again")
    assert again.sha256 == bundle.sha256
    assert Bundle.open(home / "run" / "bundle").verify()["cases"] == 8


def test_without_a_distance_the_questions_stay(home: Path, bundle: Bundle) -> None:
    assert bundle.session().outputs == ("logit", "evidence", "distance", "questions")
    network = load_network(Recipe.load(home / "asked.yaml"), home / "run" / "checkpoints" / "best.ckpt")
    network.head = QuestionHead(network.feature_width, (0.0, 1.0))
    model = attach_distance(export_with_features(network, 32), None)
    assert [item.name for item in single_thread_session(model).get_outputs()] == ["logit", "evidence", "questions"]


def test_a_question_about_nothing_is_refused(home: Path, tmp_path: Path) -> None:
    questions = "questions=[{name: generated, kinds: [gan]}, {name: manipulated, kinds: [morph]}]"
    recipe = Recipe.load(home / "asked.yaml", [questions])
    with pytest.raises(UsageError, match=r"train split has no fake of the kinds morph.*manipulated.*: faceswap, gan"):
        fit(recipe, Manifest.open(home / "images" / "manifest.csv"), tmp_path / "run", workers=0)


def test_a_sum_with_a_ready_bundle_keeps_the_questions(home: Path, bundle: Bundle, tmp_path: Path) -> None:
    """The same bundle and one of mean grey; nothing is trained."""
    info = bundle.info.model_copy(
        update={
            "name": "grey",
            "questions": (),
            "out_of_distribution": None,
        }
    )
    grey = write_bundle(tmp_path / "grey", info, grey_graph(32), ())
    settings = {
        "name": "both",
        "preprocessing": bundle.info.preprocessing.model_dump(mode="json"),
        "ensemble": {
            "members": [f"bundle:{home / 'run' / 'bundle'}", f"bundle:{tmp_path / 'grey'}"],
            "combine": "sum",
            "weights": [1.0, 0.5],
        },
    }
    path = tmp_path / "both.yaml"
    path.write_text(json.dumps(settings), encoding="utf-8")
    both = fit(Recipe.load(path), Manifest.open(home / "images" / "manifest.csv"), tmp_path / "run", workers=0)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    own, joined = ask_graph(bundle.session(), pixels), ask_graph(both.session(), pixels)
    np.testing.assert_allclose(joined.questions, own.questions, rtol=1e-5)
    # Resizing keeps the mean, up to rounding.
    np.testing.assert_allclose(joined.logit, own.logit + 0.5 * (pixels.mean((1, 2, 3)) / 16 - 8), atol=0.02)
    assert joined.distance is None  # one member has none
    assert both.info.questions[0].name == "generated"
    assert both.info.card.weights["grey_bundle"] == f"sha256 {grey.sha256}"
    assert both.info.card.metrics["weight_of_grey"] == 0.5
    with pytest.raises(UsageError, match="only one of them may answer questions"):
        twice = settings | {"ensemble": settings["ensemble"] | {"members": [settings["ensemble"]["members"][0]] * 2}}
        path.write_text(json.dumps(twice), encoding="utf-8")
        fit(Recipe.load(path), Manifest.open(home / "images" / "manifest.csv"), tmp_path / "other", workers=0)


def grey_graph(size: int) -> bytes:
    """The logit is mean grey / 16 - 8, and so is every cell of the evidence."""
    body = """
        x = Cast <to = 1> (pixels)  mean = ReduceMean <keepdims = 0> (x, sides)
        part = Div (mean, sixteen)  logit = Sub (part, eight)  evidence = Reshape (logit, cell)
    """
    graph = onnx.parser.parse_graph(
        f"grey (uint8[n, {size}, {size}, 3] pixels) => (float[n] logit, float[n, 1, 1] evidence) {{ {body} }}"
    )
    constants = {"sides": np.array([1, 2, 3]), "cell": np.array([-1, 1, 1])}
    numbers = {"sixteen": np.array(16, np.float32), "eight": np.array(8, np.float32)}
    graph.initializer.extend(onnx.numpy_helper.from_array(value, name) for name, value in (constants | numbers).items())
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    return bytes(model.SerializeToString())
