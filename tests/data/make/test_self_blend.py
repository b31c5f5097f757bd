"""Self-blending: local, deterministic, and never blind to where the face is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from unmask.data.make.self_blend import self_blend
from unmask.imaging.faces import Face


def make_image(width: int = 160, height: int = 140, seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 12, 3), np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.int16)
    return Image.fromarray(np.clip(smooth + rng.integers(-15, 16, smooth.shape), 0, 255).astype(np.uint8))


def face_at(
    x: float, y: float, side: float, clip: tuple[int, int] | None = None, *, turn: float = 0.0, shift: float = 0.0
) -> Face:
    """A face with its key points where a frontal face has them; ``shift`` moves them off, in sides."""
    unit = np.array([(0.3, 0.35), (0.7, 0.35), (0.5, 0.55), (0.5, 0.75), (0.05, 0.45), (0.95, 0.45)]) - 0.5
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    points = (unit @ rotation + 0.5 + shift) * side + (x, y)
    box = (x, y, x + side, y + side)
    if clip:
        box = (max(0.0, box[0]), max(0.0, box[1]), min(float(clip[0]), box[2]), min(float(clip[1]), box[3]))
    return Face(box, 0.9, tuple((float(px), float(py)) for px, py in points))


FACE = face_at(50, 40, 50)
# the box with two thirds of its side around it
WINDOW = (16, 6, 134, 124)


def blend(seed: int, image: Image.Image | None = None, face: Face = FACE) -> tuple[np.ndarray, np.ndarray]:
    result = self_blend(image or make_image(), face, np.random.default_rng(seed))
    return np.asarray(result.image).astype(int), result.mask


def test_same_seed_same_image_and_other_seeds_differ() -> None:
    first = [blend(seed)[0].tobytes() for seed in range(15)]
    assert first == [blend(seed)[0].tobytes() for seed in range(15)]
    assert len(set(first)) == 15


def test_the_real_image_is_not_changed() -> None:
    image = make_image()
    before = image.tobytes()
    for seed in range(15):
        blend(seed, image)
    assert image.tobytes() == before


@pytest.mark.parametrize("seed", range(30))
def test_only_the_neighbourhood_of_the_face_changes(seed: int) -> None:
    original = np.asarray(make_image()).astype(int)
    blended, mask = blend(seed)
    assert blended.shape == original.shape
    assert mask.shape == original.shape[:2]
    assert mask.dtype == np.float32
    assert mask.min() >= 0
    assert mask.max() <= 1
    outside = np.ones(mask.shape, bool)
    outside[WINDOW[1] : WINDOW[3], WINDOW[0] : WINDOW[2]] = False
    assert np.array_equal(blended[outside], original[outside])
    assert not mask[outside].any()
    # The mask covers part of the face, not the whole window.
    assert 0 < (mask > 0).mean() < 0.6
    # It shows inside the mask.
    assert np.abs(blended - original)[mask > 0.2].mean() > 0.5


def test_where_the_mask_is_zero_the_background_is_the_original_or_a_variant_of_the_whole() -> None:
    """One half of the blends changes the pasted face and leaves every pixel outside the mask, the other half
    changes the background around it, fading towards the window's edge."""
    original = np.asarray(make_image()).astype(int)
    untouched = 0
    for seed in range(60):
        blended, mask = blend(seed)
        difference = np.abs(blended - original).max(2)
        clear = mask == 0
        if not difference[clear].any():
            untouched += 1
            continue
        # The seam of the window does not show: along its edge the image is the original's.
        edge = np.zeros(mask.shape, bool)
        edge[WINDOW[1] : WINDOW[3], WINDOW[0] : WINDOW[2]] = True
        edge[WINDOW[1] + 1 : WINDOW[3] - 1, WINDOW[0] + 1 : WINDOW[2] - 1] = False
        assert not difference[edge].any()
    assert 18 <= untouched <= 42


