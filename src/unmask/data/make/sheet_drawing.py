"""Drawing contact sheets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from PIL import Image, ImageDraw, ImageFont

_GAP, _LINE, _TITLE = 6, 14, 26
_PAPER, _EMPTY, _INK, _FAINT = (250, 250, 250), (225, 225, 225), (20, 20, 20), (95, 95, 95)
_MOST_COLUMNS = 12

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True, slots=True)
class Cell:
    """One image of a sheet.

    Attributes:
        image: RGB, at most ``SIDE`` pixels a side; ``None``: it could not be read.
        caption: the first line below it.
        note: the second line.
    """

    SIDE: ClassVar[int] = 144

    image: Image.Image | None
    caption: str
    note: str


def draw_sheet(title: str, cells: Sequence[Cell]) -> Image.Image:
    """A title and a grid of captioned images, about as wide as high: RGB. Images are never enlarged."""
    columns = max(4, min(_MOST_COLUMNS, math.ceil(math.sqrt(1.3 * len(cells)))))
    rows = math.ceil(len(cells) / columns)
    step_x, step_y = Cell.SIDE + _GAP, Cell.SIDE + 2 * _LINE + _GAP
    sheet = Image.new("RGB", (columns * step_x + _GAP, max(rows, 0) * step_y + _TITLE + _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    _text(draw, (_GAP, 5), title, _font(14), _INK, sheet.width - 2 * _GAP)
    small = _font(11)
    for index, cell in enumerate(cells):
        x, y = _GAP + index % columns * step_x, _TITLE + index // columns * step_y
        draw.rectangle((x, y, x + Cell.SIDE - 1, y + Cell.SIDE - 1), fill=_EMPTY)
        if cell.image is not None:
            sheet.paste(cell.image, (x + (Cell.SIDE - cell.image.width) // 2, y + (Cell.SIDE - cell.image.height) // 2))
        else:
            _text(draw, (x + 8, y + Cell.SIDE // 2 - 6), "cannot be read", small, _FAINT, Cell.SIDE - 8)
        _text(draw, (x, y + Cell.SIDE + 1), cell.caption, small, _INK, Cell.SIDE)
        _text(draw, (x, y + Cell.SIDE + 1 + _LINE), cell.note, small, _FAINT, Cell.SIDE)
    return sheet


def _font(size: int) -> _Font:
    return ImageFont.load_default(size)


def _text(
    draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, font: _Font, ink: tuple[int, int, int], width: int
) -> None:
    """One line, shortened to a width; no character of a file's name can add a line or cause an error."""
    line = "".join(char if char.isprintable() else "?" for char in text)[:200]
    if not isinstance(font, ImageFont.FreeTypeFont):
        line = line.encode("latin-1", "replace").decode("latin-1")  # Pillow's bitmap font has only these
    if draw.textlength(line, font) > width:
        while line and draw.textlength(f"{line}...", font) > width:
            line = line[:-1]
        line += "..."
    draw.text(place, line, ink, font)
