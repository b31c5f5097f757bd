"""From a temporal head to its ONNX graph, which takes any number of frames. Needs the ``train`` extra."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import torch
from torch.export import Dim

from unmask.bundle.clip_head import MAX_FRAMES, ClipHead
from unmask.errors import BundleError
from unmask.models.temporal import OneTrack, TemporalHead
from unmask.training.export import export_graph

LENGTHS: Final = (1, 2, 3, 8, 33, 128)
"""Numbers of frames at which a graph is compared with torch."""
_TOLERANCE: Final = 1e-4


def export_temporal(head: TemporalHead) -> bytes:
    """The graph of a head from ``frames`` [t, 1 + k] and ``seconds`` [t] to ``logit`` [1]; ``t`` is free.

    Args:
        head: it is set to evaluation mode.

    Raises:
        BundleError: ``no_parity``: for some number of frames the graph and torch differ by more than 1e-4.
    """
    frames = Dim("t", min=1, max=MAX_FRAMES)
    example = (torch.zeros(5, len(head.mean)), torch.arange(5.0))
    model = export_graph(OneTrack(head), example, ["frames", "seconds"], ["logit"], ({0: frames}, {0: frames}))
    difference = temporal_parity(head, model)
    if not difference <= _TOLERANCE:
        raise BundleError("no_parity", f"The exported head differs from the trained one by {difference:.2g}.")
    return model


def temporal_parity(head: TemporalHead, model: bytes, lengths: Iterable[int] = LENGTHS) -> float:
    """Largest difference of logits between torch and the graph, on random frames of several numbers.

    Args:
        head: it is set to evaluation mode.
        model: its exported graph.
        lengths: numbers of frames.
    """
    head.eval()
    rng = np.random.default_rng(0)
    exported, worst = ClipHead(model), 0.0
    for length in lengths:
        frames = rng.normal(0, 2, (length, len(head.mean))).astype(np.float32)
        seconds = np.cumsum(rng.uniform(0, 1, length)).astype(np.float32)
        with torch.inference_mode():
            eager = float(head(torch.from_numpy(frames)[None], torch.from_numpy(seconds)[None])[0])
        worst = max(worst, abs(eager - exported.logit(frames[:, 0], frames[:, 1:], seconds)))
    return worst
