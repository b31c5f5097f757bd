"""Content credentials beside a verdict: checked where the library is, only of files that can be read, never scored."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from unmask import load
from unmask.detect.detector import Detector
from unmask.errors import ImageError, UsageError
from unmask.explain.explainer import Explainer

pytest.importorskip("c2pa")
pytest.importorskip("cryptography")

from tests.imaging.signing import Maker


@pytest.fixture(scope="module")
def signed() -> bytes:
    return Maker().signed()


@pytest.fixture(scope="module")
def small(tiny_bundle: Path) -> Detector:
    return load(tiny_bundle)


def changed(data: bytes) -> bytes:
    return data[:-40] + bytes((data[-40] ^ 0x04,)) + data[-39:]


def test_marks_stand_beside_the_verdict_and_not_in_it(small: Detector, signed: bytes) -> None:
    verdict = small.detect(signed)
    assert verdict.provenance is not None
    assert verdict.provenance.credentials_state == "valid, signer unknown"
    assert [mark.kind for mark in verdict.marks] == ["source_type"]
    bare = small.detect(without_credentials(signed))
    assert bare.marks == () and bare.fake_probability == verdict.fake_probability

    broken = small.detect(changed(signed))
    assert [mark.kind for mark in broken.marks] == ["source_type", "broken_signature"]
    content = broken.to_json()
    assert content["provenance"]["credentials_state"] == "changed after signing"
    assert content["provenance"]["c2pa"] == "present"
    assert content["marks"][-1]["text"] == "The image or its content credentials were changed after signing."


def test_an_explanation_says_the_same(small: Detector, signed: bytes) -> None:
    explained = Explainer(small).explain(changed(signed), forensics=False, faithfulness=False)
    assert explained.credentials is not None and explained.verdict.provenance is not None
    assert explained.credentials.state == explained.verdict.provenance.credentials_state == "changed after signing"
    assert "broken_signature" in {mark.kind for mark in explained.verdict.marks}


def test_trust_anchors_come_from_the_environment(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker, pem = Maker(), tmp_path / "authorities.pem"
    pem.write_bytes(maker.root)
    monkeypatch.setenv("UNMASK_TRUST_ANCHORS", str(pem))
    detector = load(tiny_bundle)
    pem.unlink()  # read once
    image = maker.signed(side=64)
    verdict = detector.detect(image)
    assert verdict.provenance is not None and verdict.provenance.credentials_state == "valid and trusted"
    explained = Explainer(detector).explain(image, forensics=False, faithfulness=False)
    assert explained.credentials is not None and explained.credentials.state == "valid and trusted"


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_trust_anchors_that_are_none_are_refused_at_once(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    pem = tmp_path / "authorities.pem"
    if content is not None:
        pem.write_bytes(content)
    monkeypatch.setenv("UNMASK_TRUST_ANCHORS", str(pem))
    with pytest.raises(UsageError) as caught:
        load(tiny_bundle)
    assert caught.value.code == "bad_trust_anchors"


def test_files_that_cannot_be_read_are_not_checked(
    small: Detector, signed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "c2pa", None)  # an import would raise
    with pytest.raises(ImageError):
        small.detect(signed[:-600])


def without_credentials(jpeg: bytes) -> bytes:
    """The same pixels without the segments of the credentials."""
    kept, at = jpeg[:2], 2
    while jpeg[at + 1] != 0xDA:  # until the image itself begins
        end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4])
        kept += b"" if jpeg[at + 1] == 0xEB else jpeg[at:end]
        at = end
    return kept + jpeg[at:]
