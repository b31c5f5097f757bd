"""The training card in ``bundle.json``, and how a bundle was recalibrated."""

from __future__ import annotations

from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from unmask.bundle.fields import Count, Digest, Measured, Name, Number, Part, Text, without_empty

_MAX_ENTRIES = 1_000


class UnseenFamily(Part):
    """How a detector finds fakes of a family that its training left out, measured with the same recipe.

    Attributes:
        auc: area under the ROC curve against real images, in [0, 1].
        found: proportion of the fakes found at the default threshold.
    """

    auc: Measured
    found: Measured


class RegressionRecord(Part):
    """How a detector fares on images whose verdict is known.

    Attributes:
        cases_digest: SHA-256 of the manifest of the cases.
        passed: number of cases that must pass and do.
        failed: those that must pass and do not, by path.
        known_misses: those that are known to be missed.
        fixed: those that were known to be missed and pass.
    """

    cases_digest: Digest
    passed: Count
    failed: tuple[Text, ...] = Field((), max_length=_MAX_ENTRIES)
    known_misses: tuple[Text, ...] = Field((), max_length=_MAX_ENTRIES)
    fixed: tuple[Text, ...] = Field((), max_length=_MAX_ENTRIES)


class Card(Part):
    """How the detector was made and where it fails.

    Attributes:
        summary: one sentence.
        recipe: the resolved recipe.
        members: the resolved recipes of an ensemble's members, by name.
        recipe_digest: SHA-256 of the recipe.
        manifest_digest: SHA-256 of the manifest's content.
        weights: where the backbone's pretrained weights came from.
        sources: number of training images by label and source.
        families: number of fakes in training by family of generators, of :data:`unmask.data.families.FAMILIES`.
        unseen: by family, how well a detector of the same recipe finds it without having seen it; empty if not
            measured.
        regressions: how it fares on images whose verdict is known; ``None`` if they were not judged.
        metrics: metrics on the validation split.
        limits: known limits, one sentence each.
        packages: versions of the packages that it was made with.
        commit: revision of unmask that it was made with, if known.
    """

    summary: Text = ""
    recipe: dict[Name, Any] = Field({}, max_length=_MAX_ENTRIES)
    members: dict[Name, dict[Name, Any]] = Field({}, max_length=_MAX_ENTRIES)
    recipe_digest: Digest = ""
    manifest_digest: Digest = ""
    weights: dict[Name, Text] = Field({}, max_length=_MAX_ENTRIES)
    sources: dict[Name, dict[str, Count]] = Field({}, max_length=_MAX_ENTRIES)
    families: dict[Name, Count] = Field({}, max_length=_MAX_ENTRIES)
    unseen: dict[Name, UnseenFamily] = Field({}, max_length=_MAX_ENTRIES)
    regressions: RegressionRecord | None = None
    metrics: dict[Name, Number] = Field({}, max_length=_MAX_ENTRIES)
    limits: tuple[Text, ...] = Field((), max_length=_MAX_ENTRIES)
    packages: dict[Name, Name] = Field({}, max_length=_MAX_ENTRIES)
    commit: Name = ""

    @model_serializer(mode="wrap")
    def _without_empty(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_empty(write(self), "families", "unseen", "regressions")


class Recalibration(Part):
    """How a bundle was recalibrated after training.

    Attributes:
        bundle_sha256: the bundle that was recalibrated.
        manifest_digest: SHA-256 of the manifest of the images used.
        real: number of real images.
        fake: number of fake images.
        groups: number of groups.
        asked: the requested method.
        folds: cross-validation folds; 0 if there were too few images to measure.
        holdout: whether the last fold was used for measuring only.
        seed: random seed of the folds and of the bootstrap.
        metrics: metrics before and after, with their confidence intervals.
        unmask: version of unmask.
    """

    bundle_sha256: Digest
    manifest_digest: Digest
    real: Count
    fake: Count
    groups: Count
    asked: Name
    folds: Count
    holdout: bool
    seed: Count
    metrics: dict[Name, Number] = Field({}, max_length=_MAX_ENTRIES)
    unmask: Name = ""
