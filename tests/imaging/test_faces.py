"""The face finder on images whose faces are known, and the geometry of boxes against hand-worked values."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from unmask.errors import BundleError
from unmask.imaging.decode import decode_image
from unmask.imaging.faces import Box, Face, FaceFinder, FacePolicy, _suppress, overlap, square_crop
from unmask.imaging.session import single_thread_session

# The astronaut's face as marked by eye: from the brow to the chin, from ear to ear.
ASTRONAUT_FACE: Box = (175.0, 70.0, 278.0, 174.0)
BACKGROUND = (90, 120, 150)


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


def pasted(size: tuple[int, int], *images: tuple[Image.Image, float, tuple[int, int]]) -> tuple[Image.Image, list[Box]]:
    """Images at a scale and place on a plain canvas, and where the astronaut's faces then are."""
    canvas, boxes = Image.new("RGB", size, BACKGROUND), []
    for image, scale, (left, top) in images:
        side = round(512 * scale)
        canvas.paste(image.resize((side, side), Image.Resampling.LANCZOS), (left, top))
        x0, y0, x1, y1 = (edge * scale for edge in ASTRONAUT_FACE)
        boxes.append((x0 + left, y0 + top, x1 + left, y1 + top))
    return canvas, boxes


def assert_same_faces(found: list[Face], expected: list[Box], least: float = 0.7) -> None:
    assert len(found) == len(expected)
    for face, box in zip(found, expected, strict=True):
        assert overlap(face.box, box) >= least, (face.box, box)


# --- finding -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "scale", "place"),
    [
        pytest.param((512, 512), 1.0, (0, 0), id="as it is: the plain view"),
        pytest.param((4000, 3000), 3.0, (2400, 1200), id="a face 8 % as wide as 12 megapixels"),
        pytest.param((6000, 600), 1.0, (4000, 44), id="a panorama: windows along it"),
        pytest.param((600, 6000), 1.0, (44, 4000), id="a tall strip: windows down it"),
        pytest.param((700, 512), 1.0, (-170, 0), id="at the left edge"),
    ],
)
def test_the_face_is_found_where_it_is(
    size: tuple[int, int], scale: float, place: tuple[int, int], astronaut: Image.Image, finder: FaceFinder
) -> None:
    canvas, boxes = pasted(size, (astronaut, scale, place))
    found = finder.find(canvas)
    assert_same_faces(found, boxes)
    x0, y0, x1, y1 = found[0].box
    assert 0 <= x0 < x1 <= size[0]
    assert 0 <= y0 < y1 <= size[1]
    assert 0.5 <= found[0].score <= 1
    assert found[0].side == max(x1 - x0, y1 - y0)


def test_a_small_face_in_12_megapixels_is_found(astronaut: Image.Image, finder: FaceFinder) -> None:
    canvas, (box,) = pasted((4000, 3000), (astronaut, 2.0, (2400, 1200)))
    (found,) = finder.find(canvas)
    assert found.box[0] < (box[0] + box[2]) / 2 < found.box[2]
    assert found.box[1] < (box[1] + box[3]) / 2 < found.box[3]


def test_a_small_face_in_12_megapixels_is_framed(astronaut: Image.Image, finder: FaceFinder) -> None:
    canvas, boxes = pasted((4000, 3000), (astronaut, 2.0, (2400, 1200)))
    assert_same_faces(finder.find(canvas), boxes)


def test_keypoints_lie_on_the_face(astronaut: Image.Image, finder: FaceFinder) -> None:
    (face,) = finder.find(astronaut)
    right_eye, left_eye, nose, mouth, _right_ear, _left_ear = face.keypoints
    # Her right eye is to our left; eyes above nose above mouth. Places marked by eye, within 10 px.
    for point, expected in ((right_eye, (205, 108)), (left_eye, (244, 106)), (nose, (224, 127)), (mouth, (226, 148))):
        assert np.hypot(point[0] - expected[0], point[1] - expected[1]) < 12, (point, expected)


@pytest.mark.parametrize("side", [86, 300, 1200])
def test_an_image_that_is_a_face_crop_is_found_by_padding(
    side: int, astronaut: Image.Image, finder: FaceFinder
) -> None:
    tight = astronaut.crop((183, 78, 269, 164)).resize((side, side), Image.Resampling.BICUBIC)
    # On record: the plain view alone does not see a face that fills the image.
    assert FaceFinder(FacePolicy(paddings=(0.0,), zoom=False)).find(tight) == []
    (face,) = finder.find(tight)
    assert overlap(face.box, (0.0, 0.0, float(side), float(side))) >= 0.8


