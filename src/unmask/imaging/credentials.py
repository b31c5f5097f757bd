"""Content credentials (C2PA): who signed which statements about an image, and whether the signature is valid.

c2pa-python (extra ``provenance``) does the check; this module keeps it off the network and returns plain values. A
valid signature proves that the signer made these statements and that nothing was changed since; it does not prove that
they are true. **Missing credentials prove nothing.** Source: C2PA specification 2.1 and later.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any, Final

from unmask.errors import MissingExtraError, UsageError
from unmask.imaging.blocks import MAX_MANIFEST
from unmask.imaging.formats import sniff_format
from unmask.imaging.provenance import CredentialsState, Provenance, read_provenance

TRUST_ANCHORS: Final = "UNMASK_TRUST_ANCHORS"
"""Variable of the environment that names a PEM file of the authorities whose signers are trusted."""
_MAX_ANCHORS = 16 << 20  # bytes of that file
VERIFY = "https://contentcredentials.org/verify"
"""A public verifier, for people to open: nothing is sent there from here."""

_NOTES: dict[CredentialsState, str] = {
    "none": "The file has no content credentials. That proves nothing: most images never had any, and they are "
    "lost when an image is saved again.",
    "valid and trusted": "A trusted signer states this, and nothing was changed since signing. It is a statement, not "
    "proof of what the image shows.",
    "valid, signer unknown": "Nothing was changed since signing, but the signer is not on a list of trusted signers: "
    "anyone can make such a signature.",
    "expired": "Nothing was changed since signing, but the signer's certificate is not valid today and no trusted "
    "time stamp shows when the file was signed. Certificates of cameras and programs expire: this is no sign of "
    "tampering.",
    "could not be checked": "The file has content credentials, but they could not be checked: ",
    "changed after signing": "The image or its credentials were changed after signing, so the signature no longer "
    "covers what you see. Saving or shrinking an image in a program that keeps old credentials does this too.",
    "stored elsewhere": "The credentials are not in the file: it only names a place on the network where they are "
    "kept. Nothing was fetched from there.",
}
_ADVICE: dict[CredentialsState, str] = {
    "none": "Ask the source for the original file: credentials are lost on most web sites and in messengers.",
    "valid and trusted": "Read who signed and which steps are named. Whether the scene is true is another question.",
    "valid, signer unknown": f"Open the original file in C2PA Verify ({VERIFY}) to see whether the signer is on C2PA's "
    "list, or ask the signer.",
    "expired": f"Open the original file in C2PA Verify ({VERIFY}), which knows more authorities for time stamps.",
    "could not be checked": f"Open the original file in C2PA Verify ({VERIFY}).",
    "changed after signing": "Ask the source for the file as it was signed, and compare the two.",
    "stored elsewhere": f"Open the original file in C2PA Verify ({VERIFY}), which can fetch the credentials.",
}
_UNCHECKED: Final = {
    "old": "the installed c2pa-python is too old: pip install --upgrade c2pa-python.",
    "unreadable": "they are cut, damaged, or of a kind that cannot be read.",
    "algorithm": "they use an algorithm that is not supported.",
    "other": "a check failed for another reason than a change of the image.",
}

# Failure codes of the active manifest and what each says of the file; codes that are not here mean that the credentials
# could not be checked. Source: C2PA specification 2.2, "Standard status codes" (failure codes) unless a comment says
# otherwise.
_CODES: dict[str, CredentialsState] = {
    # the signature does not belong to this claim
    "claimSignature.mismatch": "changed after signing",
    # the hash of the image's bytes: ranges, boxes of AVIF and HEIC, boxes of other formats, collections
    "assertion.dataHash.mismatch": "changed after signing",
    "assertion.bmffHash.mismatch": "changed after signing",
    "assertion.boxesHash.mismatch": "changed after signing",
    "assertion.collectionHash.mismatch": "changed after signing",
    # the hash of an assertion, or of other data that the claim refers to
    "assertion.hashedURI.mismatch": "changed after signing",
    "hashedURI.mismatch": "changed after signing",
    # the hash of the manifest, claim or signature of an image that this one was made from (1.x and 2.x)
    "ingredient.hashedURI.mismatch": "changed after signing",
    "ingredient.manifest.mismatch": "changed after signing",
    "ingredient.claimSignature.mismatch": "changed after signing",
    # signed outside the certificate's period of validity (2.x), and the older code for the same, which c2pa-rs gives
    # for certificates that are not valid today if no trusted time stamp tells when the file was signed (1.x)
    "claimSignature.outsideValidity": "expired",
    "signingCredential.expired": "expired",
    # no list of trusted signers has this one; nor the authority that signed the time (a failure in 1.x)
    "signingCredential.untrusted": "valid, signer unknown",
    "timeStamp.untrusted": "valid, signer unknown",
    # the signature or a hash cannot be computed here
    "algorithm.unsupported": "could not be checked",
    # the certificate is not meant for this use, or its authority has withdrawn it: the signature says nothing
    "signingCredential.invalid": "could not be checked",
    "signingCredential.ocsp.revoked": "could not be checked",
    # parts that are missing, malformed or not in the file: also what faulty writers leave
    "claim.missing": "could not be checked",
    "claim.multiple": "could not be checked",
    "claim.malformed": "could not be checked",
    "claim.cbor.invalid": "could not be checked",
    "claim.hardBindings.missing": "could not be checked",
    "claimSignature.missing": "could not be checked",
    "assertion.missing": "could not be checked",
    "assertion.undeclared": "could not be checked",
    "assertion.inaccessible": "could not be checked",
    "manifest.inaccessible": "could not be checked",
    "general.error": "could not be checked",
}
# Of other images' manifests only these count: they say that the manifest was changed after this image was signed.
_INGREDIENT_CODES = {code for code in _CODES if code.startswith("ingredient.")}
# Without both, nothing shows that the image is as it was signed.
_BOUND = re.compile(r"assertion\.(?:dataHash|bmffHash|boxesHash|collectionHash)\.match")
_SIGNED, _TRUSTED = "claimSignature.validated", "signingCredential.trusted"
# c2pa-rs reports a hash whose algorithm it does not know as one that does not match, and says so in the explanation.
_UNKNOWN_HASH = re.compile(r"error: type is unsupported\b")
_FORMATS = {
    **{"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif", "TIFF": "image/tiff"},
    **{"AVIF": "image/avif", "HEIC": "image/heic"},
}
_MAX_TEXT, _MAX_ITEMS = 256, 64


@dataclass(frozen=True, slots=True)
class Action:
    """One step that the credentials claim, as written.

    Attributes:
        action: e.g. ``"c2pa.created"``, ``"c2pa.edited"``.
        software: the software that did it.
        digital_source_type: last part of the IPTC code, e.g. ``"trainedAlgorithmicMedia"``.
        when: as written.
    """

    action: str
    software: str | None
    digital_source_type: str | None
    when: str | None


@dataclass(frozen=True, slots=True)
class Credentials:
    """The content credentials of a file.

    Attributes:
        state: whether there are any and whether they are valid.
        note: one or two sentences on what that means.
        advice: what to do next.
        generator: the software that wrote the claim.
        title: title of the image.
        actions: the steps, at most 64.
        digital_source_types: all types that the actions name, in their order.
        signer: organisation and name in the certificate; anyone can invent those of an unknown signer.
        signed_at: time of the signature by a time-stamping authority, as written; ``None`` without one.
        ingredients: number of other images that it was made from.
        problems: codes of failed checks, e.g. ``"assertion.dataHash.mismatch"``.
    """

    state: CredentialsState
    note: str
    advice: str
    generator: str | None = None
    title: str | None = None
    actions: tuple[Action, ...] = ()
    digital_source_types: tuple[str, ...] = ()
    signer: str | None = None
    signed_at: str | None = None
    ingredients: int = 0
    problems: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The credentials as plain values."""
        return asdict(self)


