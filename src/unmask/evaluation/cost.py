"""What a detector costs: its size and work counted from the graph, its time and memory measured, torch beside it."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from pydantic import ValidationError

from unmask.bundle.bundle import Bundle
from unmask.errors import MissingExtraError, UsageError
from unmask.evaluation.evaluate import describe_run
from unmask.recipes import Recipe

BATCH: Final = 16
CALLS: Final = 200
_ROUNDS: Final = 20  # the two engines take turns so often
_WARM_UP: Final = 5

# Operators that multiply and add without being counted here; a graph that has them is said to be counted in part.
_UNCOUNTED = frozenset({"ConvTranspose", "Einsum", "If", "Loop", "Scan", "LSTM", "GRU", "RNN", "Attention"})
_WEIGHT_AT = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3}


@dataclass(frozen=True)
class Counts:
    """What a graph holds and does.

    Attributes:
        parameters: numbers that it stores: weights, statistics of normalisation, thresholds of trees.
        macs: multiplications with an addition for one image, of convolutions and matrix products.
        uncounted: operators that would add to ``macs`` but are not counted, with how often they occur.
    """

    parameters: int
    macs: int
    uncounted: dict[str, int]


def count(model: bytes) -> Counts:
    """Count a graph's parameters and its work for one image, from the shapes that ONNX infers.

    A network that looks at an image and its mirror image does the work twice, and is counted so.

    Raises:
        MissingExtraError: onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError("train", "Counting a graph's work") from error
    proto = onnx.load_from_string(model)
    graph = proto.graph
    for value in graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = 1  # one image
    del graph.value_info[:]  # what the exporter noted names the batch by a symbol
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")
    graph = onnx.shape_inference.infer_shapes(proto, data_prop=True).graph
    shape = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.value_info, *graph.output)
    }
    shape |= {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    kinds = onnx.TensorProto
    indices = {kinds.INT64, kinds.INT32, kinds.BOOL, kinds.STRING}
    parameters = sum(math.prod(tensor.dims) for tensor in graph.initializer if tensor.data_type not in indices)
    # Trees and linear models of ai.onnx.ml carry their numbers as attributes.
    parameters += sum(
        len(attribute.floats) for node in graph.node if node.domain == "ai.onnx.ml" for attribute in node.attribute
    )
    macs = [(node.op_type, _macs(node, shape)) for node in graph.node]
    return Counts(
        parameters,
        sum(work for _, work in macs if work is not None),
        dict(Counter(operator for operator, work in macs if work is None)),
    )


def _macs(node: Any, shape: dict[str, list[int]]) -> int | None:
    """The work of one node; ``None`` where it has some that is not known."""

    def sized(name: str) -> list[int]:
        # A length that depends on the pixels has no number.
        return shape[name] if all(shape.get(name, [0])) else []

    operator = node.op_type
    if operator in _UNCOUNTED:
        return None
    if operator in _WEIGHT_AT:
        # Each output is a sum over one filter: [out, in / groups, *kernel].
        out, inside = sized(node.output[0]), sized(node.input[_WEIGHT_AT[operator]])[1:]
    elif operator == "Gemm":
        transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
        first = sized(node.input[0])
        out, inside = sized(node.output[0]), first[:1] if transposed else first[1:]
    elif operator in ("MatMul", "MatMulInteger", "QLinearMatMul"):
        out, inside = sized(node.output[0]), sized(node.input[0])[-1:]
    else:
        return 0
    return math.prod(out) * math.prod(inside) if out and inside else None


def random_recipe(content: dict[str, Any]) -> Recipe:
    """A card's recipe with random starting weights, which take as long as trained ones."""
    recipe = Recipe.model_validate(content)
    branches = [branch.model_copy(update={"weights": ("none",)}) for branch in recipe.branches]
    fusion = recipe.fusion and recipe.fusion.model_copy(update={"branches": tuple(branches[1:])})
    return recipe.model_copy(update={"backbone": branches[0], "fusion": fusion})


def why_no_torch(bundle: Bundle) -> str | None:
    """Why a bundle has no counterpart in torch, or ``None`` if it has one."""
    if not bundle.info.card.recipe:
        return "its card holds no recipe"
    try:
        recipe = random_recipe(bundle.info.card.recipe)
    except ValidationError:
        return "its card holds no recipe that this version reads"
    if recipe.classifier is not None or recipe.ensemble is not None:
        return "it is more than one network: a classical head or an ensemble"
    if any(importlib.util.find_spec(name) is None for name in ("torch", "timm")):
        return "torch is not installed"
    return None


def bench(
    path: Path | None,
    *,
    run: Path | None = None,
    images: Sequence[Path] = (),
    price: float | None = None,
    calls: int = CALLS,
    batch: int = BATCH,
    progress: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """What one detector costs, as plain values for JSON.

    ONNX Runtime, as detection uses it, and the same network in torch eager (random weights) each run in a new process
    and take turns, so that whatever else the machine does meets both. One thread each.

    Args:
        path: a bundle; the one in the package by default.
        run: a run folder of ``unmask train``, for the time that training took.
        images: whole detections of these, from the file's bytes to the verdict, are timed too.
        price: of one hour of one core, in any currency.
        calls: timed calls of each engine at batch 1, and whole detections; at least 20.
        batch: images in a batch, for throughput.
        progress: called after each of :func:`steps` rounds.

    Raises:
        BundleError: the bundle is missing or broken.
        MissingExtraError: onnx is not installed.
        UsageError: ``no_run``; ``bench_failed``, a measuring process ended early.
    """
    bundle = Bundle.open(path)
    training = None if run is None else _training(run)
    reason = why_no_torch(bundle)
    orders: dict[str, dict[str, Any]] = {
        "onnx": {
            "engine": "onnx",
            "bundle": None if path is None else str(path),
            "pictures": [str(name) for name in images],
        }
    }
    if reason is None:
        orders["torch"] = {"engine": "torch", "recipe": bundle.info.card.recipe}
    with ExitStack() as stack:
        workers = {name: stack.enter_context(_Worker(order)) for name, order in orders.items()}
        measured = _measure(workers, calls, batch, bool(images), progress)
    counts = count(bundle.model)
    engines = {name: _figures(found, batch) for name, found in measured.items()}
    whole = _latency(measured["onnx"]["detect"]) if images else None
    return {
        "name": f"{bundle.info.name}@{bundle.info.version}",
        "bundle_sha256": bundle.sha256,
        "size": bundle.info.preprocessing.size,
        "parameters": counts.parameters,
        "macs": counts.macs,
        "uncounted": counts.uncounted,
        "model_bytes": len(bundle.model),
        "engines": engines,
        "no_torch": reason,
        "torch_over_onnx": _ratios(engines) if reason is None else None,
        "pictures": whole and {"n": len(images), **whole},
        "cost": _cost(
            engines["onnx"]["pictures_per_second"] if whole is None else 1000 / whole["mean_ms"], whole, price
        ),
        "training": training,
    }


def describe_machine(command: Sequence[str]) -> dict[str, Any]:
    """What times depend on besides the network: the call, versions, processor, and what else the machine is doing."""
    packages = {name: version(name) for name in ("torch", "timm") if importlib.util.find_spec(name)}
    found = describe_run(command)
    return {
        **found,
        "packages": found["packages"] | packages,
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def steps() -> int:
    """How often :func:`bench` calls its ``progress``."""
    return _ROUNDS


def _measure(
    workers: dict[str, _Worker], calls: int, batch: int, whole: bool, progress: Callable[[], None]
) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {
        name: {**worker.ready, "single": [], "batch": [], "detect": []} for name, worker in workers.items()
    }
    for name, worker in workers.items():
        worker.ask(do="graph", calls=_WARM_UP, batch=1)
        found[name] |= worker.ask(do="memory")  # before a batch takes more
        worker.ask(do="graph", calls=1, batch=batch)
    if whole:
        workers["onnx"].ask(do="detect", calls=_WARM_UP, first=0)
    for at in range(_ROUNDS):
        own = calls * (at + 1) // _ROUNDS - calls * at // _ROUNDS
        # The first to go changes from round to round.
        for name in sorted(workers, reverse=at % 2 == 1):
            found[name]["single"] += workers[name].ask(do="graph", calls=own, batch=1)["seconds"]
            found[name]["batch"] += workers[name].ask(do="graph", calls=1, batch=batch)["seconds"]
        if whole:
            first = calls * at // _ROUNDS
            found["onnx"]["detect"] += workers["onnx"].ask(do="detect", calls=own, first=first)["seconds"]
        progress()
    return found


def _figures(found: dict[str, Any], batch: int) -> dict[str, Any]:
    # The median batch: a stray wait of one of them is no property of the network.
    return {
        "import_ms": round(found["import_ms"], 1),
        "load_ms": round(found["load_ms"], 1),
        "latency": _latency(found["single"]),
        "batch": batch,
        "pictures_per_second": round(batch / float(np.median(found["batch"])), 3),
        "peak_memory_mb": round(found["peak_memory_mb"], 1),
    }


def _latency(seconds: Sequence[float]) -> dict[str, Any]:
    p50, p95, p99 = (round(1000 * float(value), 3) for value in np.quantile(seconds, [0.5, 0.95, 0.99]))
    mean = round(1000 * float(np.mean(seconds)), 3)
    return {"calls": len(seconds), "p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "mean_ms": mean}


def _ratios(engines: dict[str, dict[str, Any]]) -> dict[str, float]:
    onnx, torch = engines["onnx"], engines["torch"]
    return {
        "latency_p50": round(torch["latency"]["p50_ms"] / onnx["latency"]["p50_ms"], 3),
        "throughput": round(torch["pictures_per_second"] / onnx["pictures_per_second"], 3),
        "peak_memory": round(torch["peak_memory_mb"] / onnx["peak_memory_mb"], 3),
    }


def _cost(per_second: float, whole: dict[str, Any] | None, price: float | None) -> dict[str, Any]:
    hours = 1e6 / per_second / 3600
    return {
        "of": "the network alone" if whole is None else "whole detections",
        "core_hours_per_million": round(hours, 3),
        "price_per_core_hour": price,
        "per_million": None if price is None else round(hours * price, 4),
    }


def _training(run: Path) -> dict[str, Any]:
    """The parts of a run's time.

    Raises:
        UsageError: ``no_run``.
    """
    try:
        content: dict[str, Any] = json.loads((run / "timing.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise UsageError("no_run", f"{run}: there is no timing.json of a run that can be read") from None
    return content


class _Worker:
    """A network in a process of its own; see :mod:`unmask.evaluation.cost_worker`."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "unmask.evaluation.cost_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._order = order
        self.ready: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self.ready = self.ask(**self._order)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()
        self._errors.close()

    def ask(self, **order: Any) -> dict[str, Any]:
        """Give an order and wait for its answer."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        except (OSError, ValueError):
            self._process.wait()
            self._errors.seek(0)
            lines = self._errors.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
            raise UsageError("bench_failed", f"The measuring process ended early: {lines[-1]}") from None
        return answer
