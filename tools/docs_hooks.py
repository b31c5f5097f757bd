"""What the documentation's site has besides ``docs/``: reference made from the code, and files of the root."""

from __future__ import annotations

import ast
import html
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import typer
from mkdocs.structure.files import File, Files

from unmask import errors
from unmask.cli.root import app
from unmask.recipes import Recipe

ROOT: Final = Path(__file__).resolve().parents[1]
FROM_ROOT: Final = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "CODE_OF_CONDUCT.md": "conduct.md",
}
EXTERNAL_LINKS: Final = "external-links.txt"
"""A file of the site: the addresses that its pages link to, one in each line, and a page that does."""
_WIDTH: Final = 100
_LIBRARY: Final = {
    "Detect": [
        "unmask.detect.detector.Detector",
        "unmask.detect.verdict.Verdict",
        "unmask.detect.verdict.RegionVerdict",
        "unmask.imaging.provenance.Mark",
    ],
    "Bundles": ["unmask.bundle.bundle.Bundle", "unmask.bundle.schema.Calibration", "unmask.bundle.schema.Threshold"],
    "Data": ["unmask.data.manifest.Manifest", "unmask.data.rows.ManifestRow"],
    "Train": ["unmask.recipes.schema.Recipe", "unmask.training.fit.fit"],
    "Evaluate": ["unmask.evaluation.evaluate", "unmask.stats.metrics"],
    "Errors": ["unmask.errors"],
}


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages."""
    pages = {
        "reference/commands.md": commands(),
        "reference/recipes.md": recipes(),
        "reference/errors.md": error_codes(),
        "reference/library.md": library(),
        **{new: _from_root(old) for old, new in FROM_ROOT.items()},
    }
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_post_build(config: Any) -> None:
    """List the links that leave the site. MkDocs checks the others; these would take a network."""
    site = Path(config["site_dir"])
    (site / EXTERNAL_LINKS).write_text("".join(f"{line}\n" for line in external_links(site)), encoding="utf-8")


def external_links(site: Path) -> list[str]:
    """Each address that the site's pages link to, with the first page that does, sorted."""
    first: dict[str, str] = {}
    for page in sorted(site.rglob("*.html")):
        for address in re.findall(r'<a[^>]* href="(https?://[^"#]+)', page.read_text("utf-8")):
            first.setdefault(html.unescape(address), page.relative_to(site).as_posix())
    return [f"{address} {page}" for address, page in sorted(first.items())]


def commands() -> str:
    """The help of every command."""
    found = ["# Commands\n", "Made from the code: what `unmask COMMAND --help` prints.\n"]
    for name, command in _commands(typer.main.get_command(app), "unmask"):
        context = click.Context(command, info_name=name, terminal_width=_WIDTH, max_content_width=_WIDTH)
        found.append(f"## {name}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(found)


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    if hasattr(command, "load"):
        command = command.load()
    yield name, command
    for below in getattr(command, "commands", {}).values():
        yield from _commands(below, f"{name} {below.name}")


def recipes() -> str:
    """Every built-in recipe with its settings."""
    found = ["# Recipes\n", "Made from the code: what `unmask recipes show NAME` prints.\n"]
    for name in Recipe.shipped():
        recipe = Recipe.load(name)
        found.append(f"## {name}\n\n{recipe.summary}.\n\n```yaml\n{recipe.to_yaml()}```\n")
    return "\n".join(found)


def error_codes() -> str:
    """Every error code in the source, with the exit code of its family and what it says."""
    families = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}
    said: dict[tuple[str, int], set[str]] = defaultdict(set)
    for file in sorted((ROOT / "src" / "unmask").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) >= 2):
                continue
            kind, code = families.get(node.func.id), node.args[0]
            if kind is None or not isinstance(code, ast.Constant) or not isinstance(code.value, str):
                continue
            if re.fullmatch(r"[a-z0-9_]+", code.value) and node.func.id != "MissingExtraError":
                said[code.value, getattr(kind, "exit_code", 1)].add(_message(node.args[1]))
    said["missing_extra", errors.MissingExtraError.exit_code].add("{purpose} needs more packages: {pip line}")
    lines = [
        "# Error codes\n",
        "Made from the code. Every error has a code for programs and a message for people; the exit code is that of "
        'the command. In JSON: `"error": {"code": ..., "message": ...}`.\n',
        "| code | exit code | what it says |",
        "| --- | ---: | --- |",
    ]
    for (code, exit_code), messages in sorted(said.items()):
        texts = "<br>".join(sorted(text.replace("|", "\\|") for text in messages if text)) or "–"
        lines.append(f"| `{code}` | {exit_code} | {texts} |")
    return "\n".join(lines) + "\n"


def _message(node: ast.expr) -> str:
    """A message's text, with the names of what is filled in; '' if it is made elsewhere."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.replace("<", "&lt;")
    if isinstance(node, ast.JoinedStr):
        parts = [
            part.value if isinstance(part, ast.Constant) else f"{{{ast.unparse(part.value)}}}"
            for part in node.values
            if isinstance(part, ast.Constant | ast.FormattedValue)
        ]
        return "".join(map(str, parts)).replace("<", "&lt;")
    return ""


def library() -> str:
    """The public classes and functions, from their docstrings."""
    found = ["# Library\n", "Made from the docstrings. [By example](../library.md) is easier to begin with.\n"]
    for heading, names in _LIBRARY.items():
        found += [f"## {heading}\n", *(f"::: {name}\n" for name in names)]
    return "\n".join(found)


def _from_root(name: str) -> str:
    """A page of the repository's root, with links as they are from the site's."""
    text = (ROOT / name).read_text("utf-8")
    for old, new in FROM_ROOT.items():
        text = text.replace(f"]({old})", f"]({new})")
    return text.replace("](docs/", "](")
