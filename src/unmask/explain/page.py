"""An explanation as a self-contained HTML page or a folder of files."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from unmask.detect.overlay import TOWARDS_FAKE, TOWARDS_REAL
from unmask.detect.verdict import TITLES
from unmask.explain.citation import CREDENTIALS_CHECK, IMAGE_SEARCHES, commands, limits, report_time, shown_time
from unmask.explain.faithfulness import Curves, Faithfulness, mean_curves
from unmask.explain.views import Figure
from unmask.files import OutputFolder
from unmask.imaging.faces import Box
from unmask.pages.charts import Chart, curves
from unmask.pages.page import data_uri, render
from unmask.version import __version__

if TYPE_CHECKING:
    from unmask.explain.explanation import Explanation

REPORT: Final = "report.html"
SCRIPT: Final = "unmask.explain/report.js"
"""The script of the report, by package and file."""
# Height of a face's number, as a fraction of the image's longer side.
_TAG_FONT: Final = 0.045
_QUALITY: Final = 85
_FEATURE_SIDE: Final = 192


def folder_name(path: str) -> str:
    """The folder of an image's report: its name and a hash of its path, so that equal names do not collide."""
    tag = hashlib.sha256(path.encode(errors="surrogateescape")).hexdigest()[:8]
    stem = "".join(char if char.isalnum() or char in "-_. " else "_" for char in Path(path).stem[:50])
    return f"{stem.strip('. ') or 'image'}.{tag}"


def write_explanation(explanation: Explanation, folder: Path, time: datetime | None = None) -> Path:
    """Write ``report.html``, ``explanation.json`` and the images as PNG; returns the path of the report.

    Args:
        explanation: what to write.
        folder: created if missing; nothing is written outside it.
        time: see :func:`render_html`.

    Raises:
        UsageError: ``cannot_write``, ``bad_source_date_epoch``.
    """
    out = OutputFolder(folder)
    images = {"evidence": explanation.overlay, "evidence-close-up": explanation.closeup_overlay}
    images |= {f"forensics-{view.name}": view.image for view in explanation.views or () if view.image is not None}
    images |= {name: image for name, _, image in _gradient_images(explanation)}
    for name, image in images.items():
        out.write(f"{name}.png", encoded(image, "PNG"), durable=False)
    out.write("explanation.json", (json.dumps(explanation.to_json(), indent=1, allow_nan=False) + "\n").encode())
    out.write(REPORT, render_html(explanation, time).encode())
    return folder / REPORT


def render_html(explanation: Explanation, time: datetime | None = None, name: str | None = None) -> str:
    """The page of one explanation, with its images inside; all text from the file is escaped.

    Args:
        explanation: what to show.
        time: time of the report, with its zone (default: see :func:`unmask.explain.citation.report_time`). The same
            explanation and time give the same bytes.
        name: file name of the image (default: that of the verdict's path).

    Raises:
        UsageError: ``bad_source_date_epoch``.
    """
    verdict, facts = explanation.verdict, explanation.facts
    if name is None:
        name = "Image in memory" if verdict.path is None else Path(verdict.path).name
    assert verdict.verdict is not None
    width, height = verdict.size or explanation.size
    return render(
        "unmask.explain/report.html.j2",
        script=SCRIPT,
        explanation=explanation,
        verdict=verdict,
        word=TITLES[verdict.verdict],
        has_probability=verdict.verdict != "NO_FACE",
        facts=facts,
        name=name,
        time=shown_time(time or report_time()),
        version=__version__,
        width=width,
        height=height,
        faces=numbered_boxes(_faces(explanation), width, height),
        reasons=[sentence for sentence in explanation.reasons if sentence.rule != "marks"],  # they have a banner
        limits=limits(explanation),
        commands=[] if verdict.sha256 is None else commands(explanation, name),
        searches=IMAGE_SEARCHES,
        credentials_check=CREDENTIALS_CHECK,
        image=jpeg_uri(explanation.image),
        overlay=jpeg_uri(explanation.overlay),
        closeup=jpeg_uri(explanation.closeup),
        closeup_overlay=jpeg_uri(explanation.closeup_overlay),
        views=[(view, view.image and jpeg_uri(view.image)) for view in explanation.views or ()],
        outside=[figure for view in explanation.views or () for figure in view.figures if figure.outside],
        gradients=[(title, jpeg_uri(image)) for _, title, image in _gradient_images(explanation)],
        charts=[] if explanation.faithfulness is None else _charts(explanation.faithfulness),
        fake_colour=css_colour(TOWARDS_FAKE),
        real_colour=css_colour(TOWARDS_REAL),
        percent=percent,
        along=along,
        shown=_shown,
        edit_values=lambda edit: [value for value in asdict(edit).values() if value],
        scale=_scale,
    )


@dataclass(frozen=True, slots=True)
class NumberedFace:
    """A face as the report draws it: its box in pixels, and the number in the box's tag."""

    number: int
    box: Box
    fake_probability: float
    decides: bool


