"""Manifests without a library: what they say is found in any shape of CBOR, and hostile ones take bounded work."""

from __future__ import annotations

import json
import struct
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.imaging.test_provenance import app11, jpeg_segment, png_chunk

from unmask.imaging import jumbf
from unmask.imaging.blocks import metadata_blocks
from unmask.imaging.jumbf import Statements, read_statements
from unmask.imaging.provenance import read_provenance

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
TRAINED = IPTC + "trainedAlgorithmicMedia"


def cbor(value: Any, *, endless: bool = False) -> bytes:
    """Values as CBOR: with lengths in front, or ended by a break."""

    def head(major: int, size: int) -> bytes:
        if size < 24:
            return bytes((major << 5 | size,))
        return bytes((major << 5 | 25,)) + struct.pack(">H", size)

    if isinstance(value, str):
        data = value.encode()
        if endless:
            return b"\x7f" + head(3, len(data[:5])) + data[:5] + head(3, len(data[5:])) + data[5:] + b"\xff"
        return head(3, len(data)) + data
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, float):
        return b"\xfb" + struct.pack(">d", value)
    if isinstance(value, bool) or value is None:
        return {True: b"\xf5", False: b"\xf4", None: b"\xf6"}[value]
    if isinstance(value, int):
        return head(0, value)
    items = [part for pair in value.items() for part in pair] if isinstance(value, dict) else value
    body = b"".join(cbor(item, endless=endless) for item in items)
    major = 5 if isinstance(value, dict) else 4
    return bytes((major << 5 | 31,)) + body + b"\xff" if endless else head(major, len(value)) + body


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def superbox(label: str, *content: bytes) -> bytes:
    return box(b"jumb", box(b"jumd", bytes(16) + b"\x03" + label.encode() + b"\0") + b"".join(content))


def manifest(*assertions: tuple[str, bytes], claim: dict[str, Any] | None = None, name: str = "urn:uuid:1") -> bytes:
    parts = [superbox(label, content) for label, content in assertions]
    return superbox(
        name,
        superbox("c2pa.assertions", *parts),
        superbox("c2pa.claim", box(b"cbor", cbor(claim or {}))),
    )


def store(*manifests: bytes) -> bytes:
    return superbox("c2pa", *manifests)


def actions(*steps: dict[str, Any], endless: bool = False) -> tuple[str, bytes]:
    return "c2pa.actions.v2", box(b"cbor", cbor({"actions": list(steps)}, endless=endless))


