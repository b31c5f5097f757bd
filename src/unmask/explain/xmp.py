"""Read XMP packets, which may be hostile XML.

The standard library's expat builds the tree. A document type, which entity expansion needs, is refused; size, depth,
number of elements and length of text are limited. Source: XMP specification parts 1 to 3, ISO 16684-1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from unmask.errors import ImageError

MAX_PACKET = 1 << 20
"""Largest packet in bytes; a longer one is cut there, which makes it malformed."""
MAX_ELEMENTS, MAX_DEPTH, MAX_TEXT, MAX_EDITS = 20_000, 64, 256, 64

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XMP, _MM = "http://ns.adobe.com/xap/1.0/", "http://ns.adobe.com/xap/1.0/mm/"
_EVENT = "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
_IPTC_EXTENSION = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"


@dataclass(frozen=True, slots=True)
class Edit:
    """One step of an edit history, as the software wrote it.

    Attributes:
        action: e.g. ``"created"``, ``"saved"``, ``"converted"``.
        software: the software that did it.
        when: as written, usually ISO 8601.
        changed: the part that was changed.
    """

    action: str | None
    software: str | None
    when: str | None
    changed: str | None


@dataclass(frozen=True, slots=True)
class Xmp:
    """The content of a packet, each text shortened to :data:`MAX_TEXT` characters.

    Attributes:
        creator_tool: the software that first wrote the file.
        digital_source_type: last part of the IPTC code, e.g. ``"trainedAlgorithmicMedia"``.
        edits: the history, oldest first, at most :data:`MAX_EDITS` steps.
        derived: whether it names a document that this image was made from.
    """

    creator_tool: str | None
    digital_source_type: str | None
    edits: tuple[Edit, ...]
    derived: bool


def read_xmp(packet: bytes) -> Xmp:
    """Read a packet.

    Raises:
        ImageError: ``bad_xmp``: malformed, beyond a limit, or with a document type.
    """
    root = _parse(packet[:MAX_PACKET])
    source_type = _property(root, _IPTC_EXTENSION, "DigitalSourceType")
    return Xmp(
        creator_tool=_property(root, _XMP, "CreatorTool"),
        digital_source_type=source_type and source_type.rstrip("/").rpartition("/")[2],
        edits=tuple(_edits(root)),
        derived=root.find(f".//{{{_MM}}}DerivedFrom") is not None,
    )


def _edits(root: Element) -> Iterator[Edit]:
    history = root.find(f".//{{{_MM}}}History")
    steps = [] if history is None else history.findall(f".//{{{_RDF}}}li")
    for step in steps[:MAX_EDITS]:
        yield Edit(*(_property(step, _EVENT, name) for name in ("action", "softwareAgent", "when", "changed")))


def _property(root: Element, namespace: str, name: str) -> str | None:
    """A property's first value that is not blank: an attribute, an element's text or its ``rdf:resource``."""
    tag = f"{{{namespace}}}{name}"
    for element in root.iter():
        values = [element.get(tag)]
        if element.tag == tag:
            values += [element.get(f"{{{_RDF}}}resource"), *(each.text for each in element.iter())]
        for value in values:
            if text := (value or "").strip()[:MAX_TEXT]:
                return text
    return None


def _parse(packet: bytes) -> Element:
    builder = TreeBuilder()
    depth = count = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > MAX_DEPTH or count > MAX_ELEMENTS:
            raise ImageError("bad_xmp", "The XMP packet is nested too deeply or has too many elements.")
        builder.start(_tag(name), {_tag(key): value for key, value in attributes.items()})

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_tag(name))

    def refuse(*_: object) -> None:
        raise ImageError("bad_xmp", "The XMP packet declares a document type, which no legitimate packet does.")

    parser = expat.ParserCreate(namespace_separator="}")
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(packet.strip(b"\x00 \r\n\t"), True)
        return builder.close()
    except (expat.ExpatError, AssertionError, ValueError, LookupError) as error:
        # TreeBuilder raises AssertionError for a missing end tag; the others come from odd encodings.
        raise ImageError("bad_xmp", f"The XMP packet is malformed ({type(error).__name__}).") from None


def _tag(name: str) -> str:
    return f"{{{name}" if "}" in name else name
