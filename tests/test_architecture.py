"""``docs/architecture.md`` names every package, and no file that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "unmask"
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PATHS = sorted(set(re.findall(r"`((?:[\w-]+/)+(?:[\w.-]+\.(?:py|json|toml|md))?)`", TEXT.partition("## Training")[0])))


def test_there_are_paths_to_check() -> None:
    assert {"models/registry.py", "tests/stats/test_registry.py", "recipes/builtin/"} <= set(PATHS)


@pytest.mark.parametrize("path", PATHS)
def test_every_path_is_there(path: str) -> None:
    assert any((base / path).exists() for base in (ROOT, SOURCE, SOURCE / "evaluation"))


def test_every_package_has_a_place() -> None:
    table = TEXT.partition("## Where to add things")[0]
    parts = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()}
    parts |= {path.stem for path in SOURCE.glob("*.py") if not path.stem.startswith("__")}
    assert {name for name in parts if f"`{name}`" not in table} == set()


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("models/registry.py", "BACKBONES"),
        ("models/registry.py", "PIP_WEIGHTS"),
        ("stats/registry.py", "_ENTRIES"),
        ("data/degrade.py", "_STEPS"),
        ("data/degrade.py", "_APPLY"),
        ("evaluation/degradations.py", "GRID"),
        ("evaluation/degradations.py", "TIERS"),
        ("cli/root.py", "COMMANDS"),
    ],
)
def test_every_table_to_add_to_is_there(file: str, name: str) -> None:
    assert re.search(rf"^{name}\b.*=", (SOURCE / file).read_text(encoding="utf-8"), re.MULTILINE)
    assert f"`{name}`" in TEXT
