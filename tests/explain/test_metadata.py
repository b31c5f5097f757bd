"""Metadata: what cameras, editors and generators write is read, and nothing hostile raises or is believed."""

from __future__ import annotations

import io
import json
import struct

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, PngImagePlugin

from unmask.errors import ImageError
from unmask.explain.metadata import Metadata, read_metadata
from unmask.explain.xmp import MAX_DEPTH, MAX_EDITS, MAX_ELEMENTS, Edit, read_xmp
from unmask.imaging.blocks import PHOTOSHOP

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def photograph(seed: int = 0, size: tuple[int, int] = (240, 180)) -> Image.Image:
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def encode(image: Image.Image, form: str = "JPEG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def packet(body: str) -> bytes:
    return (
        '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
        'xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#" '
        'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
        f'{body}</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def camera_exif(gps: dict[int, object] | None = None) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Canon"
    exif[ExifTags.Base.Model] = "Canon EOS R5"
    exif[ExifTags.Base.Software] = "Photo\x07shop\n26"
    exif[ExifTags.Base.DateTime] = "2026:02:03 04:05:06"
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.DateTimeOriginal] = "2026:01:01 10:00:00"
    details[ExifTags.Base.LensModel] = "RF 50mm"
    if gps:
        exif.get_ifd(ExifTags.IFD.GPSInfo).update(gps)
    return exif


BERLIN = {
    ExifTags.GPS.GPSLatitudeRef: "N",
    ExifTags.GPS.GPSLatitude: (52.0, 31.0, 12.0),
    ExifTags.GPS.GPSLongitudeRef: "W",
    ExifTags.GPS.GPSLongitude: (13.0, 24.0, 36.0),
}


def test_camera_of_a_tiff() -> None:
    """Pillow writes a TIFF's first directory alone."""
    found = read_metadata(encode(photograph(), "TIFF", exif=camera_exif()))
    assert (found.format, found.camera, found.software) == ("TIFF", "Canon EOS R5", "Photo shop 26")
    assert found.modified == "2026:02:03 04:05:06" and found.lens is None


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_camera_and_software(form: str) -> None:
    found = read_metadata(encode(photograph(), form, exif=camera_exif()))
    assert (found.format, found.camera, found.lens) == (form, "Canon EOS R5", "RF 50mm")
    assert found.software == "Photo shop 26"  # control characters go
    assert (found.taken, found.modified) == ("2026:01:01 10:00:00", "2026:02:03 04:05:06")
    assert found.blocks == ("exif",) and found.problems == ()
    assert not found.has_position


def test_a_position_is_flagged_and_told_only_when_asked() -> None:
    data = encode(photograph(), exif=camera_exif(BERLIN))
    found = read_metadata(data)
    assert found.has_position and found.position is None
    assert "52" not in json.dumps(found.to_json())
    assert read_metadata(data, position=True).position == pytest.approx((52.52, -13.41))


@pytest.mark.parametrize(
    "latitude",
    [
        (91.0, 0.0, 0.0),  # beyond the pole
        (89.0, 59.0, 61.0),  # a second beyond it
        (12.0,) * 200,  # more parts than degrees, minutes and seconds
    ],
)
def test_a_position_that_is_no_place(latitude: object) -> None:
    data = encode(photograph(), exif=camera_exif(BERLIN | {ExifTags.GPS.GPSLatitude: latitude}))
    found = read_metadata(data, position=True)
    assert found.has_position and found.position is None


# --- thumbnails ----------------------------------------------------------------------------------------------------


def with_thumbnail(image: Image.Image, thumbnail: bytes, orientation: int = 1) -> bytes:
    """A JPEG whose EXIF has an orientation and a thumbnail, as cameras write it."""
    first = struct.pack("<HHHII", 1, 0x0112, 3, 1, orientation) + struct.pack("<I", 26)
    second = (
        struct.pack("<H", 2)
        + struct.pack("<HHII", 0x0201, 4, 1, 56)
        + struct.pack("<HHII", 0x0202, 4, 1, len(thumbnail))
    )
    block = b"Exif\x00\x00II*\x00" + struct.pack("<I", 8) + first + second + struct.pack("<I", 0) + thumbnail
    return encode(image, quality=90, exif=block)


def small(image: Image.Image) -> bytes:
    return encode(image.resize((96, 72), Image.Resampling.BICUBIC), quality=70)


def test_a_thumbnail_of_the_image() -> None:
    found = read_metadata(with_thumbnail(photograph(), small(photograph()))).thumbnail
    assert found is not None and (found.width, found.height) == (96, 72)
    assert found.correlation is not None and found.correlation > 0.97
    assert not found.differs


def test_a_thumbnail_of_another_image() -> None:
    found = read_metadata(with_thumbnail(photograph(1), small(photograph(2)))).thumbnail
    assert found is not None and found.differs


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_thumbnail_is_not_turned_with_its_image(orientation: int) -> None:
    found = read_metadata(with_thumbnail(photograph(), small(photograph()), orientation)).thumbnail
    assert found is not None and not found.differs


def test_a_thumbnail_with_bars() -> None:
    """A camera's 4:3 thumbnail of a 16:9 image."""
    image = photograph(size=(320, 180))
    barred = Image.new("RGB", (160, 120))
    barred.paste(image.resize((160, 90)), (0, 15))
    found = read_metadata(with_thumbnail(image, encode(barred))).thumbnail
    assert found is not None and not found.differs


@pytest.mark.parametrize("thumbnail", [b"no image", b"\xff\xd8\xff" + bytes(30)])
def test_a_thumbnail_that_is_none(thumbnail: bytes) -> None:
    assert read_metadata(with_thumbnail(photograph(), thumbnail)).thumbnail is None


def test_a_plain_thumbnail_is_not_compared() -> None:
    found = read_metadata(with_thumbnail(photograph(), small(Image.new("RGB", (240, 180), "grey")))).thumbnail
    assert found is not None and found.correlation is None and not found.differs


# --- generators ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["parameters", "prompt", "workflow", "Dream"])
def test_a_png_of_a_diffusion_front_end(key: str) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text(key, "a face, Steps: 20, Sampler: Euler a", zip=key == "workflow")
    found = read_metadata(encode(photograph(), "PNG", pnginfo=info))
    assert found.generator_tags == (f"png:{key}",)
    assert found.texts == {key: "a face, Steps: 20, Sampler: Euler a"}


@pytest.mark.parametrize(
    "body",
    [
        f'<rdf:Description Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPES}trainedAlgorithmicMedia"/>',
        f"<rdf:Description><Iptc4xmpExt:DigitalSourceType>{SOURCE_TYPES}trainedAlgorithmicMedia"
        "</Iptc4xmpExt:DigitalSourceType></rdf:Description>",
        f'<rdf:Description><Iptc4xmpExt:DigitalSourceType rdf:resource="{SOURCE_TYPES}trainedAlgorithmicMedia"/>'
        "</rdf:Description>",
    ],
    ids=["attribute", "element", "resource"],
)
@pytest.mark.parametrize("form", ["JPEG", "WEBP", "AVIF"])
def test_a_digital_source_type(body: str, form: str) -> None:
    found = read_metadata(encode(photograph(), form, xmp=packet(body)))
    assert found.digital_source_type == "trainedAlgorithmicMedia"
    assert found.generator_tags == ("xmp:trainedAlgorithmicMedia",)
    assert found.blocks == ("xmp",)


def test_an_absent_mark_is_absent() -> None:
    found = read_metadata(encode(photograph()))
    assert found == Metadata(format="JPEG")


# --- XMP and IPTC --------------------------------------------------------------------------------------------------

HISTORY = (
    '<rdf:Description xmp:CreatorTool="Adobe Photoshop 26.0"><xmpMM:DerivedFrom/><xmpMM:History><rdf:Seq>'
    '<rdf:li stEvt:action="created" stEvt:softwareAgent="Camera"/>'
    '<rdf:li rdf:parseType="Resource"><stEvt:action>saved</stEvt:action><stEvt:when>2026-02-03T04:05:06Z</stEvt:when>'
    "<stEvt:softwareAgent>Adobe Photoshop 26.0</stEvt:softwareAgent><stEvt:changed>/</stEvt:changed></rdf:li>"
    "</rdf:Seq></xmpMM:History></rdf:Description>"
)


def test_an_edit_history() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet(HISTORY).decode(), zip=True)
    for data in (encode(photograph(), xmp=packet(HISTORY)), encode(photograph(), "PNG", pnginfo=info)):
        found = read_metadata(data)
        assert found.software == "Adobe Photoshop 26.0" and found.derived
        assert found.edits == (
            Edit("created", "Camera", None, None),
            Edit("saved", "Adobe Photoshop 26.0", "2026-02-03T04:05:06Z", "/"),
        )


