"""Temporal heads: they begin as the mean, and see order and time."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch

from unmask.models.temporal import OneTrack, TemporalHead
from unmask.recipes import Temporal

KINDS = ["gru", "transformer"]


def head_of(kind: str, *, learnt: bool = True) -> TemporalHead:
    torch.manual_seed(0)
    head = TemporalHead(Temporal(kind=kind, width=8, layers=1, heads=2), 3)  # type: ignore[arg-type]
    if learnt:
        torch.nn.init.normal_(head.out.weight)
    return head.eval()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 2, 7, 40])
def test_an_untrained_head_is_the_mean_of_the_logits(kind: str, count: int) -> None:
    frames, seconds = torch.randn(2, count, 4), torch.arange(float(count)).repeat(2, 1)
    found = head_of(kind, learnt=False)(frames, seconds)
    assert torch.allclose(found, frames[:, :, 0].mean(1))


@pytest.mark.parametrize("kind", KINDS)
def test_order_and_time_change_the_logit(kind: str) -> None:
    head = head_of(kind)
    frames, seconds = torch.randn(1, 6, 4), torch.arange(6.0)[None]
    logit = head(frames, seconds)
    assert not torch.allclose(head(frames.flip(1), seconds), logit)
    assert not torch.allclose(head(frames, 3 * seconds), logit)
    # The clip's start does not matter.
    assert torch.allclose(head(frames, seconds + 100), logit, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_sequences_of_a_batch_do_not_see_each_other(kind: str) -> None:
    head = head_of(kind)
    frames, seconds = torch.randn(3, 5, 4), torch.arange(5.0).repeat(3, 1)
    alone = torch.cat([OneTrack(head)(one, time) for one, time in zip(frames, seconds, strict=True)])
    assert torch.allclose(head(frames, seconds), alone, atol=1e-5)


def test_attention_needs_a_width_that_its_heads_divide() -> None:
    with pytest.raises(ValueError, match="multiple"):
        Temporal(kind="transformer", width=10, heads=4)
    assert Temporal(kind="gru", width=10, heads=4).width == 10
