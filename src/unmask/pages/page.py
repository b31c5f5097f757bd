"""Rendering templates that extend ``base.html.j2``, thumbnails inside a page, and writing it."""

from __future__ import annotations

import base64
import io
import secrets
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from PIL import Image

from unmask.data.manifest import Manifest, ManifestRow
from unmask.errors import ImageError, ManifestError
from unmask.imaging.decode import decode_image

_THUMB_SIDE: Final = 160  # pixels, shown at 128


def render(template: str, **content: Any) -> str:
    """A template's text; in HTML every text that is put in is escaped.

    Args:
        template: package and file, as ``unmask.pages/base.html.j2``; it may extend others named so.
        **content: what the template names.
    """
    import jinja2  # here, since most of what imports this module writes no page

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=template.endswith(".html.j2"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    text = environment.get_template(template).render(**content)
    # File names that are not Unicode cannot stand in UTF-8.
    return text.encode("utf-8", "backslashreplace").decode()


def thumbnail(manifest: Manifest, path: str) -> str:
    """An image below a manifest's root as a data URI; '' where it cannot be read (any more)."""
    image = read_image(manifest, path)
    return "" if image is None else data_uri(image)


def read_image(manifest: Manifest, path: str) -> Image.Image | None:
    """An image below a manifest's root; ``None`` where it cannot be read (any more)."""
    try:
        return decode_image(manifest.resolve(ManifestRow(path=path, label="real")))
    except (ImageError, ManifestError):
        return None


def data_uri(image: Image.Image) -> str:
    """An image as a small JPEG inside a page."""
    small = image.copy()
    small.thumbnail((_THUMB_SIDE, _THUMB_SIDE), Image.Resampling.BICUBIC, reducing_gap=3.0)
    encoded = io.BytesIO()
    small.save(encoded, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(encoded.getvalue()).decode()


def root_manifest(root: Path) -> Manifest:
    """A manifest that only says what :func:`thumbnail` must stay inside of."""
    return Manifest.from_rows([ManifestRow(path="-", label="real")], root)


def write_text(path: Path, text: str) -> None:
    """Write a file so that it appears whole or not at all."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _source(name: str) -> str:
    package, _, file = name.rpartition("/")
    return (files(package) / file).read_text(encoding="utf-8")
