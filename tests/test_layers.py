"""The layers of the package: import-linter keeps them, and would see an import that climbs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("importlinter")

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "src" / "unmask"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's modules and the contracts, without anything else."""
    home = tmp_path_factory.mktemp("layers")
    shutil.copyfile(REPOSITORY / "pyproject.toml", home / "pyproject.toml")
    shutil.copytree(PACKAGE, home / "unmask", ignore=lambda folder, names: [
        name for name in names if not (Path(folder) / name).is_dir() and not name.endswith(".py")])  # fmt: skip
    return home


def broken(home: Path) -> set[str]:
    """The contracts that do not hold, by the first word of their names."""
    code = (
        "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command; lint_imports_command()"
    )
    done = subprocess.run([sys.executable, "-c", code, "--no-cache"], cwd=home, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    found = {line.partition(":")[0] for line in lines if line.endswith(" BROKEN")}
    assert bool(found) == bool(done.returncode), done.stdout
    return found


def test_the_layers_hold(copy: Path) -> None:
    assert broken(copy) == set()


@pytest.mark.parametrize(
    ("module", "line", "contracts"),
    [
        # a step up on the way to a verdict, at the top of a module
        ("imaging/jpeg.py", "from unmask.detect import verdict", {"floors", "use"}),
        # the same inside a function, where it would be imported late
        ("bundle/schema.py", "def late() -> None:\n    import unmask.serve.app", {"floors", "use"}),
        # a step up on the way to a detector
        ("data/manifest.py", "import unmask.training.fit", {"floors", "make"}),
        # the ground floor imports a package
        ("pages/page.py", "import unmask.imaging.decode", {"floors"}),
        # the laboratory, one strand over
        ("detect/overlay.py", "import unmask.data.manifest", {"apart"}),
        # a package that a verdict must do without
        ("detect/overlay.py", "import torch", {"light"}),
        # two modules of one package that import each other
        ("explain/maps.py", "import unmask.explain.explainer", {"circles"}),
        # a package that nobody gave a place
        ("stray/__init__.py", "", {"floors"}),
    ],
)
def test_a_planted_import_is_seen(copy: Path, module: str, line: str, contracts: set[str]) -> None:
    path = copy / "unmask" / module
    before = path.read_text(encoding="utf-8") if path.exists() else None
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{before or ''}\n\n{line}\n", encoding="utf-8")
    try:
        assert broken(copy) >= contracts  # a step up often closes a circle as well
    finally:
        if before is None:
            shutil.rmtree(path.parent)
        else:
            path.write_text(before, encoding="utf-8")
