"""IPTC fields, which news agencies write into JPEG files (IIM in Photoshop's image resources).

Sources: IPTC-NAA Information Interchange Model 4.2; Adobe, "Photoshop File Formats", image resource blocks.
"""

from __future__ import annotations

_IIM = 0x0404
_MAX_RECORDS, _MAX_TEXT = 256, 256
_FIELDS = {
    5: "title",
    55: "date_created",
    65: "originating_program",
    80: "by_line",
    110: "credit",
    115: "source",
    116: "copyright",
    120: "caption",
}


def read_iptc(resources: bytes) -> dict[str, str]:
    """The known fields of the application record, each shortened to 256 characters; the first of repeated ones.

    Args:
        resources: the body of an APP13 segment after its first 14 bytes (``Photoshop 3.0`` and a NUL), with any
            content. Never raises.
    """
    at = 0
    for _ in range(_MAX_RECORDS):
        if resources[at : at + 4] != b"8BIM" or len(resources) < at + 12:
            break
        kind = int.from_bytes(resources[at + 4 : at + 6], "big")
        at += 6 + (resources[at + 6] + 2) // 2 * 2  # a name with its length in front, of an even number of bytes
        size = int.from_bytes(resources[at : at + 4], "big")
        if kind == _IIM:
            return read_records(resources[at + 4 : at + 4 + size])
        at += 4 + size + size % 2
    return {}


def read_records(block: bytes) -> dict[str, str]:
    """Like :func:`read_iptc`, for bare records."""
    found: dict[str, str] = {}
    at = 0
    for _ in range(_MAX_RECORDS):
        head = block[at : at + 5]
        if len(head) < 5 or head[0] != 0x1C or head[3] & 0x80:  # the last: a field of more than 32,767 bytes
            break
        size = int.from_bytes(head[3:5], "big")
        name = _FIELDS.get(head[2]) if head[1] == 2 else None
        if name and name not in found:
            found[name] = _text(block[at + 5 : at + 5 + size])
        at += 5 + size
    return {name: text for name, text in found.items() if text}


def _text(value: bytes) -> str:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    return text.strip("\x00 \r\n\t")[:_MAX_TEXT]
