"""Similarity transforms against hand-worked cases and scikit-image; colour transfer; swaps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from unmask.data.make.align import TEMPLATE, Similarity, coverage, face_alignment, umeyama, warp
from unmask.data.make.swap import misfit, swap_faces, transfer_colour
from unmask.errors import UsageError
from unmask.imaging.faces import Face


def face_at(x: float, y: float, side: float, turn: float = 0.0) -> Face:
    """A face with its key points where a frontal face has them."""
    unit = np.array([(0.3, 0.3), (0.7, 0.3), (0.5, 0.55), (0.5, 0.75), (0.08, 0.4), (0.92, 0.4)]) - 0.5
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    points = (unit @ rotation + 0.5) * side + (x, y)
    return Face((x, y, x + side, y + side), 0.9, tuple((float(px), float(py)) for px, py in points))


def make_image(width: int = 200, height: int = 180, seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


# --- umeyama -----------------------------------------------------------------------------------------------


def test_umeyama_by_hand() -> None:
    # A unit square's three corners, turned by 90 degrees (x to y), doubled, moved by (5, 7): (x, y) -> (5-2y, 7+2x).
    source = np.array([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)])
    found = umeyama(source, np.array([(5.0, 7.0), (5.0, 9.0), (3.0, 7.0)]))
    assert found.scale == pytest.approx(2)
    assert found.angle == pytest.approx(np.pi / 2)
    assert found.shift == pytest.approx((5, 7))
    assert found.apply(source) == pytest.approx(np.array([(5, 7), (5, 9), (3, 7)]))


def test_umeyama_of_the_paper() -> None:
    """The example of Umeyama's section IV: the best transform has no mirroring, though mirroring would fit exactly."""
    source = np.array([(0.0, 0.0), (1.0, 0.0), (0.0, 2.0)])
    target = np.array([(0.0, 0.0), (-1.0, 0.0), (0.0, 2.0)])
    found = umeyama(source, target)
    rotation = found.matrix[:, :2] / found.scale
    assert rotation == pytest.approx(np.array([(0.832, 0.555), (-0.555, 0.832)]), abs=5e-4)
    assert found.scale == pytest.approx(0.721, abs=5e-4)
    assert found.shift == pytest.approx((-0.8, 0.4), abs=5e-4)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 7))
def test_umeyama_like_scikit_image(seed: int, count: int) -> None:
    transform = pytest.importorskip("skimage.transform")
    rng = np.random.default_rng(seed)
    source, target = rng.uniform(-100, 100, (count, 2)), rng.uniform(-100, 100, (count, 2))
    theirs = transform.SimilarityTransform.from_estimate(source, target)
    assert umeyama(source, target).matrix == pytest.approx(theirs.params[:2], abs=1e-6)


@pytest.mark.parametrize(
    "points",
    [
        np.zeros((3, 2)),  # all in one place
        np.array([(1.0, 2.0)]),  # one only
        np.array([(0.0, np.nan), (1.0, 1.0)]),  # not finite
    ],
)
def test_umeyama_refuses_what_fixes_no_transform(points: np.ndarray) -> None:
    for pair in ((points, points + 1), (np.arange(2.0 * len(points)).reshape(-1, 2), points)):
        with pytest.raises(UsageError) as caught:
            umeyama(*pair)
        assert caught.value.code == "degenerate_points"


# --- warping -----------------------------------------------------------------------------------------------


def test_a_whole_pixel_shift_copies_pixels() -> None:
    image = make_image()
    moved = warp(image, Similarity(1.0, 0.0, (3.0, 5.0)), image.size)
    assert np.array_equal(np.asarray(moved)[5:, 3:], np.asarray(image)[:-5, :-3])
    assert not np.asarray(coverage(image.size, Similarity(1.0, 0.0, (3.0, 5.0)), image.size))[:5].any()


def test_shrinking_is_antialiased() -> None:
    stripes = np.zeros((240, 240, 3), np.uint8)
    stripes[:, ::2] = 255
    small = np.asarray(warp(Image.fromarray(stripes), Similarity(0.25, 0.0, (0.0, 0.0)), (60, 60)))
    assert np.abs(small[5:-5, 5:-5].astype(int) - 127).max() < 8


@pytest.mark.parametrize("turn", [0.0, 0.4, -1.2, np.pi])
def test_alignment_puts_eyes_and_mouth_where_the_template_has_them(turn: float) -> None:
    face = face_at(60, 40, 80, turn)
    transform = face_alignment(face, 128, 0.3)
    got = transform.apply(np.asarray(face.keypoints)[[0, 1, 3]])
    want = (TEMPLATE + 0.3) / 1.6 * 128
    assert np.abs(got - want).max() < 2  # the face above is not quite the template's
    assert got[0, 1] == pytest.approx(got[1, 1])


# --- colour ------------------------------------------------------------------------------------------------


def test_colour_transfer_meets_mean_and_spread() -> None:
    rng = np.random.default_rng(1)
    own = np.clip(rng.normal((120, 90, 80), (20, 12, 10), (64, 64, 3)), 0, 255).astype(np.uint8)
    goal = np.clip(rng.normal((140, 130, 110), (25, 15, 13), (64, 64, 3)), 0, 255).astype(np.uint8)
    region = np.zeros((64, 64), bool)
    region[10:50, 12:60] = True
    got = transfer_colour(own, goal, region)
    weights = np.array([(0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312)])
    left, right = (values[region] @ weights.T for values in (got, goal))
    assert left.mean(0) == pytest.approx(right.mean(0), abs=0.1)
    assert left.std(0) == pytest.approx(right.std(0), abs=0.15)
    # Half of the strength goes half of the way; none changes nothing.
    half = transfer_colour(own, goal, region, 0.5)[region].astype(float).mean(0)
    middle = (own[region].astype(float).mean(0) + goal[region].astype(float).mean(0)) / 2
    assert half == pytest.approx(middle, abs=0.5)
    assert np.abs(transfer_colour(own, goal, region, 0.0).astype(int) - own).max() <= 1
    assert np.array_equal(transfer_colour(own, goal, np.zeros((64, 64), bool)), own)