def test_many_seeds_reach_different_parts_of_the_face() -> None:
    masks = [blend(seed)[1] for seed in range(120)]
    reach = np.mean([mask > 0.1 for mask in masks], axis=0)
    # The centre of the face is manipulated most, eyes and mouth often but not always, the window's corner never.
    mouth, eyes = reach[40 + 37, 75], reach[40 + 17, 75]
    assert 0.5 < mouth < 0.98
    assert 0.5 < eyes < 0.98
    assert reach[WINDOW[1] + 3, WINDOW[0] + 3] == 0
    alone_mouth = sum(mask[40 + 40, 75] > 0.1 and mask[40 + 17, 75] == 0 for mask in masks)
    alone_eyes = sum(mask[40 + 17, 75] > 0.1 and mask[40 + 42, 75] == 0 for mask in masks)
    assert alone_mouth > 5
    assert alone_eyes > 5
    # Opacities: full is the likeliest, and fainter ones occur.
    peaks = np.array([mask.max() for mask in masks])
    assert 0.4 < (peaks > 0.95).mean() < 0.7
    assert (peaks < 0.3).any()


@pytest.mark.parametrize(
    ("size", "face"),
    [
        # at the left top corner, half outside
        ((160, 140), face_at(-20, -20, 60, (160, 140))),
        # at the right bottom corner, half outside
        ((160, 140), face_at(120, 110, 60, (160, 140))),
        # larger than the image
        ((64, 64), face_at(-20, -20, 120, (64, 64))),
        # the whole of a tiny image
        ((12, 12), face_at(0, 0, 12)),
        # of two pixels
        ((160, 140), face_at(80, 70, 2)),
        # of one pixel, in the very corner
        ((160, 140), face_at(159, 139, 1)),
        # in an image one pixel high
        ((40, 1), face_at(10, 0, 10, (40, 1))),
        # key points far outside the image
        ((160, 140), face_at(60, 50, 40, shift=8.0)),
        # key points that all fall together
        ((160, 140), Face((60.0, 50.0, 100.0, 90.0), 0.9, ((80.0, 70.0),) * 6)),
        # upside down
        ((160, 140), face_at(50, 40, 50, turn=np.pi)),
    ],
)
def test_odd_faces(size: tuple[int, int], face: Face) -> None:
    image = make_image(*size)
    for seed in range(25):
        result = self_blend(image, face, np.random.default_rng(seed))
        assert result.image.size == size
        assert result.image.mode == "RGB"
        assert result.mask.shape == (size[1], size[0])
        assert np.isfinite(result.mask).all()
        assert 0 <= result.mask.min() <= result.mask.max() <= 1


@settings(max_examples=60, deadline=None)
@given(
    x=st.floats(-10, 90),
    y=st.floats(-10, 70),
    side=st.floats(2, 120),
    turn=st.floats(-3.2, 3.2),
    seed=st.integers(0, 9),
)
def test_any_face(x: float, y: float, side: float, turn: float, seed: int) -> None:
    image = make_image(100, 80)
    face = face_at(x, y, side, (100, 80), turn=turn)
    if face.box[2] - face.box[0] < 1 or face.box[3] - face.box[1] < 1:
        return  # the finder gives no such box
    result = self_blend(image, face, np.random.default_rng(seed))
    reach = face.side * 2 / 3 + 1
    rows, columns = np.nonzero((np.asarray(result.image) != np.asarray(image)).any(2))
    if len(rows):
        assert columns.min() >= face.box[0] - reach
        assert columns.max() <= face.box[2] + reach
        assert rows.min() >= face.box[1] - reach
        assert rows.max() <= face.box[3] + reach


def test_the_mask_follows_a_turned_face() -> None:
    # The mouth of a face turned by 90 degrees lies to the side of its eyes.
    upright, turned = FACE, face_at(50, 40, 50, turn=np.pi / 2)
    for seed in range(40):
        _, mask = blend(seed, face=upright)
        _, turned_mask = blend(seed, face=turned)
        centre = (65, 75)
        upright_centroid = np.argwhere(mask > 0.1).mean(0) - centre
        turned_centroid = np.argwhere(turned_mask > 0.1).mean(0) - centre
        # Rotated by a quarter turn: what was down is now sideways.
        assert abs(abs(turned_centroid[1]) - abs(upright_centroid[0])) < 4
        assert abs(turned_centroid[0]) < 6
