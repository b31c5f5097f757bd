"""Content credentials: signed with a certificate made here, tampered with, stripped, trusted."""

from __future__ import annotations

import datetime
import importlib.util
import io
import json
from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from unmask.errors import UsageError
from unmask.explain import credentials
from unmask.explain.credentials import Action, read_credentials
from unmask.imaging.provenance import read_provenance

c2pa = pytest.importorskip("c2pa")
pytest.importorskip("cryptography")

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
CLAIM = {
    "claim_generator_info": [{"name": "Test Camera", "version": "1.0"}],
    "title": "portrait.jpg",
    "assertions": [
        {
            "label": "c2pa.actions.v2",
            "data": {
                "actions": [
                    {
                        "action": "c2pa.created",
                        "digitalSourceType": SOURCE_TYPE,
                        "softwareAgent": {"name": "Painter", "version": "2"},
                    }
                ]
            },
        }
    ],
}


@dataclass(frozen=True)
class Signed:
    jpeg: bytes
    png: bytes
    root: bytes
    other_root: bytes


def _make_signed() -> Signed:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    now = datetime.datetime.now(datetime.UTC)

    def name(common: str) -> x509.Name:
        return x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test Maker"),
                x509.NameAttribute(NameOID.COMMON_NAME, common),
            ]
        )

    def certificate(
        subject: str, issuer: str, key: ec.EllipticCurvePrivateKey, by: ec.EllipticCurvePrivateKey
    ) -> bytes:
        authority = subject == issuer
        usage = dict.fromkeys(
            (
                *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
                *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
            ),
            False,
        )
        usage |= {"key_cert_sign": True, "crl_sign": True} if authority else {"digital_signature": True}
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
            .add_extension(x509.KeyUsage(**usage), critical=True)
        )
        if not authority:
            purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
            builder = builder.add_extension(purposes, critical=False)
        return builder.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    root_key, signer_key, other_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    root = certificate("Test Root", "Test Root", root_key, root_key)
    chain = certificate("Test Signer", "Test Root", signer_key, root_key) + root
    private = signer_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

    def sign(form: str, mime: str) -> bytes:
        image, signed = io.BytesIO(), io.BytesIO()
        Image.radial_gradient("L").convert("RGB").save(image, form)
        image.seek(0)
        info = c2pa.C2paSignerInfo(alg=b"es256", sign_cert=chain, private_key=private, ta_url=None)
        with c2pa.Signer.from_info(info) as signer, c2pa.Builder(json.dumps(CLAIM)) as builder:
            builder.sign(signer, mime, image, signed)
        return signed.getvalue()

    other = certificate("Other Root", "Other Root", other_key, other_key)
    return Signed(sign("JPEG", "image/jpeg"), sign("PNG", "image/png"), root, other)


@pytest.fixture(scope="module")
def signed() -> Signed:
    return _make_signed()


def test_signed_by_somebody_unknown(signed: Signed) -> None:
    found = read_credentials(signed.jpeg, "image/jpeg")
    assert found.state == "valid, signer unknown"
    assert found.problems == ("signingCredential.untrusted",)
    assert found.generator == "Test Camera 1.0" and found.title == "portrait.jpg"
    assert found.actions == (Action("c2pa.created", "Painter 2", "trainedAlgorithmicMedia", None),)
    assert found.digital_source_types == ("trainedAlgorithmicMedia",)
    assert found.signer == "Test Maker, Test Signer"
    assert json.loads(json.dumps(found.to_json()))["state"] == "valid, signer unknown"


def test_signed_by_somebody_trusted(signed: Signed) -> None:
    found = read_credentials(signed.jpeg, "image/jpeg", signed.root)
    assert (found.state, found.problems) == ("valid, signer trusted", ())
    assert read_credentials(signed.png, "image/png", signed.root).state == "valid, signer trusted"
    assert read_credentials(signed.jpeg, "image/jpeg", signed.other_root).state == "valid, signer unknown"


