"""Verdicts as the entries of a gallery."""

from __future__ import annotations

from pathlib import PurePath

from unmask.detect.judged import Judged
from unmask.pages.gallery import GalleryEntry


def entry_of(verdict: Judged, *, text: str | None = None, thumbnail: str = "", link: str | None = None) -> GalleryEntry:
    """The entry of a verdict.

    Args:
        verdict: the verdict, or the error, of a file with a path.
        text: sentences to show with it (default: the verdict's notes).
        thumbnail: the image as a data URI; '' without one.
        link: path of its report, relative to the gallery.
    """
    path = PurePath(verdict.path or "Image in memory")
    if verdict.error is not None:
        text = verdict.error.message
    return GalleryEntry(
        name=path.name,
        folder="" if path.parent == PurePath() else str(path.parent),
        verdict=verdict.verdict,
        fake_probability=None if verdict.verdict == "NO_FACE" else verdict.fake_probability,
        text=" ".join(verdict.notes) if text is None else text,
        marks=tuple(mark.text for mark in verdict.marks),
        thumbnail=thumbnail,
        link=link,
    )
