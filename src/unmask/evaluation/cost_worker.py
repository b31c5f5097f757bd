"""One network in its own process, which runs it on command: ``python -P cost_worker.py``.

Each network has a process, so that memory is measured separately. Each line of standard input is an order, a JSON
object, and gets one line in reply; the first order says what to load. The process ends with its standard input.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[[int], None]


def main() -> None:
    """Load the network, then carry out orders."""
    order = json.loads(sys.stdin.readline())
    began = time.perf_counter()
    load = {"onnx": _onnx, "torch": _torch}[order["engine"]]
    prepare = load(order)
    imported = time.perf_counter()
    run, detect = prepare()
    ready = time.perf_counter()
    _say({"import_ms": 1000 * (imported - began), "load_ms": 1000 * (ready - imported)})
    for line in sys.stdin:
        order = json.loads(line)
        if order["do"] == "memory":
            _say({"peak_memory_mb": peak_memory_mb()})
            continue
        call = detect if order["do"] == "detect" else run
        seconds = []
        for at in range(order["calls"]):
            started = time.perf_counter()
            call(order["first"] + at if order["do"] == "detect" else order["batch"])
            seconds.append(time.perf_counter() - started)
        _say({"seconds": seconds})


def peak_memory_mb() -> float:
    """Peak memory of this process, in MB (10^6 bytes)."""
    try:
        # ru_maxrss starts at what the parent held; this is of the program alone.
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        import resource

        usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return usage / 1e6 if sys.platform == "darwin" else usage * 1024 / 1e6  # macOS counts bytes, others KiB


def _onnx(order: dict[str, Any]) -> Callable[[], tuple[Run, Run]]:
    from unmask.bundle.bundle import Bundle, run_graph
    from unmask.detect.detector import Detector

    def prepare() -> tuple[Run, Run]:
        bundle = Bundle.open(order["bundle"])
        session = bundle.session()
        inputs = _Inputs(bundle.info.preprocessing.size)
        images = [Path(name).read_bytes() for name in order["images"]]
        detectors: list[Detector] = []  # made on first use: it needs memory of its own

        def detect(at: int) -> None:
            if not detectors:
                detectors.append(Detector(bundle))
            detectors[0].detect(images[at % len(images)])

        return lambda batch: _drop(run_graph(session, inputs.of(batch))), detect

    return prepare


def _torch(order: dict[str, Any]) -> Callable[[], tuple[Run, Run]]:
    import torch

    from unmask.evaluation.cost import random_recipe
    from unmask.models.network import FaceNetwork

    torch.set_num_threads(1)

    def prepare() -> tuple[Run, Run]:
        recipe = random_recipe(order["recipe"])
        network = FaceNetwork(recipe).eval()
        inputs = _Inputs(recipe.preprocessing.size)

        def run(batch: int) -> None:
            with torch.inference_mode():
                network(torch.from_numpy(inputs.of(batch)))

        return run, run

    return prepare


class _Inputs:
    """Random pixels of each size of batch, made once."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._made: dict[int, Any] = {}

    def of(self, batch: int) -> Any:
        """uint8 [batch, size, size, 3]."""
        import numpy as np

        if batch not in self._made:
            shape = (batch, self._size, self._size, 3)
            self._made[batch] = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        return self._made[batch]


def _drop(_: object) -> None:
    """Nothing of something."""


def _say(reply: dict[str, Any]) -> None:
    print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
