"""The cost of a detector: size and work counted from its graph, time and memory measured, compared with PyTorch."""

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
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from pydantic import ValidationError

from unmask.bundle.bundle import Bundle
from unmask.errors import MissingExtraError, UsageError
from unmask.evaluation.evaluate import describe_run
from unmask.evaluation.results.cost import (
    EngineCost,
    Latency,
    Machine,
    ModelCost,
    Price,
    Ratios,
    WholeDetections,
)
from unmask.recipes import Recipe

BATCH: Final = 16
CALLS: Final = 200
_ROUNDS: Final = 20  # of turns of the two engines
_WARM_UP: Final = 5

# Operators that multiply and add but are not counted here; the result names those that a graph has.
_UNCOUNTED = frozenset({"ConvTranspose", "Einsum", "If", "Loop", "Scan", "LSTM", "GRU", "RNN", "Attention"})
_WEIGHT_AT = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3}


@dataclass(frozen=True)
class Counts:
    """The size and work of a graph.

    Attributes:
        parameters: numbers that it stores: weights, statistics of normalisation, thresholds of trees.
        macs: multiply-accumulate operations per image, of convolutions and matrix products.
        uncounted: operators that would add to ``macs`` but are not counted, with their number.
    """

    parameters: int
    macs: int
    uncounted: dict[str, int]


def count(model: bytes) -> Counts:
    """Count a graph's parameters and its work per image, from the shapes that ONNX infers.

    A network that sees an image and its mirror image does the work twice, and is counted so.

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
) -> ModelCost:
    """Measure what one detector costs.

    ONNX Runtime, as detection uses it, and the same network in PyTorch (eager, random weights) run in a new process
    each, with one thread, and take turns, so that other load of the machine affects both.

    Args:
        path: a bundle (default: the one in the package).
        run: run folder of ``unmask train``, for the times of the training.
        images: also time whole detections of these, from the file's bytes to the verdict.
        price: of a core-hour, in any currency.
        calls: timed calls of each engine with one image, and of whole detections; at least 20.
        batch: images per batch, for throughput.
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
            "images": [str(name) for name in images],
        }
    }
    if reason is None:
        orders["torch"] = {"engine": "torch", "recipe": bundle.info.card.recipe}
    with ExitStack() as stack:
        workers = {name: stack.enter_context(_Worker(order)) for name, order in orders.items()}
        measured = _measure(workers, calls, batch, bool(images), progress)
    counts = count(bundle.model)
    engines = {name: _engine(found, batch) for name, found in measured.items()}
    whole = WholeDetections(n=len(images), **_latency(measured["onnx"].detect).model_dump()) if images else None
    return ModelCost(
        name=f"{bundle.info.name}@{bundle.info.version}",
        bundle_sha256=bundle.sha256,
        size=bundle.info.preprocessing.size,
        parameters=counts.parameters,
        macs=counts.macs,
        uncounted=counts.uncounted,
        model_bytes=len(bundle.model),
        engines=engines,
        no_torch=reason,
        torch_over_onnx=_ratios(engines["onnx"], engines["torch"]) if reason is None else None,
        images=whole,
        cost=_price(engines["onnx"].images_per_second if whole is None else 1000 / whole.mean_ms, whole, price),
        training=training,
    )


def describe_machine(command: Sequence[str]) -> Machine:
    """What times depend on besides the network: the call, versions, processor, and the load of the machine."""
    packages = {name: version(name) for name in ("torch", "timm") if importlib.util.find_spec(name)}
    run = describe_run(command)
    return Machine(
        command=run.command,
        python=run.python,
        packages=run.packages | packages,
        machine=platform.machine(),
        system=platform.system(),
        cores=os.cpu_count(),
        load_average=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    )


def steps() -> int:
    """How often :func:`bench` calls its ``progress``."""
    return _ROUNDS


