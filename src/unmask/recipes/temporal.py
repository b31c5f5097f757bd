"""The part of a recipe that trains a temporal head for clips instead of a detector of images."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from unmask.recipes.parts import Part


class Temporal(Part):
    """A head over the frames of a clip, on a detector that stays as it is.

    Attributes:
        kind: ``gru``: a bidirectional GRU (Cho et al., EMNLP 2014); ``transformer``: blocks of attention (Vaswani et
            al., NeurIPS 2017). The summary of a clip is the mean over its frames.
        detector: the bundle that judges frames: a path, or the name of a detector.
        directions: features of a frame, for each network of the detector: its leading directions.
        width: of the layers.
        layers: of the GRU, or blocks of the transformer.
        heads: of attention; ``width`` is a multiple of it.
        dropout: proportion of values dropped in training.
        frames: frames of a clip, spread over it. Sequences of training have from a quarter of them to all.
        still_frames: frames made of a still image by small motions.
        still_epochs: epochs on sequences of still images, before those on clips.
        still_rate: peak learning rate on them.
        epochs: epochs on clips.
        learning_rate: peak learning rate on clips.
        batch_size: sequences per step.
        weight_decay: on weights with two or more dimensions only.
        pull: weight of the squared addition to the mean of the frames' logits in the loss. It keeps the head near
            the mean where the clips say nothing else.
        folds: groups of clips that take turns in being left out, whose logits calibration and thresholds are fitted on.
    """

    kind: Literal["gru", "transformer"] = "gru"
    detector: Annotated[str, Field(min_length=1, max_length=4_096)] = "unmask-default"
    directions: int = Field(16, ge=1, le=512)
    width: int = Field(32, ge=4, le=1_024)
    layers: int = Field(1, ge=1, le=8)
    heads: int = Field(4, ge=1, le=64)
    dropout: float = Field(0.2, ge=0, lt=1)
    frames: int = Field(32, ge=4, le=512)
    still_frames: int = Field(8, ge=2, le=64)
    still_epochs: int = Field(10, ge=0, le=10_000)
    still_rate: float = Field(1e-3, gt=0, le=1)
    epochs: int = Field(40, ge=1, le=10_000)
    learning_rate: float = Field(1e-3, gt=0, le=1)
    batch_size: int = Field(16, ge=2, le=4_096)
    weight_decay: float = Field(0.05, ge=0, le=1e3)
    pull: float = Field(0.02, ge=0, le=1e3)
    folds: int = Field(5, ge=2, le=100)

    @model_validator(mode="after")
    def _divides(self) -> Temporal:
        if self.kind == "transformer" and self.width % self.heads:
            raise ValueError("width is a multiple of heads")
        return self
