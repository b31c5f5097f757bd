"""The documentation's site builds without a warning: links and anchors lead somewhere, the menu has every page."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs")
pytest.importorskip("material")
pytest.importorskip("mkdocstrings")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(target)]
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return target


def test_generated_pages_are_in_it(site: Path) -> None:
    commands = (site / "reference" / "commands.html").read_text("utf-8")
    assert "unmask bundle verify" in commands and "--fail-on" in commands
    errors = (site / "reference" / "errors.html").read_text("utf-8")
    assert "missing_extra" in errors and "cannot_write" in errors
    assert "unmask-default" in (site / "reference" / "recipes.html").read_text("utf-8")
    assert "fake_probability" in (site / "reference" / "library.html").read_text("utf-8")


def test_links_that_leave_the_site_are_listed_once(site: Path) -> None:
    lines = (site / "external-links.txt").read_text("utf-8").splitlines()
    found = [line.split(" ") for line in lines]
    assert ["https://github.com/VainF/Torch-Pruning", "small.html"] in found
    addresses = [address for address, _ in found]
    assert addresses == sorted(set(addresses))
    assert all(address.startswith(("https://", "http://")) for address in addresses)
    assert all(f'href="{address}' in (site / page).read_text("utf-8").replace("&amp;", "&") for address, page in found)


def test_the_site_asks_no_other_host_for_anything(site: Path) -> None:
    page = (site / "index.html").read_text("utf-8")
    loaded = [part.split('"')[0] for part in page.split('src="')[1:]]
    loaded += [part.split('"')[0] for tag in page.split("<link ")[1:] for part in tag.split('href="')[1:2]]
    assert len(loaded) > 3
    assert [address for address in loaded if address.startswith(("http:", "https:", "//"))] == []
