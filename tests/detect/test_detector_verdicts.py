"""Verdicts of a detector whose every answer can be worked out: its logit is (mean grey - 128) / 16."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import unmask
from unmask.bundle.bundle import Bundle
from unmask.bundle.schema import BundleInfo, Calibration
from unmask.detect.detector import Detector, deciding_region, load
from unmask.detect.overlay import draw_evidence
from unmask.detect.verdict import RegionVerdict, Verdict
from unmask.errors import ImageError, UsageError
from unmask.imaging.decode import Decoded, ImageSource
from unmask.imaging.faces import Face
from unmask.imaging.limits import DecodeLimits
from unmask.imaging.preprocessing import Preprocessing

MakeBundle = Callable[..., Bundle]

# What unmask.data and the service rely on; docs and DESIGN.md list the same.
JSON_KEYS = [
    "path",
    "verdict",
    "fake_probability",
    "kinds",
    "result",
    "confidence",
    "uncertain",
    "face_found",
    "faces",
    "marks",
    "notes",
    "sha256",
    "out_of_distribution",
    "provenance",
    "model",
    "bundle_sha256",
    "ms",
    "error",
]


@pytest.fixture(scope="module")
def detector(tiny_bundle: Path) -> Detector:
    return load(tiny_bundle)


def plain(grey: int, size: tuple[int, int] = (64, 64)) -> Image.Image:
    return Image.new("RGB", size, (grey, grey, grey))


def encoded(image: Image.Image, format_name: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def expit(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def logit_of(probability: float) -> float:
    return math.log(probability / (1 - probability))


def portraits(astronaut: Image.Image) -> Image.Image:
    """The astronaut twice, the second at seven tenths and a fifth darker."""
    canvas = Image.new("RGB", (900, 600), (90, 120, 150))
    canvas.paste(astronaut, (380, 60))
    canvas.paste(astronaut.resize((358, 358)).point(lambda value: value * 4 // 5), (0, 95))
    return canvas


# --- one image -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grey", "result", "probability"),
    [
        pytest.param(128, "FAKE", 0.5, id="a logit of 0: at the threshold means fake"),
        pytest.param(144, "FAKE", expit(1), id="a logit of 1"),
        pytest.param(112, "REAL", expit(-1), id="a logit of -1"),
        pytest.param(0, "REAL", expit(-8), id="black"),
        pytest.param(255, "FAKE", expit(127 / 16), id="white"),
    ],
)
def test_probability_by_hand(grey: int, result: str, probability: float, detector: Detector) -> None:
    verdict = detector.detect(plain(grey))
    assert verdict.result == result
    assert verdict.fake_probability == pytest.approx(probability, abs=1e-6)
    assert verdict.confidence == pytest.approx(100 * max(probability, 1 - probability), abs=1e-4)
    assert (verdict.face_found, verdict.faces) == (False, ())
    (region,) = verdict.regions
    assert (region.face, region.crop) == (None, (0.0, 0.0, 64.0, 64.0))


def test_every_kind_of_source_gives_the_same(
    detector: Detector, astronaut: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(astronaut)
    path = tmp_path / "a b.png"
    path.write_bytes(data)
    monkeypatch.chdir(tmp_path)
    sources: dict[str, ImageSource] = {
        "a path": path,
        "a string": str(path),
        "a relative string": "a b.png",
        "bytes": data,
        "a Pillow image": astronaut,
        "a Pillow image not yet loaded": Image.open(path),
        "an array": np.asarray(astronaut),
        "an array with opacity": np.dstack([np.asarray(astronaut), np.full((512, 512), 255, np.uint8)]),
    }
    verdicts = {name: detector.detect(source) for name, source in sources.items()}
    assert len({verdict.fake_probability for verdict in verdicts.values()}) == 1
    assert len({verdict.faces[0].face for verdict in verdicts.values()}) == 1
    # The path as it was given, and where the source is a file, what the file says of its making.
    assert verdicts["a relative string"].path == "a b.png"
    assert verdicts["a path"].path == str(path)
    assert verdicts["bytes"].path is None
    assert verdicts["bytes"].provenance == verdicts["a path"].provenance is not None
    assert verdicts["an array"].provenance is None


def test_evidence_averages_to_the_logit(detector: Detector, astronaut: Image.Image) -> None:
    verdict = detector.detect(portraits(astronaut))
    assert len(verdict.regions) == 2
    for region in verdict.regions:
        assert (region.evidence.dtype, region.evidence.shape) == (np.float32, (4, 4))
        assert float(region.evidence.mean()) == pytest.approx(logit_of(region.fake_probability), abs=1e-5)


def test_calibration_moves_probability_and_evidence_alike(make_bundle: MakeBundle, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "b", calibration=Calibration(method="platt", slope=0.5, bias=-1.0))
    verdict = Detector(bundle).detect(plain(160))  # the graph's logit is 2; calibrated 0.5 * 2 - 1 = 0
    assert verdict.fake_probability == pytest.approx(0.5)
    assert verdict.regions[0].evidence == pytest.approx(np.zeros((4, 4)), abs=1e-6)


def test_evidence_shows_where(detector: Detector) -> None:
    """White above black: evidence for fake above, for real below."""
    image = plain(0)
    image.paste((255, 255, 255), (0, 0, 64, 32))
    evidence = detector.detect(image).regions[0].evidence
    assert (evidence[0] > 7).all()
    assert (evidence[3] < -7).all()


def test_a_bundle_that_looks_at_whole_images(make_bundle: MakeBundle, astronaut: Image.Image, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "b", preprocessing=Preprocessing(size=32, faces=None))
    verdict = Detector(bundle).detect(astronaut)
    assert verdict.regions[0].crop == (0.0, 0.0, 512.0, 512.0)
    assert not verdict.face_found


def test_the_same_image_gives_the_same_bits(detector: Detector, tiny_bundle: Path, astronaut: Image.Image) -> None:
    first, second, third = detector.detect(astronaut), detector.detect(astronaut), load(tiny_bundle).detect(astronaut)
    for other in (second, third):
        assert other.fake_probability == first.fake_probability
        assert other.regions[0].evidence.tobytes() == first.regions[0].evidence.tobytes()
        assert other.regions[0].face == first.regions[0].face


def test_the_source_is_left_alone(detector: Detector, astronaut: Image.Image) -> None:
    before = astronaut.tobytes()
    array = np.asarray(astronaut).copy()
    detector.detect(astronaut)
    detector.detect(array)
    assert astronaut.tobytes() == array.tobytes() == before


def test_unmask_load_is_the_same_thing(tiny_bundle: Path) -> None:
    assert unmask.load(tiny_bundle).detect(plain(144)).result == "FAKE"
    assert unmask.load(tiny_bundle, threshold="fpr_1").detect(plain(144)).result == "REAL"


# --- several faces -----------------------------------------------------------------------------------------


def region(side: float | None, probability: float) -> RegionVerdict:
    face = None if side is None else Face((0.0, 0.0, side, side / 2), 0.9, ())
    return RegionVerdict(face, (0.0, 0.0, 1.0, 1.0), probability, np.zeros((1, 1), np.float32))


@pytest.mark.parametrize(
    ("regions", "expected"),
    [
        pytest.param([(None, 0.3)], 0.3, id="no face: the whole image's"),
        pytest.param([(100, 0.3)], 0.3, id="one face"),
        pytest.param([(100, 0.1), (90, 0.8)], 0.8, id="fake when any main face is"),
        pytest.param([(100, 0.8), (90, 0.1)], 0.8, id="whichever it is"),
        pytest.param([(100, 0.1), (39.9, 0.99)], 0.1, id="a bystander just below 40 % does not count"),
        pytest.param([(100, 0.1), (40, 0.99)], 0.99, id="at 40 % it does"),
        pytest.param([(100, 0.2), (60, 0.6), (10, 0.9)], 0.6, id="three"),
    ],
)
def test_the_deciding_probability_by_hand(regions: list[tuple[float | None, float]], expected: float) -> None:
    assert deciding_region([region(*item) for item in regions], 0.4).fake_probability == expected
    assert deciding_region(iter([region(*item) for item in regions]), 0.4).fake_probability == expected


@pytest.mark.parametrize(
    ("main_face", "expected"),
    [
        pytest.param(0.0, 0.9, id="every face is a main face"),
        pytest.param(0.1, 0.9, id="at its side exactly it is one"),
        pytest.param(0.2, 0.6, id="the smallest is a bystander"),
        pytest.param(1.0, 0.2, id="only the largest counts"),
    ],
)
def test_main_faces_are_bundle_data(main_face: float, expected: float, make_bundle: MakeBundle, tmp_path: Path) -> None:
    detector = Detector(make_bundle(tmp_path / "b", main_face=main_face))
    found = [region(*item) for item in [(100, 0.2), (60, 0.6), (10, 0.9)]]
    assert detector.deciding(found).fake_probability == expected


def test_the_main_face_of_a_bundle_decides_the_verdict(
    make_bundle: MakeBundle, astronaut: Image.Image, tmp_path: Path
) -> None:
    """The second face has seven tenths of the first one's side; brightened, it alone is fake."""
    canvas = Image.new("RGB", (900, 600), (90, 120, 150))
    canvas.paste(astronaut.point(lambda value: value // 2), (380, 60))
    canvas.paste(astronaut.resize((358, 358)), (0, 95))
    results = {}
    for main_face in (0.4, 1.0):
        verdict = Detector(make_bundle(tmp_path / str(main_face), main_face=main_face)).detect(canvas)
        large, small = verdict.faces
        assert large.fake_probability < 0.5 <= small.fake_probability
        results[main_face] = verdict.result
    assert results == {0.4: "FAKE", 1.0: "REAL"}


def test_bundles_without_a_main_face_have_the_one_of_old() -> None:
    stored = json.loads(Bundle.open().files["bundle.json"])
    del stored["main_face"]
    assert BundleInfo.model_validate(stored).main_face == 0.4


def test_two_faces_in_an_image(detector: Detector, astronaut: Image.Image) -> None:
    verdict = detector.detect(portraits(astronaut))
    large, small = verdict.faces
    assert large.face is not None
    assert small.face is not None
    assert large.face.side > small.face.side
    assert small.fake_probability < large.fake_probability  # it is darker
    assert verdict.fake_probability == large.fake_probability
    assert [face["fake_probability"] for face in verdict.to_json()["faces"]] == [
        round(large.fake_probability, 6),
        round(small.fake_probability, 6),
    ]


# --- thresholds and doubt ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        pytest.param(None, 0.5, id="the bundle's default"),
        pytest.param("fpr_5", 0.5, id="by name"),
        pytest.param("fpr_1", 0.9, id="by another name"),
        pytest.param(0.25, 0.25, id="a number"),
        pytest.param("0.25", 0.25, id="a number in words, as a command line gives it"),
        pytest.param(0, 0.0, id="everything is fake"),
        pytest.param(1, 1.0, id="nothing is"),
    ],
)
def test_thresholds(threshold: float | str | None, expected: float, tiny_bundle: Path) -> None:
    detector = load(tiny_bundle, threshold)
    assert detector.threshold == expected
    for grey, probability in ((144, expit(1)), (112, expit(-1))):
        assert detector.detect(plain(grey)).result == ("FAKE" if probability >= expected else "REAL")


