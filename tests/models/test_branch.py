"""Branches: feature maps of any family, attention, and freezing by blocks."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from unmask.errors import UsageError  # noqa: E402
from unmask.models.branch import Branch  # noqa: E402
from unmask.recipes import Backbone  # noqa: E402

pytestmark = pytest.mark.train

SIZE = 64
# One of each family: inverted residuals, plain residuals, a chain of convolutions, a transformer.
FAMILIES = {
    "mobilenetv3_small_050": ("blocks.5.", 13),
    "resnet10t": ("layer4.", 5),
    "vgg11": ("features.18.", 8),
    "vit_tiny_patch16_224": ("blocks.11.", 13),
}


def branch(name: str = "mobilenetv3_small_050", **settings: Any) -> Branch:
    torch.manual_seed(1)
    return Branch(Backbone(name=name, weights=("none",), **settings), SIZE)


def pixels(count: int = 2) -> Any:
    return torch.randint(0, 256, (count, SIZE, SIZE, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_the_last_blocks_are_the_last_to_be_frozen(name: str) -> None:
    last, count = FAMILIES[name]
    made = branch(name)
    assert len(made.blocks()) == count
    assert sum(len(block) for block in made.blocks()) == len(list(made.backbone.parameters()))
    made.set_trainable(1)
    trained = {key for key, each in made.backbone.named_parameters() if each.requires_grad}
    assert any(key.startswith(last) for key in trained)
    # What stands behind the last block goes with it, nothing before it does.
    assert all(key.startswith((last, "norm.", "fc_norm.")) for key in trained)
    made.set_trainable(count)
    assert all(each.requires_grad for each in made.backbone.parameters())
    with pytest.raises(UsageError, match=f"has {count} blocks, not {count + 1}"):
        made.set_trainable(count + 1)
    made.set_trainable("head")
    assert not any(each.requires_grad for each in made.backbone.parameters())
    made.set_trainable("all")
    assert all(each.requires_grad for each in made.backbone.parameters())


def test_frozen_blocks_keep_their_batch_statistics() -> None:
    made = branch()
    made.set_trainable(2)
    made.train()
    before = {key: value.clone() for key, value in made.state_dict().items() if "running_mean" in key}
    made(pixels(4))
    moved = {key for key, value in made.state_dict().items() if key in before and not torch.equal(value, before[key])}
    trained = {key for key, each in made.named_parameters() if each.requires_grad}
    assert moved == {key for key in before if key.replace("running_mean", "weight") in trained}
    assert 0 < len(moved) < len(before)
    made.set_trainable("all")
    made.train()
    assert all(module.training for module in made.modules())


def test_tokens_become_a_map_of_their_places() -> None:
    made = branch("vit_tiny_patch16_224").eval()
    with torch.inference_mode():
        features = made(pixels())
        tokens = made.backbone.forward_features(made.view(pixels()))
    assert features.shape == (2, 192, 4, 4)
    assert tokens.shape == (2, 17, 192)
    # The class token comes first; then row by row.
    assert torch.equal(features[:, :, 1, 2], tokens[:, 1 + 1 * 4 + 2])


def test_channels_last_maps_are_turned() -> None:
    made = branch("swin_tiny_patch4_window7_224").eval()
    with torch.inference_mode():
        assert made(pixels()).shape == (2, made.width, 2, 2)


@pytest.mark.parametrize("attention", ["se", "cbam"])
def test_attention_weighs_the_feature_map(attention: str) -> None:
    plain, attending = branch().eval(), branch(attention=attention).eval()
    attending.backbone.load_state_dict(plain.backbone.state_dict())
    with torch.inference_mode():
        before, after = plain(pixels()), attending(pixels())
    assert before.shape == after.shape
    ratio = (after / before)[before.abs() > 1e-3]
    assert float(ratio.min()) >= 0 and float(ratio.max()) <= 1
    assert float(ratio.std()) > 1e-3 or attention == "se"
    assert not torch.allclose(before, after)


def test_spectra_have_their_own_first_layer() -> None:
    assert branch(input="dct").backbone.conv_stem.in_channels == 64
    assert branch(input="fft").backbone.conv_stem.in_channels == 3
    assert branch(input="dct").localised and not branch(input="fft").localised


def test_tokens_of_several_blocks_side_by_side() -> None:
    """The mean of the map is the [CLS] token after each block, as a hook on the whole network sees it."""
    whole = branch("vit_tiny_patch16_224").eval()
    made = branch("vit_tiny_patch16_224", tokens=(2, 5)).eval()
    made.backbone.load_state_dict(
        {key: value for key, value in whole.backbone.state_dict().items() if key in made.backbone.state_dict()}
    )
    seen: list[Any] = []
    for place in (1, 4):
        whole.backbone.blocks[place].register_forward_hook(lambda _, __, output: seen.append(output))
    with torch.inference_mode():
        whole(pixels())
        features = made(pixels())
    assert features.shape == (2, 2 * 192, 4, 4)
    assert made.width == 2 * 192
    torch.testing.assert_close(features.mean((2, 3)), torch.cat([tokens[:, 0] for tokens in seen], 1))
    # What differs from place to place is what differs between the patches, row by row.
    places = torch.cat([tokens[:, 1:] - tokens[:, 1:].mean(1, keepdim=True) for tokens in seen], 2)
    spread = features - features.mean((2, 3), keepdim=True)
    torch.testing.assert_close(spread.flatten(2).transpose(1, 2), places, rtol=1e-4, atol=1e-4)
    # What follows the last block is gone.
    assert len(made.backbone.blocks) == 5
    assert not any(key.startswith(("blocks.5", "norm.")) for key in made.backbone.state_dict())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        # a convolutional network
        ("resnet10t", "no .CLS. token"),
        # a transformer that pools its patches
        ("test_vit4", "no .CLS. token"),
        # too few blocks
        ("vit_tiny_patch16_224", "has 12 blocks, not 13"),
    ],
)
def test_tokens_that_there_are_not(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        branch(name, tokens=(1, 13))


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "mobilenetv3_small_050"])
def test_maps_of_several_stages_side_by_side(name: str) -> None:
    """Hooks on the whole network see the same maps; the mean of each is kept, and so is its mean within each cell."""
    whole = branch(name).eval()
    made = branch(name, stages=(1, 2, 4)).eval()
    made.backbone.load_state_dict(
        {key: value for key, value in whole.backbone.state_dict().items() if key in made.backbone.state_dict()}
    )
    seen: list[Any] = []
    for place in (0, 1, 3):
        whole.backbone.blocks[place].register_forward_hook(lambda _, __, output: seen.append(output))
    with torch.inference_mode():
        whole(pixels())
        features = made(pixels())
    assert made.width == features.shape[1] == sum(each.shape[1] for each in seen)
    torch.testing.assert_close(features.mean((2, 3)), torch.cat([each.mean((2, 3)) for each in seen], 1))
    side, first = seen[2].shape[2], seen[0]
    step = first.shape[2] // side
    assert step > 1
    cell = first[:, :, step : 2 * step, :step].mean((2, 3))
    torch.testing.assert_close(features[:, : first.shape[1], 1, 0], cell)
    # What follows the last stage is gone.
    assert len(made.backbone.blocks) == 4
    assert not any(key.startswith(("blocks.4", "conv_head.")) for key in made.backbone.state_dict())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        # not made of stages
        ("resnet10t", "neither an EfficientNet nor a MobileNetV3"),
        # too few stages
        ("tf_efficientnet_lite0", "has 7 stages, not 8"),
    ],
)
def test_stages_that_there_are_not(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        branch(name, stages=(1, 8))
