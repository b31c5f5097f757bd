"""Provenance notes: what generators leave is found, what cameras and editors leave is not, nothing raises."""

from __future__ import annotations

import io
import struct
import time
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from unmask.imaging import provenance
from unmask.imaging.provenance import Provenance, read_provenance

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
A1111 = "a face\nNegative prompt: text\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512"
C2PA_UUID = bytes.fromhex("6332706100110010800000AA00389B71")
OTHER_UUID = bytes(16)


def image(file_format: str, **save: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (90, 60, 30)).save(out, file_format, **save)
    return out.getvalue()


def exif(tags: dict[int, str | bytes] | None = None, comment: bytes | None = None) -> Image.Exif:
    block = Image.Exif()
    block.update(tags or {})
    if comment is not None:
        block.get_ifd(0x8769)[0x9286] = comment
    return block


def undefined_comment(comment: bytes, claimed: int | None = None) -> bytes:
    size = len(comment) if claimed is None else claimed
    head = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x8769, 4, 1, 26, 0)
    return head + struct.pack("<HHHIII", 1, 0x9286, 7, size, 44, 0) + comment


def xmp(body: str) -> bytes:
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF>{body}</rdf:RDF></x:xmpmeta>'.encode()


def png_text(key: str, value: str, *, compressed: bool = False, international: bool = False) -> bytes:
    info = PngImagePlugin.PngInfo()
    (info.add_itxt if international else info.add_text)(key, value, zip=compressed)
    return image("PNG", pnginfo=info)


def png_chunk(kind: bytes, body: bytes, *, before: bytes = b"IDAT") -> bytes:
    """A sound PNG with one more chunk."""
    data = image("PNG")
    at = data.index(before) - 4
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return data[:at] + chunk + data[at:]


def jpeg_segment(marker: int, body: bytes) -> bytes:
    """A sound JPEG with one more segment, first."""
    data = image("JPEG")
    return data[:2] + bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body + data[2:]


def webp_chunk(kind: bytes, body: bytes) -> bytes:
    """A WebP with one more chunk, after an odd-sized one that needs its pad byte."""
    data = image("WEBP") + b"JUNK\x03\x00\x00\x00abc\x00"
    data += kind + struct.pack("<I", len(body)) + body + b"\x00" * (len(body) % 2)
    return b"RIFF" + struct.pack("<I", len(data) - 8) + data[8:]


def jumbf(label: bytes = b"c2pa", uuid: bytes = C2PA_UUID, kind: bytes = b"jumd", long: bool = False) -> bytes:
    about = uuid + b"\x03" + label + b"\x00"
    inner = struct.pack(">I", 8 + len(about)) + kind + about + b"\x00" * 40
    if long:
        return struct.pack(">I4sQ", 1, b"jumb", 16 + len(inner)) + inner
    return struct.pack(">I4s", 8 + len(inner), b"jumb") + inner


def c2pa_box(store: bytes, purpose: bytes = b"manifest") -> bytes:
    """The box of a manifest in AVIF and HEIC files."""
    about = bytes.fromhex("D8FEC3D61B0E483C92975828877EC481") + bytes(4) + purpose + b"\0" + bytes(8)
    return struct.pack(">I4s", 8 + len(about) + len(store), b"uuid") + about + store


def app11(box: bytes) -> bytes:
    return b"JP" + struct.pack(">HI", 1, 1) + box


XMP_TRAILER = b"\x01" + bytes(range(255, -1, -1)) + b"\0"


def gif(extension: bytes, *, raw: bool = False, behind: bool = False) -> bytes:
    """A GIF with one more application extension: name and data."""
    data, name, body = image("GIF"), extension[:11], extension[11:]
    if not raw:
        parts = [body[at : at + 255] for at in range(0, len(body), 255)]
        body = b"".join(bytes((len(part),)) + part for part in parts) + b"\0"
    at = len(data) - 1 if behind else 13 + (3 << (data[10] & 7) + 1)
    return data[:at] + b"!\xff\x0b" + name + body + data[at:]


