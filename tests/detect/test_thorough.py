"""Two detectors in turn: what the first one leaves in doubt is judged by the second one alone."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from unmask.bundle.bundle import Bundle
from unmask.detect.detector import Detector
from unmask.detect.kept import KeptVerdicts
from unmask.detect.thorough import ThoroughDetector, in_doubt, load_thorough
from unmask.detect.verdict import Novelty
from unmask.errors import BundleError, UsageError
from unmask.imaging.faces import FacePolicy
from unmask.imaging.preprocessing import Preprocessing
from unmask.video.detector import ClipDetector

WHOLE = Preprocessing(size=32, faces=None)
FIRST, SECOND = "tiny@1", "sharp@3"


def _grey(value: int) -> Image.Image:
    return Image.new("RGB", (40, 40), (value, value, value))


@pytest.fixture(scope="module")
def bundles(
    make_bundle: Callable[..., Bundle], make_graph: Callable[..., bytes], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Bundle, Bundle]:
    """Logits (grey - 128) / 16, and the same plus 3."""
    folder = tmp_path_factory.mktemp("bundles")
    model = make_graph(offset=-8.0 + 3.0)
    return make_bundle(folder / "a", preprocessing=WHOLE), make_bundle(
        folder / "accurate", name="sharp", version=3, model=model, preprocessing=WHOLE
    )


@pytest.fixture(scope="module")
def detector(bundles: tuple[Bundle, Bundle]) -> ThoroughDetector:
    return ThoroughDetector(*bundles)


@pytest.mark.parametrize(
    ("grey", "model", "verdict"),
    [
        (160, FIRST, "FAKE"),  # logit 2: sure
        (96, FIRST, "REAL"),  # -2: sure
        (128, SECOND, "FAKE"),  # 0: in the band; the second one has 3
        (122, SECOND, "FAKE"),  # -0.375, and 2.6
    ],
)
def test_only_what_is_uncertain_is_judged_again(
    detector: ThoroughDetector, grey: int, model: str, verdict: str
) -> None:
    found = detector.detect(_grey(grey))
    assert (found.model, found.verdict) == (model, verdict)
    alone = detector.detector_of(found)
    assert alone.model_name == model and alone.bundle.sha256 == found.bundle_sha256
    expected = alone.detect(_grey(grey))
    assert (found.fake_probability, found.regions[0].crop) == (expected.fake_probability, expected.regions[0].crop)


def test_a_batch_keeps_its_order(detector: ThoroughDetector) -> None:
    greys = [160, 128, 96, 122, 161, 128]
    verdicts = detector.judge([detector.prepare(_grey(grey)) for grey in greys])
    assert [verdict.model for verdict in verdicts] == [FIRST, SECOND, FIRST, SECOND, FIRST, SECOND]
    one_by_one = [detector.detect(_grey(grey)).fake_probability for grey in greys]
    assert [verdict.fake_probability for verdict in verdicts] == one_by_one
    assert [verdict.model for verdict in detector.detect_many(map(_grey, greys), workers=3)] == [
        verdict.model for verdict in verdicts
    ]


def test_what_is_unlike_the_training_images_is_in_doubt(detector: ThoroughDetector) -> None:
    sure = detector.detect(_grey(160))
    assert not in_doubt(sure)
    assert not in_doubt(replace(sure, novelty=Novelty(1.0, 2.0)))
    assert in_doubt(replace(sure, novelty=Novelty(3.0, 2.0)))
    # Without a face neither detector knows more, and what cannot be read has no verdict.
    assert not in_doubt(replace(sure, verdict="NO_FACE", novelty=Novelty(3.0, 2.0)))
    assert not in_doubt(replace(sure, verdict=None))


@pytest.mark.parametrize("policy", [FacePolicy(), FacePolicy(score_threshold=0.4)])
def test_each_detector_sees_the_face_as_its_bundle_wants_it(
    make_bundle: Callable[..., Bundle],
    make_graph: Callable[..., bytes],
    astronaut: Image.Image,
    tmp_path: Path,
    policy: FacePolicy,
) -> None:
    first = make_bundle(tmp_path / "a")
    second = make_bundle(
        tmp_path / "b",
        name="sharp",
        model=make_graph(size=48),
        golden=(),
        preprocessing=Preprocessing(size=48, face_margin=0.6, faces=policy),
    )
    found = ThoroughDetector(first, second).detect(astronaut)  # logit 0.2, see test_abstention
    alone = Detector(second).detect(astronaut)
    assert found.model == "sharp@1"
    assert found.faces[0].crop == alone.faces[0].crop and found.fake_probability == alone.fake_probability


def test_an_image_read_at_reduced_size(detector: ThoroughDetector, tmp_path: Path) -> None:
    _grey(128).resize((400, 320)).save(tmp_path / "large.jpg")
    limits = replace(detector.limits, max_memory=400 * 320 * 3 // 2)
    small = ThoroughDetector(detector.bundle, detector.second.bundle, limits=limits)
    found, alone = small.detect(tmp_path / "large.jpg"), small.second.detect(tmp_path / "large.jpg")
    assert found.notes and found.model == SECOND
    assert (found.size, found.regions[0].crop) == (alone.size, alone.regions[0].crop)


def test_thresholds(bundles: tuple[Bundle, Bundle]) -> None:
    both = ThoroughDetector(*bundles, threshold=0.7)
    assert (both.threshold, both.second.threshold) == (0.7, 0.7)
    named = ThoroughDetector(*bundles, threshold="fpr_1")
    assert (named.threshold, named.second.threshold) == (0.9, 0.9)
    with pytest.raises(UsageError, match="threshold"):
        ThoroughDetector(*bundles, threshold="fpr_7")
    again = pickle.loads(pickle.dumps(both))
    assert isinstance(again, ThoroughDetector) and again.detect(_grey(128)).model == SECOND
    assert again.second.threshold == 0.7


def test_clips_are_judged_by_one_detector(detector: ThoroughDetector) -> None:
    frames = ClipDetector(detector).detector
    assert type(frames) is Detector and frames.model_name == FIRST


def test_the_same_detector_twice_is_refused(bundles: tuple[Bundle, Bundle]) -> None:
    with pytest.raises(UsageError) as caught:
        ThoroughDetector(bundles[1], bundles[1])
    assert caught.value.code == "bad_call"


def test_a_journal_is_of_both_detectors(detector: ThoroughDetector, tmp_path: Path) -> None:
    for name, grey in (("sure.png", 160), ("doubt.png", 128)):
        _grey(grey).save(tmp_path / name)
    paths = [str(tmp_path / "sure.png"), str(tmp_path / "doubt.png")]
    with KeptVerdicts(tmp_path / "journal", detector) as kept:
        new = [kept.judge(path) for path in paths]
    with KeptVerdicts(tmp_path / "journal", detector) as kept:
        old = [kept.judge(path) for path in paths]
        assert kept.reused == 2
    assert [verdict.to_dict() for verdict in old] == [verdict.to_dict() for verdict in new]
    assert [verdict.model for verdict in old] == [FIRST, SECOND]
    for other in (detector.first, detector.second):
        with pytest.raises(UsageError, match=f"holds verdicts of the bundle {FIRST}, then {SECOND}"):
            KeptVerdicts(tmp_path / "journal", other)


def test_without_the_accurate_detector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNMASK_CACHE", str(tmp_path / "cache"))
    with pytest.raises(BundleError, match="accurate") as caught:
        load_thorough()
    assert caught.value.code == "no_accurate"
