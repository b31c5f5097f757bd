"""A page of many images: thumbnails, totals, filters, search and sort, in one file that needs nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from unmask.pages.page import render
from unmask.text import printable

PAGE_SIZE: Final = 100
"""Images shown at a time: the browser decodes no thumbnail of the others."""
UNREADABLE: Final = "UNREADABLE"
"""Stands for the verdict of an image that could not be read."""
_ROWS: Final = "<!-- rows -->"  # in the rendered page where the rows belong; text that is put in holds no "<"


@dataclass(frozen=True, slots=True)
class GalleryEntry:
    """One image of a gallery. All text may come from files: it is escaped.

    Attributes:
        name: its file name.
        folder: the folder, '' for none.
        verdict: its verdict, one of the ``words`` of :func:`render_gallery`; ``None`` if it could not be read.
        fake_probability: in [0, 1]; ``None`` shows none, as for an image without a face.
        text: one or two sentences; of an unreadable image, the error.
        marks: sentences about marks in the file.
        thumbnail: a data URI; '' without an image.
        link: path of the image's report, relative to the gallery; ``None`` without one.
    """

    name: str
    folder: str
    verdict: str | None
    fake_probability: float | None
    text: str = ""
    marks: tuple[str, ...] = ()
    thumbnail: str = ""
    link: str | None = None


def render_gallery(
    entries: Iterable[GalleryEntry],
    *,
    title: str,
    about: Sequence[str],
    words: Mapping[Any, str],
    noun: str = "images",
) -> str:
    """The page that shows many images.

    Args:
        entries: the images, in the order in which the page first shows them.
        title: the heading.
        about: lines below it: detector, threshold, version, time.
        words: every verdict with its word for people, in the order of the totals.
        noun: what the entries are, in the plural.

    Returns:
        HTML. The same input gives the same bytes.
    """
    return b"".join(gallery_parts(entries, title=title, about=about, words=words, noun=noun)).decode()


def gallery_parts(
    entries: Iterable[GalleryEntry],
    *,
    title: str,
    about: Sequence[str],
    words: Mapping[Any, str],
    noun: str = "images",
) -> Iterator[bytes]:
    """The page of :func:`render_gallery` in parts, so that memory holds the thumbnails only once.

    Args:
        entries: as for :func:`render_gallery`.
        title: the same.
        about: the same.
        words: the same.
        noun: the same.

    Yields:
        Pieces of HTML in UTF-8.
    """
    import markupsafe

    words = {**words, UNREADABLE: "Unreadable"}
    rows = [_row(entry) for entry in entries]
    counts = {verdict: sum(row["verdict"] == verdict for row in rows) for verdict in words}
    page = render(
        "unmask.pages/gallery.html.j2",
        script="unmask.pages/gallery.js",
        title=title,
        about=about,
        words=words,
        noun=noun,
        counts=counts,
        marked=sum(bool(row["marks"]) for row in rows),
        rows=rows,
        data=markupsafe.Markup(_ROWS),
    )
    before, _, after = page.partition(_ROWS)
    yield before.encode()
    yield b'{"rows":['
    for number, row in enumerate(rows):
        yield (b"," if number else b"") + _inert_json(row)
    yield b"]," + _inert_json({"words": words, "size": PAGE_SIZE, "noun": noun})[1:]
    yield after.encode()


def _row(entry: GalleryEntry) -> dict[str, Any]:
    """An entry as plain values; control characters are escaped here, since JSON would carry them to the page."""
    return {
        "name": printable(entry.name),
        "folder": printable(entry.folder),
        "verdict": entry.verdict or UNREADABLE,
        "fake": None if entry.fake_probability is None else round(entry.fake_probability, 6),
        "text": printable(entry.text),
        "marks": [printable(mark) for mark in entry.marks],
        "thumbnail": entry.thumbnail,
        "link": None if entry.link is None else quote(entry.link, errors="surrogateescape"),
    }


def _inert_json(content: dict[str, Any]) -> bytes:
    """JSON for a script element that is data: no character in it can end the element or start markup."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode()
