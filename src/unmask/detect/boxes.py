"""Labelled boxes drawn on an image."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

from unmask.imaging.faces import Box


def shrink(image: Image.Image, greatest_side: int) -> tuple[Image.Image, float]:
    """A copy with sides of at most that many pixels, and its scale in (0, 1]."""
    scale = min(1.0, greatest_side / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return (image.resize(size, Image.Resampling.LANCZOS) if scale < 1 else image.copy()), scale


def draw_box(canvas: Image.Image, box: Box, scale: float, text: str) -> None:
    """Draw a white box with a label at its top left corner, moved inside the canvas.

    Args:
        canvas: RGB; drawn on in place.
        box: x0, y0, x1, y1 in pixels of the image before it was scaled to the canvas.
        scale: from image to canvas.
        text: the label.
    """
    draw = ImageDraw.Draw(canvas)
    edges = [edge * scale for edge in box]
    width = max(1, max(canvas.size) // 300)
    # A strip may be less than a pixel high once it is scaled, and Pillow refuses a box that ends before it begins.
    far = max(edges[0], edges[2] - 1), max(edges[1], edges[3] - 1)
    draw.rectangle((edges[0], edges[1], *far), outline=(255, 255, 255), width=width)
    font = ImageFont.load_default(max(11, max(canvas.size) // 40))
    label = draw.textbbox((edges[0], edges[1]), text, font=font)
    offset = min(0.0, canvas.height - label[3] - 4), min(0.0, canvas.width - label[2] - 4)
    anchor = (edges[0] + offset[1], edges[1] + offset[0])
    draw.rectangle(draw.textbbox(anchor, text, font=font), fill=(0, 0, 0))
    draw.text(anchor, text, fill=(255, 255, 255), font=font)