def numbered_boxes(faces: Iterable[NumberedFace], width: int, height: int) -> list[dict[str, Any]]:
    """Boxes and number tags of faces, in pixels of an image that has these sides."""
    font = _TAG_FONT * max(width, height)
    tag_height = 1.25 * font
    drawn = []
    for face in faces:
        x0, y0, x1, y1 = face.box
        tag_width = (0.7 + 0.6 * len(str(face.number))) * font
        tag_x = min(max(x0, 0.0), max(0.0, width - tag_width))
        tag_y = y0 - tag_height if y0 >= tag_height else max(y0, 0.0)  # above the face, or inside if there is no room
        places = {
            "x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0, "font": font,
            "tag_x": tag_x, "tag_y": tag_y, "tag_width": tag_width, "tag_height": tag_height,
            "text_x": tag_x + tag_width / 2, "text_y": tag_y + font,
        }  # fmt: skip
        own = {"number": face.number, "fake_probability": face.fake_probability, "decides": face.decides}
        drawn.append({name: f"{value:.1f}" for name, value in places.items()} | own)
    return drawn


def _faces(explanation: Explanation) -> Iterator[NumberedFace]:
    """The faces of an image, largest first."""
    deciding = explanation.verdict.regions[explanation.deciding]
    for number, region in enumerate(explanation.verdict.faces, 1):
        assert region.face is not None
        yield NumberedFace(number, region.face.box, region.fake_probability, region is deciding)


def _gradient_images(explanation: Explanation) -> list[tuple[str, str, Image.Image]]:
    """Images of gradients: name, title and image."""
    maps = explanation.gradients
    if maps is None:
        return []
    found = [
        ("saliency", "Saliency: how much each pixel changes the logit", _grey(maps.saliency)),
        ("smoothgrad", "SmoothGrad: the same, averaged over noisy copies", _grey(maps.smoothgrad)),
    ]
    for place, feature in enumerate(maps.features, 1):
        side = "fake" if feature.share > 0 else "real"
        title = f"Feature {feature.channel}: {abs(feature.share):.2f} logits towards {side}"
        image = _grey(feature.activation).resize((_FEATURE_SIDE, _FEATURE_SIDE), Image.Resampling.NEAREST)
        found.append((f"feature-{place}", title, image))
    return found


def _grey(values: npt.NDArray[np.float32]) -> Image.Image:
    """Values as grey levels: the minimum is black, the 99th percentile white."""
    low, high = float(values.min()), float(np.quantile(values, 0.99))
    scaled = (values - low) / max(high - low, 1e-12)
    return Image.fromarray(np.rint(255 * np.clip(scaled, 0, 1)).astype(np.uint8)).convert("RGB")


def _charts(checked: Faithfulness) -> list[Chart]:
    """Curves of deletion and insertion."""
    drawn: list[tuple[str, Curves]] = [("map", checked.map), ("random", mean_curves(checked.random))]
    if checked.redrawn is not None:
        drawn.append(("redrawn", checked.redrawn))
    charts = []
    for name, about in (
        ("deletion", "Cells are blurred, those with most evidence first; the lower the line, the better the map."),
        ("insertion", "Cells are restored, those with most evidence first; the higher the line, the better the map."),
    ):
        lines = {kind: getattr(of_kind, name) for kind, of_kind in drawn}
        charts.append(
            curves(
                name.capitalize(),
                about,
                {kind: list(zip(checked.fractions, line, strict=True)) for kind, line in lines.items()},
                ("cells", *lines),
                [
                    (f"{100 * fraction:.1f} %", *(f"{value:.3f}" for value in values))
                    for fraction, *values in zip(checked.fractions, *lines.values(), strict=True)
                ],
                ticks_x=((0.0, "none"), (1.0, "all cells")),
                ticks_y=((0.0, "0"), (1.0, "1")),
                height=100.0,
            )
        )
    return charts


def _shown(figure: Figure) -> str:
    """A figure's value and unit for people."""
    return "not measured" if figure.value is None else f"{figure.value:.3g} {figure.unit}".strip()


def _scale(figure: Figure) -> float | None:
    """Where on a bar of 100, the middle half of which is the range of real photographs, a value lies."""
    if figure.value is None or figure.low is None or figure.high is None or figure.high <= figure.low:
        return None
    return min(100.0, max(0.0, 25 + 50 * (figure.value - figure.low) / (figure.high - figure.low)))


def percent(value: float) -> str:
    """A proportion for people, e.g. ``55.1 %``."""
    return f"{100 * value:.1f} %"


def along(value: float) -> str:
    """A proportion as a place on a scale, in percent without its sign."""
    return f"{100 * value:.2f}"


def css_colour(colour: tuple[int, int, int]) -> str:
    """An RGB colour for CSS."""
    return f"rgb{colour}"


def jpeg_uri(image: Image.Image) -> str:
    """An RGB image inside a report, as JPEG."""
    return data_uri(image, _QUALITY)


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    """The bytes of an image file in one of Pillow's formats."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()