CREATED = {"action": "c2pa.created", "digitalSourceType": TRAINED}
EDITED = {"action": "c2pa.edited", "digitalSourceType": TRAINED}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        # made by a generator
        (store(manifest(actions(CREATED))), Statements(source_types={"trainedAlgorithmicMedia"})),
        # the same in CBOR without lengths
        (store(manifest(actions(CREATED, endless=True))), Statements(source_types={"trainedAlgorithmicMedia"})),
        # beside values of other kinds
        (
            store(manifest(actions({"a": 1.5, "b": [None, True, b"x" * 300], "c": 70_00, **CREATED}))),
            Statements(source_types={"trainedAlgorithmicMedia"}),
        ),
        # a photograph of which a part was filled in
        (
            store(manifest(actions({"action": "c2pa.created", "digitalSourceType": IPTC + "digitalCapture"}, EDITED))),
            Statements(source_types={"digitalCapture"}, edit_types={"trainedAlgorithmicMedia"}),
        ),
        # a generated image that was edited by hand: the last manifest is this image's
        (
            store(manifest(actions(CREATED)), manifest(actions({"action": "c2pa.opened"}), name="urn:uuid:2")),
            Statements(ingredient_types={"trainedAlgorithmicMedia"}),
        ),
        # an assertion in JSON with IPTC's property
        (
            store(manifest(("cawg.metadata", box(b"json", json.dumps({"I:DigitalSourceType": TRAINED}).encode())))),
            Statements(source_types={"trainedAlgorithmicMedia"}),
        ),
        # what an ingredient's entry says is of another image
        (store(manifest(("c2pa.ingredient.v3", box(b"cbor", cbor(CREATED))))), Statements()),
        # a thumbnail may hold anything
        (store(manifest(("c2pa.thumbnail.claim", box(b"bidb", TRAINED.encode())))), Statements()),
        # software in each place: claim of both versions, step by name or with a version
        (
            store(manifest(actions({"action": "c2pa.created", "softwareAgent": {"name": "GPT-4o"}}),
                           claim={"claim_generator": "Adobe_Firefly c2pa-rs/0.3",
                                  "claim_generator_info": [{"name": "ChatGPT"}]})),
            Statements(software={"GPT-4o", "Adobe_Firefly c2pa-rs/0.3", "ChatGPT"}),
        ),
        # bytes after the value are not part of it
        (store(manifest(("c2pa.actions", box(b"cbor", cbor({"actions": []}) + TRAINED.encode())))), Statements()),
        # malformed CBOR: the addresses in it
        (
            store(manifest(("c2pa.actions", box(b"cbor", b"\xbf\xfe" + TRAINED.encode())))),
            Statements(source_types={"trainedAlgorithmicMedia"}),
        ),
        # nothing at all
        (b"", Statements()),
        (store(), Statements()),
    ],
)  # fmt: skip
def test_statements(data: bytes, expected: Statements) -> None:
    assert read_statements(data) == expected


def test_a_cut_manifest_says_what_is_left() -> None:
    data = store(manifest(actions(CREATED), ("later", box(b"cbor", cbor("x" * 200)))))
    cut = data[: data.index(b"later")]
    assert read_statements(cut).source_types == {"trainedAlgorithmicMedia"}
    within = data[: data.index(b"AlgorithmicMedia") + len("AlgorithmicMedia")]  # the box of steps is not whole
    assert read_statements(within).source_types == {"trainedAlgorithmicMedia"}


def test_the_claims_of_a_file_become_tags_and_marks() -> None:
    claim = {"claim_generator": "Adobe_Firefly c2pa-rs/0.3", "claim_generator_info": {"name": "Some Camera"}}
    found = read_provenance(png_chunk(b"caBX", store(manifest(actions(EDITED), claim=claim))))
    assert found.generator_tags == ("c2pa-edit:trainedAlgorithmicMedia", "c2pa-software:Adobe Firefly")
    assert [mark.kind for mark in found.marks] == ["source_type", "generator"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Adobe Firefly", {"Adobe Firefly"}),
        ("Adobe_Photoshop/26.0 Adobe_Firefly", {"Adobe Firefly"}),
        ("OpenAI Media Service API", {"OpenAI"}),
        ("gpt-image-1", {"OpenAI"}),
        ("Microsoft_Responsible_AI/1.0", {"Bing Image Creator"}),
        # a library that cameras use too
        ("Google C2PA Core Generator Library", set()),
        # what Google's generator says of its step
        ("Created by Google Generative AI.", {"Google's generative AI"}),
        ("Leica M11-P", set()),
        ("Adobe_Photoshop/25.0", set()),
        # a maker's name inside a word
        ("Geminid", set()),
    ],
)
def test_generators_named_in_credentials(name: str, expected: set[str]) -> None:
    data = store(manifest(actions({"action": "c2pa.created", "description": name})))
    tags = read_provenance(png_chunk(b"caBX", data)).generator_tags
    assert {tag.removeprefix("c2pa-software:") for tag in tags} == expected


def segments(data: bytes, size: int, instance: int = 1) -> list[bytes]:
    """A box in JPEG segments: each with its number, and the box's header again."""
    head, body = data[:8], data[8:]
    return [
        b"JP" + struct.pack(">HI", instance, number + 1) + head + body[at : at + size]
        for number, at in enumerate(range(0, len(body), size))
    ]


