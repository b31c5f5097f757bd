"""From a trained network to the one ONNX graph of a bundle. Needs the ``train`` extra."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from unmask.bundle.bundle import run_graph
from unmask.bundle.golden import GoldenCase, golden_pixels
from unmask.imaging.session import single_thread_session

_GOLDEN_SEEDS = range(8)
# What a difference in the evidence of a network that decides by its [CLS] token counts, beside one in the logit.
_PATCH_PARITY = 0.1


def export_onnx(network: nn.Module, size: int) -> bytes:
    """The graph of a network from ``pixels`` uint8 [n, size, size, 3] to ``logit`` [n] and ``evidence`` [n, h, w].

    Args:
        network: a torch network with this input and output; it is set to evaluation mode.
        size: side of the images in pixels; the batch is free.
    """
    return _export(network, size, ["logit", "evidence"])


def export_with_features(network: nn.Module, size: int) -> bytes:
    """As :func:`export_onnx`, with the pooled features behind the logit as third output ``features`` [n, width].

    A network that answers several questions has a fourth output, ``questions`` [n, q].

    Args:
        network: a :class:`unmask.models.network.FaceNetwork`; it is set to evaluation mode.
        size: side of the images in pixels; the batch is free.
    """
    asks = getattr(network, "asks", False)
    return _export(_Answering(network), size, ["logit", "evidence", "features", *(["questions"] if asks else [])])


def export_features(network: nn.Module, size: int) -> bytes:
    """The graph of a network's pooled features, from ``pixels`` uint8 [n, size, size, 3] to ``features`` [n, width].

    Args:
        network: a :class:`unmask.models.network.FaceNetwork`; it is set to evaluation mode.
        size: side of the images in pixels; the batch is free.
    """
    return _export(_Pooled(network), size, ["features"])


class _Answering(nn.Module):
    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        answer: tuple[Tensor, Tensor, Tensor] = self.network.answer(pixels)
        return (*answer, self.network.questions_of(answer[2])) if self.network.asks else answer


class _Pooled(nn.Module):
    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        pooled: Tensor = self.network.pooled(pixels)
        return pooled


def _export(network: nn.Module, size: int, outputs: list[str]) -> bytes:
    example = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    return export_graph(network, (example,), ["pixels"], outputs, ({0: torch.export.Dim("batch")},))


def export_graph(
    network: nn.Module, example: tuple[Tensor, ...], inputs: list[str], outputs: list[str], free: tuple[Any, ...]
) -> bytes:
    """The graph of any network, without paths or source of the machine that exported it.

    Args:
        network: it is set to evaluation mode.
        example: a value for each input.
        inputs: their names.
        outputs: names of the outputs.
        free: for each input the dimensions that may have another size, as ``torch.export`` takes them.
    """
    network.eval()
    with _quiet():
        program = torch.onnx.export(
            network,
            example,
            dynamo=True,
            input_names=inputs,
            output_names=outputs,
            dynamic_shapes=free,
            opset_version=18,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    # Remove paths of the exporting machine and per-node Python source, which are not part of a model.
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in [*model.graph.value_info, *model.graph.initializer, *model.graph.input, *model.graph.output]:
        del value.metadata_props[:]
    buffer = io.BytesIO()
    buffer.write(model.SerializeToString(deterministic=True))
    return buffer.getvalue()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's warnings, which say nothing about the graph: its parity with the network is measured."""
    optimiser = logging.getLogger("onnxscript.optimizer")
    level = optimiser.level
    optimiser.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optimiser.setLevel(level)


def record_golden(model: bytes, size: int) -> tuple[GoldenCase, ...]:
    """The outputs of a graph for the golden images."""
    session = single_thread_session(model)
    cases = []
    for seed in _GOLDEN_SEEDS:
        logit, evidence = run_graph(session, golden_pixels(seed, size)[None])
        cases.append(GoldenCase(seed=seed, logit=float(logit[0]), evidence_mean=float(evidence.mean())))
    return tuple(cases)


def parity(network: nn.Module, model: bytes, pixels: npt.NDArray[np.uint8]) -> float:
    """Largest difference of logits and evidence between torch and the graph.

    Absolute, or relative to the largest value if that is above 1: errors of single precision grow with the numbers.
    Where a [CLS] token decides, a difference in the evidence counts a tenth: the patches decide nothing then, and they
    amplify rounding far more than the token (CLIP: 2e-4 and 1e-6).

    Args:
        network: the torch network.
        model: its exported graph.
        pixels: uint8 [n, size, size, 3].
    """
    with torch.inference_mode():
        eager: tuple[Tensor, Tensor] = network.eval()(torch.from_numpy(pixels))
    exported = run_graph(single_thread_session(model), pixels)
    logit, evidence = (_difference(one.numpy(), other) for one, other in zip(eager, exported, strict=True))
    by_token = any(getattr(part, "by_class_token", False) for part in network.modules())
    return max(logit, evidence * (_PATCH_PARITY if by_token else 1.0))


def _difference(expected: npt.NDArray[np.float32], actual: npt.NDArray[np.float32]) -> float:
    return float(np.abs(expected - actual).max() / max(1.0, np.abs(expected).max()))
