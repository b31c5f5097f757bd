"""Heads and fusion: logits worked by hand, and slopes as automatic differentiation gives them."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from unmask.models.fusion import GatedSum, create_fusion  # noqa: E402
from unmask.models.heads import ClassificationHead  # noqa: E402
from unmask.recipes.parts import Fusion, Head  # noqa: E402

pytestmark = pytest.mark.train


def head(width: int = 24, **settings: Any) -> ClassificationHead:
    """A head with statistics and weights of its own, ready to predict."""
    torch.manual_seed(2)
    made = ClassificationHead(width, Head.model_validate(settings))
    torch.nn.init.normal_(made.linear.weight)
    torch.nn.init.normal_(made.linear.bias)
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            torch.nn.init.normal_(module.running_mean, std=0.3)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
            torch.nn.init.normal_(module.weight)
            torch.nn.init.normal_(module.bias)
    return made.eval()


@pytest.mark.parametrize(
    "settings",
    [
        # one linear unit
        {},
        # a linear unit for each class
        {"output": "softmax"},
        # one hidden layer
        {"kind": "dense", "units": [16]},
        # hidden layers of different widths
        {"kind": "dense", "units": [16, 5, 9]},
        # batch normalisation, whose weights may turn a unit's sign
        {"kind": "dense", "units": [16, 8], "batch_norm": True},
        # all of it, with two classes
        {"kind": "dense", "units": [16, 8], "batch_norm": True, "dropout": 0.5, "output": "softmax"},
        # no hidden layer after all
        {"kind": "dense", "units": []},
    ],
)
def test_the_slope_is_the_gradient(settings: dict[str, Any]) -> None:
    made = head(**settings)
    pooled = torch.randn(6, 24, generator=torch.Generator().manual_seed(1), requires_grad=True)
    logit = made(pooled)
    assert logit.shape == (6,)
    [expected] = torch.autograd.grad(logit.sum(), pooled)
    torch.testing.assert_close(made.slope(pooled).expand(6, 24), expected, rtol=1e-4, atol=1e-6)
    if made.hidden:
        assert not torch.allclose(expected[0], expected[1])  # it does depend on the input


def test_a_dense_head_by_hand() -> None:
    """Features (1, -2); hidden units 1 * 1 + 2 * -2 = -3, off, and 3 * 1 - 1 * -2 + 1 = 6, on; logit 2 * 6 - 1 = 11."""
    made = head(2, kind="dense", units=[2])
    with torch.no_grad():
        made.hidden[0].linear.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, -1.0]]))
        made.hidden[0].linear.bias.copy_(torch.tensor([0.0, 1.0]))
        made.linear.weight.copy_(torch.tensor([[5.0, 2.0]]))
        made.linear.bias.copy_(torch.tensor([-1.0]))
        pooled = torch.tensor([[1.0, -2.0]])
        assert made(pooled).tolist() == [11.0]
        assert made.slope(pooled).tolist() == [[6.0, -2.0]]


def test_a_softmax_head_gives_the_difference_of_fake_and_real() -> None:
    made = head(output="softmax")
    pooled = torch.randn(3, 24)
    scores = pooled @ made.linear.weight.T + made.linear.bias
    torch.testing.assert_close(made(pooled).sigmoid(), scores.softmax(1)[:, 1])
    # Binary cross-entropy of that logit is the pair's categorical cross-entropy.
    target = torch.tensor([0, 1, 1])
    torch.testing.assert_close(
        torch.nn.functional.binary_cross_entropy_with_logits(made(pooled), target.float()),
        torch.nn.functional.cross_entropy(scores, target),
    )


def test_a_new_head_starts_near_even_odds() -> None:
    torch.manual_seed(0)
    made = ClassificationHead(1280, Head()).eval()
    assert abs(float(made.linear.weight.detach().std()) - 0.01) < 0.001
    assert float(made.linear.bias.detach()) == 0.0
    pooled = torch.rand(256, 1280) * 2  # about what a pretrained backbone gives
    loss = torch.nn.functional.binary_cross_entropy_with_logits(made(pooled), torch.zeros(256))
    assert float(loss.detach()) < 1.0


@pytest.mark.parametrize("settings", [{"dropout": 0.5}, {"kind": "dense", "units": [32], "dropout": 0.5}])
def test_dropout_acts_on_training_alone(settings: dict[str, Any]) -> None:
    made = head(64, **settings)
    pooled = torch.rand(2, 64)
    assert len({float(made.train()(pooled)[0].detach()) for _ in range(8)}) > 1
    assert len({float(made.eval()(pooled)[0].detach()) for _ in range(8)}) == 1


def test_dropout_and_normalisation_stand_where_the_recipe_says() -> None:
    made = ClassificationHead(10, Head(kind="dense", units=(7, 5), batch_norm=True, dropout=0.3))
    kinds = [type(module).__name__ for module in made.modules() if not list(module.children())]
    assert kinds == ["Dropout", "Linear", "BatchNorm1d"] * 2 + ["Dropout", "Linear"]
    assert {module.p for module in made.modules() if isinstance(module, torch.nn.Dropout)} == {0.3}


def test_a_gated_sum_by_hand() -> None:
    """Branches of widths 1 and 2, gate logits 0 and ln 3: shares 1/4 and 3/4. 1/4 * 2 * 8 + 3/4 * (4 - 2) = 5.5."""
    fusion = GatedSum([1, 2], 1)
    with torch.no_grad():
        fusion.projections[0].weight.fill_(2.0)
        fusion.projections[1].weight.copy_(torch.tensor([[1.0, -1.0]]))
        for projection in fusion.projections:
            projection.bias.zero_()
        fusion.gate.bias.copy_(torch.tensor([1.0, 3.0]).log())
        pooled = torch.tensor([[8.0, 4.0, 2.0]])
        torch.testing.assert_close(fusion(pooled), torch.tensor([[5.5]]))
        torch.testing.assert_close(fusion.slope(pooled, torch.ones(1, 1)), torch.tensor([[0.5, 0.75, -0.75]]))


def test_a_gate_starts_even_and_learns() -> None:
    torch.manual_seed(0)
    fusion = create_fusion(Fusion.model_validate({"branches": [{}], "kind": "gated", "width": 8}), [4, 6])
    pooled = torch.randn(5, 10)
    assert torch.equal(fusion.gate(pooled).softmax(1), torch.full((5, 2), 0.5))
    fusion(pooled).square().sum().backward()
    assert float(fusion.gate.weight.grad.abs().sum()) > 0


def test_concatenation_leaves_features_as_they_are() -> None:
    fusion = create_fusion(Fusion.model_validate({"branches": [{}]}), [4, 6])
    pooled = torch.randn(5, 10)
    assert fusion.width == 10
    assert torch.equal(fusion(pooled), pooled)
    assert create_fusion(None, [4]).width == 4
