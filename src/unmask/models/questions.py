"""Several yes-or-no questions on the same features, and noisy-or, which joins their answers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor, nn


def subsets(count: int) -> Tensor:
    """Every non-empty subset of ``count`` things, one a row: float32 [2 ** count - 1, count] of 0 and 1."""
    return torch.tensor([chosen for chosen in product((0.0, 1.0), repeat=count) if any(chosen)])


def noisy_or(logits: Tensor) -> Tensor:
    """The logit of "at least one of independent causes holds".

    The odds are ``prod(1 + exp(z)) - 1``, which is the sum of ``exp`` over the sums of all non-empty subsets. Written
    so, no step overflows or cancels, however sure the answers are.

    Args:
        logits: [n, q] of each cause.

    Returns:
        [n].
    """
    return torch.logsumexp(logits @ subsets(logits.shape[1]).to(logits).T, 1)


class QuestionHead(nn.Module):
    """A linear unit for each question on the same features, joined by noisy-or.

    Args:
        width: number of pooled features.
        shifts: subtracted from the logit of each question before they are joined.
    """

    def __init__(self, width: int, shifts: Sequence[float]) -> None:
        super().__init__()
        self.linear = nn.Linear(width, len(shifts))
        self.register_buffer("shifts", torch.tensor(list(shifts), dtype=torch.float32))

    def questions(self, pooled: Tensor) -> Tensor:
        """Pooled features [n, width] to the logit of each question [n, q], towards fake, before shifts."""
        logits: Tensor = self.linear(pooled)
        return logits

    def forward(self, pooled: Tensor) -> Tensor:
        """Pooled features [n, width] to logit [n], towards fake."""
        return noisy_or(self._shifted(pooled))

    def slope(self, pooled: Tensor) -> Tensor:
        """Gradient of the logit by the pooled features: [n, width]."""
        every = subsets(self.linear.out_features).to(pooled)
        proportion = (self._shifted(pooled) @ every.T).softmax(1)
        slope: Tensor = proportion @ every @ self.linear.weight
        return slope

    def _shifted(self, pooled: Tensor) -> Tensor:
        return self.questions(pooled) - self.get_buffer("shifts")
