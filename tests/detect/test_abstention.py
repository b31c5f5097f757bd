"""Facts that make a verdict uncertain: small faces, and verdicts that flip when the image is changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from unmask.bundle.bundle import Bundle
from unmask.bundle.schema import Abstention, BundleInfo
from unmask.detect.abstention import REENCODED, RESIZED, Changed, changed, reasons
from unmask.detect.detector import Detector
from unmask.explain.explainer import explain
from unmask.imaging.faces import Face
from unmask.imaging.preprocessing import Preprocessing, Region

FACE = Face((10.0, 10.0, 50.0, 40.0), 1.0, ())  # its longer side is 40


@pytest.fixture(scope="module")
def bundle(make_bundle: Callable[..., Bundle], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("bundle") / "b")


def _with(bundle: Bundle, **rule: Any) -> Detector:
    return Detector(replace(bundle, info=bundle.info.model_copy(update={"abstention": Abstention(**rule)})))


def _region(grey: int, face: Face | None = FACE) -> Region:
    return Region((0.0, 0.0, 60.0, 60.0), face, np.full((32, 32, 3), grey, np.uint8))


@pytest.mark.parametrize(
    ("rule", "face", "flips", "words"),
    [
        (None, FACE, [REENCODED], []),
        (Abstention(), FACE, [], []),
        (Abstention(smallest_face=40), FACE, [], []),  # as large as it must be
        (Abstention(smallest_face=41), FACE, [], ["40 pixels, and fewer than 41"]),
        (Abstention(smallest_face=41), None, [], []),  # without a face there is none that is too small
        (Abstention(reencoded=75), FACE, [REENCODED], ["JPEG of quality 75"]),
        (Abstention(reencoded=75, resized=0.5), FACE, [RESIZED], ["50 % of its size"]),
        (Abstention(smallest_face=99, reencoded=75), FACE, [REENCODED], ["fewer than 99", "quality 75"]),
    ],
)
def test_reasons(rule: Abstention | None, face: Face | None, flips: list[str], words: list[str]) -> None:
    found = reasons(rule, face, flips)
    assert len(found) == len(words)
    assert all(word in sentence for word, sentence in zip(words, found, strict=True))


def test_the_changed_image_is_seen_at_the_same_place() -> None:
    # Left half black, right half white: the crop of a face on the left stays dark when the image is shrunk.
    image = Image.fromarray(np.repeat(np.uint8([[0] * 64 + [255] * 64]), 128, axis=0)).convert("RGB")
    face = Face((10.0, 10.0, 40.0, 40.0), 1.0, ())
    preprocessing = Preprocessing(size=32)
    rule = Abstention(reencoded=75, resized=0.5)
    others = changed(image, [_region(0, face)], rule, preprocessing)
    assert [other.name for other in others] == [REENCODED, RESIZED]
    for other in others:
        (region,) = other.regions
        assert region.pixels.shape == (32, 32, 3) and region.pixels.mean() < 3
    assert others[0].regions[0].face == face and others[1].regions[0].face == face.scaled(0.5)
    assert changed(image, [_region(0, None)], rule, preprocessing) == ()
    assert changed(image, [_region(0, face)], None, preprocessing) == ()
    assert changed(image, [_region(0, face)], Abstention(smallest_face=9), preprocessing) == ()


@pytest.mark.parametrize(
    ("grey", "other_grey", "verdict", "notes"),
    [
        (160, 160, "FAKE", 0),  # logit 2 in both
        (160, 96, "UNCERTAIN", 1),  # 2, and -2 once it is saved again
        (96, 160, "UNCERTAIN", 1),
        (128, 160, "UNCERTAIN", 0),  # in the band already: nothing more to say
    ],
)
def test_a_verdict_that_flips_is_uncertain(
    bundle: Bundle, grey: int, other_grey: int, verdict: str, notes: int
) -> None:
    detector = _with(bundle, reencoded=75)
    prepared = detector.prepare(Image.new("RGB", (64, 64)))
    prepared = replace(
        prepared, regions=(_region(grey),), changed=(Changed(REENCODED, (_region(other_grey),)),), notes=()
    )
    first, second = detector.judge([prepared, replace(prepared, changed=())])
    assert (first.verdict, len(first.notes)) == (verdict, notes)
    # Probability and result stay what they are, and another image in the batch is not touched.
    assert (first.fake_probability, first.result) == (second.fake_probability, second.result)
    assert second.verdict == ("UNCERTAIN" if grey == 128 else second.result) and not second.notes


def test_a_small_face_is_uncertain(bundle: Bundle, astronaut: Image.Image) -> None:
    astronaut = astronaut.point(lambda value: min(255, value + 40))  # so bright that the tiny detector is sure
    plain = Detector(bundle).detect(astronaut)
    assert plain.verdict == "FAKE"
    side = plain.faces[0].face.side  # type: ignore[union-attr]
    assert _with(bundle, smallest_face=side - 1).detect(astronaut).verdict == plain.verdict
    doubted = _with(bundle, smallest_face=side + 1, reencoded=75, resized=0.5).detect(astronaut)
    assert doubted.verdict == "UNCERTAIN" and doubted.uncertain and "the face is small" in doubted.notes[0]
    assert doubted.fake_probability == plain.fake_probability


def test_old_bundles_stay_valid(bundle: Bundle) -> None:
    content = json.loads(bundle.files["bundle.json"])
    assert "abstention" not in content and bundle.info.abstention is None
    assert not {"families", "unseen"} & set(content["card"])
    new = BundleInfo.model_validate(content | {"abstention": {"smallest_face": 48.0}})
    assert new.model_dump(mode="json")["abstention"]["smallest_face"] == 48
    for wrong in ({"smallest_face": 0}, {"reencoded": 0}, {"resized": 1.0}, {"smallest_fac": 1}):
        with pytest.raises(ValidationError):
            BundleInfo.model_validate(content | {"abstention": wrong})


def test_it_is_written_and_read(make_bundle: Callable[..., Bundle], tmp_path: Path) -> None:
    rule = Abstention(smallest_face=48, provenance="142 images")
    assert make_bundle(tmp_path / "b", abstention=rule).info.abstention == rule


def test_an_explanation_says_why(bundle: Bundle, astronaut: Image.Image) -> None:
    astronaut = astronaut.point(lambda value: min(255, value + 40))
    explained = explain(astronaut, _with(bundle, smallest_face=400), faithfulness="none", forensics=False)
    assert explained.verdict.verdict == "UNCERTAIN" and len(explained.verdict.notes) == 1
    assert explained.sentences[0].text.endswith(explained.verdict.notes[0])
