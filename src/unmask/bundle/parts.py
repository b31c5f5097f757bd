"""A bundle without the bytes that others already distribute: how it is put together again, to the bit.

Most of a large detector are weights that a Python package or another bundle contains. Its *part* is a small zip with
all the other bytes and a list of pieces for each file: bytes of its own, a stretch of a source, or matrices of a source
side by side. Nothing in it is run; every source and every result is checked against its SHA-256.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from unmask.bundle.bundle import CONTENT, SUMS
from unmask.bundle.protobuf import BYTES, VARINT, Reader, read_varints
from unmask.bundle.schema import first_error
from unmask.errors import BundleError

MAX_PART_BYTES: Final = 64 << 20
MAX_FILE_BYTES: Final = 512 << 20

_LIST, _OWN = "part.json", "own.bin"
_MAX_PIECES = 10_000
# Shorter stretches of a source are kept as own bytes.
_LEAST = 256
_GRAPH, _INITIALIZER, _DIMS, _DATA_TYPE, _RAW_DATA = 7, 5, 1, 2, 9
_INT8 = 3
_MAX_DIMS_BYTES = 160
_Sha = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Count = Annotated[int, Field(ge=0, le=MAX_FILE_BYTES)]


class _Content(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Own(_Content):
    kind: Literal["own"] = "own"
    length: _Count


class _Stretch(_Content):
    kind: Literal["stretch"] = "stretch"
    source: str
    start: _Count
    length: _Count


class _SideBySide(_Content):
    """Matrices of bytes [rows, width] of a source, joined to one [rows, sum of widths]."""

    kind: Literal["side_by_side"] = "side_by_side"
    source: str
    rows: Annotated[int, Field(ge=1, le=1 << 20)]
    matrices: Annotated[tuple[tuple[_Count, Annotated[int, Field(ge=1, le=1 << 20)]], ...], Field(max_length=64)]


_Piece = Annotated[_Own | _Stretch | _SideBySide, Field(discriminator="kind")]


class _File(_Content):
    sha256: _Sha
    pieces: Annotated[tuple[_Piece, ...], Field(max_length=_MAX_PIECES)]


class _Part(_Content):
    version: Literal[1] = 1
    sources: dict[str, _Sha]
    files: dict[Literal["model.onnx", "bundle.json", "golden.json", "SHA256SUMS"], _File]


def put_together(part: bytes, sources: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of a bundle, by name.

    Args:
        part: of :func:`take_apart`.
        sources: the bytes of each source by name.

    Raises:
        BundleError: ``broken_part``: the part is malformed; ``wrong_hash``: a source or a result is another one.
    """
    listed, own = _read(part)
    for name, sha256 in listed.sources.items():
        if name not in sources or hashlib.sha256(sources[name]).hexdigest() != sha256:
            raise BundleError("wrong_hash", f"{name} is not the known file: its hash differs.")
    files: dict[str, bytes] = {}
    at = 0
    for name, file in listed.files.items():
        found = bytearray()
        for piece in file.pieces:
            if isinstance(piece, _Own):
                found += own[at : at + piece.length]
                at += piece.length
            elif piece.source not in listed.sources:
                raise BundleError("broken_part", "The part names a source that it does not list.")
            elif isinstance(piece, _Stretch):
                found += sources[piece.source][piece.start : piece.start + piece.length]
            else:
                found += _joined(piece, sources[piece.source])
            if len(found) > MAX_FILE_BYTES:
                raise BundleError("broken_part", f"{name} would have more than {MAX_FILE_BYTES:,} bytes.")
        if hashlib.sha256(found).hexdigest() != file.sha256:
            raise BundleError("wrong_hash", f"{name}, as put together, does not match its hash.")
        files[name] = bytes(found)
    return files


