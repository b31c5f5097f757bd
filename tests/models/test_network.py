"""The whole network: from bytes of pixels to a logit and the evidence that adds up to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from unmask.models.backbones import Weights  # noqa: E402
from unmask.models.network import FaceNetwork, LinearHead, describe  # noqa: E402
from unmask.recipes import Recipe  # noqa: E402

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def network() -> Any:
    torch.manual_seed(3)
    recipe = Recipe.model_validate(
        {"name": "tiny", "backbone": {"name": "mobilenetv3_small_050", "weights": ["none"]}, "head": {"dropout": 0.4}}
    )
    return FaceNetwork(recipe).eval()


def pixels(count: int, size: int = 64, seed: int = 0) -> Any:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8))


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("size", [32, 64, 96])
def test_forward_from_bytes(network: Any, count: int, size: int) -> None:
    with torch.inference_mode():
        logit, evidence = network(pixels(count, size))
    assert logit.shape == (count,)
    assert evidence.shape == (count, -(-size // 32), -(-size // 32))
    assert logit.dtype == evidence.dtype == torch.float32
    torch.testing.assert_close(evidence.mean((1, 2)), logit, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_the_mean_of_the_evidence_is_the_logit(seed: int) -> None:
    torch.manual_seed(seed)
    head = LinearHead(24, 0.5).eval()
    torch.nn.init.normal_(head.linear.weight)
    torch.nn.init.normal_(head.linear.bias)
    features = torch.randn(3, 24, 5, 7) * 10
    logit, evidence = head(features)
    assert evidence.shape == (3, 5, 7)
    torch.testing.assert_close(evidence.mean((1, 2)), logit, rtol=1e-4, atol=1e-4)
    # One position alone: the linear unit at work there.
    torch.testing.assert_close(evidence[1, 2, 3], head.linear(features[1, :, 2, 3])[0], rtol=1e-4, atol=1e-4)


def test_a_new_head_starts_near_even_odds() -> None:
    torch.manual_seed(0)
    head = LinearHead(1280, 0.2)
    assert abs(float(head.linear.weight.detach().std()) - 0.01) < 0.001
    assert float(head.linear.bias.detach()) == 0.0
    features = torch.rand(256, 1280, 2, 2) * 2  # about what a pretrained backbone gives
    loss = torch.nn.functional.binary_cross_entropy_with_logits(head.eval()(features)[0], torch.zeros(256))
    assert float(loss.detach()) < 1.0


def test_dropout_acts_on_training_alone(network: Any) -> None:
    head = LinearHead(64, 0.5)
    features = torch.rand(2, 64, 3, 3)
    torch.manual_seed(1)
    draws = {float(head.train()(features)[0][0].detach()) for _ in range(8)}
    assert len(draws) > 1
    assert len({float(head.eval()(features)[0][0].detach()) for _ in range(8)}) == 1


def test_pixels_are_normalised_as_the_weights_ask(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def look(images: Any) -> Any:
        seen.append(images)
        return torch.zeros(len(images), network.backbone.num_features, 1, 1)

    monkeypatch.setattr(network.backbone, "forward_features", look)
    batch = pixels(2)
    network(batch)
    mean, std = (np.array(values, np.float32) for values in (network.weights.mean, network.weights.std))
    expected = ((batch.numpy() / np.float32(255) - mean) / std).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(seen[0].numpy(), expected, atol=1e-5)


def test_the_same_picture_gives_the_same_logit_in_any_batch(network: Any) -> None:
    batch = pixels(6)
    with torch.inference_mode():
        together = network(batch)[0]
        alone = torch.cat([network(batch[index : index + 1])[0] for index in range(6)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_the_normalisation_is_no_part_of_the_checkpoint(network: Any) -> None:
    assert not {"mean", "std"} & set(network.state_dict())


def test_the_card_states_the_weights() -> None:
    weights = Weights("pip", "a package", (0.5,) * 3, (0.5,) * 3)
    assert describe(weights) == {"source": "pip", "detail": "a package"}


def test_a_mirroring_network_gives_the_mean_over_both_sides(network: Any) -> None:
    mirroring = FaceNetwork(
        Recipe.model_validate(
            {
                "name": "tiny",
                "backbone": {"name": "mobilenetv3_small_050", "weights": ["none"]},
                "head": {"dropout": 0.0, "mirror": True},
            }
        )
    ).eval()
    mirroring.load_state_dict(network.state_dict())
    batch = pixels(3)
    with torch.inference_mode():
        logit, evidence = mirroring(batch)
        plain, mirrored = network(batch), network(batch.flip(2))
        torch.testing.assert_close(logit, (plain[0] + mirrored[0]) / 2)
        torch.testing.assert_close(evidence, (plain[1] + mirrored[1].flip(2)) / 2)
        torch.testing.assert_close(evidence.mean((1, 2)), logit, rtol=1e-4, atol=1e-5)
        # A picture and its mirror image get one answer, and mirrored evidence.
        torch.testing.assert_close(mirroring(batch.flip(2))[0], logit)
        torch.testing.assert_close(mirroring(batch.flip(2))[1], evidence.flip(2))
    # Training sees each picture once, as it is.
    head_calls: list[int] = []
    mirroring.head.register_forward_hook(lambda *_: head_calls.append(1))
    mirroring.train()(batch)
    assert head_calls == [1]
