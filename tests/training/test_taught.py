"""Training by a teacher: the loss worked out by hand, and what belongs to the module."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from unmask.bundle.golden import golden_pixels  # noqa: E402
from unmask.models.network import FaceNetwork  # noqa: E402
from unmask.recipes import Recipe  # noqa: E402
from unmask.training.taught import TaughtModule  # noqa: E402

pytestmark = pytest.mark.train

SIZE = 32
RECIPE = Recipe.model_validate(
    {"name": "t", "backbone": {"name": "test_efficientnet", "weights": ["none"]}, "preprocessing": {"size": SIZE}}
)


@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
def test_the_loss_is_of_targets_between_labels_and_teacher_and_of_the_features(weight: float) -> None:
    torch.manual_seed(2)
    pupil, teacher = FaceNetwork(RECIPE), FaceNetwork(RECIPE).eval()
    module = TaughtModule(RECIPE, pupil, 1, teacher, weight).eval()
    pixels = torch.from_numpy(np.stack([golden_pixels(seed, SIZE) for seed in range(4)]))
    label = torch.tensor([0.0, 1.0, 1.0, 0.0])
    logit, loss = module._learn(pixels, label)
    with torch.no_grad():
        theirs, ours = (each.pooled(pixels).double().numpy() for each in (teacher, pupil))
        probability, own = (1 / (1 + np.exp(-each(pixels)[0].double().numpy())) for each in (teacher, pupil))
    target = (1 - weight) * label.numpy() + weight * probability
    entropy = -(target * np.log(own) + (1 - target) * np.log(1 - own)).mean()
    expected = entropy + weight * np.square(theirs - ours).mean() / np.square(theirs).mean()
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-4)
    assert logit.shape == (4,)


def test_the_teacher_is_not_trained_or_saved() -> None:
    pupil = FaceNetwork(RECIPE)
    teacher = deepcopy(pupil)
    module = TaughtModule(RECIPE, pupil, 1, teacher, 1.0)
    assert set(module.state_dict()) == {f"network.{name}" for name in pupil.state_dict()}
    before = deepcopy(teacher.state_dict())
    pixels = torch.from_numpy(np.stack([golden_pixels(seed, SIZE) for seed in range(4)]))
    module.train()
    _, loss = module._learn(pixels, torch.tensor([0.0, 1.0, 1.0, 0.0]))
    loss.backward()
    assert not teacher.training
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert all(parameter.grad is None for parameter in teacher.parameters())
