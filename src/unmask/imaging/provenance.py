"""Notes in an image file about the origin of its image.

Cameras, editors and generators leave notes in a file: a C2PA content-credentials manifest, an IPTC
``DigitalSourceType``, the prompt given to a diffusion front end, a software name. This module reads them without
decoding a pixel from JPEG, PNG, WebP, GIF, TIFF, AVIF and HEIC. **They are reported separately and never part of the
score**: anyone can add or strip metadata, so a note is a claim, not a proof, and **absence proves nothing**.

The input is hostile. The containers are walked with bounds checked; at most ``containers.MAX_PARTS`` segments or
chunks, ``TEXT_BUDGET`` bytes of text and ``jumbf.MAX_CONTENT`` bytes of manifests are read, no text is inflated beyond
``MAX_TEXT`` bytes, no XML parser runs, and every tag comes from a fixed vocabulary: no text from the file is echoed.

Sources: C2PA 2.2 (embedding manifests), ISO 19566-5 (JUMBF), PNG 3rd edition, Exif 3.0, XMP part 3, the WebP
container specification, IPTC NewsCodes digitalsourcetype, IPTC Photo Metadata Standard 2025.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from unmask.imaging.blocks import MAX_BLOCK, Kind, metadata_blocks
from unmask.imaging.containers import first_directory, inflate, png_text, tiff_kind, tiff_values
from unmask.imaging.generators import named_generators
from unmask.imaging.jumbf import is_manifest_store, read_statements
from unmask.imaging.marks import SOURCE_TYPES, CredentialsState, Mark, MarkKind, marks_of

__all__ = ["CredentialsState", "Mark", "MarkKind", "Provenance", "read_provenance"]

MAX_TEXT = MAX_BLOCK  # bytes of one text read or inflated
TEXT_BUDGET = 4 << 20  # bytes of text read in one file, all parts together
_ITEM_COST = 1024  # the least that one text takes from the budget, which bounds the number of tiny ones
_MAX_NAME = 256  # characters of a software name

# The keys under which diffusion front ends leave their settings in PNG text chunks: AUTOMATIC1111 and Forge
# (parameters), ComfyUI (prompt, workflow), InvokeAI (Dream, sd-metadata, invokeai_metadata), hosted ones.
PNG_KEYS = b"parameters prompt workflow Dream sd-metadata invokeai_metadata generation_data".split()

# An XMP property's value: an element, an attribute or an rdf:resource. Repeats are bounded: linear time.
_XMP_VALUE = r"(?:\s{1,64}rdf:resource)?(?:\s{0,64}=\s{0,64}[\"']|\s{0,64}>)\s{0,64}"
_SOURCE_TYPE = re.compile(
    r"\bDigitalSourceType" + _XMP_VALUE + r"(?:https?://(?:cv\.iptc\.org/newscodes|c2pa\.org)/digitalsourcetype/)?"
    rf"({'|'.join(SOURCE_TYPES)})(?!\w)"
)
_ADDRESS = re.compile(rf"digitalsourcetype/({'|'.join(SOURCE_TYPES)})(?!\w)")
_CREDIT = re.compile(r"\b(?:Made|Created|Edited) (?:with|by) Google AI\b")
# The label that China requires of generators (TC260): 1 means generated.
_LABEL = re.compile(r"\bAIGC\b[^<]{0,64}?\bLabel(?:&quot;|[\"'])?\s{0,8}:\s{0,8}(?:&quot;|[\"'])?1(?!\d)")
_XMP_MARKS = {
    "xmp:AISystemUsed": re.compile(r"\bAISystemUsed" + _XMP_VALUE + r"[^\s\"'<]"),
    "xmp:AIPromptInformation": re.compile(r"\bAIPromptInformation" + _XMP_VALUE + r"[^\s\"'<]"),
    "xmp:Credit": re.compile(r"\bCredit" + _XMP_VALUE + r"(?:Made|Created|Edited) (?:with|by) Google AI\b"),
    "xmp:AIGC": _LABEL,
}
# The address of a manifest elsewhere. One that begins "self#" is that of a manifest in the file.
_REMOTE = re.compile(r"\bdcterms:provenance" + _XMP_VALUE + r"https?://")
_CREATOR_TOOL = re.compile(r"\bCreatorTool" + _XMP_VALUE + rf"([^\"'<]{{1,{_MAX_NAME}}})")


@dataclass(frozen=True, slots=True)
class Provenance:
    """Marks of origin in the file. Reported separately, never part of the score.

    Attributes:
        c2pa: ``"present"`` when a content-credentials manifest is in the file, else ``"none"``.
        generator_tags: sorted notes of tools, as ``place:note``: ``png:<key>`` for a front end's settings,
            ``exif:UserComment`` for AUTOMATIC1111's settings in EXIF, ``software:<name>`` for a generator named in
            EXIF, PNG or XMP, ``c2pa-software:<name>`` for one in content credentials; a digital source type after
            ``xmp:``, ``exif:``, ``iptc:``, ``c2pa:``, ``c2pa-edit:`` (of a step) and ``c2pa-ingredient:`` (of an image
            that this one was made from). Empty proves nothing.
        credentials_state: state of the content credentials; ``"could not be checked"`` until the signature was checked,
            see :func:`~unmask.imaging.credentials.check_credentials`.
    """

    c2pa: Literal["none", "present"]
    generator_tags: tuple[str, ...]
    credentials_state: CredentialsState = "none"

    @property
    def marks(self) -> tuple[Mark, ...]:
        """What the file says of its own making, in plain sentences."""
        return marks_of(self.generator_tags, self.credentials_state)

    def to_json(self) -> dict[str, Any]:
        """The notes as plain values."""
        return {
            "c2pa": self.c2pa,
            "generator_tags": list(self.generator_tags),
            "credentials_state": self.credentials_state,
        }


def read_provenance(data: bytes) -> Provenance:
    """Read the provenance notes of one encoded image.

    Args:
        data: the file's bytes, of any length and content.

    Returns:
        The marks before the first malformed part; for other formats ``Provenance("none", ())``.
        Never raises.
    """
    notes = _Notes()
    for kind, body in metadata_blocks(data):
        notes.read(kind, body)
    state: CredentialsState = "none"
    if notes.c2pa:
        state = "could not be checked"
    elif notes.remote:
        state = "stored elsewhere"
    return Provenance("present" if notes.c2pa else "none", tuple(sorted(notes.tags)), state)


@dataclass(slots=True)
class _Notes:
    """The marks found in one file so far, and the rest of the budget."""

    c2pa: bool = False
    remote: bool = False
    tags: set[str] = field(default_factory=set)
    budget: int = TEXT_BUDGET

    def _spend(self, size: int) -> bool:
        self.budget -= max(size, _ITEM_COST)
        return self.budget >= 0

    def read(self, kind: Kind, body: bytes) -> None:
        """Read one block of :func:`~unmask.imaging.blocks.metadata_blocks`."""
        if kind == "jumbf":
            self._read_jumbf(body)
        elif kind == "exif":
            self._read_exif(body[:MAX_TEXT])
        elif kind == "tiff":
            self._read_exif(body)
        elif kind == "xmp":
            self._read_xmp(body)
        elif kind in ("photoshop", "iim"):
            self._read_iptc(body)
        else:
            self._read_png_text(kind.encode(), body)

    def _read_jumbf(self, box: bytes) -> None:
        if not is_manifest_store(box):
            return
        self.c2pa = True
        said = read_statements(box)
        for place, types in (
            ("c2pa", said.source_types),
            ("c2pa-edit", said.edit_types),
            ("c2pa-ingredient", said.ingredient_types),
        ):
            self.tags |= {f"{place}:{name}" for name in types if name in SOURCE_TYPES}
        for text in said.software:
            self.tags |= {f"c2pa-software:{name}" for name in named_generators(text, claims=True)}

    def _read_software(self, name: bytes | str) -> None:
        if self._spend(0):
            text = name if isinstance(name, str) else name[:_MAX_NAME].decode("utf-8", "replace")
            self.tags |= {f"software:{found}" for found in named_generators(text)}

    def _read_xmp(self, packet: bytes) -> None:
        packet = packet[:MAX_TEXT]
        if not self._spend(len(packet)):
            return
        text = packet.replace(b"\x00", b"").decode("utf-8", "replace")  # UTF-16, UTF-32: down to their ASCII
        for source_type in _SOURCE_TYPE.finditer(text):
            self.tags.add(f"xmp:{source_type[1]}")
        self.tags |= {tag for tag, pattern in _XMP_MARKS.items() if pattern.search(text)}
        self.remote = self.remote or _REMOTE.search(text) is not None
        for tool in _CREATOR_TOOL.finditer(text):
            self._read_software(tool[1])
            if self.budget < 0:
                return

    def _read_exif(self, block: bytes) -> None:
        """An EXIF block or a TIFF file, of which only the values of the tags are read."""
        order, _ = tiff_kind(block)
        if not self._spend(min(len(block), MAX_TEXT)) or order is None:
            return
        found = tiff_values(block, first_directory(block), {0x0131: MAX_TEXT, 0x8769: 8})
        start = int.from_bytes(found.get(0x8769, b""), order)
        comment = tiff_values(block, start, {0x9286: MAX_TEXT}).get(0x9286, b"")
        self._read_software(found.get(0x0131, b"").partition(b"\x00")[0])
        comment = comment[8:].replace(b"\x00", b"")  # past the character code; UTF-16 down to its ASCII
        if b"Steps:" in comment and b"Sampler:" in comment:
            self.tags.add("exif:UserComment")
        if _LABEL.search(comment.decode("utf-8", "replace")):
            self.tags.add("exif:AIGC")

    def _read_iptc(self, records: bytes) -> None:
        """IPTC's records and Photoshop's resources have no field for a source type, but some writers name it there."""
        records = records[:MAX_TEXT]
        if self._spend(len(records)):
            text = records.decode("latin-1")
            self.tags |= {f"iptc:{found[1]}" for found in _ADDRESS.finditer(text)}
            if _CREDIT.search(text):
                self.tags.add("iptc:Credit")

    def inflate(self, packed: bytes) -> bytes:
        """Inflate at most ``MAX_TEXT`` bytes; broken streams give nothing."""
        if not self._spend(len(packed)):
            return b""
        text = inflate(packed, MAX_TEXT)
        return text if self._spend(len(text)) else b""

    def _read_png_text(self, kind: bytes, body: bytes) -> None:
        key, value, packed = png_text(kind, body)
        if b"\x00" in body and key in PNG_KEYS:
            self.tags.add(f"png:{key.decode('ascii')}")
        if key not in (b"Software", b"XML:com.adobe.xmp", b"AIGC"):
            return
        value = self.inflate(value) if packed else value
        if key == b"Software":
            self._read_software(value)
        elif key == b"AIGC":
            if self._spend(0) and _LABEL.search("AIGC" + value[:_MAX_NAME].decode("utf-8", "replace")):
                self.tags.add("png:AIGC")
        else:
            self._read_xmp(value)