LAUGHS = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>'


@pytest.mark.parametrize(
    "xml",
    [
        LAUGHS,
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>',
        b"<x>&undefined;</x>",
        b"<x>",
        b"",
        b"<x></y>",
        b'<?xml version="1.0" encoding="utf-7"?><x/>',
        b"<x>" * (MAX_DEPTH + 1) + b"</x>" * (MAX_DEPTH + 1),
        b"<x>" + b"<y/>" * MAX_ELEMENTS + b"</x>",
        b"<x>" + b"y" * (1 << 20) + b"</x>",
    ],
    ids=["entities", "external", "undefined", "open", "empty", "crossed", "encoding", "deep", "many", "long"],
)
def test_hostile_xmp_is_refused(xml: bytes) -> None:
    with pytest.raises(ImageError) as caught:
        read_xmp(xml)
    assert caught.value.code == "bad_xmp"


def test_hostile_xmp_is_a_problem_and_no_exception() -> None:
    found = read_metadata(encode(photograph(), xmp=LAUGHS))
    assert len(found.problems) == 1 and "document type" in found.problems[0]


def test_histories_and_texts_are_cut() -> None:
    steps = f'<rdf:li stEvt:action="{"a" * 5000}"/>' * (MAX_EDITS + 10)
    found = read_xmp(
        packet(f"<rdf:Description><xmpMM:History><rdf:Seq>{steps}</rdf:Seq></xmpMM:History></rdf:Description>")
    )
    assert len(found.edits) == MAX_EDITS and found.edits[0].action == "a" * 256


