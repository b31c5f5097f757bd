"""Explanations take seconds each, so they have their own thread and a short queue."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from PIL import Image

from unmask.detect.detector import Detector
from unmask.explain.explainer import Explainer, Explanation
from unmask.pages.page import data_uri
from unmask.serve.problems import Problem

# For viewing only: a lossless image would be ten times as large.
_QUALITY = 88


class ExplainQueue:
    """Explains one image at a time.

    Args:
        detector: the detector whose verdicts are explained.
        capacity: most images waiting or in progress.
    """

    def __init__(self, detector: Detector, capacity: int) -> None:
        self._explainer = Explainer(detector)
        self._capacity = capacity
        self._in_queue = 0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="unmask-explain")

    async def explain(self, data: bytes, *, faithfulness: bool) -> dict[str, Any]:
        """Explain one image; return plain values, with images as data URIs.

        Args:
            data: the bytes of an image file.
            faithfulness: check the evidence map against other maps too, not only against random orders.

        Raises:
            ImageError: the image cannot be accepted or read.
            Problem: 429, too many explanations are waiting.
        """
        if self._in_queue >= self._capacity:
            raise Problem(429, "busy", "Too many explanations are waiting. Try again later.", {"Retry-After": "5"})
        work = self._pool.submit(self._work, data, faithfulness)
        # Counted until it ends: once started, an explanation runs on even if nobody waits for it.
        self._in_queue += 1
        loop = asyncio.get_running_loop()
        work.add_done_callback(lambda _: loop.call_soon_threadsafe(self._ended))
        return await asyncio.wrap_future(work)

    def close(self) -> None:
        """Cancel the explanations that have not been started; the one in progress is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _work(self, data: bytes, faithfulness: bool) -> dict[str, Any]:
        return _plain(self._explainer.explain(data, faithfulness="full" if faithfulness else "quick"))

    def _ended(self) -> None:
        self._in_queue -= 1


def _plain(explanation: Explanation) -> dict[str, Any]:
    content = explanation.to_json()
    for shown, view in zip(content["forensics"] or (), explanation.views or (), strict=True):
        shown["picture"] = None if view.image is None else _data_uri(view.image)
    return {**content, "picture": _data_uri(explanation.image), "overlay": _data_uri(explanation.overlay)}


def _data_uri(image: Image.Image) -> str:
    return data_uri(image, _QUALITY)
