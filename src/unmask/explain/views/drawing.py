"""Maps, bars and curves as small images, without a plotting library."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

_MAP_SIDE = 512
_WIDTH, _HEIGHT, _EDGE = 480, 300, 24

_PAPER, _INK, _RANGE, _LINE = (255, 255, 255), (90, 90, 90), (205, 218, 235), (178, 34, 34)


def grey_levels(values: npt.NDArray[np.floating], low: float, high: float) -> npt.NDArray[np.uint8]:
    """Values from ``low`` (black) to ``high`` (white) as uint8; values that are not finite are black."""
    scaled = (np.nan_to_num(values, nan=low) - low) / max(high - low, 1e-12)
    levels: npt.NDArray[np.uint8] = np.rint(255 * np.clip(scaled, 0, 1)).astype(np.uint8)
    return levels


def map_image(values: npt.NDArray[np.floating], low: float, high: float, side: int = _MAP_SIDE) -> Image.Image | None:
    """A map of any shape [rows, columns] as squares from black (``low``) to white (``high``); ``None`` if empty.

    Its longer side has about ``side`` pixels, or one pixel per square if the map has more squares.
    """
    if values.size == 0:
        return None
    rows, columns = values.shape
    scale = max(1, side // max(rows, columns))
    image = Image.fromarray(grey_levels(values, low, high)).resize(
        (columns * scale, rows * scale), Image.Resampling.NEAREST
    )
    return image.convert("RGB")


def panels(images: list[tuple[str, Image.Image]], columns: int) -> Image.Image:
    """Images of one size in rows, each with its caption above."""
    width, height = images[0][1].size
    width, caption = max(width, 60), 16
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * (width + 4), rows * (height + caption + 4)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for at, (text, image) in enumerate(images):
        x, y = at % columns * (width + 4) + 2, at // columns * (height + caption + 4) + 2
        draw.text((x, y), text, fill=_INK)
        sheet.paste(image, (x, y + caption))
    return sheet


def bars(heights: npt.NDArray[np.floating], width: int = 260, height: int = 120) -> Image.Image:
    """Bars from the left, the highest filling the image."""
    image = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(image)
    step, most = width / max(len(heights), 1), max(float(heights.max(initial=0.0)), 1e-12)
    for at, value in enumerate(heights):
        top = height - 1 - round((height - 2) * float(value) / most)
        draw.rectangle((at * step, top, max(at * step, (at + 1) * step - 1), height - 1), fill=_INK)
    return image


def curve(
    values: npt.NDArray[np.floating],
    band: tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]] | None,
    bottom: float,
    top: float,
) -> Image.Image:
    """A curve, red, over a band of reference, blue-grey, from ``bottom`` to ``top``."""
    image = Image.new("RGB", (_WIDTH, _HEIGHT), _PAPER)
    draw = ImageDraw.Draw(image)
    across = np.linspace(_EDGE, _WIDTH - _EDGE, len(values))

    def points(heights: npt.NDArray[np.floating]) -> list[tuple[float, float]]:
        shares = np.clip((np.asarray(heights, np.float64) - bottom) / (top - bottom), 0, 1)
        downs = _HEIGHT - _EDGE - shares * (_HEIGHT - 2 * _EDGE)
        return list(zip(across.tolist(), downs.tolist(), strict=True))

    if band is not None:
        draw.polygon(points(band[0]) + points(band[1])[::-1], fill=_RANGE)
    draw.rectangle((_EDGE, _EDGE, _WIDTH - _EDGE, _HEIGHT - _EDGE), outline=_INK)
    draw.line(points(values), fill=_LINE, width=2)
    return image