def test_colour_transfer_of_a_flat_region_stays_finite() -> None:
    flat = np.full((8, 8, 3), 40, np.uint8)
    got = transfer_colour(flat, np.full((8, 8, 3), 200, np.uint8), np.ones((8, 8), bool))
    assert np.abs(got.astype(int) - 200).max() <= 1


# --- swaps -------------------------------------------------------------------------------------------------

TARGET, DONOR = face_at(60, 40, 80), face_at(50, 60, 60, 0.3)


def test_a_swap_changes_the_face_and_nothing_else() -> None:
    target, donor = make_image(), make_image(seed=1)
    before = target.tobytes()
    for seed in range(12):
        result = swap_faces(target, TARGET, donor, DONOR, np.random.default_rng(seed))
        assert target.tobytes() == before
        assert result.image.size == target.size
        assert result.mask.shape == (180, 200)
        assert result.mask.dtype == np.float32
        assert 0 <= result.mask.min() <= result.mask.max() <= 1
        changed = (np.asarray(result.image) != np.asarray(target)).any(2)
        assert not changed[result.mask == 0].any()
        assert changed[result.mask > 0.5].mean() > 0.9
        # The centre of the face is inside, the image's corners and the face's ears are not.
        assert result.mask[86, 100] > 0.7
        assert result.mask[0, 0] == result.mask[-1, -1] == 0
        assert 0.05 < (result.mask > 0.5).mean() < 0.25


def test_the_mask_is_soft() -> None:
    result = swap_faces(make_image(), TARGET, make_image(seed=1), DONOR, np.random.default_rng(3))
    steps = np.abs(np.diff(result.mask, axis=0)).max(), np.abs(np.diff(result.mask, axis=1)).max()
    assert max(steps) < 0.35


def test_the_same_draws_give_the_same_swap() -> None:
    made = [swap_faces(make_image(), TARGET, make_image(seed=1), DONOR, np.random.default_rng(s)) for s in (1, 1, 2)]
    assert made[0].image.tobytes() == made[1].image.tobytes() != made[2].image.tobytes()
    assert made[0].parameters == made[1].parameters


def test_the_donors_features_land_on_the_targets() -> None:
    donor = np.full((180, 200, 3), 90, np.uint8)
    # Bright spots at the donor's eyes must appear at the target's.
    for x, y in DONOR.keypoints[:2]:
        donor[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3] = 250
    result = swap_faces(Image.new("RGB", (200, 180), (90, 90, 90)), TARGET, Image.fromarray(donor), DONOR,
                        np.random.default_rng(0))  # fmt: skip
    grey = np.asarray(result.image.convert("L"), int)
    for x, y in TARGET.keypoints[:2]:
        assert grey[int(y), int(x)] > grey[int(y) + 20, int(x)] + 5


def test_misfit_of_a_turned_copy_is_nothing_and_of_another_pose_large() -> None:
    assert misfit(DONOR, TARGET)[0] < 1e-9
    profile = np.asarray(TARGET.keypoints)
    profile[[0, 1, 2]] = profile[[0, 1, 2]] * (0.2, 1) + (20, 0)
    assert misfit(Face(TARGET.box, 0.9, tuple(map(tuple, profile))), TARGET)[0] > 0.3
    lopsided = np.asarray(TARGET.keypoints)
    lopsided[2, 0] += 15
    mirror = np.asarray(TARGET.keypoints)
    mirror[2, 0] -= 15
    assert misfit(
        Face(TARGET.box, 0.9, tuple(map(tuple, lopsided))), Face(TARGET.box, 0.9, tuple(map(tuple, mirror)))
    ) == (
        pytest.approx(0, abs=1e-9),
        True,
    )
    assert misfit(Face(TARGET.box, 0.9, ((5.0, 5.0),) * 6), TARGET)[0] == np.inf


@pytest.mark.parametrize(
    ("donor_size", "donor"),
    [
        ((200, 180), Face((60, 40, 140, 120), 0.9, ((5.0, 5.0),) * 6)),  # key points that fall together
        ((70, 60), face_at(-20, -30, 80)),  # half of the face outside its image
    ],
)
def test_impossible_swaps_are_refused(donor_size: tuple[int, int], donor: Face) -> None:
    with pytest.raises(UsageError) as caught:
        swap_faces(make_image(), TARGET, make_image(*donor_size, seed=1), donor, np.random.default_rng(0))
    assert caught.value.code == "swap_impossible"


@settings(max_examples=40, deadline=None)
@given(x=st.floats(-60, 190), y=st.floats(-60, 170), side=st.floats(4, 200), turn=st.floats(-3.2, 3.2))
def test_any_target(x: float, y: float, side: float, turn: float) -> None:
    target = make_image()
    try:
        result = swap_faces(target, face_at(x, y, side, turn), make_image(seed=1), DONOR, np.random.default_rng(0))
    except UsageError as error:
        assert error.code == "swap_impossible"
        return
    assert np.isfinite(result.mask).all()
    assert not (np.asarray(result.image) != np.asarray(target)).any(2)[result.mask == 0].any()
