"""Marks of clips: what containers say of their making, in boxes and entries, and hostile ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from unmask.video.marks import clip_provenance

XMP_UUID = bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC")
XMP = b'<x:xmpmeta><rdf DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"/>'


def box(kind: bytes, *inside: bytes) -> bytes:
    body = b"".join(inside)
    return (len(body) + 8).to_bytes(4, "big") + kind + body


HEAD = box(b"ftyp", b"isom", bytes(4))
MOVIE = box(b"mvhd", bytes(100))


def marks(tmp_path: Path, data: bytes, metadata: dict[str, str] | None = None) -> list[tuple[str, str]]:
    path = tmp_path / "clip.mp4"
    path.write_bytes(data)
    return [(mark.kind, mark.text) for mark in clip_provenance(path, metadata or {}).marks]


@pytest.mark.parametrize(
    "data",
    [
        HEAD + box(b"moov", MOVIE) + box(b"uuid", XMP_UUID, XMP) + box(b"mdat", bytes(50)),
        # As QuickTime writes it, and behind boxes of other kinds.
        HEAD + box(b"mdat", bytes(50)) + box(b"moov", MOVIE, box(b"udta", box(b"name", b"x"), box(b"XMP_", XMP))),
    ],
)
def test_xmp_in_boxes(tmp_path: Path, data: bytes) -> None:
    assert [kind for kind, _ in marks(tmp_path, data)] == ["source_type"]


@pytest.mark.parametrize(
    ("metadata", "kinds"),
    [
        ({"encoder": "Lavf60.3.100"}, []),
        ({"encoder": "FaceFusion 3.1"}, ["generator"]),
        ({"com.apple.quicktime.software": "FaceApp"}, ["generator"]),
        # A title may be about a generator.
        ({"title": "How I use ComfyUI and Midjourney", "comment": "made without ComfyUI"}, []),
        ({"comment": '{"prompt": "{\\"1\\": {}}"}'}, ["settings"]),
        ({"PROMPT": "{}", "workflow": "{}"}, ["settings"]),  # two entries, one sentence
    ],
)
def test_entries_of_the_container(tmp_path: Path, metadata: dict[str, str], kinds: list[str]) -> None:
    found = marks(tmp_path, HEAD + box(b"moov", MOVIE), metadata)
    assert [kind for kind, _ in found] == kinds
    assert all(value not in text for _, text in found for value in metadata.values() if len(value) > 8)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        HEAD[:5],
        HEAD + box(b"moov", box(b"udta", box(b"XMP_", XMP)))[:-40],  # cut in the XMP
        HEAD + b"\0\0\0\1moov" + (2**63).to_bytes(8, "big"),  # a box larger than any file
        HEAD + box(b"moov", b"\0\0\0\2udta" * 10),  # boxes shorter than their heads
        HEAD + box(b"moov", box(b"udta", *[box(b"XMP_") for _ in range(10_000)])),
        HEAD + b"\0\0\0\0moov" + b"\0\0\0\0udta" + b"\0\0\0\0XMP_",  # to the end, three times
    ],
)
def test_malformed_boxes_make_no_marks_and_never_raise(tmp_path: Path, data: bytes) -> None:
    found = marks(tmp_path, data)
    assert all(kind == "source_type" for kind, _ in found)


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    assert clip_provenance(tmp_path / "none.mp4").marks == ()
