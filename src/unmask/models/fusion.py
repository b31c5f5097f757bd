"""Fusion: the pooled features of several branches joined into one vector."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unmask.recipes import Fusion


class Concatenation(nn.Module):
    """Concatenation of pooled features; with one branch, no change.

    Attributes:
        width: number of joined features.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.width = sum(widths)

    def forward(self, pooled: Tensor) -> Tensor:
        """Pooled features [n, sum of widths], unchanged."""
        return pooled

    def slope(self, pooled: Tensor, slope: Tensor) -> Tensor:
        """The gradient with respect to the pooled features is that with respect to the joined ones."""
        return slope


class GatedSum(nn.Module):
    """Branches projected to one width and summed, with weights from a softmax gate over all features.

    The gated unit of Arevalo et al. (ICLR workshop 2017), for any number of branches. At the start all
    branches have the same weight.

    Attributes:
        width: number of joined features.

    Args:
        widths: number of pooled features of each branch.
        width: see above.
    """

    def __init__(self, widths: Sequence[int], width: int) -> None:
        super().__init__()
        self.width = width
        self._widths = list(widths)
        self.projections = nn.ModuleList(nn.Linear(each, width) for each in widths)
        self.gate = nn.Linear(sum(widths), len(widths))
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)

    def forward(self, pooled: Tensor) -> Tensor:
        """Pooled features [n, sum of widths] to [n, width]."""
        shares = self.gate(pooled).softmax(1)
        projected = [
            projection(part)
            for projection, part in zip(self.projections, pooled.split(self._widths, dim=1), strict=True)
        ]
        return (torch.stack(projected, 1) * shares.unsqueeze(2)).sum(1)

    def slope(self, pooled: Tensor, slope: Tensor) -> Tensor:
        """From the gradient by the joined features [n, width] to that by the pooled ones, with a constant gate."""
        shares = self.gate(pooled).softmax(1)
        matrices = [projection.weight for projection in self.projections if isinstance(projection, nn.Linear)]
        parts = [share * (slope @ matrix) for share, matrix in zip(shares.split(1, dim=1), matrices, strict=True)]
        return torch.cat(parts, 1)


def create_fusion(settings: Fusion | None, widths: Sequence[int]) -> Concatenation | GatedSum:
    """The layer that joins branches of these widths."""
    if settings is not None and settings.kind == "gated":
        return GatedSum(widths, settings.width)
    return Concatenation(widths)