def test_jpeg_segments_are_joined() -> None:
    """In any order, between segments of another box, and with the text that counts across two of them."""
    data = store(manifest(("padding", box(b"cbor", cbor(b"x" * 400))), actions(CREATED)))
    parts = segments(data, data.index(TRAINED.encode()) + 10)
    assert len(parts) == 2 and all(TRAINED.encode() not in part for part in parts)
    other = segments(superbox("jp360", box(b"cbor", b"\xa0")), 1000, instance=2)
    image = jpeg_segment(0xEB, parts[0])
    for part in (*other, parts[1]):  # each is put first: the file has them backwards
        image = image[:2] + b"\xff\xeb" + struct.pack(">H", len(part) + 2) + part + image[2:]
    assert sorted(body for kind, body in metadata_blocks(image)) == sorted(
        [data, superbox("jp360", box(b"cbor", b"\xa0"))]
    )
    assert read_provenance(image).generator_tags == ("c2pa:trainedAlgorithmicMedia",)


DEEP = b"\x81" * 50_000
HOSTILE = [
    # lists in lists; a list that claims to be longer than the file; many small values; a map that never ends
    store(manifest(("a", box(b"cbor", DEEP)))),
    store(manifest(("a", box(b"cbor", b"\x9b" + b"\xff" * 8)))),
    store(manifest(("a", box(b"cbor", b"\x9f" + b"\x00" * 3_000_000)))),
    store(manifest(("a", box(b"cbor", b"\xbf" + b"\x61a\x00" * 500_000)))),
    # JSON in JSON, and a long one
    store(manifest(("a", box(b"json", b"[" * 200_000)))),
    store(manifest(("a", box(b"json", b"[" + b"0," * 2_000_000 + b"0]")))),
    # boxes in boxes; boxes without content; many manifests; many addresses
    store(b"".join(struct.pack(">I4s", 1 << 20, b"jumb") for _ in range(50_000))),
    store(box(b"jumb", b"") * 200_000),
    store(manifest(actions(CREATED)) * 5_000),
    store(manifest(("a", box(b"cbor", b"\xfe" + TRAINED.encode() * 60_000)))),
    # more content than is read
    store(manifest(*[("a", box(b"cbor", b"\xfe" + b"x" * 1_000_000))] * 20)),
]


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_manifests_take_bounded_work(data: bytes) -> None:
    started = time.process_time()
    read_statements(data)
    read_provenance(png_chunk(b"caBX", data))
    assert time.process_time() - started < 2.0  # each takes well under 0.5 s; the slack is for a busy machine


def test_no_more_is_read_than_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    filler = [("a", box(b"cbor", cbor("x")))] * 20
    data = store(manifest(*filler, actions(CREATED)))
    assert read_statements(data).source_types
    for name, value in (("MAX_BOXES", 40), ("MAX_VALUES", 20), ("MAX_CONTENT", 40)):
        with monkeypatch.context() as patch:
            patch.setattr(jumbf, name, value)
            assert name == "MAX_VALUES" or not read_statements(data).source_types
    with monkeypatch.context() as patch:
        patch.setattr(jumbf, "MAX_VALUES", 20)  # then only the address is seen, not which step it belongs to
        edited = store(manifest(*filler, actions(EDITED)))
        assert read_statements(edited).edit_types == set()


SEEDS = [store(manifest(actions(CREATED, EDITED), claim={"claim_generator": "ChatGPT"})), *HOSTILE[1:2]]


@settings(max_examples=150, deadline=None)
@given(
    seed=st.sampled_from(SEEDS),
    changes=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=8),
    cut=st.integers(0, 600),
)
def test_changed_manifests_never_raise(seed: bytes, changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(seed)
    for at, value in changes:
        data[at % len(data)] = value
    read_statements(bytes(data))
    read_provenance(b"\xff\xd8\xff\xeb" + struct.pack(">H", 10 + len(data[:cut])) + app11(bytes(data[:cut])))
