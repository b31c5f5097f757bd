"""The part of a recipe that says how a trained network is pruned."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from unmask.recipes.parts import Part


class Pruning(Part):
    """How ``unmask bundle prune`` takes channels away, a part at a time.

    Attributes:
        method: which channels go first. ``surgeon``: those without which the logit moves least when the layers that
            read them are fitted again, per multiplication saved (Optimal Brain Surgeon: Hassibi and Stork, 1993);
            ``taylor``: those without which the loss changes least, to first order (Molchanov et al., CVPR 2019);
            ``magnitude``: those with the smallest weights (Li et al., ICLR 2017).
        keep: proportion of the multiplications that is to be left.
        steps: number of parts.
        epochs: of training after each part; 0: none, the layers that are left are fitted only.
        learning_rate: its peak, which falls to 0 in each part.
        teacher: weight of what the unpruned network makes of the same images in that training, from 0 (labels alone)
            to 1 (the unpruned network alone).
        probes: training images that channels are chosen and layers fitted on, at most 16 megapixels of them.
        widest: largest proportion of a layer's channels that is taken away.
        multiple: numbers of channels stay multiples of this.
    """

    method: Literal["surgeon", "taylor", "magnitude"] = "surgeon"
    keep: float = Field(0.5, gt=0, lt=1)
    steps: int = Field(1, ge=1, le=100)
    epochs: int = Field(0, ge=0, le=1_000)
    learning_rate: float = Field(5e-5, gt=0, le=1)
    teacher: float = Field(1.0, ge=0, le=1)
    probes: int = Field(512, ge=2, le=100_000)
    widest: float = Field(0.8, gt=0, lt=1)
    multiple: int = Field(8, ge=1, le=64)
