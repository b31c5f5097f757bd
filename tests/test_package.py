"""What ``tools/check_package.py`` accepts in an archive."""

from __future__ import annotations

import io
import runpy
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOOL = runpy.run_path(str(ROOT / "tools" / "check_package.py"))


@pytest.mark.parametrize(
    ("name", "strange"),
    [
        # ours: made or in the public domain
        ("tests/regressions/hopper.jpg", False),
        ("docs/images/page.png", False),
        ("unmask/serve/static/icon.png", False),
        # code and weights
        ("src/unmask/cli/detect.py", False),
        ("unmask/assets/face_finder.onnx", False),
        # of a data set, or made from one
        ("shared/data/faces/a.jpg", True),
        ("unmask/assets/example.PNG", True),
        ("docs/faces.webp", True),
        ("tests/data/clip.mp4", True),
    ],
)
def test_no_archive_holds_an_image_that_is_not_ours(name: str, strange: bool) -> None:
    assert TOOL["foreign_images"]([name]) == ([name] if strange else [])


def test_what_an_archive_lacks_is_named() -> None:
    lacking, held = TOOL["lacking"], TOOL["_HELD"]
    wheel = [name if "/" in name else f"unmask-1.0.dist-info/licenses/{name}" for name in held]
    assert lacking(wheel) == [] and lacking(f"src/{name}" if "/" in name else name for name in held) == []
    assert lacking([name for name in wheel if "static/" not in name]) == ["unmask/serve/static/index.html"]
    # In the checkout itself all but what a build makes is there.
    made = ("static", "release.txt")
    assert all(
        (ROOT / "src" / name).is_file() or (ROOT / name).is_file() for name in held if not any(m in name for m in made)
    )


def test_both_kinds_of_archives_are_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("unmask/face.jpg", b"")
    with tarfile.open(tmp_path / "a-1.0.tar.gz", "w:gz") as source:
        source.addfile(tarfile.TarInfo("a-1.0/docs/face.jpg"), io.BytesIO())
    assert TOOL["names_in"](tmp_path / "a-1.0-py3-none-any.whl") == ["unmask/face.jpg"]
    assert TOOL["names_in"](tmp_path / "a-1.0.tar.gz") == ["docs/face.jpg"]


def test_the_checkout_holds_no_image_that_is_not_ours() -> None:
    import subprocess

    if not (ROOT / ".git").exists():
        pytest.skip("no repository")
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=True).stdout
    assert TOOL["foreign_images"](listed.splitlines()) == []
