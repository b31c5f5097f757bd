"""Write ``docs/openapi.json`` from the application: ``python tools/openapi.py``. A test compares the two."""

from __future__ import annotations

import json
from pathlib import Path

from unmask.serve.app import create_app, load_detector
from unmask.serve.settings import Settings

TARGET = Path(__file__).resolve().parent.parent / "docs" / "openapi.json"


def description() -> str:
    """Return the OpenAPI description as JSON text."""
    settings = Settings()
    return json.dumps(create_app(settings, load_detector(settings), None).openapi(), indent=2) + "\n"


if __name__ == "__main__":
    TARGET.write_text(description(), encoding="utf-8")