def take_apart(files: Mapping[str, bytes], sources: Mapping[str, bytes]) -> bytes:
    """The part of a bundle, the same for the same bytes. It needs those sources only that hold some of them.

    Args:
        files: the bundle's files by name.
        sources: what others distribute: ONNX files by name.
    """
    own, listed = bytearray(), {}
    for name in (*CONTENT, SUMS):
        content, pieces, at = files[name], list[_Own | _Stretch | _SideBySide](), 0
        tensors = sorted(_tensors(content), key=lambda tensor: tensor[1]) if name.endswith(".onnx") else []
        for sides, start, end in tensors:
            piece = _found(content[start:end], sides, sources) if end - start >= _LEAST else None
            if piece is None:
                continue
            if start > at:
                own += content[at:start]
                pieces.append(_Own(length=start - at))
            pieces.append(piece)
            at = end
        if at < len(content):
            own += content[at:]
            pieces.append(_Own(length=len(content) - at))
        listed[name] = _File(sha256=hashlib.sha256(content).hexdigest(), pieces=tuple(pieces))
    used = {piece.source for file in listed.values() for piece in file.pieces if not isinstance(piece, _Own)}
    digests = {name: hashlib.sha256(sources[name]).hexdigest() for name in sorted(used)}
    part = _Part.model_validate({"sources": digests, "files": listed})
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for inside, data in ((_LIST, part.model_dump_json().encode()), (_OWN, bytes(own))):
            archive.writestr(zipfile.ZipInfo(inside, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED, 9)
    return stream.getvalue()


def sources_of(part: bytes) -> tuple[str, ...]:
    """The names of the sources that a part needs, sorted.

    Raises:
        BundleError: ``broken_part``.
    """
    return tuple(sorted(_read(part)[0].sources))


def _read(part: bytes) -> tuple[_Part, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(part)) as archive:
            content = {}
            for name in (_LIST, _OWN):
                with archive.open(name) as file:
                    content[name] = file.read(MAX_PART_BYTES + 1)
                if len(content[name]) > MAX_PART_BYTES:
                    raise ValueError(f"{name} has more than {MAX_PART_BYTES:,} bytes")
        return TypeAdapter(_Part).validate_python(json.loads(content[_LIST])), content[_OWN]
    except Exception as error:  # zipfile raises a dozen kinds for a damaged archive
        known = error if isinstance(error, ValidationError | ValueError) else ValueError("not a readable zip")
        raise BundleError("broken_part", f"The part of the bundle cannot be read: {first_error(known)}") from None


def _joined(piece: _SideBySide, source: bytes) -> bytes:
    parts = []
    for start, width in piece.matrices:
        stretch = source[start : start + piece.rows * width]
        if len(stretch) != piece.rows * width or piece.rows * width > MAX_FILE_BYTES:
            raise BundleError("broken_part", "The part names bytes that its source does not have.")
        parts.append(np.frombuffer(stretch, np.uint8).reshape(piece.rows, width))
    return np.concatenate(parts, axis=1).tobytes()


def _found(content: bytes, sides: tuple[int, ...], sources: Mapping[str, bytes]) -> _Stretch | _SideBySide | None:
    for name, source in sources.items():
        start = source.find(content)
        if start >= 0:
            return _Stretch(source=name, start=start, length=len(content))
    if len(sides) != 2 or sides[0] * sides[1] != len(content):
        return None
    wanted = np.frombuffer(content, np.uint8).reshape(sides)
    for name, source in sources.items():
        matrices, at = [], 0
        stored = [tensor for tensor in _tensors(source) if len(tensor[0]) == 2 and tensor[0][0] == sides[0]]
        while at < sides[1]:
            match = next(
                (
                    (start, width)
                    for (_, width), start, end in stored
                    if end - start == sides[0] * width
                    and source[start:end] == np.ascontiguousarray(wanted[:, at : at + width]).tobytes()
                ),
                None,
            )
            if match is None:
                break
            matrices.append(match)
            at += match[1]
        if at == sides[1]:
            return _SideBySide(source=name, rows=sides[0], matrices=tuple(matrices))
    return None


def _tensors(model: bytes) -> Iterator[tuple[tuple[int, ...], int, int]]:
    """Sides, start and end of the raw bytes of each stored tensor; sides only of matrices in 8 bits."""
    reader = Reader(model)
    for graph in _messages(reader, 0, len(model), _GRAPH):
        for tensor in _messages(reader, *graph, _INITIALIZER):
            sides: list[int] = []
            kind, data = 0, (0, 0)
            for field in reader.fields(*tensor):
                number, wire, value, start, end = field
                if number == _DIMS:
                    sides += read_varints(model, field, _MAX_DIMS_BYTES) or ()
                elif number == _DATA_TYPE and wire == VARINT:
                    kind = value
                elif number == _RAW_DATA and wire == BYTES:
                    data = start, end
            yield tuple(sides) if kind == _INT8 else (), *data


def _messages(reader: Reader, start: int, end: int, wanted: int) -> Iterator[tuple[int, int]]:
    fields = reader.fields(start, end)
    return ((begin, stop) for number, wire, _, begin, stop in fields if number == wanted and wire == BYTES)
