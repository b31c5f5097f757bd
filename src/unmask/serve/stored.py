"""Stored verdicts: those of older versions get the fields that were added later."""

from __future__ import annotations

import json
from typing import Any

from unmask.imaging.marks import marks_of


def complete(text: str) -> dict[str, Any]:
    """Read a stored verdict, and fill in what it lacks.

    Args:
        text: as ``Verdict.to_json`` gave it when it was stored, as JSON.

    Returns:
        The fields of today. ``verdict`` follows from ``result``, ``uncertain`` and ``face_found``, ``marks`` from the
        tags in ``provenance``; ``confidence`` is at least 50.
    """
    content: dict[str, Any] = json.loads(text)
    if "verdict" in content:
        return content
    doubt = "UNCERTAIN" if content["face_found"] else "NO_FACE"
    word = doubt if content["uncertain"] else content["result"]
    tags = (content.get("provenance") or {}).get("generator_tags", ())
    return {
        **content,
        "verdict": word,
        "confidence": max(50.0, content["confidence"]),
        "marks": [mark.to_json() for mark in marks_of(tags)],
        "notes": content.get("notes", []),
    }
