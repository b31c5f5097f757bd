"""Where a run's weights come from besides the backbone's own: another run, or a bundle such as the shipped detector."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from unmask.bundle.bundle import Bundle, run_graph
from unmask.errors import UsageError
from unmask.imaging.session import single_thread_session
from unmask.models.network import FaceNetwork
from unmask.recipes import Recipe
from unmask.training.dataset import Sample, seen
from unmask.training.folder import best_checkpoint, read_checkpoint
from unmask.training.hooks import hooked
from unmask.training.module import DetectorModule

IMAGES: Final = 256
"""Training images on which batch statistics are measured for a network that starts from a bundle."""

_BATCH: Final = 32
_HALF: Final = "/half"
_PREFIX: Final = "network."
# A bundle's large weights may be stored in half precision; that moves no logit by more than this.
_TOLERANCE: Final = 1e-3

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Start:
    """Weights to start from.

    Attributes:
        path: a run folder, whose best epoch is meant, or a bundle.
        member: which member of a bundle of an ensemble, from 0.
    """

    path: Path
    member: int = 0

    def describe(self) -> str:
        """The start in words, with the hash of what is read; a run that is resumed must have the same.

        Raises:
            UsageError: ``no_run``, a run folder without a finished epoch.
            BundleError: neither a run folder nor a bundle.
        """
        if self._is_run:
            digest = hashlib.sha256(best_checkpoint(self.path).read_bytes()).hexdigest()
            return f"best epoch of {Recipe.load(self.path / 'recipe.yaml').name}, checkpoint sha256 {digest}"
        bundle = Bundle.open(self.path)
        return f"member {self.member + 1} of {bundle.name}, bundle sha256 {bundle.sha256}"

    def fill(self, module: DetectorModule, train: Sequence[Sample]) -> None:
        """Put the weights into a network.

        Args:
            module: with a network of the same architecture.
            train: training samples; some of them are read where the start is a bundle.

        Raises:
            UsageError: ``other_network``, the start has another network.
        """
        if not self._is_run:
            bundle, recipe = Bundle.open(self.path), module.recipe
            if bundle.info.preprocessing != recipe.preprocessing:
                raise UsageError("other_network", f"{self.path} has another preprocessing than {recipe.name}.")
            places = np.linspace(0, len(train) - 1, min(len(train), IMAGES)).astype(int)
            pixels = np.stack([seen(train[place], recipe.preprocessing) for place in places])
            fill_from_graph(module.network, bundle.model, self.member, pixels)
            return
        try:
            module.load_state_dict(read_checkpoint(best_checkpoint(self.path))["state_dict"])
        except RuntimeError:  # torch: keys or shapes that differ
            raise UsageError("other_network", f"{self.path} holds a run of another network.") from None

    @property
    def _is_run(self) -> bool:
        # What is neither is refused as a run, which is what most people mean.
        return not self.path.is_file() and not (self.path / "bundle.json").exists()


def fill_from_graph(network: FaceNetwork, graph: bytes, member: int, pixels: Pixels) -> None:
    """Fill a network with the weights of an exported graph, in which batch normalisation is part of the convolutions.

    A convolution gets the weights of the graph. The normalisation after it gets the mean and variance that its channels
    have on some images, and the scale and shift that undo them: the network then computes what the graph does, and its
    statistics are those of real batches, so that training can resume.

    Args:
        network: of the same architecture; filled in place.
        graph: the content of ``model.onnx``.
        member: which member of an ensemble, from 0; 0 for a single network.
        pixels: uint8 [n, size, size, 3]; a few hundred training images.

    Raises:
        UsageError: ``other_network``: the graph has no such member, or computes something else.
    """
    model = onnx.load_from_string(graph)
    stored = _weights_of(model, member)
    training = network.training
    network.eval()
    try:
        pairs = _normalised(network, pixels[:1])
        with torch.no_grad():
            _fill(network, stored.arrays)
            for name, (convolution, norm) in pairs.items():
                if convolution.bias is not None:
                    raise ValueError(f"{name} has a bias of its own before its normalisation")
                _undo(
                    norm,
                    torch.from_numpy(stored.arrays[f"{_PREFIX}{name}.bias"]),
                    torch.zeros_like(norm.bias),
                    torch.ones_like(norm.bias) - norm.eps,
                )
            for norm, mean, variance in _statistics(network, [norm for _, norm in pairs.values()], pixels):
                _undo(norm, norm.bias.clone(), mean, variance)
        expected = run_graph(single_thread_session(stored.alone), pixels[:_BATCH])[0]
        with torch.inference_mode():
            found = network(torch.from_numpy(pixels[:_BATCH]))[0].numpy()
        if float(np.abs(found - expected).max()) > _TOLERANCE:
            raise ValueError("its logits differ")
    except (KeyError, ValueError, RuntimeError) as error:  # weights, shapes or layers that do not fit
        raise UsageError("other_network", f"The bundle has another network than the recipe: {error}.") from None
    finally:
        network.train(training)


@dataclass(frozen=True)
class _Stored:
    """The weights of one member by name, and a graph that gives its logit."""

    arrays: dict[str, npt.NDArray[np.float32]]
    alone: bytes


def _weights_of(model: onnx.ModelProto, member: int) -> _Stored:
    names = [tensor.name for tensor in model.graph.initializer]
    alone = not any(name.startswith("member_") for name in names)
    prefix = "" if alone else f"member_{member}/"
    arrays = {
        tensor.name.removeprefix(prefix).removesuffix(_HALF): numpy_helper.to_array(tensor).astype(np.float32)
        for tensor in model.graph.initializer
        if tensor.name.startswith(prefix) and tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
    }
    if (alone and member) or not arrays:
        raise UsageError("other_network", f"The bundle has no member {member + 1}.")
    # Equal biases, such as zeros, are stored once under a name that says nothing: the layer's node tells which it uses.
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm") and len(node.input) == 3 and node.input[1].startswith(prefix + _PREFIX):
            layer = node.input[1].removeprefix(prefix).removesuffix(_HALF).removesuffix(".weight")
            arrays[f"{layer}.bias"] = arrays[node.input[2].removeprefix(prefix).removesuffix(_HALF)]
    if alone:
        return _Stored(arrays, model.SerializeToString())
    # The logit of one member is a value inside of the graph: make it the output in place of the combined one.
    inner = onnx.ModelProto.FromString(model.SerializeToString())
    outputs = {output.name: output for output in inner.graph.output}
    for node in inner.graph.node:
        node.output[:] = [f"combined/{name}" if name == "logit" else name for name in node.output]
        node.input[:] = [f"combined/{name}" if name == "logit" else name for name in node.input]
    inner.graph.node.append(onnx.helper.make_node("Identity", [f"{prefix}logit"], ["logit"], "logit_of_member"))
    del inner.graph.output[:]
    inner.graph.output.extend(outputs[name] for name in outputs)
    return _Stored(arrays, inner.SerializeToString())


def _fill(network: nn.Module, arrays: dict[str, npt.NDArray[np.float32]]) -> None:
    """Put every stored weight of a layer that is not a normalisation into the network."""
    for name, module in network.named_modules():
        for key, parameter in module.named_parameters(recurse=False):
            if isinstance(module, nn.BatchNorm2d):
                continue
            stored = arrays.get(f"{_PREFIX}{name}.{key}")
            if stored is None and key != "bias":
                raise ValueError(f"there is no {name}.{key}")
            # Export leaves out a bias of zeros.
            value = torch.zeros_like(parameter) if stored is None else torch.from_numpy(stored)
            parameter.copy_(value.reshape(parameter.shape))


def _normalised(network: FaceNetwork, pixels: Pixels) -> dict[str, tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Each convolution with the normalisation that is run right after it, by the convolution's name."""
    order: list[tuple[str, nn.Module]] = []
    layers = [(name, layer) for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d | nn.BatchNorm2d)]
    hooks = [
        layer.register_forward_hook(lambda _module, _inputs, _output, each=(name, layer): order.append(each))
        for name, layer in layers
    ]
    with hooked(hooks), torch.inference_mode():
        network(torch.from_numpy(pixels))
    pairs = {
        name: (first, second)
        for (name, first), (_, second) in pairwise(order)
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d)
    }
    if len(pairs) != sum(isinstance(layer, nn.BatchNorm2d) for _, layer in layers):
        raise ValueError("a normalisation does not follow a convolution")
    return pairs