def test_tampered_with(signed: Signed) -> None:
    """One byte of the compressed pixels, which still decode."""
    changed = bytearray(signed.jpeg)
    changed[-40] ^= 0x04
    Image.open(io.BytesIO(bytes(changed))).load()
    found = read_credentials(bytes(changed), "image/jpeg", signed.root)
    assert found.state == "present but invalid"
    assert "assertion.dataHash.mismatch" in found.problems


def test_damaged_credentials(signed: Signed) -> None:
    changed = bytearray(signed.jpeg)
    at = changed.index(b"Painter")
    changed[at : at + 7] = b"Camera!"
    assert read_credentials(bytes(changed), "image/jpeg").state == "present but invalid"
    cut = signed.jpeg[: signed.jpeg.index(b"Painter")]
    assert read_provenance(cut).c2pa == "present"
    assert read_credentials(cut, "image/jpeg").state == "present but invalid"


def test_stripped(signed: Signed) -> None:
    saved = io.BytesIO()
    Image.open(io.BytesIO(signed.jpeg)).save(saved, "JPEG")
    found = read_credentials(saved.getvalue(), "image/jpeg", signed.root)
    assert (found.state, found.actions, found.signer) == ("none", (), None)
    assert "proves nothing" in found.note


def test_not_checked_without_the_extra(signed: Signed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    found = read_credentials(signed.jpeg, "image/jpeg")
    assert found.state == "not checked"
    assert 'pip install "unmask[provenance]"' in found.note


def test_nothing_is_fetched(signed: Signed) -> None:
    """The settings that keep the library off the network, and a link to a manifest elsewhere that is not followed."""
    assert credentials._settings(None)["verify"] == {
        "verify_trust": True,
        "remote_manifest_fetch": False,
        "ocsp_fetch": False,
    }
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:dcterms="http://purl.org/dc/terms/" '
        'dcterms:provenance="http://127.0.0.1:9/manifest.c2pa"/></rdf:RDF></x:xmpmeta>'
    )
    saved = io.BytesIO()
    Image.new("RGB", (32, 32)).save(saved, "JPEG", xmp=packet.encode())
    assert read_credentials(saved.getvalue(), "image/jpeg").state == "none"


@pytest.mark.parametrize("anchors", [b"", b"\xff\xfe", b"not a certificate", b"-----BEGIN CERTIFICATE-----\x00"])
def test_anchors_that_are_none(signed: Signed, anchors: bytes) -> None:
    with pytest.raises(UsageError) as caught:
        read_credentials(signed.jpeg, "image/jpeg", anchors)
    assert caught.value.code == "bad_trust_anchors"


@pytest.mark.parametrize("mime", ["image/jpeg", "image/png", "image/bmp", "image/tiff", "", "nonsense"])
def test_files_without_credentials(mime: str) -> None:
    for data in (b"", b"x" * 50, b"BM" + bytes(60)):
        assert read_credentials(data, mime).state == "none"


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, 1 << 20), value=st.integers(1, 255), cut=st.integers(0, 4000))
@example(at=182, value=1, cut=0)  # a byte of the credentials' own segment that nothing reads
def test_changed_bytes_are_never_trusted_nor_raise(signed: Signed, at: int, value: int, cut: int) -> None:
    at %= len(signed.jpeg)
    changed = bytearray(signed.jpeg)
    changed[at] ^= value
    found = read_credentials(bytes(changed[: len(changed) - cut]), "image/jpeg", signed.root)
    if found.state == "valid, signer trusted":
        # The signature covers the image and what is said of it, but not every byte of the box that it lies in.
        assert found == read_credentials(signed.jpeg, "image/jpeg", signed.root)
        assert cut == 0
        assert any(start <= at < end for start, end in credential_segments(signed.jpeg))
    else:
        assert found.state in ("none", "present but invalid", "valid, signer unknown")


def credential_segments(jpeg: bytes) -> list[tuple[int, int]]:
    """Where a JPEG's APP11 segments lie, in which C2PA keeps its boxes."""
    segments, at = [], 2
    while jpeg[at + 1] != 0xDA:  # until the image itself begins
        end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4])
        segments += [(at, end)] if jpeg[at + 1] == 0xEB else []
        at = end
    return segments
