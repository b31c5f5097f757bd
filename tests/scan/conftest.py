"""Fixtures of the tests of scans."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.cli.detecting import Ran, make_marked
from tests.scan.scanning import make_image

from unmask.cli import main


@pytest.fixture
def unmask(monkeypatch: pytest.MonkeyPatch, capfd: Any) -> Callable[..., Ran]:
    """Runs ``unmask`` in this process."""

    def run(*arguments: str | Path, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "argv", ["unmask", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfd.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return Ran(int(caught.value.code or 0), out, err)

    return run


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of 40 images with labels, groups and columns of its own; two are copies, one cannot be read."""
    pytest.importorskip("pyarrow")
    home = tmp_path_factory.mktemp("labelled")
    lines = ["path,label,source,group,age,notes"]
    for at in range(38):
        # Bright ones are fake, though not all of them.
        make_image(home / f"{at:02d}.png", 60 + 4 * at, b"%d" % at)
        label = "fake" if at > 18 or at % 7 == 0 else "real"
        lines.append(f"{at:02d}.png,{label},s{at % 2},g{at},{20 + at % 3},a note of ours")
    (home / "38.png").write_bytes((home / "37.png").read_bytes())
    (home / "39.png").write_bytes(b"no image")
    lines += ["38.png,fake,s0,g37,20,", "39.png,real,s1,g39,21,"]
    (home / "list.csv").write_text("\n".join(lines) + "\n")
    return home / "list.csv"


@pytest.fixture(scope="session")
def scanned(labelled: Path, whole_image_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished scan of ``labelled`` by the bundle of whole images; not to be changed."""
    from unmask.scan.engine import run_local
    from unmask.scan.finish import finish
    from unmask.scan.start import start

    out = tmp_path_factory.mktemp("scanned") / "scan"
    folder = start(out, [str(labelled)], model=whole_image_bundle, shard_size=10)
    run_local(folder, 1)
    finish(folder)
    return out


@pytest.fixture
def photos(tmp_path: Path, astronaut: Image.Image) -> Path:
    """A folder with 12 images, one of them with a face, one with a mark and one that cannot be read."""
    folder = tmp_path / "photos"
    for at in range(9):
        make_image(folder / f"{at}.png", 20 * at, b"%d" % at)
    astronaut.save(folder / "face.png")
    make_marked(folder / "marked.png", 250)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    return folder
