"""ONNX Runtime sessions that give the same bits on a busy machine as on an idle one."""

from __future__ import annotations

from typing import Any

import onnxruntime as ort

from unmask.errors import BundleError
from unmask.text import quote


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
    # Restores weights that are stored in 8 bits when it loads them. Otherwise it would compute in 8 bits as well,
    # otherwise in each version: a fifth faster for CLIP, but its logit moves by up to 0.4.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    return options


def open_session(model: bytes, options: Any) -> Any:
    """An ONNX Runtime session on the CPU.

    Raises:
        BundleError: ``bad_model``, the graph cannot be loaded.
    """
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises a family of its own without a common base
        reason = quote(str(error).rpartition("] : ")[2].strip())
        raise BundleError("bad_model", f"The ONNX model cannot be loaded: {reason}") from error
