"""The shipped face finder: its inputs and outputs, what it finds, and that it finds it again."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from PIL import Image

Array = npt.NDArray[Any]
SIDE, ANCHORS = 192, 2304


def open_session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    content = (files("unmask.assets") / "face_finder.onnx").read_bytes()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def session() -> onnxruntime.InferenceSession:
    return open_session()


@pytest.fixture(scope="module")
def noise() -> Array:
    return np.random.default_rng(7).integers(0, 256, (4, SIDE, SIDE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def astronaut() -> Array:
    image = pytest.importorskip("skimage.data").astronaut()
    small = Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(small)[np.newaxis]


def find(session: onnxruntime.InferenceSession, images: Array) -> dict[str, Array]:
    names = ["boxes", "keypoints", "scores"]
    return dict(zip(names, session.run(names, {"image": images}), strict=True))


def test_declared_inputs_and_outputs(session: onnxruntime.InferenceSession) -> None:
    declared = {value.name: (value.type, value.shape) for value in [*session.get_inputs(), *session.get_outputs()]}
    assert declared == {
        "image": ("tensor(uint8)", ["batch", SIDE, SIDE, 3]),
        "boxes": ("tensor(float)", ["batch", ANCHORS, 4]),
        "keypoints": ("tensor(float)", ["batch", ANCHORS, 6, 2]),
        "scores": ("tensor(float)", ["batch", ANCHORS]),
    }


def test_metadata_names_origin_and_licence(session: onnxruntime.InferenceSession) -> None:
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata["licence"] == "Apache-2.0"
    assert "MediaPipe" in metadata["origin"]
    assert "Converted" in metadata["changes"]
    assert len(metadata["source_sha256"]) == 64


@pytest.mark.parametrize("batch", [1, 4])
def test_values_on_noise(session: onnxruntime.InferenceSession, noise: Array, batch: int) -> None:
    found = find(session, noise[:batch])
    assert found["boxes"].shape == (batch, ANCHORS, 4)
    assert found["keypoints"].shape == (batch, ANCHORS, 6, 2)
    assert found["scores"].shape == (batch, ANCHORS)
    assert all(values.dtype == np.float32 and np.isfinite(values).all() for values in found.values())
    assert found["scores"].min() >= 0
    assert found["scores"].max() < 0.5  # no face in noise


def test_batch_gives_what_single_images_give(session: onnxruntime.InferenceSession, noise: Array) -> None:
    together = find(session, noise)
    for position in range(len(noise)):
        alone = find(session, noise[position : position + 1])
        for name, values in together.items():
            # The same kernels run, but an onnxruntime build may split a batch among them differently.
            np.testing.assert_allclose(values[position], alone[name][0], rtol=0, atol=1e-5)


def test_a_second_session_gives_the_same_bytes(session: onnxruntime.InferenceSession, noise: Array) -> None:
    first, second = find(session, noise[:1]), find(open_session(), noise[:1])
    for name, values in first.items():
        assert values.tobytes() == second[name].tobytes(), name


def test_finds_the_astronauts_face(session: onnxruntime.InferenceSession, astronaut: Array) -> None:
    found = find(session, astronaut)
    best = int(found["scores"][0].argmax())
    assert found["scores"][0, best] > 0.9
    x0, y0, x1, y1 = found["boxes"][0, best]
    # Her face spans about 175..280 across and 65..175 down in the image's 512 pixels.
    np.testing.assert_allclose([x0, y0, x1, y1], [0.34, 0.13, 0.55, 0.34], atol=0.04)
    # The best anchor's cell lies in the box: the anchors run row by row.
    row, column = divmod(best, 48)
    assert x0 < (column + 0.5) / 48 < x1
    assert y0 < (row + 0.5) / 48 < y1


def test_keypoints_lie_where_a_face_has_them(session: onnxruntime.InferenceSession, astronaut: Array) -> None:
    found = find(session, astronaut)
    best = int(found["scores"][0].argmax())
    right_eye, left_eye, nose, mouth, right_ear, left_ear = found["keypoints"][0, best]
    # The person's right is the viewer's left.
    assert right_ear[0] < right_eye[0] < nose[0] < left_eye[0] < left_ear[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < mouth[1]
    x0, y0, x1, y1 = found["boxes"][0, best]
    for point in (right_eye, left_eye, nose, mouth):
        assert x0 < point[0] < x1
        assert y0 < point[1] < y1


def test_a_face_moved_down_and_right_is_found_there(session: onnxruntime.InferenceSession, astronaut: Array) -> None:
    moved = np.zeros_like(astronaut)
    moved[:, 48:, 24:] = astronaut[:, :-48, :-24]
    before, after = find(session, astronaut), find(session, moved)
    shift = after["boxes"][0, after["scores"][0].argmax()] - before["boxes"][0, before["scores"][0].argmax()]
    np.testing.assert_allclose(shift, [24 / 192, 48 / 192] * 2, atol=0.02)


# A wrong shape or type is refused, never guessed at.
@pytest.mark.parametrize(
    "image",
    [
        np.zeros((1, 3, SIDE, SIDE), np.uint8),  # planes first
        np.zeros((1, SIDE, SIDE, 3), np.float32),  # already scaled
        np.zeros((1, 128, 128, 3), np.uint8),  # the short-range model's size
    ],
)
def test_refuses_other_inputs(session: onnxruntime.InferenceSession, image: Array) -> None:
    with pytest.raises(Exception, match=r"INVALID_ARGUMENT"):
        find(session, image)
