"""Verdicts and tables as HTML for notebooks: all text escaped, no scripts, nothing loaded from elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import islice
from typing import Any, Final

from PIL import Image

from unmask.detect.boxes import draw_box, shrink
from unmask.detect.words import TITLES, Word
from unmask.errors import ImageError
from unmask.imaging.decode import decode_image, read_bytes
from unmask.pages.page import data_uri

_SIDE: Final = 480
_QUALITY: Final = 80
_GREY: Final = (170, 170, 170)
_COLOURS: Final = {"FAKE": "#b34700", "REAL": "#0a5ca8", "UNCERTAIN": "#6b5900", "NO_FACE": "inherit"}
_MOST_ROWS: Final = 20


def verdict_card(content: Mapping[str, Any], size: tuple[int, int] | None, sha256: str | None) -> str:
    """A verdict with its image.

    The image is read again from its path and shown only if the file still has the same hash; otherwise the boxes are
    drawn on grey.

    Args:
        content: the verdict as :meth:`unmask.Verdict.to_dict` returns it.
        size: width and height of the image; ``None`` shows no image.
        sha256: hash of the image's file; ``None`` for images in memory.
    """
    if content["error"] is not None:
        heading = _heading("not readable", "inherit", content["error"]["message"])
    else:
        word: Word = content["verdict"]
        probability = f"{100 * content['fake_probability']:.1f} % probability of fake"
        heading = _heading(TITLES[word], _COLOURS[word], "" if word == "NO_FACE" else probability)
    novelty = content["out_of_distribution"]
    rows = {
        "image": content["path"],
        "faces": str(len(content["faces"])) if content["error"] is None else None,
        "training images": "unlike this image" if novelty and novelty["flagged"] else None,
        "marks": " ".join(mark["text"] for mark in content["marks"]),
        "notes": " ".join(content["notes"]),
        "detector": content["model"],
    }
    table = "".join(f"<tr><td>{name}</td><td>{_text(value)}</td></tr>" for name, value in rows.items() if value)
    image = "" if size is None else _image(content, size, sha256)
    return f"<div>{heading}{image}<table>{table}</table></div>"


def table_html(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], count: int) -> str:
    """A table, cut after 20 rows.

    Args:
        columns: the names of the columns.
        rows: the rows by column name.
        count: number of rows, for the line below.
    """
    head = "".join(f"<th>{_text(name)}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{_text(row[name])}</td>" for name in columns) + "</tr>"
        for row in islice(rows, _MOST_ROWS)
    )
    below = f"{count} rows" if count <= _MOST_ROWS else f"{count} rows, the first {_MOST_ROWS} shown"
    return f"<div><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{below}</p></div>"


def _heading(word: str, colour: str, text: str) -> str:
    return f'<p><strong style="color: {colour}">{_text(word)}</strong> {_text(text)}</p>'


def _text(value: object) -> str:
    """A value for a page; names that are not Unicode come out escaped."""
    return escape("" if value is None else str(value)).encode(errors="backslashreplace").decode()


def _image(content: Mapping[str, Any], size: tuple[int, int], sha256: str | None) -> str:
    found = _read_again(content["path"], sha256)
    if found is None:
        scale = min(1.0, _SIDE / max(size))
        canvas = Image.new("RGB", (max(1, round(size[0] * scale)), max(1, round(size[1] * scale))), _GREY)
    else:
        canvas, scale = shrink(found, _SIDE)
        scale *= found.width / size[0]  # below 1 where the image was read at reduced size
    for face in reversed(content["faces"]):
        draw_box(canvas, face["box"], scale, f"fake {100 * face['fake_probability']:.0f} %")
    alt = "The image" if found is not None else "The image is no longer there; its place is grey"
    return f'<img alt="{alt}, boxes around faces: {len(content["faces"])}" src="{data_uri(canvas, _QUALITY)}">'


def _read_again(path: str | None, sha256: str | None) -> Image.Image | None:
    """The image at a path; ``None`` if there is none or it is another one by now."""
    if path is None or sha256 is None:
        return None
    try:
        data = read_bytes(path)
        return decode_image(data) if hashlib.sha256(data).hexdigest() == sha256 else None
    except ImageError:
        return None
