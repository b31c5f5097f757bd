"""The result of ``unmask check-maps``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from unmask.evaluation.results.base import Label, Metric, Part, Result


class MapMeans(Part):
    """Means over images; ``None`` where no image has the value.

    Attributes:
        gain: mean of both gains below.
        deletion_gain: area under the deletion curve, random orders minus map.
        insertion_gain: area under the insertion curve, map minus random orders.
        redrawn_gain: ``gain`` of the map of a network with random weights.
        agreement: rank correlation with a map by occlusion.
        redrawn_correlation: rank correlation with the map of a network with random weights.
    """

    gain: Metric | None
    deletion_gain: Metric | None
    insertion_gain: Metric | None
    redrawn_gain: Metric | None
    agreement: Metric | None
    redrawn_correlation: Metric | None


class CurveAreas(Part):
    """Mean areas under the deletion and the insertion curve."""

    deletion_area: Metric | None
    insertion_area: Metric | None


class MeanCurves(Part):
    """Mean probability of the verdict at each step of deletion and of insertion."""

    deletion: tuple[float, ...]
    insertion: tuple[float, ...]


class CheckedCurves(MeanCurves):
    """The curves of one image, with the areas under them."""

    deletion_area: float
    insertion_area: float


class MapSummary(Part):
    """The maps of several images.

    Attributes:
        n: number of images.
        means: of the checks.
        better_than_random: proportion of the images whose gain is above 0.
        areas: by order: ``map``, ``random`` and ``redrawn``.
        fractions: proportion of the cells that are deleted, or inserted, at each step.
        curves: by order.
    """

    n: int
    means: MapMeans
    better_than_random: Metric
    areas: dict[str, CurveAreas]
    fractions: tuple[float, ...]
    curves: dict[str, MeanCurves]


class CheckedImage(Part):
    """The map of one image.

    Attributes:
        path: the image.
        label: the truth.
        source: where it is from.
        group: its group; '' for none.
        result: the verdict.
        fake_probability: in [0, 1].
        face_found: whether a face was found.
        method: how the map was made.
        towards: the class whose probability is followed.
        random_orders: number of random orders.
        random_orders_beaten: number of them that the map beats.
        fractions: proportion of the cells at each step.
        map: curves in the order of the map.
        random: mean curves of the random orders.
        redrawn: curves in the order of the map of a network with random weights; ``None`` without one.
    """

    path: str
    label: str
    source: str
    group: str
    result: Literal["REAL", "FAKE"]
    fake_probability: float
    face_found: bool
    method: str
    towards: Label
    deletion_gain: float | None
    insertion_gain: float | None
    gain: float
    redrawn_gain: float | None
    redrawn_correlation: float | None
    agreement: float | None
    random_orders: int
    random_orders_beaten: int
    fractions: tuple[float, ...]
    map: CheckedCurves
    random: CheckedCurves
    redrawn: CheckedCurves | None


class UncheckedImage(Part):
    """An image that could not be read, with the error's code."""

    path: str
    error: str


class StudiedDetector(Part):
    """The detector: name and version, and the hash of its bundle."""

    model: str
    bundle_sha256: str


class MapStudy(Result):
    """How faithful a detector's evidence maps are.

    Attributes:
        detector: whose maps.
        seed: random seed of the orders and weights.
        by_result: ``all`` images, and those of each verdict.
        failures: images that could not be read.
        images: the checks of each image; ``pictures`` in older files.
    """

    former_names: ClassVar[Mapping[str, str]] = {"pictures": "images"}

    schema_version: Literal[1] = Field(1, alias="schema")
    kind: Literal["map-study"] = "map-study"
    detector: StudiedDetector
    seed: int
    by_result: dict[str, MapSummary]
    failures: tuple[UncheckedImage, ...]
    images: tuple[CheckedImage, ...]