def _statistics(
    network: FaceNetwork, norms: Sequence[nn.BatchNorm2d], pixels: Pixels
) -> Iterator[tuple[nn.BatchNorm2d, Tensor, Tensor]]:
    """Mean and variance of the channels that come into each normalisation, over all images."""
    sums: dict[nn.BatchNorm2d, list[Tensor]] = defaultdict(list)

    def observe(norm: nn.BatchNorm2d, inputs: tuple[Tensor, ...], _: Any) -> None:
        values = inputs[0].double()
        sums[norm].append(torch.stack([values.mean((2, 3)).sum(0), values.square().mean((2, 3)).sum(0)]))

    hooks = [norm.register_forward_hook(observe) for norm in norms]
    with hooked(hooks), torch.inference_mode():
        for at in range(0, len(pixels), _BATCH):
            network(torch.from_numpy(pixels[at : at + _BATCH]))
    for norm in norms:
        mean, square = torch.stack(sums[norm]).sum(0) / len(pixels)
        yield norm, mean.float(), (square - mean.square()).clamp(min=1e-6).float()


def _undo(norm: nn.BatchNorm2d, bias: Tensor, mean: Tensor, variance: Tensor) -> None:
    """Make a normalisation with these statistics add a bias and nothing else."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight.copy_((variance + norm.eps).sqrt())
    norm.bias.copy_(bias + mean)
