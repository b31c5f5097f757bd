"""Pages from templates that extend ``base.html.j2``, and images inside them."""

from __future__ import annotations

import base64
import hashlib
import io
from importlib.resources import files
from typing import Any, Final

from PIL import Image

from unmask.text import printable

_THUMB_SIDE: Final = 160  # pixels, shown at 128
_THUMB_QUALITY: Final = 80


Scripts = str | tuple[str, ...]
"""The scripts of a page by package and file, as ``unmask.explain/report.js``."""


def render(template: str, *, script: Scripts | None = None, connects: bool = False, **content: Any) -> str:
    """Render a template; in every text that is put in control characters are escaped, in HTML markup too.

    Args:
        template: package and file, as ``unmask.pages/base.html.j2``; it may extend others named so.
        script: package and file of the only script that the page may run, which is put inline at its end; several
            are joined.
        connects: whether the script may send requests to the host that the page came from.
        **content: the template's variables.
    """
    import jinja2  # here, since most of what imports this module writes no page
    import markupsafe

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=template.endswith(".html.j2"),
        undefined=jinja2.StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
    )
    inline = None if script is None else markupsafe.Markup(_joined(script))
    text = environment.get_template(template).render(inline_script=inline, policy=policy(script, connects), **content)
    # File names that are not Unicode cannot stand in UTF-8.
    return text.encode("utf-8", "backslashreplace").decode()


def policy(script: Scripts | None = None, connects: bool = False) -> str:
    """The Content-Security-Policy of a page: no requests at all, images inside the page, inline styles.

    Args:
        script: the page's script, as for :func:`render`; its hash is allowed and no other script.
        connects: as for :func:`render`.
    """
    allowed = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    if connects:
        allowed += "; connect-src 'self'"
    if script is None:
        return allowed
    digest = hashlib.sha256(_joined(script).encode()).digest()
    return f"{allowed}; script-src 'sha256-{base64.b64encode(digest).decode()}'"


def _harmless(value: Any) -> Any:
    """Text without control characters, line ends excepted; anything else, and safe markup, as it is."""
    if type(value) is not str or value.isprintable():
        return value
    return "\n".join(map(printable, value.split("\n")))


def data_uri(image: Image.Image, quality: int | None = None) -> str:
    """An image inside a page.

    Args:
        image: RGB, or RGBA without a quality.
        quality: of a JPEG, 1 to 100; by default the image is a lossless PNG.
    """
    kind, options = ("png", {}) if quality is None else ("jpeg", {"quality": quality})
    encoded = io.BytesIO()
    image.save(encoded, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(encoded.getvalue()).decode()}"


def thumbnail_uri(image: Image.Image) -> str:
    """An image inside a page, at most 160 pixels wide and high."""
    small = image.copy()
    small.thumbnail((_THUMB_SIDE, _THUMB_SIDE), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return data_uri(small, _THUMB_QUALITY)


def _joined(scripts: Scripts) -> str:
    return "".join(_source(name) for name in ([scripts] if isinstance(scripts, str) else scripts))


def _source(name: str) -> str:
    package, _, file = name.rpartition("/")
    return (files(package) / file).read_text(encoding="utf-8")
