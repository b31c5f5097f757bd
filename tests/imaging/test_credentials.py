"""Content credentials: each state by a file signed here, and nothing but a change is called one."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
import types
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from unmask.errors import UsageError
from unmask.imaging import credentials
from unmask.imaging.credentials import Action, check_credentials, read_credentials
from unmask.imaging.marks import Mark
from unmask.imaging.provenance import read_provenance
from unmask.install import install_line

pytest.importorskip("c2pa")
pytest.importorskip("cryptography")

from tests.imaging.signing import Maker

CHANGED = Mark("broken_signature", "The image or its content credentials were changed after signing.")
MADE = Mark(
    "source_type", "The content credentials say that the image was made by a trained algorithm (generative AI)."
)
REMOTE = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:dcterms="http://purl.org/dc/terms/" '
    'dcterms:provenance="{address}"/></rdf:RDF></x:xmpmeta>'
)


@pytest.fixture(scope="module")
def maker() -> Maker:
    return Maker()


@pytest.fixture(scope="module")
def jpeg(maker: Maker) -> bytes:
    return maker.signed()


@pytest.fixture(scope="module")
def expired(maker: Maker) -> bytes:
    return maker.signed_with(days=(-400, -30))


def linked(address: str) -> bytes:
    saved = io.BytesIO()
    Image.new("RGB", (32, 32)).save(saved, "JPEG", xmp=REMOTE.format(address=address).encode())
    return saved.getvalue()


def pixels_changed(data: bytes) -> bytes:
    """One byte of the compressed pixels, which still decode."""
    changed = bytearray(data)
    changed[-40] ^= 0x04
    Image.open(io.BytesIO(bytes(changed))).load()
    return bytes(changed)


def manifest_cut(data: bytes) -> bytes:
    """A sound JPEG whose segment of credentials ends halfway."""
    at = data.index(b"\xff\xeb")
    size = int.from_bytes(data[at + 2 : at + 4])
    half = size // 2
    return data[: at + 2] + half.to_bytes(2) + data[at + 4 : at + 2 + half] + data[at + 2 + size :]


def test_signed_by_somebody_unknown(jpeg: bytes) -> None:
    found = read_credentials(jpeg, "image/jpeg")
    assert found.state == "valid, signer unknown"
    assert found.problems == ("signingCredential.untrusted",)
    assert found.generator == "Test Camera 1.0" and found.title == "portrait.jpg"
    assert found.actions == (Action("c2pa.created", "Painter 2", "trainedAlgorithmicMedia", None),)
    assert found.digital_source_types == ("trainedAlgorithmicMedia",)
    assert found.signer == "Test Maker, Test Signer"
    assert json.loads(json.dumps(found.to_json()))["state"] == "valid, signer unknown"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "AVIF"])
def test_signed_by_somebody_trusted(maker: Maker, form: str) -> None:
    """In each format the manifest is found, checked and read."""
    data = maker.signed(form, side=48)
    assert read_provenance(data).marks == (MADE,)
    found = read_credentials(data, trust_anchors=maker.root)
    assert (found.state, found.problems) == ("valid and trusted", ())
    assert read_credentials(data, trust_anchors=maker.other_root).state == "valid, signer unknown"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        # the image
        (pixels_changed, "assertion.dataHash.mismatch"),
        # what the credentials say
        (lambda data: data.replace(b"Painter", b"Camera!"), "assertion.hashedURI.mismatch"),
        # the claim that is signed
        (lambda data: data.replace(b"Test Camera", b"Last Camera"), "claimSignature.mismatch"),
    ],
    ids=["pixels", "assertion", "claim"],
)
def test_changed_after_signing(maker: Maker, jpeg: bytes, change: Callable[[bytes], bytes], code: str) -> None:
    found = read_credentials(change(jpeg), trust_anchors=maker.root)
    assert found.state == "changed after signing"
    assert code in found.problems
    checked = check_credentials(change(jpeg), read_provenance(change(jpeg)))
    assert (checked.credentials_state, checked.marks) == ("changed after signing", (MADE, CHANGED))


def test_an_expired_certificate_is_no_tampering(maker: Maker, expired: bytes) -> None:
    for anchors in (None, maker.root):
        found = read_credentials(expired, trust_anchors=anchors)
        assert found.state == "expired"
        assert "Nothing was changed" in found.note and "no sign of tampering" in found.note
        assert found.signer == "Test Maker, Test Signer"
    assert check_credentials(expired, read_provenance(expired)).marks == (MADE,)
    # a change is one even so
    assert read_credentials(pixels_changed(expired), trust_anchors=maker.root).state == "changed after signing"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        # a signature algorithm that the specification does not allow (COSE -15), signed as such
        (lambda maker, _: maker.signed_with(edit=(b"\x01\x26\x18\x21", b"\x01\x2e\x18\x21")), "not supported"),
        # the credentials end halfway through
        (lambda _, data: manifest_cut(data), "cut, damaged"),
        # the file ends in them
        (lambda _, data: data[: data.index(b"Painter")], "cut, damaged"),
        # a certificate that is not meant for signing
        (lambda maker, _: maker.signed_with(purpose=False), "another reason"),
    ],
    ids=["algorithm", "cut manifest", "cut file", "purpose"],
)
def test_what_cannot_be_checked_is_called_so(
    maker: Maker, jpeg: bytes, change: Callable[[Maker, bytes], bytes], reason: str
) -> None:
    data = change(maker, jpeg)
    found = read_credentials(data, trust_anchors=maker.root)
    assert found.state == "could not be checked"
    assert reason in found.note and "contentcredentials.org" in found.advice
    assert all(mark.kind != "broken_signature" for mark in check_credentials(data, read_provenance(data)).marks)


def report(failures: dict[str, str], success: tuple[str, ...] = ()) -> dict[str, object]:
    passed = ("claimSignature.validated", "assertion.dataHash.match", *success)
    return {
        "validation_results": {
            "activeManifest": {
                "success": [{"code": code} for code in passed],
                "failure": [{"code": code, "explanation": text} for code, text in failures.items()],
            }
        }
    }


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        # nothing failed, but nobody vouches for the signer
        ({}, "valid, signer unknown"),
        # a code of a later specification
        ({"signingCredential.shapeshifted": ""}, "could not be checked"),
        # an unknown code beside a change: the change is sure
        ({"future.code": "", "assertion.dataHash.mismatch": "hashes do not match"}, "changed after signing"),
        # signed outside the period of validity (2.x)
        ({"claimSignature.outsideValidity": "", "signingCredential.untrusted": ""}, "expired"),
        # withdrawn by the authority
        ({"signingCredential.ocsp.revoked": ""}, "could not be checked"),
        # a hash of an unknown kind, which c2pa-rs calls a mismatch; its follow-up
        ({"assertion.dataHash.mismatch": "asset hash error, error: type is unsupported"}, "could not be checked"),
        ({"algorithm.unsupported": "", "claimSignature.mismatch": ""}, "could not be checked"),
        # an unsupported algorithm does not hide that the image changed
        ({"algorithm.unsupported": "", "assertion.dataHash.mismatch": "no match"}, "changed after signing"),
    ],
)
def test_codes_and_states(failures: dict[str, str], expected: str) -> None:
    assert credentials._judge(report(failures))[0] == expected


def test_a_state_needs_positive_proof() -> None:
    trusted = report({}, ("signingCredential.trusted",))
    assert credentials._judge(trusted)[0] == "valid and trusted"
    for missing in ("claimSignature.validated", "assertion.dataHash.match"):
        text = json.dumps(trusted).replace(missing, "something.else")
        assert credentials._judge(json.loads(text))[0] == "could not be checked"
    assert credentials._judge({"validation_state": "Trusted"}) == ("could not be checked", "old")


def test_of_source_images_only_later_changes_count(maker: Maker, jpeg: bytes, expired: bytes) -> None:
    """An image made from an expired or a damaged one is as valid as its own signature."""
    for source in (expired, pixels_changed(jpeg)):
        made = maker.made_from(source)
        assert read_credentials(made, trust_anchors=maker.root).state == "valid and trusted"
        (mark,) = read_provenance(made).marks
        assert mark.text.startswith("The content credentials say that the image was made from one that was made by")
    changed = maker.made_from(jpeg).replace(b"Painter", b"Camera!", 1)
    assert read_credentials(changed, trust_anchors=maker.root).state == "changed after signing"


def test_stripped(maker: Maker, jpeg: bytes) -> None:
    saved = io.BytesIO()
    Image.open(io.BytesIO(jpeg)).save(saved, "JPEG")
    found = read_credentials(saved.getvalue(), "image/jpeg", maker.root)
    assert (found.state, found.actions, found.signer) == ("none", (), None)
    assert "proves nothing" in found.note


def test_not_checked_without_the_extra(jpeg: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    found = read_credentials(pixels_changed(jpeg), "image/jpeg")
    assert found.state == "could not be checked"
    assert install_line("provenance") in found.note
    checked = check_credentials(jpeg, read_provenance(jpeg))
    assert (checked.credentials_state, checked.marks) == ("could not be checked", (MADE,))


def test_not_checked_by_an_older_library(jpeg: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "c2pa", types.ModuleType("c2pa"))  # without the classes that are used
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    found = read_credentials(jpeg)
    assert found.state == "could not be checked" and "too old" in found.note


def test_the_library_is_imported_for_manifests_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "c2pa", None)  # an import would raise
    for data in (linked("https://example.org/x.c2pa"), linked("self#jumbf=c2pa"), b"", b"GIF89a"):
        assert check_credentials(data, read_provenance(data)) == read_provenance(data)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://127.0.0.1:9/manifest.c2pa", "stored elsewhere"),
        ("http://127.0.0.1:9/manifest.c2pa", "stored elsewhere"),
        # the address of a manifest that was in the file
        ("self#jumbf=/c2pa/urn:uuid:0", "none"),
        ("", "none"),
    ],
)
def test_stored_elsewhere(address: str, expected: str) -> None:
    found = read_credentials(linked(address))
    assert found.state == expected
    assert read_provenance(linked(address)).credentials_state == expected
    assert address == "" or address not in json.dumps(found.to_json())


def test_a_manifest_in_the_file_counts_more_than_a_link(maker: Maker) -> None:
    assert read_credentials(maker.signed(remote="http://127.0.0.1:9/x"), trust_anchors=maker.root).state == (
        "valid and trusted"
    )
    elsewhere = maker.signed(remote="http://127.0.0.1:9/x", embed=False)
    assert read_credentials(elsewhere, trust_anchors=maker.root).state == "stored elsewhere"


def test_nothing_is_fetched() -> None:
    """The settings that keep the library off the network."""
    made = credentials._settings(None)
    assert made["verify"] == {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False}
    assert made["core"]["decode_identity_assertions"] is False
    assert made["core"]["allowed_network_hosts"] == []


@pytest.mark.parametrize("anchors", [b"", b"\xff\xfe", b"not a certificate", b"-----BEGIN CERTIFICATE-----\x00"])
def test_anchors_that_are_none(jpeg: bytes, anchors: bytes) -> None:
    with pytest.raises(UsageError) as caught:
        read_credentials(jpeg, "image/jpeg", anchors)
    assert caught.value.code == "bad_trust_anchors"


@pytest.mark.parametrize("mime", ["image/jpeg", "image/png", "image/bmp", "image/tiff", "", "nonsense", None])
def test_files_without_credentials(mime: str | None) -> None:
    for data in (b"", b"x" * 50, b"BM" + bytes(60)):
        assert read_credentials(data, mime).state == "none"


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, 1 << 20), value=st.integers(1, 255), cut=st.integers(0, 4000))
@example(at=182, value=1, cut=0)  # a byte of the credentials' own segment that nothing reads
def test_changed_bytes_are_never_trusted_nor_raise(maker: Maker, jpeg: bytes, at: int, value: int, cut: int) -> None:
    at %= len(jpeg)
    changed = bytearray(jpeg)
    changed[at] ^= value
    found = read_credentials(bytes(changed[: len(changed) - cut]), "image/jpeg", maker.root)
    if found.state == "valid and trusted":
        # The signature covers the image and what is said of it, but not every byte of the box that it lies in.
        assert found == read_credentials(jpeg, "image/jpeg", maker.root)
        assert cut == 0
        assert any(start <= at < end for start, end in credential_segments(jpeg))
    else:
        # A byte of the header can hide the credentials; one of the signature's certificate can make its signer unknown.
        assert found.state in ("none", "changed after signing", "could not be checked", "valid, signer unknown")


def credential_segments(jpeg: bytes) -> list[tuple[int, int]]:
    """Where a JPEG's APP11 segments lie, in which C2PA keeps its boxes."""
    segments, at = [], 2
    while jpeg[at + 1] != 0xDA:  # until the image itself begins
        end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4])
        segments += [(at, end)] if jpeg[at + 1] == 0xEB else []
        at = end
    return segments
