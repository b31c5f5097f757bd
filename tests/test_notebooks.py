"""The notebooks run from top to bottom on images that they make, and their files hold no outputs."""

from __future__ import annotations

import importlib.util
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def _cells(path: Path) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return cells


def test_there_are_four() -> None:
    assert [path.stem[2:] for path in NOTEBOOKS] == [
        "quickstart",
        "train-and-compare",
        "honest-evaluation",
        "audit-a-data-set",
    ]
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert all(f"({path.name})" in index for path in NOTEBOOKS)


@each_notebook
def test_outputs_are_stripped(path: Path) -> None:
    spec = importlib.util.spec_from_file_location("strip_notebooks", ROOT / "tools" / "strip_notebooks.py")
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    text = path.read_text(encoding="utf-8")
    assert text == tool.stripped(text), "run: python tools/strip_notebooks.py"
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in _cells(path))
    # The tool takes out what running a notebook puts in.
    run = json.loads(text)
    code = next(cell for cell in run["cells"] if cell["cell_type"] == "code")
    code |= {"execution_count": 3, "outputs": [{"output_type": "stream", "name": "stdout", "text": ["a"]}]}
    assert tool.stripped(json.dumps(run)) == text


@each_notebook
def test_every_cell_of_code_has_its_point_said(path: Path) -> None:
    kinds = [cell["cell_type"] for cell in _cells(path)]
    assert kinds[:2] == ["markdown", "markdown"] and "code" in kinds
    assert all(before == "markdown" for before, kind in pairwise(kinds) if kind == "code")


@each_notebook
def test_links_lead_somewhere(path: Path) -> None:
    text = "".join("".join(cell["source"]) for cell in _cells(path) if cell["cell_type"] == "markdown")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text)]
    assert all((FOLDER / link).is_file() for link in links), links


@each_notebook
def test_it_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    pytest.importorskip("skimage" if path.stem.endswith("quickstart") else "torch")
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "TMPDIR"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    notebook = nbformat.read(path, as_version=4)
    # The notebooks assert what their text says of the results.
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