def test_of_two_faces_the_larger_comes_first(astronaut: Image.Image, finder: FaceFinder) -> None:
    canvas, (small_box, large_box) = pasted((900, 600), (astronaut, 0.7, (0, 95)), (astronaut, 1.0, (380, 60)))
    assert_same_faces(finder.find(canvas), [large_box, small_box], 0.6)
    limited = FaceFinder(FacePolicy(max_faces=1)).find(canvas)
    assert_same_faces(limited, [large_box], 0.6)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_turned_file_has_the_same_faces(orientation: int, astronaut: Image.Image, finder: FaceFinder) -> None:
    """The file holds the pixels turned, and its EXIF says how to turn them back."""
    stored = {
        3: Image.Transpose.ROTATE_180,
        6: Image.Transpose.ROTATE_90,  # 6: turn by 90 degrees clockwise to show; so it was stored turned the other way
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    astronaut.transpose(stored).save(buffer, "PNG", exif=exif)
    assert finder.find(decode_image(buffer.getvalue())) == finder.find(astronaut)


def _noise(size: tuple[int, int]) -> Image.Image:
    grey = np.random.default_rng(0).integers(0, 256, (size[1], size[0]), np.uint8)
    return Image.fromarray(grey).convert("RGB")


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: Image.fromarray(pytest.importorskip("skimage.data").coffee()), id="a cup of coffee"),
        pytest.param(lambda: Image.fromarray(pytest.importorskip("skimage.data").chelsea()), id="a cat"),
        pytest.param(lambda: _noise((500, 400)), id="grey noise"),
        pytest.param(lambda: Image.new("RGB", (300, 300), (128, 128, 128)), id="plain grey"),
        pytest.param(lambda: Image.new("RGB", (16, 16)), id="the least size"),
        pytest.param(lambda: Image.new("RGB", (8192, 16)), id="a strip of the least height"),
        pytest.param(lambda: Image.new("RGB", (16, 8192)), id="a strip of the least width"),
    ],
)
def test_no_face(make: Callable[[], Image.Image], finder: FaceFinder) -> None:
    assert finder.find(make()) == []


def test_the_same_image_always_gives_the_same_faces(astronaut: Image.Image, finder: FaceFinder) -> None:
    first = finder.find(astronaut)
    assert finder.find(astronaut) == first  # exactly, scores and keypoints included
    assert FaceFinder().find(astronaut.copy()) == first


def test_a_stricter_policy_finds_less(astronaut: Image.Image) -> None:
    assert FaceFinder(FacePolicy(score_threshold=0.999)).find(astronaut) == []


def test_a_model_that_is_none() -> None:
    with pytest.raises(BundleError) as caught:
        single_thread_session(b"no model")
    assert caught.value.code == "bad_model"


# --- boxes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        pytest.param((0, 0, 10, 10), (0, 0, 10, 10), 1.0, id="the same"),
        pytest.param((0, 0, 10, 10), (20, 20, 30, 30), 0.0, id="apart"),
        pytest.param((0, 0, 10, 10), (10, 0, 20, 10), 0.0, id="touching"),
        pytest.param((0, 0, 10, 10), (5, 0, 15, 10), 1 / 3, id="half over: 50 / (100 + 100 - 50)"),
        pytest.param((0, 0, 10, 10), (5, 5, 15, 15), 1 / 7, id="a corner over: 25 / 175"),
        pytest.param((0, 0, 10, 10), (2, 2, 7, 7), 0.25, id="inside: 25 / 100"),
        pytest.param((0, 0, 4, 1), (0, 0, 1, 4), 1 / 7, id="a cross of oblongs: 1 / (4 + 4 - 1)"),
    ],
)
def test_overlap(a: Box, b: Box, expected: float) -> None:
    assert overlap(a, b) == pytest.approx(expected)
    assert overlap(b, a) == pytest.approx(expected)


def face(box: Box, score: float) -> Face:
    return Face(box, score, ())


