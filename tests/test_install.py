"""The line that installs more of unmask fits how it was installed, and never names an index where we have no name."""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from unmask import install
from unmask.install import install_line
from unmask.version import __version__

ROOT = Path(__file__).resolve().parents[1]
WHEEL = f"unmask-{__version__}-py3-none-any.whl"


class Installed:
    def __init__(self, noted: str | None) -> None:
        self._noted = noted

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return self._noted


@pytest.mark.parametrize(
    ("noted", "expected"),
    [
        # A checkout, installed to be edited, seen from elsewhere.
        ({"url": "file:///src/unmask", "dir_info": {"editable": True}}, "pip install -e '/src/unmask[train,serve]'"),
        # A folder, copied.
        ({"url": "file:///src/unmask", "dir_info": {}}, "pip install '/src/unmask[train,serve]'"),
        # A wheel; its path has a space, which its address encodes.
        ({"url": f"file:///my%20files/{WHEEL}", "archive_info": {}}, f"pip install '/my files/{WHEEL}[train,serve]'"),
        # A repository at a commit.
        (
            {"url": "https://example.org/unmask.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "pip install 'unmask[train,serve] @ git+https://example.org/unmask.git@abc'",
        ),
    ],
)
def test_the_line_fits(monkeypatch: pytest.MonkeyPatch, noted: dict[str, Any], expected: str) -> None:
    monkeypatch.setattr(metadata, "distribution", lambda name: Installed(json.dumps(noted)))
    assert install_line("train", "serve") == expected


@pytest.mark.parametrize("noted", [None, "", "not JSON"])
def test_an_unknown_origin(monkeypatch: pytest.MonkeyPatch, noted: str | None) -> None:
    monkeypatch.setattr(metadata, "distribution", lambda name: Installed(noted))
    monkeypatch.setattr(install, "_CHECKOUT", Path("/nowhere"))
    assert install_line("train") == f"pip install '{WHEEL}[train]'"
    monkeypatch.setattr(install, "PUBLISHED_NAME", "unmask-faces")
    assert install_line("train") == "pip install 'unmask-faces[train]'"


def test_in_the_checkout_it_is_the_line_of_the_readme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "distribution", lambda name: Installed(None))
    monkeypatch.chdir(ROOT)
    assert install_line("train") == "pip install -e '.[train]'"


def test_no_text_sends_a_reader_to_a_name_that_is_not_ours() -> None:
    named = re.compile(r"""pip install (-\S+ )*["'`]?unmask(?!-[0-9])\b""")
    kinds = {".py", ".md", ".j2", ".ts", ".tsx", ".yaml", ".yml", ".toml", ".json"}
    places = [
        ROOT / "README.md",
        *(ROOT / "docs").rglob("*"),
        *(ROOT / "src").rglob("*"),
        *(ROOT / "deploy").rglob("*"),
    ]
    texts = [path for path in places if path.suffix in kinds and "static" not in path.parts]
    assert len(texts) > 100
    wrong = [str(path.relative_to(ROOT)) for path in texts if named.search(path.read_text("utf-8"))]
    assert wrong == [] or install.PUBLISHED_NAME
