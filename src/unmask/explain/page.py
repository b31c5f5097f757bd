"""An explanation as a self-contained HTML page or a folder of files, and an index of many."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from unmask.detect.overlay import TOWARDS_FAKE, TOWARDS_REAL
from unmask.detect.verdict import Verdict
from unmask.explain.faithfulness import Curves, Faithfulness, mean_curves
from unmask.explain.views import Figure
from unmask.files import OutputFolder
from unmask.pages.charts import Chart, curves
from unmask.pages.page import data_uri, render
from unmask.version import __version__

if TYPE_CHECKING:
    from unmask.explain.explainer import Explanation

REPORT: Final = "report.html"
_THUMBNAIL: Final = 240
_QUALITY: Final = 85
_FEATURE_SIDE: Final = 192


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of an index.

    Attributes:
        verdict: the verdict; it holds the error if the image could not be read.
        text: the explanation in words, or the error.
        folder: folder of the report below the index; ``None`` without one.
        thumbnail: a data URI; '' without an image.
    """

    verdict: Verdict
    text: str
    folder: str | None
    thumbnail: str


def folder_name(path: str) -> str:
    """The folder of an image's report: its name and a hash of its path, so that equal names do not collide."""
    tag = hashlib.sha256(path.encode(errors="surrogateescape")).hexdigest()[:8]
    stem = "".join(char if char.isalnum() or char in "-_. " else "_" for char in Path(path).stem[:50])
    return f"{stem.strip('. ') or 'image'}.{tag}"


def write_explanation(explanation: Explanation, folder: Path) -> Path:
    """Write ``report.html``, ``explanation.json`` and the images as PNG; returns the path of the report.

    Raises:
        UsageError: ``cannot_write``.
    """
    out = OutputFolder(folder)
    images = {"evidence": explanation.overlay, "evidence-close-up": explanation.closeup_overlay}
    images |= {f"forensics-{view.name}": view.image for view in explanation.views or () if view.image is not None}
    images |= {name: image for name, _, image in _gradient_images(explanation)}
    for name, image in images.items():
        out.write(f"{name}.png", _encoded(image, "PNG"), durable=False)
    out.write("explanation.json", (json.dumps(explanation.to_json(), indent=1, allow_nan=False) + "\n").encode())
    out.write(REPORT, render_html(explanation).encode())
    return folder / REPORT


def render_html(explanation: Explanation) -> str:
    """The page of one explanation, with its images inside; all text from the file is escaped."""
    verdict = explanation.verdict
    return render(
        "unmask.explain/report.html.j2",
        explanation=explanation,
        verdict=verdict,
        name="Image in memory" if verdict.path is None else Path(verdict.path).name,
        version=__version__,
        image=_data_uri(explanation.image),
        overlay=_data_uri(explanation.overlay),
        closeup=_data_uri(explanation.closeup),
        closeup_overlay=_data_uri(explanation.closeup_overlay),
        views=[(view, view.image and _data_uri(view.image)) for view in explanation.views or ()],
        gradients=[(title, _data_uri(image)) for _, title, image in _gradient_images(explanation)],
        charts=[] if explanation.faithfulness is None else _charts(explanation.faithfulness),
        fake_colour=_css(TOWARDS_FAKE),
        real_colour=_css(TOWARDS_REAL),
        percent=lambda value: f"{100 * value:.1f} %",
        shown=_shown,
        edit_values=lambda edit: [value for value in asdict(edit).values() if value],
        scale=_scale,
    )


def render_index(entries: Sequence[Entry], model: str) -> str:
    """The page that lists many reports."""
    counts = {name: sum(entry.verdict.result == name for entry in entries) for name in ("FAKE", "REAL", None)}
    return render(
        "unmask.explain/index.html.j2",
        entries=entries,
        counts=counts,
        model=model,
        report=REPORT,
        version=__version__,
        name_of=lambda path: Path(path).name,
    )


def entry_of(explanation: Explanation, folder: str | None) -> Entry:
    """The index entry of an explanation."""
    small = explanation.overlay.copy()
    small.thumbnail((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BICUBIC)
    return Entry(explanation.verdict, explanation.text, folder, _data_uri(small))


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


def _css(colour: tuple[int, int, int]) -> str:
    return f"rgb{colour}"


def _data_uri(image: Image.Image) -> str:
    return data_uri(image, _QUALITY)


def _encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()
