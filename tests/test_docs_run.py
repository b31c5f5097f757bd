"""The commands of the README and of the pages for beginners are run, page by page, in a folder with what they name."""

from __future__ import annotations

import csv
import re
import shlex
import shutil
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.test_docs_commands import ROOT, shell_blocks
from tests.video.clips import encode

from unmask.bundle.golden import golden_pixels
from unmask.cli import main
from unmask.data.make.demo import demo_images

PAGES = [
    ROOT / "README.md",
    *(ROOT / "docs" / name for name in ("index.md", "explain.md", "many-images.md")),
    # The newcomer's transcript has a test of its own.
    *(path for path in sorted((ROOT / "docs" / "tutorials").glob("*.md")) if path.name != "newcomer.md"),
]
# What is not run here, and where it is.
ELSEWHERE = {
    r"^serve": "runs until it is stopped: tests/serve",
    r"--watch": "runs until it is stopped: tests/cli",
    r"^models pull": "downloads: tests/bundle/test_parts.py",
    r"^(train|held-out)": "takes minutes: tests/training, and the transcript of docs/tutorials/newcomer.md",
    r"--run": "needs such a run: tests/explain",
    r"^check-maps|--check full": "takes minutes: tests/explain",
    r"^robustness": "takes half a minute: tests/evaluation",
    r"hf://": "needs a hub: tests/bundle/test_hub.py",
}
# Enough that a split keeps its proportions.
_IMAGES, _TEST = 200, 24
# What scripts use to stop: verdicts that were asked for.
EXIT_CODES = {r"--fail-on": 4}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pages name: a portrait, folders, a clip, tables of labelled images, and a trained bundle."""
    folder = tmp_path_factory.mktemp("docs")
    portrait, manipulated = demo_images().values()
    portrait.save(folder / "portrait.jpg", quality=92)
    for name in ("photos", "archive/more", "inbox"):
        (folder / name).mkdir(parents=True)
        portrait.save(folder / name / "a.jpg", quality=92)
        manipulated.save(folder / name / "b.jpg", quality=92)
    small = portrait.resize((256, 256))
    encode(folder / "clip.mp4", [np.asarray(small)] * 3, fps=3)
    rows, theirs = [], []
    for number in range(_IMAGES):
        label = ("real", "fake")[number % 2]
        path = folder / "ours" / label / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(golden_pixels(number, 64)).save(path, quality=90)
        rows.append(
            {
                "path": f"ours/{label}/{number}.jpg",
                "label": label,
                "source": f"source-{number // 2 % 2}",
                "group": f"person-{number}",
                "generator": "camera" if label == "real" else f"generator-{number // 2 % 2}",
                "camera": f"camera-{number // 2 % 3}",
                "age": ("young", "old")[number // 4 % 2],
                "split": "test" if number < _TEST else "val",
            }
        )
        if number < _TEST:
            theirs.append({"path": rows[-1]["path"], "label": label, "fake_probability": f"{number / _TEST:.3f}"})
    for name, table in {"faces": [{**row, "split": ""} for row in rows], "split": rows, "theirs": theirs}.items():
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(table[0]))
            writer.writeheader()
            writer.writerows(table)
    shutil.copytree(str(files("unmask.assets") / "unmask-default"), folder / "runs" / "mine" / "bundle")
    return folder


def commands(page: Path) -> list[str]:
    """The lines of a page's blocks that call unmask, without what follows a pipe or a redirection."""
    lines = "\n".join(shell_blocks(page.read_text("utf-8"))).replace("\\\n", " ").splitlines()
    return [line.removeprefix("unmask ") for line in lines if line.startswith("unmask ")]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_commands_of_a_page_run(
    page: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    if "--out split.csv" in page.read_text("utf-8"):
        (tmp_path / "split.csv").unlink()
    monkeypatch.chdir(tmp_path)
    for line in commands(page):
        words = shlex.split(re.split(r"\s[|>]", line)[0], comments=True)
        text = " ".join(words)
        if any(re.search(pattern, text) for pattern in ELSEWHERE):
            continue
        monkeypatch.setattr(sys, "argv", ["unmask", *words])
        with pytest.raises(SystemExit) as caught:
            main()
        expected = next((code for pattern, code in EXIT_CODES.items() if re.search(pattern, text)), 0)
        assert int(caught.value.code or 0) == expected, (line, capfd.readouterr())


def test_most_commands_of_these_pages_are_run() -> None:
    lines = [line for page in PAGES for line in commands(page)]
    left_out = [line for line in lines if any(re.search(pattern, line) for pattern in ELSEWHERE)]
    assert len(lines) > 40
    assert len(left_out) < 0.4 * len(lines)
