"""Text of others (names, metadata, cells, servers' words) never commands a terminal or reorders a page."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageCms

from unmask.data.fetch.policy import FetchError
from unmask.data.manifest import Manifest
from unmask.errors import BundleError, ImageError, ManifestError, UsageError
from unmask.pages.page import render
from unmask.recipes import Recipe

# What a terminal obeys (clear, set the title, a C1 control), what rewrites a line, and what reorders or hides text.
CONTROLS = [
    "\x1b[2J",
    "\x1b]0;x\x07",
    "\x9b2J",
    "\r",
    "\x08",
    "\x00",
    "\x7f",
    "\u202e",
    "\u2066",
    "\u200b",
    "\u2028",
    "\udc80",
]
NASTY = "a\x1b[2J\r\u202eb"


def harmless(text: str) -> bool:
    return all(line.isprintable() for line in text.replace("\t", " ").split("\n"))


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("kind", [ImageError, UsageError, ManifestError, BundleError])
def test_messages_show_controls_escaped(control: str, kind: Callable[..., Exception]) -> None:
    error = kind("code", f"x{control}\ny", f"detail{control}\nz")
    first, second = str(error).split("\n")  # one line each, whatever is in them
    assert harmless(str(error))
    assert "\\n" in first and "\\n" in second
    assert error.message == str(error)  # type: ignore[attr-defined]


@pytest.mark.parametrize("control", [control for control in CONTROLS if control != "\udc80"])
def test_pages_show_controls_escaped(control: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unmask.pages.page._source", lambda name: "<p>{{ text }}</p>")
    for template in ("x.html.j2", "x.md.j2"):
        page = render(template, text=f"<b>{control}\nsecond line")
        assert harmless(page)
        assert page.count("\n") == 1
        assert ("&lt;b&gt;" in page) == ("html" in template)


def test_manifest_cells(tmp_path: Path) -> None:
    cell = NASTY.replace("\r", "\x85")
    rows = "".join(f"{cell},{label}{cell}\n" for label in ("real", "x"))
    (tmp_path / "m.csv").write_text(f"path,label\n{rows}", encoding="utf-8")
    with pytest.raises(ManifestError) as caught:
        Manifest.open(tmp_path / "m.csv").validate()
    assert harmless(caught.value.message)
    # The number of problems, each of them, and the labels found.
    assert len(caught.value.message.split("\n")) == 4
    (tmp_path / f"{NASTY}.csv").write_text("path\n")
    for opened in (lambda: Manifest.open(tmp_path / f"{NASTY}.csv"), lambda: Manifest.open(tmp_path / NASTY)):
        with pytest.raises(ManifestError) as caught:
            opened()
        assert caught.value.message.isprintable()


def test_recipe_names_and_keys(tmp_path: Path) -> None:
    for call in (
        lambda: Recipe.load(NASTY),
        lambda: Recipe.load(f"{NASTY}.yaml"),
        lambda: Recipe.load("frequency", [NASTY]),
        lambda: Recipe.load("frequency", [f"{NASTY}=1"]),
        lambda: Recipe.load("frequency", [f"summary={NASTY}"]),
    ):
        with pytest.raises(UsageError) as caught:
            call()
        assert caught.value.message.isprintable()


@pytest.fixture(scope="module")
def nasty_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image whose name, EXIF software and ICC profile's description hold controls."""
    folder = tmp_path_factory.mktemp("nasty")
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = plain.replace("built-in".encode("utf-16-be"), "a\x1b[2J\u202eb".encode("utf-16-be"))
    assert "\x1b" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    exif = Image.Exif()
    exif[0x0131] = f"Stable Diffusion {NASTY}"
    exif[0x010F] = exif[0x9286] = NASTY
    path = folder / f"{NASTY}.jpg"
    Image.new("RGB", (64, 64), (90, 120, 150)).save(path, exif=exif, icc_profile=profile, comment=NASTY.encode())
    (folder / f"{NASTY}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + NASTY.encode())
    return folder


@pytest.mark.parametrize("arguments", [["detect"], ["detect", "--json"], ["detect", "--csv"]], ids=" ".join)
def test_detect(arguments: list[str], nasty_image: Path, tiny_bundle: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "unmask", *arguments, str(nasty_image), "--model", str(tiny_bundle)],
        capture_output=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    if "--csv" not in arguments:  # cells are data, quoted as CSV is
        assert harmless(done.stdout.decode())
    assert harmless(done.stderr.decode())
    if "--json" in arguments:
        paths = {json.loads(line)["path"] for line in done.stdout.decode().splitlines()}
        assert str(nasty_image / f"{NASTY}.jpg") in paths  # the data itself is as it was


def test_explain(nasty_image: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    paths = [str(path) for path in sorted(nasty_image.iterdir())]
    command = [sys.executable, "-m", "unmask", "explain", *paths, "--model", str(tiny_bundle)]
    done = subprocess.run([*command, "--out", str(tmp_path / "out")], capture_output=True, check=False)
    assert done.returncode == 1, done.stderr  # the PNG is none
    assert harmless(done.stdout.decode()) and harmless(done.stderr.decode())
    pages = list((tmp_path / "out").rglob("*.html"))
    assert pages
    for page in pages:
        assert harmless(page.read_text(encoding="utf-8"))
    shutil.rmtree(tmp_path / "out")


@pytest.mark.parametrize("control", CONTROLS)
def test_what_servers_say(control: str) -> None:
    error = FetchError("http_error", f"the server said {control}")
    assert error.message.isprintable() and error.message == str(error)
