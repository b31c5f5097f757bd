"""ONNX Runtime sessions that give the same bits on a busy machine as on an idle one."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from functools import cache
from typing import Any, Final

import numpy as np
import onnxruntime as ort

from unmask.errors import BundleError, UsageError
from unmask.text import quote

# A node's operator in a file: the field's tag, the name's length, the name. DequantizeLinear does not contain it.
_QUANTIZES = b"\x22\x0eQuantizeLinear"
_MULTIPLIES_BYTES = b"\x22\x0dMatMulInteger"
# One MatMulInteger node: y int32 = a uint8 times b int8.
_PRODUCT = bytes.fromhex(
    "080812003a500a180a01610a0162120179220d4d61744d756c496e74656765721201675a0f0a0161120a0a08080212040a000a005a0f0a0162"
    "120a0a08080312040a000a00620f0a0179120a0a08080612040a000a0042040a00100d"
)


_lock = threading.Lock()
_begun: list[tuple[bytes, Future[Any]]] = []
"""Graphs of :func:`open_early` that nobody has asked for."""

_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"

DEVICE: Final = "UNMASK_DEVICE"
"""Variable of the environment that says what computes the graphs, also those of child processes."""
DEVICES: Final = ("cpu", "cuda", "auto")


def use_device(name: str) -> None:
    """Choose what computes the sessions opened from now on, also in child processes.

    On a GPU the last digits differ from those of the CPU.

    Args:
        name: ``cpu`` (the default); ``cuda``, where what CUDA cannot do is done on the CPU; ``auto``: CUDA where ONNX
            Runtime has it and it works, else the CPU.

    Raises:
        UsageError: ``bad_call``, another name.
        BundleError: ``no_gpu``, ``cuda`` where ONNX Runtime has no CUDA.
    """
    _check_device(name)
    os.environ[DEVICE] = name


def _check_device(name: str) -> None:
    if name not in DEVICES:
        raise UsageError("bad_call", f"The device must be {', '.join(DEVICES[:-1])} or {DEVICES[-1]}, not {name!r}.")
    if name == "cuda" and _CUDA not in ort.get_available_providers():
        raise BundleError(
            "no_gpu",
            "ONNX Runtime has no CUDA here: install onnxruntime-gpu in the place of onnxruntime, or use --device cpu.",
        )


def _providers() -> list[str]:
    """The providers of a new session, in order of preference."""
    name = os.environ.get(DEVICE) or "cpu"
    if name == "cpu":
        return [_CPU]
    _check_device(name)
    return [_CUDA, _CPU] if _CUDA in ort.get_available_providers() else [_CPU]


def single_thread_session(model: bytes, *, arena: bool = False) -> Any:
    """An ONNX Runtime session on one CPU thread.

    One thread, so that the same input gives the same bits under any load; to use all cores, run several sessions at
    once.

    Args:
        model: the graph.
        arena: whether memory is kept from run to run: faster, and smaller over many runs of one size.

    Raises:
        BundleError: ``bad_model``, the graph cannot be loaded.
    """
    return open_session(model, session_options(arena=arena))


def session_options(*, arena: bool = False) -> Any:
    """The options of :func:`single_thread_session`."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # its errors are raised; printed as well, they would disturb our own output
    # The arena keeps the largest size ever asked for; without it memory stays flat over mixed inputs.
    options.enable_cpu_mem_arena = arena
    return options


@cache
def _products_overflow() -> bool:
    """Whether sums of 8-bit products overflow, as they do on processors with AVX2 that lack VNNI.

    There ONNX Runtime has a slower way that is exact; elsewhere that would cost time for nothing.
    """
    session = ort.InferenceSession(_PRODUCT, session_options(), providers=["CPUExecutionProvider"])
    pixels, weights = np.full((1, 64), 255, np.uint8), np.full((64, 16), 127, np.int8)
    return bool((session.run(None, {"a": pixels, "b": weights})[0] != 64 * 255 * 127).any())


def computes_in_eight_bits(model: bytes) -> bool:
    """Whether a graph rounds its activations to 8 bits, as those made for products of 8-bit numbers do."""
    return _QUANTIZES in model


def open_session(model: bytes, options: Any) -> Any:
    """An ONNX Runtime session on the chosen device.

    A graph made to compute in 8 bits does so; others compute in single precision.

    Raises:
        BundleError: ``bad_model``, the graph cannot be loaded; ``no_gpu``, the device is ``cuda`` and does not work.
        UsageError: ``bad_call``, the environment names no device.
    """
    begun = _take(model)
    if begun is not None:
        return begun.result()
    return _open(model, options)


def open_early(model: bytes, options: Any) -> None:
    """Open a session, which the next :func:`open_session` of the same graph gives; for a thread that has time.

    Only for graphs of the package: they are opened before they are checked.

    Args:
        model: the graph.
        options: those that it will be asked for with.
    """
    begun: Future[Any] = Future()
    with _lock:
        _begun.append((model, begun))
    try:
        begun.set_result(_open(model, options))
    except BaseException as error:  # raised where the session is asked for
        begun.set_exception(error)


def _take(model: bytes) -> Future[Any] | None:
    with _lock:
        for at, (other, begun) in enumerate(_begun):
            if other == model:
                del _begun[at]
                return begun
    return None


def _open(model: bytes, options: Any) -> Any:
    in_eight_bits = computes_in_eight_bits(model)
    if not in_eight_bits:
        # Restores weights that are stored in 8 bits when it loads them. Otherwise it would compute in 8 bits as well,
        # otherwise in each version: a fifth faster for CLIP, but its logit moves by up to 0.4.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    if (in_eight_bits or _MULTIPLIES_BYTES in model) and _products_overflow():
        options.add_session_config_entry("session.x64quantprecision", "1")
    providers = _providers()
    try:
        # Layers that a graph leaves in single precision between others stay so.
        left_out = ["WeightBiasQuantization"] if in_eight_bits else None
        session = ort.InferenceSession(model, options, providers=providers, disabled_optimizers=left_out)
    except Exception as error:  # ONNX Runtime raises a family of its own without a common base
        reason = quote(str(error).rpartition("] : ")[2].strip())
        raise BundleError("bad_model", f"The ONNX model cannot be loaded: {reason}") from error
    # Where a library of CUDA is missing, ONNX Runtime falls back to the CPU without an error.
    if os.environ.get(DEVICE) == "cuda" and _CUDA not in session.get_providers():
        raise BundleError(
            "no_gpu",
            "ONNX Runtime cannot use CUDA here: its driver or libraries are missing or of another version. Use "
            "--device cpu, or auto to use CUDA only where it works.",
        )
    return session