SOURCE_ELEMENT = xmp(f"<Iptc4xmpExt:DigitalSourceType>{IPTC}trainedAlgorithmicMedia</Iptc4xmpExt:DigitalSourceType>")
SOURCE_ATTRIBUTE = xmp(
    f'<rdf:Description Iptc4xmpExt:DigitalSourceType = "{IPTC}compositeWithTrainedAlgorithmicMedia"/>'
)
SOURCE_RESOURCE = xmp(f"<Iptc4xmpExt:DigitalSourceType rdf:resource='{IPTC}algorithmicMedia'/>")
CAMERA_XMP = xmp(
    f'<rdf:Description xmp:CreatorTool="Adobe Photoshop 25.0 (Windows)" dc:title="trainedAlgorithmicMedia"/>'
    f"<Iptc4xmpExt:DigitalSourceType>{IPTC}digitalCapture</Iptc4xmpExt:DigitalSourceType>"
)
TRAINED = ("xmp:trainedAlgorithmicMedia",)
NONE: tuple[str, ...] = ()

TAG_CASES: list[tuple[Callable[[], bytes], tuple[str, ...]]] = [
    # AUTOMATIC1111 and Forge: settings in tEXt
    (lambda: png_text("parameters", A1111), ("png:parameters",)),
    # the same with letters outside Latin-1: Pillow turns to iTXt
    (lambda: png_text("parameters", "лицо " + A1111), ("png:parameters",)),
    # the same compressed: zTXt
    (lambda: png_text("parameters", A1111, compressed=True), ("png:parameters",)),
    # ComfyUI: the graph, twice
    (lambda: png_text("prompt", '{"3": {}}'), ("png:prompt",)),
    (lambda: png_text("workflow", '{"nodes": []}', international=True), ("png:workflow",)),
    # InvokeAI, three generations of it
    (lambda: png_text("Dream", "a face -s 50"), ("png:Dream",)),
    (lambda: png_text("sd-metadata", "{}"), ("png:sd-metadata",)),
    (lambda: png_text("invokeai_metadata", "{}"), ("png:invokeai_metadata",)),
    # hosted front ends
    (lambda: png_text("generation_data", "{}"), ("png:generation_data",)),
    # text after the image data is read too
    (lambda: png_chunk(b"tEXt", b"parameters\x00x", before=b"IEND"), ("png:parameters",)),
    # NovelAI signs its PNGs; plain, compressed and international text
    (lambda: png_text("Software", "NovelAI"), ("software:NovelAI",)),
    (lambda: png_text("Software", "NovelAI", compressed=True), ("software:NovelAI",)),
    (lambda: png_text("Software", "NovelAI", compressed=True, international=True), ("software:NovelAI",)),
    # a middle dot in Latin-1 (tEXt) and in UTF-8 (EXIF)
    (lambda: png_text("Software", "DALL·E 3"), ("software:DALL-E",)),
    (lambda: image("JPEG", exif=exif({0x0131: "DALL·E 3".encode()})), ("software:DALL-E",)),
    # EXIF Software in each container
    (lambda: image("JPEG", exif=exif({0x0131: "Adobe Firefly 2.0"})), ("software:Adobe Firefly",)),
    (lambda: image("PNG", exif=exif({0x0131: "FaceApp"})), ("software:FaceApp",)),
    (lambda: image("WEBP", exif=exif({0x0131: "Midjourney v6"})), ("software:Midjourney",)),
    # EXIF of four letters or fewer is stored in the entry itself: no offset to follow, nothing known
    (lambda: image("JPEG", exif=exif({0x0131: "GIM"})), NONE),
    # big-endian EXIF, by hand
    (
        lambda: jpeg_segment(
            0xE1,
            b"Exif\0\0MM\0*" + struct.pack(">IHHHII", 8, 1, 0x0131, 2, 8, 26) + b"\0\0\0\0" + b"ComfyUI\0",
        ),
        ("software:ComfyUI",),
    ),
    # AUTOMATIC1111 in JPEG and WebP: UserComment in UTF-16 of both orders and in ASCII
    (
        lambda: image("JPEG", exif=exif(comment=b"UNICODE\0" + A1111.encode("utf-16-be"))),
        ("exif:UserComment",),
    ),
    (
        lambda: image("WEBP", exif=exif(comment=b"UNICODE\0" + A1111.encode("utf-16-le"))),
        ("exif:UserComment",),
    ),
    (
        lambda: image("PNG", exif=exif({0x010F: "x"}, b"ASCII\0\0\0" + A1111.encode())),
        ("exif:UserComment",),
    ),
    # the type that the standard asks for, UNDEFINED (Pillow writes BYTE), by hand in little-endian
    (lambda: png_chunk(b"eXIf", undefined_comment(b"\0" * 8 + A1111.encode())), ("exif:UserComment",)),
    # a comment that claims to be longer than the file is read as far as it goes
    (
        lambda: png_chunk(b"eXIf", undefined_comment(b"\0" * 8 + A1111.encode(), 2**32 - 1)),
        ("exif:UserComment",),
    ),
    # the EXIF prefix that some writers keep in WebP
    (
        lambda: webp_chunk(b"EXIF", b"Exif\0\0" + undefined_comment(b"\0" * 8 + A1111.encode())),
        ("exif:UserComment",),
    ),
    # IPTC source type as an element, an attribute and a resource, in each container
    (lambda: image("JPEG", xmp=SOURCE_ELEMENT), TRAINED),
    (lambda: image("WEBP", xmp=SOURCE_ATTRIBUTE), ("xmp:compositeWithTrainedAlgorithmicMedia",)),
    (
        lambda: png_text("XML:com.adobe.xmp", SOURCE_RESOURCE.decode(), international=True),
        ("xmp:algorithmicMedia",),
    ),
    # compressed XMP in PNG
    (
        lambda: png_text("XML:com.adobe.xmp", SOURCE_ELEMENT.decode(), international=True, compressed=True),
        TRAINED,
    ),
    # XMP in UTF-16
    (lambda: image("WEBP", xmp=SOURCE_ELEMENT.decode().encode("utf-16-le")), TRAINED),
    # the name alone, without the vocabulary's address
    (lambda: image("JPEG", xmp=xmp('<a b:DigitalSourceType="trainedAlgorithmicMedia"/>')), TRAINED),
    # XMP CreatorTool, attribute and element
    (lambda: image("JPEG", xmp=xmp('<a xmp:CreatorTool="Adobe Firefly"/>')), ("software:Adobe Firefly",)),
    (
        lambda: image("JPEG", xmp=xmp("<xmp:CreatorTool>Reface App</xmp:CreatorTool>")),
        ("software:Reface",),
    ),
    # several notes: sorted, each once
    (
        lambda: image("JPEG", exif=exif({0x0131: "Midjourney"}), xmp=SOURCE_ELEMENT + SOURCE_ELEMENT),
        ("software:Midjourney", "xmp:trainedAlgorithmicMedia"),
    ),
    # the other formats: XMP in a GIF, whose end no walk of sub-blocks may miss, and behind its image
    (lambda: gif(b"XMP DataXMP" + SOURCE_ELEMENT + XMP_TRAILER, raw=True), TRAINED),
    (lambda: gif(b"XMP DataXMP" + SOURCE_ELEMENT + XMP_TRAILER, raw=True, behind=True), TRAINED),
    # TIFF of both orders, and BigTIFF: XMP and software; IPTC's records
    (lambda: image("TIFF", tiffinfo={700: SOURCE_ELEMENT, 0x0131: "FaceApp"}), ("software:FaceApp", *TRAINED)),
    (
        lambda: image("TIFF", big_tiff=True, tiffinfo={700: SOURCE_ELEMENT, 0x0131: "FaceApp"}),
        ("software:FaceApp", *TRAINED),
    ),
    (lambda: b"MM\0*" + struct.pack(">IHHHIII", 8, 1, 700, 1, len(SOURCE_ELEMENT), 26, 0) + SOURCE_ELEMENT, TRAINED),
    (
        lambda: image("TIFF", tiffinfo={33723: f"{IPTC}trainedAlgorithmicMedia".encode()}),
        ("iptc:trainedAlgorithmicMedia",),
    ),
    # AVIF and HEIC, whose boxes are the same: XMP and EXIF
    (lambda: image("AVIF", xmp=SOURCE_ELEMENT, exif=exif({0x0131: "FaceApp"})), ("software:FaceApp", *TRAINED)),
    (lambda: image("AVIF", xmp=SOURCE_ELEMENT).replace(b"avif", b"heic"), TRAINED),
    # newer terms, C2PA's own vocabulary, IPTC's entries for AI systems
    (
        lambda: image("JPEG", xmp=xmp(f'<a b:DigitalSourceType="{IPTC}compositeSynthetic"/>')),
        ("xmp:compositeSynthetic",),
    ),
    (
        lambda: image(
            "JPEG", xmp=xmp('<a b:DigitalSourceType="http://c2pa.org/digitalsourcetype/trainedAlgorithmicData"/>')
        ),
        ("xmp:trainedAlgorithmicData",),
    ),
    (lambda: image("JPEG", xmp=xmp("<e:AISystemUsed>Some model</e:AISystemUsed>")), ("xmp:AISystemUsed",)),
    (lambda: image("JPEG", xmp=xmp('<a e:AIPromptInformation="a face"/>')), ("xmp:AIPromptInformation",)),
    # Google's credit line, in XMP and in IPTC's records
    (lambda: image("JPEG", xmp=xmp('<a photoshop:Credit="Made with Google AI"/>')), ("xmp:Credit",)),
    (lambda: jpeg_segment(0xED, b"Photoshop 3.0\0" + b"\x1c\x02\x6e\0\x13Made with Google AI"), ("iptc:Credit",)),
    # China's label: in XMP, escaped in an attribute, in a PNG text, in EXIF
    (lambda: image("JPEG", xmp=xmp('<T:AIGC>{"Label":"1","ContentProducer":"x"}</T:AIGC>')), ("xmp:AIGC",)),
    (lambda: image("JPEG", xmp=xmp('<a T:AIGC="{&quot;Label&quot;: &quot;1&quot;}"/>')), ("xmp:AIGC",)),
    (lambda: png_text("AIGC", '{"Label": "1"}'), ("png:AIGC",)),
    (lambda: image("JPEG", exif=exif(comment=b'ASCII\0\0\0{"AIGC":{"Label":"1"}}')), ("exif:AIGC",)),
    # --- from here on: nothing to report ---
    # plain images
    (lambda: image("JPEG"), NONE),
    (lambda: image("PNG"), NONE),
    (lambda: image("WEBP"), NONE),
    # a camera's EXIF: make, model, firmware
    (lambda: image("JPEG", exif=exif({0x010F: "Canon", 0x0110: "EOS R5", 0x0131: "Firmware 1.8.1"})), NONE),
    # a camera's padded UserComment, and a person's that has one of the two words
    (lambda: image("JPEG", exif=exif(comment=b"ASCII\0\0\0" + b" " * 200)), NONE),
    (lambda: image("JPEG", exif=exif(comment=b"ASCII\0\0\0Steps: of the museum")), NONE),
    # editors
    (lambda: image("JPEG", exif=exif({0x0131: "Adobe Photoshop 25.0 (Macintosh)"})), NONE),
    (lambda: png_text("Software", "GIMP 2.10"), NONE),
    # an editor's XMP, digital capture, and the vocabulary's word in another property
    (lambda: image("JPEG", xmp=CAMERA_XMP), NONE),
    # a source type that only begins like one of ours
    (lambda: image("JPEG", xmp=xmp(f'<a b:DigitalSourceType="{IPTC}algorithmicMediaNot"/>')), NONE),
    # ordinary text keys; a generator's name in a comment is a person's word
    (lambda: png_text("Comment", "made with Stable Diffusion"), NONE),
    (lambda: png_text("Parameters", "wrong case"), NONE),
    # a generator's name in ImageDescription is not read
    (lambda: image("JPEG", exif=exif({0x010E: "not by Midjourney"})), NONE),
    # bytes after the JPEG scan has begun are image data, whatever they say
    (
        lambda: image("JPEG") + jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + SOURCE_ELEMENT)[2:],
        NONE,
    ),
    # chunks after IEND are not the image's
    (lambda: image("PNG") + b"\0\0\0\x0ctEXtparameters\0x\0\0\0\0", NONE),
    # a text chunk without its separator; a broken compressed one
    (lambda: png_chunk(b"tEXt", b"parameters"), NONE),
    (lambda: png_chunk(b"zTXt", b"Software\0\0not zlib"), NONE),
    # formats without a mark, and no bytes at all
    (lambda: image("GIF"), NONE),
    (lambda: image("TIFF"), NONE),
    (lambda: image("AVIF"), NONE),
    (lambda: image("BMP"), NONE),
    (lambda: b"", NONE),
    # a label of China's law that says: perhaps generated
    (lambda: image("JPEG", xmp=xmp('<a>AIGC{"Label":"2"}</a>')), NONE),
    # an empty entry for an AI system; a credit to a person
    (lambda: image("JPEG", xmp=xmp('<a b:AISystemUsed="" photoshop:Credit="Google"/>')), NONE),
    # the address of a source type that is a camera's, in IPTC's records
    (lambda: jpeg_segment(0xED, b"Photoshop 3.0\0" + IPTC.encode() + b"digitalCapture"), NONE),
]


