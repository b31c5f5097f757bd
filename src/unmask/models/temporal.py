"""Temporal heads: from the frames of a track to one logit.

The logit is the mean of the frames' own logits plus what the head adds, which is 0 before training: a head that learns
nothing is the mean.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from unmask.recipes.temporal import Temporal

_LONGEST_GAP = 10.0  # seconds; longer ones look the same
_PERIODS = (0.1, 0.3, 1.0, 3.0, 10.0)  # seconds, of the waves that tell a transformer the time


class TemporalHead(nn.Module):
    """A GRU or a small Transformer over frames.

    Args:
        settings: of the recipe.
        width: features of a frame, without its logit.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, settings: Temporal, width: int) -> None:
        super().__init__()
        self.settings = settings
        self.register_buffer("mean", torch.zeros(1 + width))
        self.register_buffer("scale", torch.ones(1 + width))
        self.network: nn.Module
        if settings.kind == "gru":
            self.network = _Recurrent(settings, 2 + width)
        else:
            self.network = _Attending(settings, 1 + width + 2 * len(_PERIODS))
        self.dropout = nn.Dropout(settings.dropout)
        self.out = nn.Linear(settings.width * (2 if settings.kind == "gru" else 1), 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, frames: Tensor, seconds: Tensor) -> Tensor:
        """The logits [n] of sequences of one length.

        Args:
            frames: float [n, t, 1 + width], the logit of each frame first.
            seconds: float [n, t], the times of the frames, rising.
        """
        scaled = (frames - self.mean) / self.scale
        summary: Tensor = self.network(scaled, seconds)
        added: Tensor = self.out(self.dropout(summary))
        return frames[:, :, 0].mean(1) + added[:, 0]


class OneTrack(nn.Module):
    """A head on one track, for export: frames [t, 1 + width] and seconds [t] to a logit [1]."""

    def __init__(self, head: TemporalHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, frames: Tensor, seconds: Tensor) -> Tensor:
        """The logit [1] of frames [t, 1 + width] at seconds [t]."""
        logit: Tensor = self.head(frames[None], seconds[None])
        return logit


class _Recurrent(nn.Module):
    """A bidirectional GRU; its summary is the mean of its states. A frame also has the gap to the frame before."""

    def __init__(self, settings: Temporal, width: int) -> None:
        super().__init__()
        self.enter = nn.Linear(width, settings.width)
        self.gru = nn.GRU(
            settings.width, settings.width, num_layers=settings.layers, batch_first=True, bidirectional=True
        )

    def forward(self, frames: Tensor, seconds: Tensor) -> Tensor:
        before = torch.cat([seconds[:, :1], seconds[:, :-1]], 1)
        gap = torch.clamp(seconds - before, 0.0, _LONGEST_GAP)
        states, _ = self.gru(torch.tanh(self.enter(torch.cat([frames, gap[:, :, None]], 2))))
        return states.mean(1)


class _Attending(nn.Module):
    """Blocks of attention over frames and their times; the summary is the mean over frames."""

    rates: Tensor

    def __init__(self, settings: Temporal, width: int) -> None:
        super().__init__()
        self.enter = nn.Linear(width, settings.width)
        self.blocks = nn.ModuleList(_Block(settings) for _ in range(settings.layers))
        self.norm = nn.LayerNorm(settings.width)
        self.register_buffer("rates", 2 * math.pi / torch.tensor(_PERIODS), persistent=False)

    def forward(self, frames: Tensor, seconds: Tensor) -> Tensor:
        phase = (seconds - seconds[:, :1])[:, :, None] * self.rates
        tokens = self.enter(torch.cat([frames, torch.sin(phase), torch.cos(phase)], 2))
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens).mean(1)


class _Block(nn.Module):
    """Attention and a dense part, each after a normalisation and added to what came in."""

    def __init__(self, settings: Temporal) -> None:
        super().__init__()
        width = settings.width
        self.heads = settings.heads
        self.attention_norm, self.dense_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ask, self.key, self.value = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width)
        self.leave = nn.Linear(width, width)
        self.dense = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        normed = self.attention_norm(tokens)
        ask, key, value = (self._split(part(normed)) for part in (self.ask, self.key, self.value))
        weights = torch.softmax(ask @ key.transpose(2, 3) / math.sqrt(ask.shape[3]), 3)
        seen = (weights @ value).transpose(1, 2).flatten(2)
        tokens = tokens + self.dropout(self.leave(seen))
        return tokens + self.dropout(self.dense(self.dense_norm(tokens)))

    def _split(self, tokens: Tensor) -> Tensor:
        """[n, t, width] to [n, heads, t, width / heads]."""
        return tokens.unflatten(2, (self.heads, -1)).transpose(1, 2)