def _why(reason: str) -> str:
    """Why credentials could not be checked; '' if they could."""
    return f"{MissingExtraError('provenance', 'the check')}." if reason == "missing" else _UNCHECKED.get(reason, "")


def read_credentials(data: bytes, mime: str | None = None, trust_anchors: bytes | None = None) -> Credentials:
    """Check the content credentials inside a file. Nothing is fetched: a manifest stored elsewhere is not read.

    Args:
        data: the file's bytes, with any content.
        mime: its media type, e.g. ``"image/jpeg"``; ``None``: by its first bytes.
        trust_anchors: certificates of authorities whose signers are trusted, as PEM; without them, every signer that
            c2pa-python itself does not know counts as unknown.

    Raises:
        UsageError: ``bad_trust_anchors``: not PEM text.
    """
    mime = mime or _FORMATS.get(sniff_format(data) or "", "")
    return read_file_credentials(io.BytesIO(data), mime, read_provenance(data), trust_anchors)


def read_file_credentials(
    file: IO[bytes], mime: str, provenance: Provenance, trust_anchors: bytes | None = None
) -> Credentials:
    """Like :func:`read_credentials`, of a file that is too large to be held in memory, such as a clip.

    Args:
        file: at its start, seekable.
        mime: its media type.
        provenance: its notes, which say whether it has a manifest.
        trust_anchors: see :func:`read_credentials`.
    """
    settings = _settings(trust_anchors)
    if provenance.c2pa == "none":
        return plain(provenance.credentials_state)
    if importlib.util.find_spec("c2pa") is None:
        return plain("could not be checked", "missing")
    return _from_report(_report(file, mime, settings))


