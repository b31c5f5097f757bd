"""The quantisation tables of a JPEG file: how strongly it was compressed, and by which kind of encoder.

After J. Kornblum, "Using JPEG quantization tables to identify imagery processed by software", Digital Investigation 5,
2008; the estimate of quality is :func:`unmask.imaging.jpeg.estimate_quality`.
"""

from __future__ import annotations

import math

from unmask.explain.views.subject import Subject
from unmask.explain.views.view import Findings, Measure, register


@register(
    "jpeg_tables",
    title="JPEG quantisation tables",
    look_for="Low quality, which hides traces, and tables that the camera named in the metadata does not write.",
    cannot_show="The tables only show the last save, and web sites and messengers save every image again.",
    measures=(
        # The quality chooses the photographs that the other measurements are compared with, which were all saved with
        # IJG tables.
        Measure("jpeg_quality", "Quality of the luminance table on the IJG scale", compared=False),
        Measure("jpeg_quality_chroma", "Quality of the chrominance table on the IJG scale", compared=False),
        Measure("jpeg_table_error", "Mean distance of the tables from the closest IJG tables", "steps", compared=False),
    ),
)
def look(subject: Subject) -> Findings:
    """Measurements from the header, ``None`` for other formats; the tables themselves are facts, row by row."""
    jpeg = subject.jpeg
    if jpeg is None or jpeg.compression is None:
        unknown = dict.fromkeys(("jpeg_quality", "jpeg_quality_chroma", "jpeg_table_error"))
        return Findings(unknown, None, {"jpeg": jpeg is not None})
    compression = jpeg.compression
    chroma = compression.quality_chroma
    return Findings(
        {
            "jpeg_quality": float(compression.quality),
            "jpeg_quality_chroma": None if math.isnan(chroma) else float(chroma),
            "jpeg_table_error": compression.table_error,
        },
        None,
        {
            "jpeg": True,
            "standard_tables": compression.table_error == 0,
            "subsampling": compression.subsampling,
            "progressive": compression.progressive,
            "tables": {str(number): list(table) for number, table in jpeg.tables.items()},
        },
    )
