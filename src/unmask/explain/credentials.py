"""Content credentials (C2PA): who signed which statements about an image, and whether the signature is valid.

c2pa-python (extra ``provenance``) does the check; this module keeps it off the network and returns plain values. A
valid signature proves that the signer made these statements and that nothing was changed since; it does not prove that
they are true. **Missing credentials prove nothing.** Source: C2PA specification 2.1 and later.
"""

from __future__ import annotations

import importlib.util
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from unmask.errors import MissingExtraError, UsageError
from unmask.imaging.provenance import read_provenance

State = Literal["none", "present but invalid", "valid, signer unknown", "valid, signer trusted", "not checked"]

_STATES: dict[str, State] = {
    "Invalid": "present but invalid",
    "Valid": "valid, signer unknown",
    "Trusted": "valid, signer trusted",
}
_NOTES: dict[State, str] = {
    "none": "The file has no content credentials. That proves nothing: most images never had any, and they are "
    "lost when an image is saved again.",
    "present but invalid": "The file has invalid content credentials: the image, its credentials or the signature "
    "were changed or damaged after signing.",
    "valid, signer unknown": "Nothing was changed since signing, but the signer is not on a list of trusted signers: "
    "anyone can make such a signature.",
    "valid, signer trusted": "A trusted signer states this, and nothing was changed since. It is a statement, not "
    "proof of what the image shows.",
    "not checked": str(MissingExtraError("provenance", "Checking content credentials")),
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
        generator: the software that wrote the claim.
        title: title of the image.
        actions: the steps, at most 64.
        digital_source_types: all types that the actions name, in their order.
        signer: organisation and name in the certificate; anyone can invent those of an unknown signer.
        signed_at: time of the signature by a time-stamping authority, as written; ``None`` without one.
        ingredients: number of other images that it was made from.
        problems: codes of failed checks, e.g. ``"assertion.dataHash.mismatch"``.
    """

    state: State
    note: str
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


def read_credentials(data: bytes, mime: str, trust_anchors: bytes | None = None) -> Credentials:
    """Check the content credentials inside a file. Nothing is fetched: a manifest stored elsewhere is not read.

    Args:
        data: the file's bytes, with any content.
        mime: its media type, e.g. ``"image/jpeg"``.
        trust_anchors: certificates of authorities whose signers are trusted, as PEM; without them, every signer that
            c2pa-python itself does not know counts as unknown.

    Raises:
        UsageError: ``bad_trust_anchors``: not PEM text.
    """
    if importlib.util.find_spec("c2pa") is None:
        return _plain("not checked")
    report = _report(data, mime, _settings(trust_anchors))
    if report is None:
        return _plain("present but invalid" if read_provenance(data).c2pa == "present" else "none")
    return _from_report(report)


def _plain(state: State) -> Credentials:
    return Credentials(state, _NOTES[state])


def _settings(trust_anchors: bytes | None) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "version": 1,
        "verify": {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False},
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


def _report(data: bytes, mime: str, settings: dict[str, Any]) -> dict[str, Any] | None:
    """The library's report on the file; ``None`` without credentials and for files that it cannot read."""
    import c2pa

    try:
        with c2pa.Settings.from_dict(settings) as made, c2pa.Context(settings=made) as context:
            reader = c2pa.Reader.try_create(mime, io.BytesIO(data), context=context)
            if reader is None:
                return None
            with reader:
                report = json.loads(reader.json())
    except (c2pa.C2paError, ValueError):
        return None
    return report if isinstance(report, dict) else None


def _from_report(report: Mapping[str, Any]) -> Credentials:
    manifest = _mapping(_mapping(report.get("manifests")).get(report.get("active_manifest")))
    signature = _mapping(manifest.get("signature_info"))
    state = _STATES.get(str(report.get("validation_state")), "present but invalid")
    actions = tuple(_actions(manifest))[:_MAX_ITEMS]
    named = [action.digital_source_type for action in actions if action.digital_source_type]
    generators = [_software(item) for item in _items(manifest.get("claim_generator_info"))]
    names = (_text(signature.get(key)) for key in ("issuer", "common_name"))
    status = _items(report.get("validation_status"))
    return Credentials(
        state=state,
        note=_NOTES[state],
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
