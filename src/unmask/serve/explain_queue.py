"""Explanations take seconds each, so they have their own thread and a short queue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from PIL import Image

from unmask.detect.detector import Detector
from unmask.explain.explainer import Explainer, Explanation
from unmask.explain.page import render_html
from unmask.pages.page import data_uri
from unmask.serve.problems import Problem

_T = TypeVar("_T")

# For viewing only: a lossless image would be ten times as large.
_QUALITY = 88


class ExplainQueue:
    """Explains one image at a time.

    Args:
        detector: the detector whose verdicts are explained; of two in turn the one that judges the image.
        capacity: most images waiting or in progress.
    """

    def __init__(self, detector: Detector, capacity: int) -> None:
        self._detector = detector
        self._explainers = {each.bundle.sha256: Explainer(each) for each in (detector.first, *detector.detectors[1:])}
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
        return await self._queued(lambda: _plain(self._explain(data, faithfulness)))

    async def report(self, data: bytes, name: str, *, faithfulness: bool) -> str:
        """Explain one image; return the report as HTML.

        Args:
            data: the bytes of an image file.
            name: the sender's name for it; '' if there is none.
            faithfulness: as for :meth:`explain`.

        Raises:
            ImageError: the image cannot be accepted or read.
            Problem: 429, too many explanations are waiting.
        """
        return await self._queued(lambda: render_html(self._explain(data, faithfulness), name=name or "image"))

    def close(self) -> None:
        """Cancel the explanations that have not been started; the one in progress is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _queued(self, make: Callable[[], _T]) -> _T:
        if self._in_queue >= self._capacity:
            raise Problem(429, "busy", "Too many explanations are waiting. Try again later.", {"Retry-After": "5"})
        work = self._pool.submit(make)
        # Counted until it ends: once started, an explanation runs on even if nobody waits for it.
        self._in_queue += 1
        loop = asyncio.get_running_loop()
        work.add_done_callback(lambda _: loop.call_soon_threadsafe(self._ended))
        return await asyncio.wrap_future(work)

    def _explain(self, data: bytes, faithfulness: bool) -> Explanation:
        explainers = self._explainers
        explainer = explainers[self._detector.bundle.sha256]
        if len(explainers) > 1:
            explainer = explainers[self._detector.detect(data).bundle_sha256]
        return explainer.explain(data, faithfulness="full" if faithfulness else "quick")

    def _ended(self) -> None:
        self._in_queue -= 1


def _plain(explanation: Explanation) -> dict[str, Any]:
    content = explanation.to_json()
    for shown, view in zip(content["forensics"] or (), explanation.views or (), strict=True):
        shown["picture"] = None if view.image is None else _data_uri(view.image)
    return {**content, "picture": _data_uri(explanation.image), "overlay": _data_uri(explanation.overlay)}


def _data_uri(image: Image.Image) -> str:
    return data_uri(image, _QUALITY)
