"""Images in folders, by content."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from PIL import Image

from unmask.imaging.find import PassedOver, is_image


def encoded(kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (20, 20)).save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        # whatever the name, or none
        ("a.jfif", encoded("JPEG"), True),
        ("a", encoded("PNG"), True),
        ("a.txt", encoded("WEBP"), True),
        ("a.dat", encoded("AVIF"), True),
        ("IMG_1.HEIC", b"", True),
        # by its name, so that its error is shown
        ("a.jpg", b"no image", True),
        ("a.JPE", b"", True),
        ("notes.txt", b"no image", False),
        ("empty", b"", False),
        ("page.html", b"<html>", False),
    ],
)
def test_images_by_content_or_name(tmp_path: Path, name: str, data: bytes, expected: bool) -> None:
    (tmp_path / name).write_bytes(data)
    assert is_image(str(tmp_path / name)) is expected


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "device").symlink_to("/dev/zero")
    assert not any(is_image(str(tmp_path / name)) for name in ("fifo", "gone", "device", "missing", "x\0y"))


@pytest.mark.parametrize(
    ("passed_over", "words"),
    [
        (PassedOver(), "passed over nothing"),
        (PassedOver(files=1), "passed over 1 file that is not an image"),
        (PassedOver(files=1200), "passed over 1,200 files that are not images"),
        (PassedOver(subfolders=1), "passed over 1 subfolder (--recursive searches them)"),
        (
            PassedOver(files=2, subfolders=3),
            "passed over 2 files that are not images and 3 subfolders (--recursive searches them)",
        ),
    ],
)
def test_words(passed_over: PassedOver, words: str) -> None:
    assert str(passed_over) == words
    assert bool(passed_over) == ("nothing" not in words)
