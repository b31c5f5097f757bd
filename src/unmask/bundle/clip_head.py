"""The temporal head of a bundle: the graph ``clips.onnx`` from the frames of a track to one logit.

Inputs: ``frames`` float32 [t, 1 + k], of each frame the logit and then the features that ``model.onnx`` gives, and
``seconds`` float32 [t], their times. Output: ``logit`` float32 [1], towards fake. It takes any number of frames.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from unmask.bundle.bundle import CLIPS, Bundle
from unmask.bundle.session import GraphSession, checked_session
from unmask.errors import BundleError
from unmask.text import quote

MAX_FRAMES: Final = 2048
"""Of a longer track, this many frames are taken, evenly: attention takes memory by the square of their number."""

Floats = npt.NDArray[np.float32]


class ClipHead:
    """A loaded temporal head. Safe to share between threads.

    Args:
        model: the content of ``clips.onnx``.

    Raises:
        BundleError: ``bad_model``, it cannot be loaded or has other inputs or outputs; ``graph_deadline``.
    """

    def __init__(self, model: bytes) -> None:
        self._session: GraphSession = checked_session(model)
        inputs, outputs = self._session.inputs, self._session.outputs
        if inputs != (("frames", "tensor(float)"), ("seconds", "tensor(float)")) or outputs != ("logit",):
            said = f"inputs {quote(str(inputs))}, outputs {quote(str(outputs))}"
            raise BundleError("bad_model", f"{CLIPS} is not a temporal head: {said}.")

    @classmethod
    def of(cls, bundle: Bundle) -> ClipHead | None:
        """The head of a bundle; ``None`` if it has none."""
        return cls(bundle.files[CLIPS]) if CLIPS in bundle.files else None

    def logit(self, logits: npt.ArrayLike, features: npt.ArrayLike, seconds: npt.ArrayLike) -> float:
        """The logit of a track, towards fake; calibrate it by ``bundle.info.clips.calibration``.

        Args:
            logits: [t], of the frames, in the order of time; at least one.
            features: [t, k], of the frames.
            seconds: [t], times of the frames in the clip.

        Raises:
            BundleError: ``bad_model`` if the graph does not take these, or its output is not one finite number;
                ``graph_deadline`` and ``graph_memory`` if it takes too long or too much memory.
        """
        frames = join_frames(logits, features)
        times = np.asarray(seconds, np.float32).reshape(-1)
        if len(frames) > MAX_FRAMES:
            chosen = np.linspace(0, len(frames) - 1, MAX_FRAMES).round().astype(int)
            frames, times = frames[chosen], times[chosen]
        found = self._session.run(["logit"], {"frames": frames, "seconds": times})[0]
        if found.shape != (1,) or found.dtype != np.float32 or not np.isfinite(found).all():
            raise BundleError("bad_model", f"{CLIPS} gives {quote(str(found.shape))} instead of one finite number.")
        return float(found[0])


def join_frames(logits: npt.ArrayLike, features: npt.ArrayLike) -> Floats:
    """What a temporal head takes of each frame: float32 [t, 1 + k], the logit first."""
    return np.column_stack([np.asarray(logits, np.float32), np.asarray(features, np.float32)])