@pytest.mark.parametrize(
    ("faces", "threshold", "kept"),
    [
        pytest.param([], 0.3, [], id="none"),
        pytest.param(
            [face((0, 0, 10, 10), 0.6), face((5, 0, 15, 10), 0.9)], 0.3, [0.9], id="1/3 over: the better stays"
        ),
        pytest.param([face((0, 0, 10, 10), 0.6), face((5, 0, 15, 10), 0.9)], 0.4, [0.9, 0.6], id="1/3 is allowed"),
        # a overlaps b by 1/3, b overlaps c by 1/3, a and c only touch: b falls to a, so nothing takes c away
        pytest.param(
            [face((0, 0, 10, 10), 0.9), face((5, 0, 15, 10), 0.8), face((10, 0, 20, 10), 0.7)],
            0.3,
            [0.9, 0.7],
            id="what has fallen takes none with it",
        ),
        pytest.param(
            [face((1, 0, 11, 10), 0.9), face((0, 0, 10, 10), 0.9)], 0.3, [0.9], id="equal scores: the left one stays"
        ),
    ],
)
def test_suppression_by_hand(faces: list[Face], threshold: float, kept: list[float]) -> None:
    assert [item.score for item in _suppress(faces, threshold)] == kept
    assert _suppress(faces[::-1], threshold) == _suppress(faces, threshold)


@pytest.mark.parametrize("seed", range(5))
def test_suppression_agrees_with_torchvision(seed: int) -> None:
    torch, ops = pytest.importorskip("torch"), pytest.importorskip("torchvision.ops")
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 80, (60, 2)).astype(np.float64)
    boxes = np.concatenate([corners, corners + rng.integers(5, 40, (60, 2))], axis=1)
    scores = rng.permutation(60) / 60  # no two alike, so that the order is settled
    expected = ops.nms(torch.from_numpy(boxes), torch.from_numpy(scores), 0.31).tolist()
    faces = [face(tuple(box), float(score)) for box, score in zip(boxes.tolist(), scores, strict=True)]
    assert [item.score for item in _suppress(faces, 0.31)] == [float(scores[index]) for index in expected]
    assert 1 < len(expected) < 60


@pytest.mark.parametrize(
    ("box", "margin", "size", "expected"),
    [
        pytest.param((40, 40, 60, 60), 0.0, (100, 100), (40, 40, 60, 60), id="no margin"),
        pytest.param((40, 40, 60, 60), 0.5, (100, 100), (30, 30, 70, 70), id="half a side more on each side"),
        pytest.param((40, 45, 60, 55), 0.0, (100, 100), (40, 40, 60, 60), id="the longer side counts"),
        pytest.param((0, 40, 20, 60), 0.5, (100, 100), (0, 30, 40, 70), id="moved in from the left"),
        pytest.param((80, 90, 100, 100), 0.5, (100, 100), (60, 60, 100, 100), id="moved in from the corner"),
        pytest.param((10, 10, 90, 40), 0.5, (100, 50), (25, 0, 75, 50), id="shrunk to the image's height"),
        pytest.param((0, 0, 30, 60), 2.0, (30, 60), (0, 15, 30, 45), id="the image is the face"),
    ],
)
def test_square_crop_by_hand(box: Box, margin: float, size: tuple[int, int], expected: Box) -> None:
    assert square_crop(box, margin, size) == expected


@st.composite
def boxes_in_images(draw: st.DrawFn) -> tuple[Box, tuple[int, int]]:
    """A box of at least 1 px in an image of 16 to 3000 px, as the finder gives it."""
    size = draw(st.tuples(st.integers(16, 3000), st.integers(16, 3000)))
    edges = []
    for length in size:
        start = draw(st.floats(0, length - 1, allow_subnormal=False))
        edges.append((start, draw(st.floats(min(start + 1, length), length))))
    (x0, x1), (y0, y1) = edges
    return (x0, y0, x1, y1), size


@settings(max_examples=300, deadline=None)
@given(boxes_in_images(), st.floats(0, 2))
def test_square_crop_is_a_square_in_the_image(box_and_size: tuple[Box, tuple[int, int]], margin: float) -> None:
    box, size = box_and_size
    x0, y0, x1, y1 = square_crop(box, margin, size)
    assert 0 <= x0 < x1 <= size[0]
    assert 0 <= y0 < y1 <= size[1]
    assert x1 - x0 == pytest.approx(y1 - y0, abs=1e-6)
    wanted = max(box[2] - box[0], box[3] - box[1]) * (1 + 2 * margin)
    assert x1 - x0 == pytest.approx(min(wanted, *size), abs=1e-6)
    # Pillow refuses a box that reaches outside by the least bit.
    Image.new("L", size).resize((1, 1), Image.Resampling.BOX, box=(x0, y0, x1, y1))