@pytest.mark.parametrize("threshold", [-0.1, 1.1, "fpr_2", "", "nan", float("nan"), "inf", "0,5"])
def test_bad_thresholds(threshold: float | str, tiny_bundle: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load(tiny_bundle, threshold)
    assert (caught.value.code, caught.value.exit_code) == ("bad_threshold", 2)
    assert "fpr_1, fpr_5" in caught.value.message


@pytest.mark.parametrize(
    ("low", "high", "uncertain"),
    [
        pytest.param(0.0, 1.0, True, id="inside the band"),
        pytest.param(0.0, 0.0, False, id="above it"),
        pytest.param(1.0, 1.0, False, id="below it"),
    ],
)
def test_a_face_is_uncertain_inside_the_band(
    low: float,
    high: float,
    uncertain: bool,
    make_bundle: MakeBundle,
    astronaut: Image.Image,
    tmp_path: Path,
) -> None:
    band = {"low": low, "high": high, "accuracy_outside": 0.9, "coverage": 0.1}
    verdict = Detector(make_bundle(tmp_path / "b", uncertain=band)).detect(astronaut)
    assert verdict.face_found
    assert verdict.uncertain is uncertain


def test_the_band_includes_its_ends(
    make_bundle: MakeBundle, detector: Detector, astronaut: Image.Image, tmp_path: Path
) -> None:
    at = detector.detect(astronaut).fake_probability
    assert at is not None
    band = {"low": at, "high": at, "accuracy_outside": 0.9, "coverage": 0.1}
    assert Detector(make_bundle(tmp_path / "b", uncertain=band)).detect(astronaut).uncertain


def test_no_face_is_always_uncertain(detector: Detector) -> None:
    verdict = detector.detect(plain(255))
    assert verdict.fake_probability is not None
    assert verdict.fake_probability > 0.999
    assert verdict.uncertain


@pytest.mark.parametrize(
    ("result", "probability", "confidence"),
    [
        pytest.param("FAKE", 0.972, 97.2, id="the class in the result: fake"),
        pytest.param("REAL", 0.028, 97.2, id="real"),
        pytest.param("REAL", 0.5, 50.0, id="the middle"),
        pytest.param("REAL", 0.7, 50.0, id="below a high threshold: real, but not likely; never below 50"),
        pytest.param("FAKE", 0.2, 50.0, id="above a low threshold"),
        pytest.param(None, None, None, id="an error"),
    ],
)
def test_confidence_is_that_of_the_result(result: Any, probability: float | None, confidence: float | None) -> None:
    verdict = Verdict("x", result, probability, result, (), None, "m@1", "0", 1.0)
    assert verdict.confidence == (None if confidence is None else pytest.approx(confidence))


# --- JSON --------------------------------------------------------------------------------------------------


def test_json_has_the_documented_keys_in_order(detector: Detector, astronaut: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    astronaut.save(path)
    verdict = detector.detect(str(path))
    content = json.loads(json.dumps(verdict.to_json(), allow_nan=False))
    assert list(content) == JSON_KEYS
    assert content["path"] == str(path)
    assert (content["verdict"], content["result"]) == ("UNCERTAIN", "FAKE")  # 0.549, in the band from 0.4 to 0.6
    assert content["fake_probability"] == pytest.approx(0.549, abs=0.02)
    assert content["marks"] == []
    assert content["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert content["provenance"] == {"c2pa": "none", "generator_tags": [], "credentials_state": "none"}
    assert content["model"] == "tiny@1"
    assert content["bundle_sha256"] == detector.bundle.sha256
    assert content["error"] is None
    assert content["face_found"] is True
    assert content["ms"] >= 0
    (face,) = content["faces"]
    assert list(face) == ["box", "fake_probability"]
    assert len(face["box"]) == 4
    assert face["fake_probability"] == content["fake_probability"]


def test_an_image_read_at_reduced_size_has_boxes_in_the_file_s_pixels(
    tiny_bundle: Path, astronaut: Image.Image, tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    astronaut.save(path)
    whole = Detector(Bundle.open(tiny_bundle)).detect(path)
    small = Detector(Bundle.open(tiny_bundle), limits=DecodeLimits(max_memory=1_400_000)).detect(path)
    assert whole.notes == () and whole.size == small.size == (512, 512)
    assert small.notes == ("The image is so large that it was read at 1/2 of its width and height.",)
    assert small.faces[0].face is not None and whole.faces[0].face is not None
    # Found in a quarter of the pixels, within a few pixels of where it lies in all of them.
    np.testing.assert_allclose(small.faces[0].face.box, whole.faces[0].face.box, atol=12)
    np.testing.assert_allclose(small.regions[0].crop, whole.regions[0].crop, atol=16)
    # The drawing finds the place, whichever size the image has.
    drawn = draw_evidence(astronaut.reduce(2), small)
    assert drawn.size == (256, 256)
    changed = np.abs(np.asarray(drawn, int) - np.asarray(astronaut.reduce(2), int)).sum(2) > 0
    rows, columns = np.nonzero(changed)
    left, top, right, bottom = (edge / 2 for edge in small.regions[0].crop)
    assert left - 30 <= columns.min() and columns.max() <= right + 2
    assert top - 30 <= rows.min() and rows.max() <= bottom + 2


def test_a_decoder_may_be_given(detector: Detector, astronaut: Image.Image) -> None:
    out = io.BytesIO()
    astronaut.save(out, "PNG")
    seen: list[bytes] = []

    def decoder(data: bytes) -> Decoded:
        seen.append(data)
        return Decoded(astronaut, notes=("odd",))

    other = Detector(detector.bundle)
    other.decoder = decoder
    verdict = other.detect(out.getvalue())
    assert seen == [out.getvalue()]
    assert verdict.notes == ("odd",)
    assert verdict.fake_probability == detector.detect(astronaut).fake_probability


def test_json_of_an_error(detector: Detector) -> None:
    content = detector.detect_or_error("nowhere.jpg").to_json()
    assert list(content) == JSON_KEYS
    del content["ms"]
    assert content == {
        "path": "nowhere.jpg",
        "verdict": None,
        "fake_probability": None,
        "kinds": None,
        "result": None,
        "confidence": None,
        "uncertain": False,
        "face_found": False,
        "faces": [],
        "marks": [],
        "notes": [],
        "sha256": None,
        "out_of_distribution": None,
        "provenance": None,
        "model": "tiny@1",
        "bundle_sha256": detector.bundle.sha256,
        "error": {"code": "not_found", "message": "There is no such file."},
    }


# --- errors and many images ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("nowhere.jpg", "not_found", id="no file"),
        pytest.param(Path("nowhere.jpg"), "not_found", id="no file, as a path"),
        pytest.param(b"", "empty", id="no bytes"),
        pytest.param(b"text", "unsupported_format", id="text"),
        pytest.param(np.zeros((64, 64), np.float32), "bad_array", id="floats"),
        pytest.param(plain(1, (8, 8)), "too_small", id="a tiny image"),
        pytest.param(encoded(plain(1, (256, 256)), "JPEG")[:300], "truncated", id="half a file"),
    ],
)
def test_detect_raises_where_detect_or_error_tells(source: ImageSource, expected: str, detector: Detector) -> None:
    with pytest.raises(ImageError) as caught:
        detector.detect(source)
    verdict = detector.detect_or_error(source)
    assert verdict.error is not None
    assert caught.value.code == verdict.error.code == expected
    assert (verdict.result, verdict.fake_probability, verdict.regions) == (None, None, ())


def test_limits_are_the_detectors(tiny_bundle: Path) -> None:
    strict = Detector(Bundle.open(tiny_bundle), limits=DecodeLimits(max_pixels=1000, max_bytes=5000))
    assert strict.detect(plain(1, (31, 31))).result == "REAL"
    for source, expected in ((plain(1, (32, 32)), "too_many_pixels"), (bytes(5001), "file_too_large")):
        verdict = strict.detect_or_error(source)
        assert verdict.error is not None
        assert verdict.error.code == expected


@pytest.mark.parametrize("workers", [1, 2, 5, None])
def test_many_keep_their_order(workers: int | None, detector: Detector) -> None:
    greys = [128 + 5 * ((7 * index) % 23) for index in range(14)]
    sources: list[ImageSource] = [plain(grey) for grey in greys]
    sources[3], sources[13] = "nowhere.jpg", b""
    verdicts = list(detector.detect_many(sources, workers))
    codes = [verdict.error and verdict.error.code for verdict in verdicts]
    assert codes == [{3: "not_found", 13: "empty"}.get(index) for index in range(14)]
    for index, verdict in enumerate(verdicts):
        if index not in (3, 13):
            alone = detector.detect(sources[index])
            assert verdict.fake_probability == alone.fake_probability
            assert verdict.regions[0].evidence.tobytes() == alone.regions[0].evidence.tobytes()


def test_none_gives_none(detector: Detector) -> None:
    assert list(detector.detect_many([])) == []


def assert_threads_end(before: int) -> None:
    """No more threads than before: those of graphs end just after the threads that used them."""
    end = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_an_endless_source_is_read_only_a_little_ahead(detector: Detector) -> None:
    drawn = 0

    def endless() -> Iterator[ImageSource]:
        nonlocal drawn
        while True:
            drawn += 1
            yield plain(128)

    threads = threading.active_count()
    verdicts = detector.detect_many(endless(), workers=2)
    taken = list(itertools.islice(verdicts, 10))
    assert len(taken) == 10
    assert drawn <= 10 + 4 * 2
    verdicts.close()  # type: ignore[attr-defined]
    assert_threads_end(threads)
    assert drawn <= 10 + 4 * 2


def test_a_source_that_fails_leaves_no_thread(detector: Detector) -> None:
    def failing() -> Iterator[ImageSource]:
        yield plain(128)
        raise KeyError("the list broke off")

    threads = threading.active_count()
    with pytest.raises(KeyError):
        list(detector.detect_many(failing(), workers=2))
    assert_threads_end(threads)


# --- anything at all ---------------------------------------------------------------------------------------


def _seed_files() -> list[bytes]:
    rng = np.random.default_rng(5)
    noise = Image.fromarray(rng.integers(0, 256, (40, 48, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112], exif[0x0131] = 6, "Midjourney"
    return [encoded(noise, name, **options) for name in ("JPEG", "PNG", "WEBP") for options in ({}, {"exif": exif})]


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["set", "insert", "remove", "cut"]), st.floats(0, 1, exclude_max=True), st.binary(max_size=8)
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.sampled_from(_seed_files()), changes=CHANGES)
def test_mutated_files_give_a_verdict(data: bytes, changes: list[tuple[str, float, bytes]], tiny_bundle: Path) -> None:
    detector = _limited(tiny_bundle)
    for kind, place, payload in changes:
        at = int(place * len(data))
        kept = at if kind == "insert" else len(data) if kind == "cut" else at + len(payload)
        data = data[:at] + (payload if kind in ("set", "insert") else b"") + data[kept:]
    verdict = detector.detect_or_error(data)
    json.dumps(verdict.to_json(), allow_nan=False)
    assert (verdict.result is None) == (verdict.error is not None)
    if verdict.fake_probability is not None:
        assert 0 <= verdict.fake_probability <= 1


_DETECTORS: dict[Path, Detector] = {}


def _limited(path: Path) -> Detector:
    if path not in _DETECTORS:
        _DETECTORS[path] = Detector(Bundle.open(path), limits=DecodeLimits(max_pixels=100_000, max_side=2000))
    return _DETECTORS[path]


@pytest.mark.parametrize(
    ("verdict", "kinds", "likely", "remark"),
    [
        # the more probable of two
        ("FAKE", {"generated": 0.7, "manipulated": 0.9}, "manipulated", "Probably a manipulated photograph."),
        ("FAKE", {"generated": 0.8, "manipulated": 0.1}, "generated", "Probably wholly generated."),
        # a question that has no sentence of its own
        ("FAKE", {"morphed": 0.8}, "morphed", "Probably: morphed."),
        # neither is probable: nothing is said
        ("FAKE", {"generated": 0.5, "manipulated": 0.3}, None, ""),
        # only fakes have a kind
        ("REAL", {"generated": 0.6}, None, ""),
        ("UNCERTAIN", {"generated": 0.6}, None, ""),
        # a bundle that answers no question
        ("FAKE", None, None, ""),
    ],
)
def test_what_kind_of_fake(
    detector: Detector, verdict: str, kinds: dict[str, float] | None, likely: str | None, remark: str
) -> None:
    found = replace(detector.detect(np.zeros((64, 64, 3), np.uint8)), verdict=verdict, kinds=kinds)
    assert found.likely_kind == likely
    assert found.kind_remark == remark
    assert found.to_dict()["kinds"] == kinds
