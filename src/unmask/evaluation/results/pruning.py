"""The result of ``unmask bundle prune``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from unmask.evaluation.results.base import Counts, Estimate, Part, Result


class PrunedNetwork(Part):
    """The network after one part of the pruning; the first is the unpruned one.

    Attributes:
        multiplications: for one image.
        parameters: their number.
        kept: proportion of the multiplications that is left.
        auc_before: on the validation images, before training again.
        auc: after it.
        change: of the AUC from the unpruned network, with its interval over whole groups.
    """

    multiplications: int
    parameters: int
    kept: float
    auc_before: float
    auc: float
    change: Estimate


class PruningResult(Result):
    """How the AUC falls as channels are taken from a network.

    Attributes:
        recipe: name of the run's recipe.
        method: ``surgeon``, ``taylor`` or ``magnitude``.
        data: the validation images.
        max_auc_drop: largest loss of AUC that was accepted.
        networks: from the unpruned one to the smallest.
        chosen: which of them became the bundle: the smallest that loses no more.
        bundle: the folder written to.
        sha256: hash of the bundle.
    """

    schema_version: Literal[1] = Field(1, alias="schema")
    kind: Literal["pruning"] = "pruning"
    recipe: str
    method: str
    data: Counts
    max_auc_drop: float
    networks: tuple[PrunedNetwork, ...]
    chosen: int
    bundle: str = ""
    sha256: str = ""
