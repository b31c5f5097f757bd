"""Metadata of an image file: EXIF, XMP, IPTC, PNG text, the embedded thumbnail.

Anyone can write or remove any of it: what is there is a claim, and **what is missing proves nothing**. Every block may
be hostile: sizes, counts and texts are limited, and a block that cannot be read becomes an entry in
:attr:`Metadata.problems`, never an exception.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

from unmask.errors import ImageError
from unmask.explain.iptc import read_iptc, read_records
from unmask.explain.xmp import Edit, Xmp, read_xmp
from unmask.imaging.blocks import MAX_BLOCK, metadata_blocks
from unmask.imaging.containers import inflate, png_text
from unmask.imaging.decode import decode_image
from unmask.imaging.formats import sniff_format
from unmask.imaging.limits import DecodeLimits
from unmask.imaging.provenance import PNG_KEYS, read_provenance

SAME_THUMBNAIL = 0.85
"""Brightness correlation below which a thumbnail counts as showing another image."""

_MAX_TIFF = 64 << 20  # bytes of a TIFF file whose directories are read
_MAX_TEXT = 256  # characters of any one text
_MAX_TEXTS = 32  # texts of a PNG
_MAX_PACKED = 1 << 16  # bytes that one packed text may grow to
_SIDE = 32  # side in pixels at which thumbnails are compared
_THUMBNAIL_LIMITS = DecodeLimits(max_pixels=1 << 20, max_side=4096, min_side=8, max_bytes=MAX_BLOCK)
_XMP_KEY = b"XML:com.adobe.xmp"


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """The small image that cameras put into EXIF, and that some editors forget to replace.

    Attributes:
        width: in pixels.
        height: in pixels.
        correlation: of its brightness with the image's, -1 to 1, for the best rotation and crop; ``None`` if either
            has constant brightness or the image cannot be decoded.
        differs: whether the correlation is below :data:`SAME_THUMBNAIL`.
    """

    width: int
    height: int
    correlation: float | None
    differs: bool


@dataclass(frozen=True, slots=True)
class Metadata:
    """Metadata of a file; texts as written, without control characters, shortened to 256 characters.

    Attributes:
        format: e.g. ``"JPEG"``; ``None`` if unknown.
        camera: maker and model.
        lens: model of the lens.
        software: the software that wrote the file, from EXIF, PNG or XMP, in that order.
        taken: time at which the image was taken, from EXIF.
        modified: time at which the file was changed, from EXIF.
        edits: edit history from XMP.
        derived: whether XMP names a document that this image was made from.
        digital_source_type: IPTC code in XMP, e.g. ``"trainedAlgorithmicMedia"``.
        has_position: whether the file has a GPS position, which is a matter of privacy.
        position: latitude and longitude in degrees, only if requested.
        thumbnail: the embedded thumbnail.
        iptc: IPTC fields, such as ``by_line`` and ``credit``.
        texts: PNG texts by keyword.
        generator_tags: marks of image generators, see :class:`~unmask.imaging.provenance.Provenance`.
        blocks: the blocks in the file, out of ``exif``, ``xmp``, ``iptc``.
        problems: blocks that could not be read, and why.
    """

    format: str | None = None
    camera: str | None = None
    lens: str | None = None
    software: str | None = None
    taken: str | None = None
    modified: str | None = None
    edits: tuple[Edit, ...] = ()
    derived: bool = False
    digital_source_type: str | None = None
    has_position: bool = False
    position: tuple[float, float] | None = None
    thumbnail: Thumbnail | None = None
    iptc: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    generator_tags: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The metadata as plain values."""
        return asdict(self)


@dataclass(slots=True)
class _Blocks:
    """The raw blocks of a file, the first of each kind."""

    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    records: bytes | None = None
    texts: dict[str, str] = field(default_factory=dict)


def read_metadata(data: bytes, *, position: bool = False, image: Image.Image | None = None) -> Metadata:
    """Read the metadata of an encoded image.

    Args:
        data: the file's bytes, with any content.
        position: whether to read the GPS position; otherwise only its presence is reported.
        image: the decoded image, to compare the thumbnail without decoding it again.

    Returns:
        What could be read. Never raises.
    """
    blocks, problems = _find_blocks(data), []
    exif: dict[str, Any] = {}
    xmp: Xmp | None = None
    if blocks.exif is not None:
        try:
            exif = _read_exif(blocks.exif, position)
        except Exception as error:  # Pillow's reader fails in many ways
            problems.append(f"The EXIF block cannot be read ({type(error).__name__}).")
    thumbnail = _thumbnail(exif.pop("thumbnail", b""), data, image)
    if blocks.xmp is not None:
        try:
            xmp = read_xmp(blocks.xmp)
        except ImageError as error:
            problems.append(error.message)
    return Metadata(
        format=sniff_format(data),
        camera=exif.get("camera"),
        lens=exif.get("lens"),
        software=exif.get("software") or blocks.texts.get("Software") or (xmp.creator_tool if xmp else None),
        taken=exif.get("taken"),
        modified=exif.get("modified"),
        edits=xmp.edits if xmp else (),
        derived=bool(xmp and xmp.derived),
        digital_source_type=xmp.digital_source_type if xmp else None,
        has_position=exif.get("has_position", False),
        position=exif.get("position"),
        thumbnail=thumbnail,
        iptc=read_iptc(blocks.iptc) if blocks.iptc is not None else read_records(blocks.records or b""),
        texts=blocks.texts,
        generator_tags=read_provenance(data).generator_tags,
        blocks=tuple(name for name in ("exif", "xmp", "iptc") if getattr(blocks, name) is not None),
        problems=tuple(problems),
    )


