"""The result of ``unmask bench``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from unmask.evaluation.results.base import Number, Part, Result, Run


class Machine(Run):
    """How and where times were measured.

    Attributes:
        machine: processor architecture.
        system: operating system.
        cores: number of CPUs.
        load_average: processes that ran or waited on average in the minute before.
    """

    machine: str | None = None
    system: str | None = None
    cores: int | None = None
    load_average: float | None = None


class Latency(Part):
    """Time of one call in milliseconds: quantiles and mean.

    Attributes:
        calls: number of timed calls.
        p50_ms: median.
        p95_ms: 95th percentile.
        p99_ms: 99th percentile.
        mean_ms: mean.
    """

    calls: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    mean_ms: float


class WholeDetections(Latency):
    """Time of whole detections, from the file's bytes to the verdict.

    Attributes:
        n: number of different images.
    """

    n: int


class EngineCost(Part):
    """A network in one engine, with one thread.

    Attributes:
        import_ms: time to import the engine.
        load_ms: time to load the network.
        latency: of one image.
        batch: images per batch.
        images_per_second: throughput in batches.
        peak_memory_mb: most memory of the process, in 10^6 bytes.
    """

    former_names: ClassVar[Mapping[str, str]] = {"pictures_per_second": "images_per_second"}

    import_ms: float | None = None
    load_ms: float
    latency: Latency
    batch: int | None = None
    images_per_second: float
    peak_memory_mb: float


class Ratios(Part):
    """PyTorch's values divided by ONNX Runtime's."""

    latency_p50: float
    throughput: float
    peak_memory: float


class Price(Part):
    """Cost of a million images.

    Attributes:
        of: ``the network alone`` or ``whole detections``.
        core_hours_per_million: CPU time.
        price_per_core_hour: in any currency; ``None`` if not given.
        per_million: price of a million images; likewise.
    """

    of: str
    core_hours_per_million: float
    price_per_core_hour: float | None
    per_million: float | None


class ModelCost(Part):
    """One detector.

    Attributes:
        name: name and version.
        bundle_sha256: hash of the bundle.
        size: side of the network's input in pixels.
        parameters: number of stored weights.
        macs: multiply-accumulate operations per image.
        uncounted: operators that ``macs`` leaves out, with their number.
        model_bytes: size of the graph.
        engines: ``onnx``, and ``torch`` where it can be compared.
        no_torch: why it cannot; ``None`` if it can.
        torch_over_onnx: the comparison.
        images: time of whole detections; ``None`` if no images were given.
        cost: of a million images.
        training: times of the training run; ``None`` without one.
    """

    former_names: ClassVar[Mapping[str, str]] = {"pictures": "images"}

    name: str
    bundle_sha256: str
    size: int
    parameters: int
    macs: int
    uncounted: dict[str, int]
    model_bytes: int
    engines: dict[str, EngineCost]
    no_torch: str | None
    torch_over_onnx: Ratios | None
    images: WholeDetections | None
    cost: Price
    training: dict[str, Number] | None


class Bench(Result):
    """Size, speed, memory use and cost of detectors.

    Attributes:
        run: how and where it was measured.
        models: in the order given.
    """

    schema_version: Literal[1] = Field(1, alias="schema")
    kind: Literal["bench"]
    run: Machine
    models: tuple[ModelCost, ...]