@pytest.mark.parametrize(("make", "expected"), TAG_CASES)
def test_generator_tags(make: Callable[[], bytes], expected: tuple[str, ...]) -> None:
    assert read_provenance(make()) == Provenance("none", expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Stable Diffusion XL", ("software:Stable Diffusion",)),  # followed by a version
        (
            "stable-diffusion-webui AUTOMATIC1111",
            ("software:AUTOMATIC1111", "software:Stable Diffusion"),
        ),  # two
        ("dall-e", ("software:DALL-E",)),  # any case
        ("DALLE 3", ("software:DALL-E",)),  # no mark, but a version
        ("plan de dalle", ()),  # French: a slab
        ("FLUX.1 [dev]", ("software:Flux",)),  # name with version
        ("flux1-schnell", ("software:Flux",)),  # version stuck to it
        ("f.lux", ()),  # a screen dimmer
        ("Influx 2", ()),  # inside a word
        ("Fluxus", ()),  # the start of a word
        ("Imagen", ("software:Imagen",)),  # the whole value
        ("Google Imagen", ("software:Imagen",)),  # with its maker
        ("Imagen 3", ("software:Imagen",)),  # with its version
        ("Editor de imagen", ()),  # Spanish: image editor
        ("Leonardo.Ai", ("software:Leonardo.Ai",)),
        ("Leonardo's Editor", ()),  # a person
        ("Hawkeye Firefly 8SE", ()),  # a camera
        ("Typeface Appraiser", ()),  # 'face app' across words
        ("Adobe Lightroom Classic 13.0", ()),
        ("Picasa", ()),
        ("x" * 300 + " Midjourney", ()),  # past the longest name that is read
    ],
)
def test_software_names(name: str, expected: tuple[str, ...]) -> None:
    assert read_provenance(png_text("Software", name)).generator_tags == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (jpeg_segment(0xEB, app11(jumbf())), "present"),  # JPEG
        (jpeg_segment(0xEB, app11(jumbf(long=True))), "present"),  # with a 64-bit box length
        (png_chunk(b"caBX", jumbf()), "present"),  # PNG
        (webp_chunk(b"C2PA", jumbf()), "present"),  # WebP, past an odd-sized chunk
        (gif(b"C2PA_GIF\x01\0\0" + jumbf()), "present"),  # GIF
        (image("TIFF", tiffinfo={52545: jumbf()}), "present"),  # TIFF
        (image("AVIF") + c2pa_box(jumbf()), "present"),  # AVIF
        (image("AVIF").replace(b"avif", b"heic") + c2pa_box(jumbf()), "present"),  # HEIC
        (image("AVIF") + c2pa_box(jumbf(), b"merkle"), "none"),  # AVIF: hashes of the image's parts
        (jpeg_segment(0xEB, app11(jumbf(uuid=OTHER_UUID))), "present"),  # known by its label
        (jpeg_segment(0xEB, app11(jumbf(label=b""))), "present"),  # known by its type
        (jpeg_segment(0xEB, app11(jumbf(b"jp360", OTHER_UUID))), "none"),  # JPEG 360: other JUMBF
        (jpeg_segment(0xEB, app11(jumbf(b"c2pa.not", OTHER_UUID))), "none"),  # a label that only begins so
        (jpeg_segment(0xEB, app11(jumbf(kind=b"free"))), "none"),  # no description box
        (jpeg_segment(0xEB, b"c2pa c2pa"), "none"),  # APP11 that is no JUMBF
        (jpeg_segment(0xEC, app11(jumbf())), "none"),  # the wrong segment
        (jpeg_segment(0xFE, app11(jumbf())), "none"),  # a JPEG comment
        (image("JPEG") + jumbf(), "none"),  # after the image
        (png_chunk(b"caBX", b""), "none"),  # an empty chunk
        (png_chunk(b"C2PA", jumbf()), "none"),  # WebP's name in a PNG
        (webp_chunk(b"caBX", jumbf()), "none"),  # PNG's name in a WebP
        (image("WEBP"), "none"),
    ],
)
def test_c2pa(data: bytes, expected: str) -> None:
    found = read_provenance(data)
    assert (found.c2pa, found.generator_tags, found.marks) == (expected, (), ())
    # the signature is checked by another module, which not every reader calls
    assert found.credentials_state == ("none" if expected == "none" else "could not be checked")


