"""The build hook's decisions: when the page is built, when it is not, and when the build is refused."""

from __future__ import annotations

import importlib.util
import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
INDEX = "src/unmask/serve/static/index.html"
LOCAL = "src/unmask/serve/static-local/index.html"


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The hook as a module; hatchling itself is needed only to build."""
    interface = SimpleNamespace(BuildHookInterface=object)
    monkeypatch.setitem(sys.modules, "hatchling.builders.hooks.plugin.interface", interface)
    spec = importlib.util.spec_from_file_location("build_hook", ROOT / "tools" / "build_hook.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def put(root: Path, name: str, date: float = 1000) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("x")
    os.utime(root / name, (date, date))


def with_npm(folder: Path, script: str) -> dict[str, str]:
    """An environment whose npm is a shell script."""
    folder.mkdir()
    (folder / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "npm").chmod(0o755)
    return {"PATH": str(folder)}


@pytest.mark.parametrize(
    ("files", "version", "environment", "refused"),
    [
        # a page newer than its sources, whatever lies among the packages
        (
            {"web/package.json": 1, "web/src/a.ts": 5, INDEX: 6, LOCAL: 7, "web/node_modules/x.js": 9},
            "standard",
            {},
            "",
        ),
        # a page without its sources, as in the container image
        ({INDEX: 6, LOCAL: 6}, "standard", {}, ""),
        # a source archive: all files have one date, or any other
        ({"PKG-INFO": 9, "web/package.json": 9, INDEX: 6, LOCAL: 6}, "standard", {}, ""),
        # editable: the service says what is missing when somebody opens its page
        ({"web/package.json": 1}, "editable", {}, ""),
        # asked for
        ({"web/package.json": 1}, "standard", {"UNMASK_WITHOUT_PAGE": "1"}, ""),
        # not asked for
        ({"web/package.json": 1}, "standard", {"UNMASK_WITHOUT_PAGE": "0"}, "building it takes Node with npm"),
        # no page and no Node
        ({"web/package.json": 1}, "standard", {}, "building it takes Node with npm"),
        # a page older than one of its sources
        (
            {"web/package.json": 1, "web/src/deep/a.ts": 7, INDEX: 8, LOCAL: 6},
            "standard",
            {},
            "building it takes Node with npm",
        ),
        # one page of the two
        ({"web/package.json": 1, INDEX: 6}, "standard", {}, "building it takes Node with npm"),
        # neither page nor sources
        ({}, "standard", {}, "neither built nor are its sources there"),
    ],
)
def test_without_node(
    hook: Any, tmp_path: Path, files: dict[str, int], version: str, environment: dict[str, str], refused: str
) -> None:
    for name, date in files.items():
        put(tmp_path, name, date)
    problem = hook.bring_page(tmp_path, version, {"PATH": str(tmp_path / "nowhere"), **environment})
    if not refused:
        assert problem == ""
        return
    assert refused in problem and "UNMASK_WITHOUT_PAGE=1" in problem and "\n" not in problem


def test_with_node_the_page_is_built(hook: Any, tmp_path: Path) -> None:
    put(tmp_path, "web/package.json")
    page, local = tmp_path / INDEX, tmp_path / LOCAL
    for index in (page, local):
        index.parent.mkdir(parents=True)
    log = tmp_path / "log"
    environment = with_npm(
        tmp_path / "bin", f'echo "$@" >> {log}\ncase "$*" in *build*) echo page | tee {page} > {local};; esac'
    )
    assert hook.bring_page(tmp_path, "standard", environment) == ""
    installed, built = log.read_text().splitlines()
    assert installed.startswith(f"--prefix {tmp_path / 'web'} install ") and " run --silent build" in built
    # Once is enough.
    assert hook.bring_page(tmp_path, "standard", environment) == ""
    assert len(log.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("script", "said"),
    [
        # no network, or a Node that is too old
        ("exit 1", "npm install failed"),
        # sources that do not compile
        ('case "$*" in *build*) exit 2;; esac', "npm run failed"),
        # nothing where it is looked for
        ("exit 0", "npm built no page"),
    ],
)
def test_a_page_that_cannot_be_built_is_no_wheel(hook: Any, tmp_path: Path, script: str, said: str) -> None:
    put(tmp_path, "web/package.json")
    problem = hook.bring_page(tmp_path, "standard", with_npm(tmp_path / "bin", script))
    assert said in problem and "\n" not in problem


def test_the_hook_aborts_the_build(hook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("UNMASK_WITHOUT_PAGE", raising=False)
    said: list[str] = []
    made = hook.ArchiveHook()
    made.root, made.app = str(tmp_path), SimpleNamespace(abort=said.append)
    (tmp_path / "src/unmask").mkdir(parents=True)
    made.metadata = SimpleNamespace(version="1.2.3")
    made.initialize("standard", {})
    assert len(said) == 1 and said[0].startswith("The page of the service")
    made.initialize("editable", {})
    assert len(said) == 1


def test_the_project_names_the_hook_and_ships_it() -> None:
    import tomllib

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    assert settings["hooks"]["custom"]["path"] == "tools/build_hook.py"
    pages = ["src/unmask/serve/static", "src/unmask/serve/static-local"]
    assert settings["artifacts"] == [*pages, "src/unmask/release.txt"]
    # The source archive and the container image hold what a wheel is made from: hook and version too.
    assert {"tools/build_hook.py", "tools/build_version.py"} <= set(settings["targets"]["sdist"]["include"])
    for name, line in (
        ("Dockerfile", "COPY tools/build_hook.py tools/build_version.py tools/"),
        ("Dockerfile.dockerignore", "!tools/build_hook.py"),
        ("Dockerfile.dockerignore", "!tools/build_version.py"),
    ):
        assert line in (ROOT / "deploy" / name).read_text(encoding="utf-8").splitlines()


def test_an_archive_keeps_its_version_and_a_checkout_does_not(hook: Any, tmp_path: Path) -> None:
    made = hook.ArchiveHook()
    made.root, made.metadata = str(tmp_path), SimpleNamespace(version="1.2.3")
    put(tmp_path, INDEX)
    put(tmp_path, LOCAL)
    tag = tmp_path / "src/unmask/release.txt"
    made.initialize("editable", {})
    assert not tag.exists()
    made.initialize("standard", {})
    assert tag.read_text() == "1.2.3\n"
    made.finalize("standard", {}, "")
    assert not tag.exists()
    # The unpacked source archive, from which a wheel is made.
    put(tmp_path, "PKG-INFO")
    tag.write_text("1.2.2\n")
    made.initialize("standard", {})
    made.finalize("standard", {}, "")
    assert tag.read_text() == "1.2.2\n"


def test_a_build_has_the_version_of_its_tag(tmp_path: Path) -> None:
    version = runpy.run_path(str(ROOT / "tools" / "build_version.py"))["version"]
    put(tmp_path, "src/unmask/version.py")
    (tmp_path / "src/unmask/version.py").write_text('__version__ = "0.9.0"\n')
    assert version(tmp_path) == "0.9.0"  # no repository

    def git(*words: str) -> None:
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *who, *words], check=True, capture_output=True)

    git("init")
    git("add", ".")
    git("commit", "-m", "one")
    assert version(tmp_path) == "0.9.0"  # no tag
    git("tag", "vision")
    assert version(tmp_path) == "0.9.0"  # a tag of something else
    git("tag", "v1.2.3rc1")
    assert version(tmp_path) == "1.2.3rc1"
    git("commit", "--allow-empty", "-m", "two")
    assert version(tmp_path) == "0.9.0"  # after the release
    # An unpacked source archive, even inside of a repository.
    (tmp_path / "src/unmask/release.txt").write_text("1.1.0\n")
    assert version(tmp_path) == "1.1.0"