def check_credentials(data: bytes, provenance: Provenance, trust_anchors: bytes | None = None) -> Provenance:
    """The notes of :func:`~unmask.imaging.provenance.read_provenance` on a file with its credentials checked.

    Without a manifest in the file, nothing is imported and nothing done.

    Raises:
        UsageError: as :func:`read_credentials`; never because of the file.
    """
    if provenance.c2pa == "none":
        return provenance
    return replace(provenance, credentials_state=read_credentials(data, trust_anchors=trust_anchors).state)


def default_anchors() -> bytes | None:
    """The trust anchors that the environment names (:data:`TRUST_ANCHORS`); ``None`` if it names none.

    Raises:
        UsageError: ``bad_trust_anchors``: the file cannot be read, is not PEM text or has more than 16 MiB.
    """
    name = os.environ.get(TRUST_ANCHORS)
    if not name:
        return None
    try:
        with Path(name).open("rb") as file:
            anchors = file.read(_MAX_ANCHORS + 1)
    except (OSError, ValueError):
        raise UsageError("bad_trust_anchors", f"The file that {TRUST_ANCHORS} names cannot be read.") from None
    if len(anchors) > _MAX_ANCHORS:
        raise UsageError("bad_trust_anchors", f"The file that {TRUST_ANCHORS} names has more than 16 MiB.")
    _settings(anchors)
    return anchors


def plain(state: CredentialsState, reason: str = "") -> Credentials:
    """A state without details; ``reason`` is a key of the reasons why credentials could not be checked."""
    return Credentials(state, _NOTES[state] + _why(reason), _ADVICE[state])


def _settings(trust_anchors: bytes | None) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "version": 1,
        "verify": {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False},
        # Identity assertions may name a web site that holds their key.
        "core": {
            "decode_identity_assertions": False,
            "allowed_network_hosts": [],
            "max_decompressed_manifest_size_in_mb": MAX_MANIFEST >> 20,
        },
    }
    if trust_anchors is not None:
        try:
            text = trust_anchors.decode("ascii")
        except UnicodeDecodeError:
            text = ""
        if "-----BEGIN CERTIFICATE-----" not in text or "\x00" in text:
            raise UsageError("bad_trust_anchors", "Trust anchors must be certificates as PEM text.")
        settings["trust"] = {"user_anchors": text}
    return settings


def _report(file: IO[bytes], mime: str, settings: dict[str, Any]) -> Mapping[str, Any] | str:
    """The library's report on the file, or why there is none: a key of the reasons above."""
    try:
        import c2pa

        with c2pa.Settings.from_dict(settings) as made, c2pa.Context(settings=made) as context:
            reader = c2pa.Reader.try_create(mime, file, context=context)
            if reader is None:
                return "unreadable"
            with reader:
                report = json.loads(reader.json())
    except (ImportError, OSError, AttributeError, TypeError):  # a library that lacks a file, or these classes
        return "old"
    except (c2pa.C2paError, ValueError):
        return "unreadable"
    return report if isinstance(report, dict) else "unreadable"


