"""Images with content credentials, signed by certificates made here."""

from __future__ import annotations

import datetime
import io
import json
from typing import Any

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
CREATED = {
    "action": "c2pa.created",
    "digitalSourceType": SOURCE_TYPE,
    "softwareAgent": {"name": "Painter", "version": "2"},
}
_ROLES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
    *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)
_MIME = {"JPEG": "jpeg", "PNG": "png", "WEBP": "webp", "TIFF": "tiff", "GIF": "gif", "AVIF": "avif"}
_OFFLINE = {"version": 1, "verify": {"verify_after_sign": False, "verify_trust": False, "remote_manifest_fetch": False}}


def claim(*actions: dict[str, Any], generator: str = "Test Camera") -> dict[str, Any]:
    """A claim with these steps; without any: created by a trained algorithm."""
    return {
        "claim_generator_info": [{"name": generator, "version": "1.0"}],
        "title": "portrait.jpg",
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": list(actions) or [CREATED]}}],
    }


class Maker:
    """An authority, a signer with its certificate, and the authority's certificate as PEM: ``root``."""

    def __init__(self) -> None:
        self._authority, self._key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        self.root = _certificate("Test Root", self._authority, "Test Root", self._authority, days=(-800, 800))
        self.other_root = _certificate("Other Root", other, "Other Root", other)
        self._own = self._certificate()

    def _certificate(self, *, days: tuple[int, int] = (-1, 30), purpose: bool = True) -> bytes:
        return _certificate("Test Signer", self._key, "Test Root", self._authority, days=days, purpose=purpose)

    def signed(
        self,
        form: str = "JPEG",
        *,
        side: int = 256,
        says: dict[str, Any] | None = None,
        remote: str | None = None,
        embed: bool = True,
    ) -> bytes:
        """A signed image; with ``remote``, one that links to its manifest."""
        with c2pa.Signer.from_callback(self._sign, c2pa.C2paSigningAlg.ES256, self._chain, None) as signer:
            return _build(signer, form, side, says or claim(), remote, embed, None)

    def signed_file(self, data: bytes, mime: str, says: dict[str, Any] | None = None) -> bytes:
        """A signed copy of a file of this media type."""
        signed = io.BytesIO()
        with (
            c2pa.Signer.from_callback(self._sign, c2pa.C2paSigningAlg.ES256, self._chain, None) as signer,
            c2pa.Settings.from_dict(_OFFLINE) as settings,
            c2pa.Context(settings=settings) as context,
            c2pa.Builder(json.dumps(says or claim()), context=context) as builder,
        ):
            builder.sign(signer, mime, io.BytesIO(data), signed)
        return signed.getvalue()

    def made_from(self, source: bytes) -> bytes:
        """A signed JPEG image made from another image."""
        says = claim({"action": "c2pa.opened", "parameters": {"org.cai.ingredientIds": ["source"]}})
        with c2pa.Signer.from_callback(self._sign, c2pa.C2paSigningAlg.ES256, self._chain, None) as signer:
            return _build(signer, "JPEG", 64, says, None, True, source)

    def signed_with(
        self, *, days: tuple[int, int] = (-1, 30), purpose: bool = True, edit: tuple[bytes, bytes] | None = None
    ) -> bytes:
        """A JPEG signed with what the library refuses to sign with; otherwise sound.

        The library signs with a certificate that it accepts; another of the same length takes its place in what is
        signed and in the file, and so does ``edit``.
        """
        own = _der(self._own)
        while len(other := _der(self._certificate(days=days, purpose=purpose))) != len(own):
            pass  # a signature in it takes 70 to 72 bytes
        swap = [(own, other), *([edit] if edit else [])]

        def changed(data: bytes) -> bytes:
            for old, new in swap:
                assert old in data
                data = data.replace(old, new)
            return data

        def sign(data: bytes) -> bytes:
            return self._sign(changed(data))

        with c2pa.Signer.from_callback(sign, c2pa.C2paSigningAlg.ES256, self._chain, None) as signer:
            return changed(_build(signer, "JPEG", 256, claim(), None, True, None))

    @property
    def _chain(self) -> str:
        return (self._own + self.root).decode()

    def _sign(self, data: bytes) -> bytes:
        r, s = decode_dss_signature(self._key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)


def _build(
    signer: c2pa.Signer,
    form: str,
    side: int,
    says: dict[str, Any],
    remote: str | None,
    embed: bool,
    source: bytes | None,
) -> bytes:
    image, signed = io.BytesIO(), io.BytesIO()
    Image.radial_gradient("L").convert("RGB").resize((side, side)).save(image, form)
    image.seek(0)
    with (
        c2pa.Settings.from_dict(_OFFLINE) as settings,
        c2pa.Context(settings=settings) as context,
        c2pa.Builder(json.dumps(says), context=context) as builder,
    ):
        if remote:
            builder.set_remote_url(remote)
        if not embed:
            builder.set_no_embed()
        if source is not None:
            about = {"title": "source", "relationship": "parentOf", "instance_id": "source", "label": "source"}
            builder.add_ingredient(json.dumps(about), "image/jpeg", io.BytesIO(source))
        builder.sign(signer, f"image/{_MIME[form]}", image, signed)
    return signed.getvalue()


def _certificate(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    by: ec.EllipticCurvePrivateKey,
    *,
    days: tuple[int, int] = (-1, 30),
    purpose: bool = True,
) -> bytes:
    """As PEM, valid between two days counted from now."""
    now, authority = datetime.datetime.now(datetime.UTC), subject == issuer
    roles = {"key_cert_sign", "crl_sign"} if authority else {"digital_signature"}
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
        .add_extension(x509.KeyUsage(**{role: role in roles for role in _ROLES}), critical=True)
    )
    if not authority:
        use = ExtendedKeyUsageOID.EMAIL_PROTECTION if purpose else ExtendedKeyUsageOID.CODE_SIGNING
        builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
    return builder.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _name(common: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test Maker"), x509.NameAttribute(NameOID.COMMON_NAME, common)]
    )


def _der(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)
