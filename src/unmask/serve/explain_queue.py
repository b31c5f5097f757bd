"""Explanations: seconds of work each, so they have a thread and a short queue of their own."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from PIL import Image

from unmask.detect.detector import Detector
from unmask.explain.explainer import Explainer, Explanation
from unmask.pages.page import data_uri
from unmask.serve.problems import Problem

# For the eye: a lossless photograph would be ten times as long.
_QUALITY = 88


class Explaining:
    """Explains one image after the other.

    Args:
        detector: whose answers are explained.
        capacity: images waiting or in work at most.
    """

    def __init__(self, detector: Detector, capacity: int) -> None:
        self._explainer = Explainer(detector)
        self._capacity = capacity
        self._inside = 0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="unmask-explain")

    async def explain(self, data: bytes, *, faithfulness: bool) -> dict[str, Any]:
        """The explanation of one image as plain values, its images as data URIs.

        Args:
            data: the bytes of an image file.
            faithfulness: whether the map is checked, which is most of the work.

        Raises:
            ImageError: the image cannot be accepted or read.
            Problem: 429 when too many wait.
        """
        if self._inside >= self._capacity:
            raise Problem(429, "busy", "Too many explanations are waiting; try again.", {"Retry-After": "5"})
        work = self._pool.submit(self._work, data, faithfulness)
        # Counted until it has ended: one that has begun goes on when nobody waits any more.
        self._inside += 1
        loop = asyncio.get_running_loop()
        work.add_done_callback(lambda _: loop.call_soon_threadsafe(self._ended))
        return await asyncio.wrap_future(work)

    def close(self) -> None:
        """Finish what has begun."""
        self._pool.shutdown(cancel_futures=True)

    def _work(self, data: bytes, faithfulness: bool) -> dict[str, Any]:
        return _plain(self._explainer.explain(data, faithfulness=faithfulness))

    def _ended(self) -> None:
        self._inside -= 1


def _plain(explanation: Explanation) -> dict[str, Any]:
    content = explanation.to_json()
    for shown, view in zip(content["forensics"] or (), explanation.views or (), strict=True):
        shown["picture"] = None if view.image is None else _data_uri(view.image)
    return {**content, "picture": _data_uri(explanation.image), "overlay": _data_uri(explanation.overlay)}


def _data_uri(image: Image.Image) -> str:
    return data_uri(image, _QUALITY)
