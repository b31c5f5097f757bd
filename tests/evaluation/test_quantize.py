"""Quantising from end to end, with a detector of two convolutions: made, refused, and reported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

onnx = pytest.importorskip("onnx")
pytest.importorskip("torch")
pytest.importorskip("sklearn")

from onnx import helper, numpy_helper  # noqa: E402

from unmask.bundle.bundle import Bundle, write_bundle  # noqa: E402
from unmask.data.manifest import Manifest  # noqa: E402
from unmask.errors import UsageError  # noqa: E402
from unmask.evaluation.quantize import Settings, quantize  # noqa: E402
from unmask.evaluation.reports.quantization import sentences  # noqa: E402
from unmask.evaluation.results import QuantizationResult  # noqa: E402
from unmask.evaluation.small_images import draw_rows  # noqa: E402
from unmask.imaging.preprocessing import Preprocessing  # noqa: E402
from unmask.stats.resample import Draws  # noqa: E402

pytestmark = pytest.mark.train

SIZE, CHANNELS = 32, 32
FLOAT = onnx.TensorProto.FLOAT
DRAWS = Draws(100, workers=1)


def graph() -> bytes:
    """Bright images are fake: the first channel is the brightness, the others are noise of small weight."""
    draw = np.random.default_rng(0)
    first = draw.normal(0, 0.05, (CHANNELS, 3, 3, 3)).astype(np.float32)
    first[0] = 1 / 27
    second = draw.normal(0, 0.02, (CHANNELS, CHANNELS, 1, 1)).astype(np.float32)
    second[0, 0] = 1
    head = draw.normal(0, 0.02, (1, CHANNELS, 1, 1)).astype(np.float32)
    head[0, 0] = 20
    constants = {
        "half": np.full((1, 3, 1, 1), 127.5, np.float32),
        "first": first,
        "b1": np.full(CHANNELS, 1, np.float32),
        "second": second,
        "b2": np.zeros(CHANNELS, np.float32),
        "head": head,
        "offset": np.float32(-20),
        "one": np.array([1], np.int64),
        "plane": np.array([1, 2], np.int64),
    }
    nodes = [
        helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["planes"], ["floats"], to=FLOAT),
        helper.make_node("Sub", ["floats", "half"], ["centred"]),
        helper.make_node("Div", ["centred", "half"], ["normal"]),
        helper.make_node("Conv", ["normal", "first", "b1"], ["c1"], strides=[4, 4], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["a1"]),
        helper.make_node("Conv", ["a1", "second", "b2"], ["c2"]),
        helper.make_node("Relu", ["c2"], ["a2"]),
        helper.make_node("Mul", ["a2", "head"], ["weighted"]),
        helper.make_node("ReduceSum", ["weighted", "one"], ["summed"], keepdims=0),
        helper.make_node("Add", ["summed", "offset"], ["evidence"]),
        helper.make_node("ReduceMean", ["evidence", "plane"], ["logit"], keepdims=0),
    ]
    made = helper.make_graph(
        nodes,
        "two",
        [helper.make_tensor_value_info("pixels", onnx.TensorProto.UINT8, ["n", SIZE, SIZE, 3])],
        [
            helper.make_tensor_value_info("logit", FLOAT, ["n"]),
            helper.make_tensor_value_info("evidence", FLOAT, ["n", None, None]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(model.SerializeToString())


@pytest.fixture(scope="module")
def bundle(make_bundle: Callable[..., Bundle], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    info = {"preprocessing": Preprocessing(size=SIZE, faces=None)}
    return make_bundle(tmp_path_factory.mktemp("two") / "bundle", model=graph(), **info)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Sixty grey images with noise, the fakes a little brighter on average; half to train on."""
    root = tmp_path_factory.mktemp("grey")
    draw = np.random.default_rng(1)
    lines = ["path,label,source,group,split"]
    for at in range(60):
        fake = at % 2 == 1
        grey = np.clip(draw.normal(140 if fake else 115, 12), 0, 255)
        pixels = np.clip(grey + draw.normal(0, 10, (SIZE, SIZE, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(root / f"{at}.png")
        lines.append(f"{at}.png,{'fake' if fake else 'real'},s{at % 3},g{at // 2},{'train' if at < 30 else 'val'}")
    (root / "manifest.csv").write_text("\n".join(lines), encoding="utf-8")
    return Manifest.open(root / "manifest.csv")


def run(bundle: Bundle, table: Manifest, **settings: Any) -> Any:
    chosen = Settings(**({"images": 16} | settings))
    return quantize(bundle, table.select(split="train"), table.select(split="val"), chosen, draws=DRAWS, workers=1)


def test_a_static_detector(bundle: Bundle, table: Manifest, tmp_path: Path) -> None:
    made = run(bundle, table)
    result = made.result
    assert (result.method, result.calibration_images) == ("static", 16)
    assert result.calibration == "percentile 99.999 of 16 images"
    assert (result.data.n, result.data.n_fake, result.data.groups) == (30, 15, 15)
    assert abs(result.auc.difference.value or 0) <= 0.005
    assert result.auc.after == pytest.approx((result.auc.before or 0) + (result.auc.difference.value or 0), abs=1e-6)
    assert result.drift.mean_logit.value == pytest.approx(0, abs=0.3)
    assert result.drift.opposite.value is not None
    assert result.evidence is not None
    assert result.evidence.correlation > 0.99
    assert result.evidence.off_logit < 1e-4
    assert [(speed.batch, speed.backend) for speed in result.speed] == [
        (1, "CPUExecutionProvider"),
        (8, "CPUExecutionProvider"),
    ]
    new = write_bundle(tmp_path / "new", made.info, made.model, made.golden)
    assert new.verify()["cases"] == len(made.golden)
    assert new.info.name == "tiny-int8"
    assert new.info.recalibration is not None
    assert new.info.recalibration.bundle_sha256 == bundle.sha256
    assert QuantizationResult.from_json(result.to_json()) == result
    assert any("times as fast" in sentence for sentence in sentences(result))
    with pytest.raises(UsageError, match="already") as refused:
        run(new, table)
    assert refused.value.code == "already_quantised"


def test_a_result_that_loses_too_much_is_refused(bundle: Bundle, table: Manifest) -> None:
    with pytest.raises(UsageError, match="nothing was written") as refused:
        run(bundle, table, max_auc_drop=-1.0, keep=0)
    assert refused.value.code == "too_much_lost"


def test_sensitive_layers_stay_in_single_precision(bundle: Bundle, table: Manifest) -> None:
    result = run(bundle, table, keep=1).result
    decisions = {choice.layer: choice.decision for choice in result.layers}
    assert sorted(decisions) == ["first", "second"]
    drift = {choice.layer: choice.drift for choice in result.layers}
    assert decisions[max(drift, key=lambda name: drift[name])] == "float"


def test_a_size_that_cannot_be_reached_is_refused(bundle: Bundle, table: Manifest) -> None:
    with pytest.raises(UsageError) as refused:
        run(bundle, table, most_bytes=100)
    assert refused.value.code == "too_large"


@pytest.mark.parametrize("kind, suffix", [("fp16", "fp16"), ("weights-8", "weights8"), ("weights-4", "weights4")])
def test_methods_that_store_weights_smaller(bundle: Bundle, table: Manifest, kind: str, suffix: str) -> None:
    made = run(bundle, table, kind=kind, max_auc_drop=0.05)
    assert made.info.name == f"tiny-{suffix}"
    assert (made.result.calibration, made.result.calibration_images) == ("", 0)


def test_drawn_rows_have_both_labels_and_all_sources() -> None:
    # Twenty real images of the source a, two of b, and three fakes of c.
    rows: list[Any] = [SimpleNamespace(label="real", source="a", at=at) for at in range(20)]
    rows += [SimpleNamespace(label="real", source="b", at=at) for at in range(2)]
    rows += [SimpleNamespace(label="fake", source="c", at=at) for at in range(3)]
    drawn = draw_rows(rows, 10, 0)
    labels = [row.label for row in drawn]
    # There are three fakes only, so the rest are real; both sources come in turn while they last.
    assert (labels.count("fake"), labels.count("real")) == (3, 7)
    assert sum(row.source == "b" for row in drawn) == 2
    assert drawn == draw_rows(rows, 10, 0)
    assert [row.label for row in draw_rows(rows, 4, 0)] == ["real", "real", "fake", "fake"]
