"""Notes in an image file about the origin of its image.

Cameras, editors and generators leave notes in a file: a C2PA content-credentials manifest, an IPTC
``DigitalSourceType``, the prompt given to a diffusion front end, a software name. This module reads them from
JPEG, PNG and WebP without decoding a pixel. **They are reported separately and never part of the score**: anyone can
add or strip metadata, so a note is a claim, not a proof, and **absence proves nothing**.

The input is hostile. The containers are walked with bounds checked; at most ``containers.MAX_PARTS`` segments
or chunks and ``TEXT_BUDGET`` bytes of text are read, no text is inflated beyond ``MAX_TEXT`` bytes, no XML parser
runs, and every tag comes from a fixed vocabulary: no text from the file is echoed.

Sources: C2PA 2.1 (embedding manifests), ISO 19566-5 (JUMBF), PNG 3rd edition, Exif 3.0, XMP part 3, the WebP
container specification, IPTC NewsCodes digitalsourcetype.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from unmask.imaging.containers import PNG_SIGNATURE, chunks, inflate, is_webp, jpeg_segments, png_text
from unmask.imaging.marks import CredentialsState, Mark, MarkKind, marks_of

__all__ = ["CredentialsState", "Mark", "MarkKind", "Provenance", "read_provenance"]

MAX_TEXT = 1 << 20  # bytes of one text read or inflated
TEXT_BUDGET = 4 << 20  # bytes of text read in one file, all parts together
_ITEM_COST = 1024  # the least that one text takes from the budget, which bounds the number of tiny ones
_MAX_NAME = 256  # characters of a software name
_MAX_IFD_ENTRIES = 256

XMP_JPEG = b"http://ns.adobe.com/xap/1.0/\x00"
_C2PA_UUID = bytes.fromhex("6332706100110010800000AA00389B71")

# The keys under which diffusion front ends leave their settings in PNG text chunks: AUTOMATIC1111 and Forge
# (parameters), ComfyUI (prompt, workflow), InvokeAI (Dream, sd-metadata, invokeai_metadata), hosted ones.
PNG_KEYS = b"parameters prompt workflow Dream sd-metadata invokeai_metadata generation_data".split()

# Known generators, matched as whole words in any case. Names that are also everyday words (imagen is Spanish for
# image, dalle French for slab, Leonardo a person, Firefly a camera) need a maker or version with them.
_PLAIN_NAMES = (
    "AUTOMATIC1111|Artbreeder|ChatGPT|ComfyUI|Craiyon|DeepFaceLab|DiffusionBee|DreamStudio|FaceApp|FaceFusion|"
    "Fooocus|Ideogram|Midjourney|NightCafe|NovelAI|Reface"
)
_GENERATORS = {name: name for name in _PLAIN_NAMES.split("|")} | {
    "Adobe Firefly": r"adobe[ _-]firefly",
    "DALL-E": r"dall[-·•∙\ufffd]e|dall[- ]?e[- ]?[23]",
    "Flux": r"flux(?:[ ._-]?[12])?",
    "Imagen": r"google imagen|imagen[ -]?[1-4]|\Aimagen\Z",
    "InvokeAI": r"invoke[ -]?ai",
    "Leonardo.Ai": r"leonardo[. ]ai",
    "Stable Diffusion": r"stable[ _-]?diffusion",
    "StyleGAN": r"stylegan[23]?",
    "SwarmUI": r"(?:stable)?swarmui",
}
_GENERATOR = re.compile(
    r"(?<!\w)(?:" + "|".join(f"({pattern})" for pattern in _GENERATORS.values()) + r")(?!\w)", re.IGNORECASE
)
_GENERATOR_NAMES = tuple(_GENERATORS)

# An XMP property's value: an element, an attribute or an rdf:resource. Repeats are bounded: linear time.
_XMP_VALUE = r"(?:\s{1,64}rdf:resource)?(?:\s{0,64}=\s{0,64}[\"']|\s{0,64}>)\s{0,64}"
_SOURCE_TYPE = re.compile(
    r"\bDigitalSourceType" + _XMP_VALUE + r"(?:https?://cv\.iptc\.org/newscodes/digitalsourcetype/)?"
    r"(trainedAlgorithmicMedia|compositeWithTrainedAlgorithmicMedia|algorithmicMedia)(?!\w)"
)
_CREATOR_TOOL = re.compile(r"\bCreatorTool" + _XMP_VALUE + rf"([^\"'<]{{1,{_MAX_NAME}}})")


@dataclass(frozen=True, slots=True)
class Provenance:
    """Marks of origin in the file. Reported separately, never part of the score.

    Attributes:
        c2pa: ``"present"`` when a content-credentials manifest is in the file (its signature has not been
            checked), else ``"none"``. A manifest stored elsewhere and only linked to is not seen.
        generator_tags: sorted marks of tools, as ``place:note``: ``png:<key>`` for a front end's settings,
            ``exif:UserComment`` for AUTOMATIC1111's settings in EXIF, ``xmp:<DigitalSourceType>``, and
            ``software:<name>`` for a generator named in EXIF, PNG or XMP. Empty proves nothing.
        credentials_state: state of the content credentials; ``None`` if they were not looked at.
    """

    c2pa: Literal["none", "present"]
    generator_tags: tuple[str, ...]
    credentials_state: CredentialsState | None = None

    @property
    def marks(self) -> tuple[Mark, ...]:
        """What the file says of its own making, in plain sentences."""
        return marks_of(self.generator_tags, self.credentials_state)


def read_provenance(data: bytes) -> Provenance:
    """Read the provenance notes of one encoded image.

    Args:
        data: the file's bytes, of any length and content.

    Returns:
        The marks before the first malformed part; for other formats ``Provenance("none", ())``.
        Never raises.
    """
    notes = _Notes()
    if data.startswith(b"\xff\xd8"):
        _walk_jpeg(data, notes)
    elif data.startswith(PNG_SIGNATURE):
        _walk_chunks(data, notes, png=True)
    elif is_webp(data):
        _walk_chunks(data, notes, png=False)
    return Provenance(c2pa="present" if notes.c2pa else "none", generator_tags=tuple(sorted(notes.tags)))


@dataclass(slots=True)
class _Notes:
    """The marks found in one file so far, and the rest of the budget."""

    c2pa: bool = False
    tags: set[str] = field(default_factory=set)
    budget: int = TEXT_BUDGET

    def _spend(self, size: int) -> bool:
        self.budget -= max(size, _ITEM_COST)
        return self.budget >= 0

    def read_jumbf(self, head: bytes) -> None:
        """A JUMBF superbox, or its start: is it a C2PA manifest store?"""
        at = 16 if head[:4] == b"\x00\x00\x00\x01" else 8  # length 1: an 8-byte length follows the type
        about = head[at : at + 30]  # description box: length, type, UUID, toggles, label
        labelled = len(about) == 30 and about[24] & 2 != 0 and about[25:] == b"c2pa\x00"
        if head[4:8] == b"jumb" and about[4:8] == b"jumd" and (labelled or about[8:24] == _C2PA_UUID):
            self.c2pa = True

    def read_software(self, name: bytes | str) -> None:
        if self._spend(0):
            text = name if isinstance(name, str) else name[:_MAX_NAME].decode("utf-8", "replace")
            for found in _GENERATOR.finditer(text):
                self.tags.add(f"software:{_GENERATOR_NAMES[(found.lastindex or 1) - 1]}")

    def read_xmp(self, packet: bytes) -> None:
        packet = packet[:MAX_TEXT]
        if not self._spend(len(packet)):
            return
        text = packet.replace(b"\x00", b"").decode("utf-8", "replace")  # UTF-16, UTF-32: down to their ASCII
        for source_type in _SOURCE_TYPE.finditer(text):
            self.tags.add(f"xmp:{source_type[1]}")
        for tool in _CREATOR_TOOL.finditer(text):
            self.read_software(tool[1])
            if self.budget < 0:
                return

    def read_exif(self, block: bytes) -> None:
        block = block[:MAX_TEXT].removeprefix(b"Exif\x00\x00")
        if not self._spend(len(block)) or block[:4] not in (b"II*\x00", b"MM\x00*"):
            return
        order: Literal["little", "big"] = "little" if block[:1] == b"I" else "big"
        software, exif_ifd = _read_ifd(block, order, block[4:8], 0x0131, 0x8769)
        comment, _ = _read_ifd(block, order, exif_ifd, 0x9286, None)
        self.read_software(software.partition(b"\x00")[0])
        comment = comment[8:].replace(b"\x00", b"")  # past the character code; UTF-16 down to its ASCII
        if b"Steps:" in comment and b"Sampler:" in comment:
            self.tags.add("exif:UserComment")

    def inflate(self, packed: bytes) -> bytes:
        """Inflate at most ``MAX_TEXT`` bytes; broken streams give nothing."""
        if not self._spend(len(packed)):
            return b""
        text = inflate(packed, MAX_TEXT)
        return text if self._spend(len(text)) else b""


def _read_ifd(
    block: bytes, order: Literal["little", "big"], offset: bytes, text_tag: int, pointer_tag: int | None
) -> tuple[bytes, bytes]:
    """The first value of ``text_tag`` and the raw offset in ``pointer_tag``, of the IFD at ``offset``."""
    text, pointer, start = b"", b"", int.from_bytes(offset, order)
    if start < 8:  # inside the header: no IFD
        return text, pointer
    count = min(int.from_bytes(block[start : start + 2], order), _MAX_IFD_ENTRIES)
    for at in range(start + 2, start + 2 + 12 * count, 12):
        entry = block[at : at + 12]
        if len(entry) < 12:
            break
        tag, kind, size = (int.from_bytes(entry[a:b], order) for a, b in ((0, 2), (2, 4), (4, 8)))
        if tag == text_tag and not text and kind in (1, 2, 7, 129):  # the types of one byte an item
            place = int.from_bytes(entry[8:], order)
            text = entry[8 : 8 + size] if size <= 4 else block[place : place + size]
        elif tag == pointer_tag and not pointer and kind in (4, 13):
            pointer = entry[8:]
    return text, pointer


def _walk_jpeg(data: bytes, notes: _Notes) -> None:
    for marker, body in jpeg_segments(data):
        if marker == 0xEB and body[:2] == b"JP":  # then a 2-byte box instance and a 4-byte packet number
            notes.read_jumbf(body[8:])
        elif marker == 0xE1 and body.startswith(b"Exif\x00\x00"):
            notes.read_exif(body)
        elif marker == 0xE1 and body.startswith(XMP_JPEG):
            notes.read_xmp(body[len(XMP_JPEG) :])


def _walk_chunks(data: bytes, notes: _Notes, *, png: bool) -> None:
    for kind, body in chunks(data, MAX_TEXT):
        if kind == (b"caBX" if png else b"C2PA"):
            notes.read_jumbf(body)
        elif kind == (b"eXIf" if png else b"EXIF"):
            notes.read_exif(body)
        elif kind == b"XMP " and not png:
            notes.read_xmp(body)
        elif kind in (b"tEXt", b"zTXt", b"iTXt") and png:
            _read_png_text(kind, body, notes)


def _read_png_text(kind: bytes, body: bytes, notes: _Notes) -> None:
    key, value, packed = png_text(kind, body)
    if b"\x00" in body and key in PNG_KEYS:
        notes.tags.add(f"png:{key.decode('ascii')}")
    if key not in (b"Software", b"XML:com.adobe.xmp"):
        return
    value = notes.inflate(value) if packed else value
    if key == b"Software":
        notes.read_software(value)
    else:
        notes.read_xmp(value)