@dataclass
class _Measured:
    """Times of an engine in seconds, unless the name says otherwise."""

    import_ms: float
    load_ms: float
    peak_memory_mb: float = 0.0
    single: list[float] = field(default_factory=list)
    batch: list[float] = field(default_factory=list)
    detect: list[float] = field(default_factory=list)


def _measure(
    workers: dict[str, _Worker], calls: int, batch: int, whole: bool, progress: Callable[[], None]
) -> dict[str, _Measured]:
    found = {name: _Measured(**worker.ready) for name, worker in workers.items()}
    for name, worker in workers.items():
        worker.ask(do="graph", calls=_WARM_UP, batch=1)
        found[name].peak_memory_mb = worker.ask(do="memory")["peak_memory_mb"]  # before a batch takes more
        worker.ask(do="graph", calls=1, batch=batch)
    if whole:
        workers["onnx"].ask(do="detect", calls=_WARM_UP, first=0)
    for at in range(_ROUNDS):
        own = calls * (at + 1) // _ROUNDS - calls * at // _ROUNDS
        # The first to run changes from round to round.
        for name in sorted(workers, reverse=at % 2 == 1):
            found[name].single += workers[name].ask(do="graph", calls=own, batch=1)["seconds"]
            found[name].batch += workers[name].ask(do="graph", calls=1, batch=batch)["seconds"]
        if whole:
            first = calls * at // _ROUNDS
            found["onnx"].detect += workers["onnx"].ask(do="detect", calls=own, first=first)["seconds"]
        progress()
    return found


def _engine(found: _Measured, batch: int) -> EngineCost:
    return EngineCost(
        import_ms=round(found.import_ms, 1),
        load_ms=round(found.load_ms, 1),
        latency=_latency(found.single),
        batch=batch,
        # The median batch: a stray wait of one of them is no property of the network.
        images_per_second=round(batch / float(np.median(found.batch)), 3),
        peak_memory_mb=round(found.peak_memory_mb, 1),
    )


def _latency(seconds: Sequence[float]) -> Latency:
    p50, p95, p99 = (round(1000 * float(value), 3) for value in np.quantile(seconds, [0.5, 0.95, 0.99]))
    mean = round(1000 * float(np.mean(seconds)), 3)
    return Latency(calls=len(seconds), p50_ms=p50, p95_ms=p95, p99_ms=p99, mean_ms=mean)


def _ratios(onnx: EngineCost, torch: EngineCost) -> Ratios:
    return Ratios(
        latency_p50=round(torch.latency.p50_ms / onnx.latency.p50_ms, 3),
        throughput=round(torch.images_per_second / onnx.images_per_second, 3),
        peak_memory=round(torch.peak_memory_mb / onnx.peak_memory_mb, 3),
    )


def _price(per_second: float, whole: WholeDetections | None, price: float | None) -> Price:
    hours = 1e6 / per_second / 3600
    return Price(
        of="the network alone" if whole is None else "whole detections",
        core_hours_per_million=round(hours, 3),
        price_per_core_hour=price,
        per_million=None if price is None else round(hours * price, 4),
    )


def _training(run: Path) -> dict[str, float]:
    """The times that a run noted.

    Raises:
        UsageError: ``no_run``.
    """
    try:
        content: dict[str, float] = json.loads((run / "timing.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise UsageError("no_run", f"{run}: there is no readable timing.json of a run") from None
    return content


class _Worker:
    """A network in a process of its own; see :mod:`unmask.evaluation.cost_worker`."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(
            # Not -m, which would import the package, and so numpy and ONNX Runtime, before their time is taken.
            [sys.executable, "-P", str(Path(__file__).with_name("cost_worker.py"))],
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
        """Give an order and wait for the reply."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            reply: dict[str, Any] = json.loads(self._process.stdout.readline())
        except (OSError, ValueError):
            self._process.wait()
            self._errors.seek(0)
            lines = self._errors.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
            raise UsageError("bench_failed", f"The measuring process ended early: {lines[-1]}") from None
        return reply