def iptc(*records: tuple[int, bytes]) -> bytes:
    block = b"".join(b"\x1c\x02" + struct.pack(">BH", kind, len(value)) + value for kind, value in records)
    other = b"8BIM" + struct.pack(">H", 0x03ED) + b"\x03abc" + struct.pack(">I", 3) + b"xyz\x00"
    body = PHOTOSHOP + other + b"8BIM" + struct.pack(">H", 0x0404) + b"\x00\x00" + struct.pack(">I", len(block)) + block
    segment = b"\xff\xed" + struct.pack(">H", len(body) + 2) + body
    data = encode(photograph())
    return data[:2] + segment + data[2:]


def test_iptc_fields() -> None:
    found = read_metadata(iptc((80, "Zoë".encode()), (116, b"\xa9 Agency"), (80, b"second"), (200, b"unknown")))
    assert found.iptc == {"by_line": "Zoë", "copyright": "© Agency"}
    assert found.blocks == ("iptc",)


# --- anything ------------------------------------------------------------------------------------------------------


def rich() -> list[bytes]:
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "Steps: 20", zip=True)
    info.add_itxt("XML:com.adobe.xmp", packet(HISTORY).decode())
    tiny = photograph(size=(48, 36))
    return [
        with_thumbnail(tiny, small(tiny)),
        iptc((80, b"somebody")),
        encode(tiny, xmp=packet(HISTORY), exif=camera_exif(BERLIN)),
        encode(tiny, "PNG", pnginfo=info, exif=camera_exif(BERLIN)),
        encode(tiny, "WEBP", xmp=packet(HISTORY), exif=camera_exif(BERLIN)),
        encode(tiny, "TIFF", exif=camera_exif(BERLIN)),
        encode(tiny, "AVIF", xmp=packet(HISTORY), exif=camera_exif(BERLIN)),
    ]


RICH = rich()


@settings(max_examples=400, deadline=None)
@given(
    which=st.integers(0, len(RICH) - 1),
    changes=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=12),
    cut=st.one_of(st.just(None), st.integers(0, 3000)),
)
@example(which=0, changes=[(30, 255), (31, 255), (32, 255), (33, 255)], cut=None)
def test_changed_bytes_never_raise(which: int, changes: list[tuple[int, int]], cut: int | None) -> None:
    data = bytearray(RICH[which])
    for at, value in changes:
        data[at % len(data)] = value
    found = read_metadata(bytes(data[:cut]), position=True)
    json.dumps(found.to_json(), allow_nan=False)


@settings(max_examples=200, deadline=None)
@given(
    start=st.sampled_from(
        [b"", b"\xff\xd8\xff\xe1", b"\x89PNG\r\n\x1a\n", b"RIFF\x00\x00\x00\x00WEBP", b"II*\x00", b"MM\x00*"]
    ),
    rest=st.binary(max_size=300),
)
def test_any_bytes_never_raise(start: bytes, rest: bytes) -> None:
    json.dumps(read_metadata(start + rest, position=True).to_json(), allow_nan=False)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200).map(lambda body: packet("")[:-40] + body))
def test_any_xmp_is_read_or_refused(xml: bytes) -> None:
    try:
        read_xmp(xml)
    except ImageError as error:
        assert error.code == "bad_xmp"