def png_of(chunks: list[tuple[bytes, bytes]]) -> bytes:
    body = b"".join(struct.pack(">I", len(b)) + k + b + b"\0\0\0\0" for k, b in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def test_a_text_bomb_is_inflated_only_to_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    plain = provenance._Notes.inflate

    def counted(notes: provenance._Notes, packed: bytes) -> bytes:
        text = plain(notes, packed)
        sizes.append(len(text))
        return text

    monkeypatch.setattr(provenance._Notes, "inflate", counted)
    bomb = zlib.compress(b"\x20" * (64 << 20), 9)
    chunks = [(b"zTXt", b"XML:com.adobe.xmp\0\0" + bomb)] * 30
    assert read_provenance(png_of(chunks)).generator_tags == ()
    assert max(sizes) == provenance.MAX_TEXT
    assert sum(sizes) <= provenance.TEXT_BUDGET


def avif_items(count: int, extents: int, size: int = 1) -> bytes:
    """An AVIF of XMP items, each in the same extents of the file."""

    def box(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(body), kind) + body

    entry = b"\x02\0\0\0{item}\0\0mime\0application/rdf+xml\0"
    infos = b"".join(box(b"infe", entry.replace(b"{item}", struct.pack(">H", n))) for n in range(count))
    places = b"".join(
        struct.pack(">HHH", n, 0, extents) + struct.pack(">II", 0, size) * min(extents, 8) for n in range(count)
    )
    meta = box(b"iinf", b"\0\0\0\0" + struct.pack(">H", count) + infos) + box(
        b"iloc", b"\0\0\0\0\x44\0" + struct.pack(">H", count) + places
    )
    return box(b"ftyp", b"avif\0\0\0\0") + box(b"meta", b"\0\0\0\0" + meta) + bytes(4_000_000)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8" + b"\xff" * 8_000_000,  # nothing but fill bytes
        b"\xff\xd8" + b"\xff\xe1\x00\x02" * 2_000_000,  # empty segments
        b"\xff\xd8" + b"\xff\xd0" * 4_000_000,  # markers without a length
        png_of([(b"tEXt", b"Software\0" + b"flux" * 64)] * 30_000),  # many names
        png_of([(b"zTXt", b"Software\0\0" + zlib.compress(b"a"))] * 200_000),  # many streams
        png_of([(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b'CreatorTool="' * 500_000)]),  # many openings
        png_of([(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0DigitalSourceType" + b" " * 5_000_000)]),  # one long gap
        png_of([(b"eXIf", b"II*\0\x08\0\0\0\xff\xff" + b"\x31\x01\x02\0\xff\xff\xff\xff\0\0\0\0" * 80_000)] * 8),
        b"RIFF\0\0\0\0WEBP" + b"EXIF\0\0\0\0" * 1_000_000,  # empty chunks
        b"GIF89a\x08\0\x08\0\0\0\0!\xff" + b"\x01x" * 4_000_000,  # tiny sub-blocks
        b"GIF89a\x08\0\x08\0\0\0\0" + b"!\xff\0" * 2_000_000,  # extensions without content
        b"\0\0\0\x10ftypavif\0\0\0\0" + b"\0\0\0\x08free" * 1_000_000,  # empty boxes
        avif_items(1_000, 65_535),  # items in many extents that do not exist
        avif_items(1_000, 1, 0xFFFFFFFF),  # many items that are the whole file
        b"II*\0\x08\0\0\0\xff\xff" + b"\xbc\x02\x07\0\xff\xff\xff\x7f\x08\0\0\0" * 65_535 + bytes(8_000_000),  # TIFF
    ],
    ids=range(15),
)
def test_crafted_files_take_bounded_work(data: bytes) -> None:
    started = time.process_time()
    read_provenance(data)
    assert time.process_time() - started < 2.0  # each takes well under 0.3 s; the slack is for a busy machine


def test_an_ifd_that_points_at_itself_ends() -> None:
    block = b"II*\0" + struct.pack("<IHHHII", 8, 1, 0x8769, 4, 1, 8)
    assert read_provenance(jpeg_segment(0xE1, b"Exif\0\0" + block)) == Provenance("none", ())


SEEDS = [
    image("JPEG", exif=exif({0x0131: "FaceApp"}, b"ASCII\0\0\0" + A1111.encode()), xmp=SOURCE_ELEMENT),
    jpeg_segment(0xEB, app11(jumbf())),
    png_text("Software", "NovelAI", compressed=True),
    png_chunk(b"caBX", jumbf()),
    png_text("XML:com.adobe.xmp", SOURCE_RESOURCE.decode(), international=True, compressed=True),
    image("WEBP", exif=exif({0x0131: "FaceApp"}), xmp=SOURCE_ATTRIBUTE),
    webp_chunk(b"C2PA", jumbf()),
    gif(b"XMP DataXMP" + SOURCE_ELEMENT + XMP_TRAILER, raw=True),
    gif(b"C2PA_GIF\x01\0\0" + jumbf()),
    image("TIFF", tiffinfo={700: SOURCE_ELEMENT, 0x0131: "FaceApp", 52545: jumbf()}),
    image("TIFF", big_tiff=True, tiffinfo={700: SOURCE_ELEMENT, 0x0131: "FaceApp"}),
    image("AVIF", xmp=SOURCE_ELEMENT, exif=exif({0x0131: "FaceApp"})),
]
HEADS = [
    b"",
    b"\xff\xd8",
    b"\xff\xd8\xff\xe1",
    b"\x89PNG\r\n\x1a\n",
    b"RIFF\0\0\0\0WEBP",
    b"\xff\xd8\xff\xeb",
    b"GIF89a",
    b"II*\0\x08\0\0\0",
    b"MM\0+\0\x08\0\0\0\0\0\0\0\0\0\x10",
    b"\0\0\0\x10ftypavif\0\0\0\0",
]


def check(data: bytes) -> None:
    found = read_provenance(data)
    assert found.c2pa in ("none", "present")
    assert list(found.generator_tags) == sorted(set(found.generator_tags))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(HEADS), st.binary(max_size=400))
def test_arbitrary_bytes_never_raise(head: bytes, tail: bytes) -> None:
    check(head + tail)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([b"II*\0", b"MM\0*"]), st.binary(max_size=200))
def test_arbitrary_exif_never_raises(head: bytes, tail: bytes) -> None:
    check(png_chunk(b"eXIf", head + tail))


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 4000), st.binary(min_size=1, max_size=8)), max_size=6),
    st.integers(0, 4000),
)
def test_mutated_images_never_raise(seed: bytes, edits: list[tuple[int, bytes]], keep: int) -> None:
    data = bytearray(seed)
    for at, patch in edits:
        at %= len(data)
        data[at : at + len(patch)] = patch
    check(bytes(data[: max(keep, 1)]) if keep % 3 == 0 else bytes(data))
