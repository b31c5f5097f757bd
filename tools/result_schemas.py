"""Writes ``docs/schemas``, a JSON schema for each kind of result: ``python tools/result_schemas.py``; a test compares.

The schemas describe files as this version writes them. Files of older versions may lack keys.
"""

from __future__ import annotations

import json
from pathlib import Path

from unmask.evaluation.results import RESULTS

TARGET = Path(__file__).resolve().parent.parent / "docs" / "schemas"


def schemas() -> dict[str, str]:
    """The text of each file by its name."""
    return {
        f"{kind.kind_name()}.json": json.dumps(kind.model_json_schema(mode="serialization"), indent=2) + "\n"
        for kind in RESULTS
    }


if __name__ == "__main__":
    TARGET.mkdir(exist_ok=True)
    for name, text in schemas().items():
        (TARGET / name).write_text(text, encoding="utf-8")