def _judge(report: Mapping[str, Any]) -> tuple[CredentialsState, str]:
    """The state of the credentials, and why they could not be checked."""
    results = _mapping(report.get("validation_results"))
    active = _mapping(results.get("activeManifest"))
    if not active:  # libraries before 0.30
        return "could not be checked", "old"
    failures = [_mapping(item) for item in _items(active.get("failure"))]
    codes = {str(item.get("code")) for item in failures if not _UNKNOWN_HASH.search(str(item.get("explanation")))}
    unknown_hash = len(codes) < len({str(item.get("code")) for item in failures})
    for delta in _items(results.get("ingredientDeltas")):
        for item in _items(_mapping(_mapping(delta).get("validationDeltas")).get("failure")):
            codes |= _INGREDIENT_CODES & {str(_mapping(item).get("code"))}
    if "algorithm.unsupported" in codes or unknown_hash:
        codes.discard("claimSignature.mismatch")  # follows from it
        codes.add("algorithm.unsupported")
    states = {_CODES.get(code, "could not be checked") for code in codes}
    if "changed after signing" in states:
        return "changed after signing", ""
    if "could not be checked" in states:
        return "could not be checked", "algorithm" if "algorithm.unsupported" in codes else "other"
    passed = {str(_mapping(item).get("code")) for item in _items(active.get("success"))}
    if _SIGNED not in passed or not any(map(_BOUND.fullmatch, passed)):
        return "could not be checked", "other"
    if "expired" in states:
        return "expired", ""
    return "valid and trusted" if not states and _TRUSTED in passed else "valid, signer unknown", ""


def _from_report(report: Mapping[str, Any] | str) -> Credentials:
    if isinstance(report, str):
        return plain("could not be checked", report)
    manifest = _mapping(_mapping(report.get("manifests")).get(report.get("active_manifest")))
    signature = _mapping(manifest.get("signature_info"))
    state, reason = _judge(report)
    actions = tuple(_actions(manifest))[:_MAX_ITEMS]
    named = [action.digital_source_type for action in actions if action.digital_source_type]
    generators = [_software(item) for item in _items(manifest.get("claim_generator_info"))]
    names = (_text(signature.get(key)) for key in ("issuer", "common_name"))
    status = _items(report.get("validation_status"))
    return Credentials(
        state=state,
        note=_NOTES[state] + _why(reason),
        advice=_ADVICE[state],
        generator=next((name for name in generators if name), _text(manifest.get("claim_generator"))),
        title=_text(manifest.get("title")),
        actions=actions,
        digital_source_types=tuple(dict.fromkeys(named)),
        signer=", ".join(name for name in names if name) or None,
        signed_at=_text(signature.get("time")),
        ingredients=len(_items(manifest.get("ingredients"))),
        problems=tuple(dict.fromkeys(code for item in status if (code := _text(_mapping(item).get("code"))))),
    )


def _actions(manifest: Mapping[str, Any]) -> Iterator[Action]:
    for assertion in _items(manifest.get("assertions")):
        if str(_mapping(assertion).get("label")).startswith("c2pa.actions"):
            for item in _items(_mapping(_mapping(assertion).get("data")).get("actions")):
                step = _mapping(item)
                source_type = _text(step.get("digitalSourceType"))
                yield Action(
                    _text(step.get("action")) or "",
                    _software(step.get("softwareAgent")),
                    source_type and source_type.rstrip("/").rpartition("/")[2],
                    _text(step.get("when")),
                )


def _software(value: object) -> str | None:
    """A name, or a mapping with name and version."""
    if isinstance(value, Mapping):
        return " ".join(part for key in ("name", "version") if (part := _text(value.get(key)))) or None
    return _text(value)


def _text(value: object) -> str | None:
    """Text from the file, without control characters and shortened; ``None`` if it is not text."""
    if not isinstance(value, str):
        return None
    return "".join(letter if letter.isprintable() else " " for letter in value[:_MAX_TEXT]).strip() or None


def _mapping(value: object) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}


def _items(value: object) -> list[Any]:
    return value[: 16 * _MAX_ITEMS] if isinstance(value, list) else []
