"""Take outputs out of the notebooks and write them in one form, so that changes can be read: run it before a commit.

    python tools/strip_notebooks.py

The notebooks are run by a test, which compares their files with what this writes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "notebooks"
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
_FORM: dict[str, Any] = {"indent": 1, "ensure_ascii": False, "sort_keys": True}


def stripped(text: str) -> str:
    """A notebook's file without outputs, counts and an editor's notes."""
    content = json.loads(text)
    return json.dumps(content | {"cells": list(map(_cell, content["cells"])), "metadata": _METADATA}, **_FORM) + "\n"


def _cell(cell: dict[str, Any]) -> dict[str, Any]:
    kept = {name: cell[name] for name in ("cell_type", "id", "source")}
    if isinstance(kept["source"], str):
        kept["source"] = kept["source"].splitlines(keepends=True)
    return kept | {"metadata": {}} | ({"outputs": [], "execution_count": None} if cell["cell_type"] == "code" else {})


if __name__ == "__main__":
    for path in sorted(FOLDER.glob("*.ipynb")):
        path.write_text(stripped(path.read_text(encoding="utf-8")), encoding="utf-8")