def _find_blocks(data: bytes) -> _Blocks:
    found = _Blocks()
    for kind, body in metadata_blocks(data):
        if kind == "exif":
            found.exif = found.exif or body
        elif kind == "tiff" and len(body) <= _MAX_TIFF:
            found.exif = body
        elif kind == "xmp":
            found.xmp = found.xmp or body
        elif kind == "photoshop":
            found.iptc = found.iptc or body
        elif kind == "iim":
            found.records = body
        elif kind in ("tEXt", "zTXt", "iTXt"):
            _add_text(found, kind.encode(), body)
    return found


def _add_text(found: _Blocks, kind: bytes, body: bytes) -> None:
    key, value, packed = png_text(kind, body)
    if key == _XMP_KEY:
        if found.xmp is None:
            found.xmp = inflate(value, MAX_BLOCK) if packed else value
    elif len(found.texts) < _MAX_TEXTS or key in PNG_KEYS:
        value = inflate(value, _MAX_PACKED) if packed else value[:_MAX_PACKED]
        name = _clean(key[:80].decode("latin-1"))
        if name and name not in found.texts:
            found.texts[name] = _clean(value.decode("utf-8" if kind == b"iTXt" else "latin-1", "replace")) or ""


def _read_exif(block: bytes, position: bool) -> dict[str, Any]:
    tags = Image.Exif()
    tags.load(b"Exif\x00\x00" + block)
    details, gps = tags.get_ifd(ExifTags.IFD.Exif), tags.get_ifd(ExifTags.IFD.GPSInfo)
    small = tags.get_ifd(ExifTags.IFD.IFD1)
    maker, model = _clean(tags.get(ExifTags.Base.Make)), _clean(tags.get(ExifTags.Base.Model))
    if maker and model and model.lower().startswith(maker.lower()):
        maker = None  # many makers repeat their name in the model
    has_position = ExifTags.GPS.GPSLatitude in gps and ExifTags.GPS.GPSLongitude in gps
    at, size = (small.get(tag) for tag in (ExifTags.Base.JpegIFOffset, ExifTags.Base.JpegIFByteCount))
    return {
        "camera": " ".join(part for part in (maker, model) if part) or None,
        "lens": _clean(details.get(ExifTags.Base.LensModel)),
        "software": _clean(tags.get(ExifTags.Base.Software)),
        "taken": _clean(details.get(ExifTags.Base.DateTimeOriginal)),
        "modified": _clean(tags.get(ExifTags.Base.DateTime)),
        "has_position": has_position,
        "position": _position(gps) if has_position and position else None,
        "thumbnail": block[at : at + size]
        if isinstance(at, int) and isinstance(size, int) and min(at, size) > 0
        else b"",
    }


def _position(gps: Mapping[int, Any]) -> tuple[float, float] | None:
    """Latitude (north above 0) and longitude (east above 0) in degrees; ``None`` if not a place on Earth."""
    degrees = []
    for value, sign, negative, most in (
        (ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLatitudeRef, "S", 90),
        (ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSLongitudeRef, "W", 180),
    ):
        try:
            angle = sum(float(part) / 60**at for at, part in enumerate(gps[value]))
        except (TypeError, ValueError, ArithmeticError):
            return None
        if not math.isfinite(angle) or not 0 <= angle <= most:
            return None
        degrees.append(round(-angle if gps.get(sign) == negative else angle, 6))
    return degrees[0], degrees[1]


def _clean(value: object) -> str | None:
    """Text up to its first NUL, without control characters and shortened; ``None`` if it is not text."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return None
    kept = "".join(letter if letter.isprintable() else " " for letter in value.partition("\x00")[0][: 4 * _MAX_TEXT])
    return " ".join(kept.split())[:_MAX_TEXT] or None


def _thumbnail(small: bytes, data: bytes, image: Image.Image | None) -> Thumbnail | None:
    if not small:
        return None
    try:
        thumbnail = decode_image(small, _THUMBNAIL_LIMITS)
    except ImageError:
        return None
    try:
        correlation = _likeness(thumbnail, image or decode_image(data))
    except ImageError:
        correlation = None
    return Thumbnail(*thumbnail.size, correlation, correlation is not None and correlation < SAME_THUMBNAIL)


def _likeness(thumbnail: Image.Image, image: Image.Image) -> float | None:
    """The best correlation over all rotations, for the whole thumbnail and for its middle in the image's shape.

    Thumbnails are not rotated with the image, and cameras add bars if the shapes differ.
    """
    wanted = _grey(image, (0, 0, *image.size))
    found: list[float] = []
    for width, height in (image.size, image.size[::-1]):
        scale = min(thumbnail.width / width, thumbnail.height / height)
        inner_x, inner_y = (thumbnail.width - width * scale) / 2, (thumbnail.height - height * scale) / 2
        middle = (inner_x, inner_y, thumbnail.width - inner_x, thumbnail.height - inner_y)
        for part in (_grey(thumbnail, (0, 0, *thumbnail.size)), _grey(thumbnail, middle)):
            for mirrored in (part, part[:, ::-1]):
                for quarter in range(4):
                    turned = np.rot90(mirrored, quarter)
                    scale_both = float(np.sqrt(np.square(turned).sum() * np.square(wanted).sum()))
                    if scale_both > 0:
                        found.append(float((turned * wanted).sum()) / scale_both)
    return round(max(found), 4) if found else None


def _grey(image: Image.Image, box: tuple[float, float, float, float]) -> npt.NDArray[np.float64]:
    small = image.resize((_SIDE, _SIDE), Image.Resampling.BOX, box=box, reducing_gap=2.0).convert("L")
    values = np.asarray(small, np.float64)
    centred: npt.NDArray[np.float64] = values - values.mean()
    return centred
