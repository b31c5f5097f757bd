"""The line that installs more of unmask, fitting how it was installed."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from unmask.version import __version__

PUBLISHED_NAME: Final[str | None] = None
"""Our name in the package index. ``None``: not registered, and no message may send a reader there, since whoever
registers the name first would answer."""

_CHECKOUT: Final = Path(__file__).resolve().parents[2]


def checkout() -> Path | None:
    """The source's root folder; ``None`` where unmask is installed without it."""
    return _CHECKOUT if (_CHECKOUT / "pyproject.toml").is_file() else None


def install_line(*extras: str) -> str:
    """The command that adds extras to this installation, e.g. ``pip install -e '.[train]'``.

    A checkout is named by its folder, a wheel by its file, a repository by its address and commit.

    Args:
        extras: as in ``pyproject.toml``.
    """
    chosen = f"[{','.join(extras)}]"
    origin = _origin()
    path = _local_path(origin)
    if path is not None:
        editable = "-e " if origin.get("dir_info", {}).get("editable") else ""
        place = "." if path == Path.cwd() else str(path)
        return f"pip install {editable}{_quoted(place + chosen)}"
    if "vcs_info" in origin:
        about = origin["vcs_info"]
        place = f"unmask{chosen} @ {about['vcs']}+{origin['url']}@{about['commit_id']}"
        return f"pip install {_quoted(place)}"
    return f"pip install {_quoted((PUBLISHED_NAME or f'unmask-{__version__}-py3-none-any.whl') + chosen)}"


def _origin() -> dict[str, Any]:
    """What the installer noted (PEP 610); a source tree that was not installed counts as an editable checkout."""
    from importlib import metadata

    try:
        noted = metadata.distribution("unmask").read_text("direct_url.json")
        found = json.loads(noted) if noted else {}
    except (metadata.PackageNotFoundError, ValueError):
        found = {}
    if not found and checkout() is not None:
        return {"url": _CHECKOUT.as_uri(), "dir_info": {"editable": True}}
    return found if isinstance(found, dict) else {}


def _local_path(origin: dict[str, Any]) -> Path | None:
    url = urlsplit(str(origin.get("url", "")))
    if url.scheme != "file" or "vcs_info" in origin:
        return None
    path = unquote(url.path)
    return Path(path.lstrip("/") if os.name == "nt" else path)


def _quoted(text: str) -> str:
    return f'"{text}"' if os.name == "nt" else shlex.quote(text)
