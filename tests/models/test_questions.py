"""Noisy-or by hand and against probabilities, and the head's gradient against automatic differentiation."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from unmask.imaging.session import single_thread_session  # noqa: E402
from unmask.models.questions import QuestionHead, noisy_or, subsets  # noqa: E402

pytestmark = pytest.mark.train

WIDTH = 6


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


@pytest.mark.parametrize(
    ("causes", "expected"),
    [
        # 1 - (1 - 0.5) * (1 - 0.2)
        ([0.5, 0.2], 0.6),
        # one cause is the answer itself
        ([0.3], 0.3),
        # 1 - 0.5 ** 3
        ([0.5, 0.5, 0.5], 0.875),
        # a cause that is all but impossible changes nothing
        ([0.7, 1e-12], 0.7),
    ],
)
def test_noisy_or(causes: list[float], expected: float) -> None:
    joined = noisy_or(torch.tensor([[logit(cause) for cause in causes]], dtype=torch.float64))
    assert joined.shape == (1,)
    assert joined.item() == pytest.approx(logit(expected), abs=1e-9)


def test_noisy_or_of_sure_answers_neither_overflows_nor_cancels() -> None:
    # exp(-100) + exp(-100), and exp(100) * exp(100), whose probabilities round to 0 and 1
    joined = noisy_or(torch.tensor([[-100.0, -100.0], [100.0, 100.0], [-100.0, 100.0]]))
    torch.testing.assert_close(joined, torch.tensor([-100 + math.log(2), 200.0, 100.0]))


def test_subsets() -> None:
    assert subsets(2).tolist() == [[0, 1], [1, 0], [1, 1]]
    assert [len(subsets(count)) for count in (1, 3, 4)] == [1, 7, 15]


@pytest.mark.parametrize("shifts", [(0.0,), (0.0, 2.0), (1.0, -1.0, 0.5)])
def test_the_slope_is_the_gradient(shifts: tuple[float, ...]) -> None:
    torch.manual_seed(0)
    head = QuestionHead(WIDTH, shifts)
    pooled = torch.randn(5, WIDTH, requires_grad=True)
    head(pooled).sum().backward()
    torch.testing.assert_close(head.slope(pooled), pooled.grad)
    apart = head.questions(pooled.detach())
    assert apart.shape == (5, len(shifts))
    torch.testing.assert_close(head(pooled), noisy_or(apart - torch.tensor(shifts)))


def test_the_graph_says_the_same_of_sure_answers() -> None:
    """The runtime's sum of exponentials must be as careful as torch's."""
    pytest.importorskip("onnxscript")
    from unmask.training.export import _export

    head = QuestionHead(48, (0.0, 2.0))
    with torch.no_grad():
        head.linear.weight.mul_(100)

    class Seen(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = head

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return self.head(pixels.float().flatten(1) - 128)  # type: ignore[no-any-return]

    pixels = np.random.default_rng(0).integers(0, 256, (16, 4, 4, 3), np.uint8)
    [answer] = single_thread_session(_export(Seen(), 4, ["logit"])).run(None, {"pixels": pixels})
    expected = Seen()(torch.from_numpy(pixels)).detach().numpy()
    assert np.abs(expected).max() > 200
    np.testing.assert_allclose(answer, expected, rtol=1e-5)
