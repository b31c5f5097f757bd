"""Results as files: JSON, a self-contained HTML page, and Markdown. Each kind of result only says its content."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from unmask.errors import UsageError
from unmask.evaluation.reports.sentences import (
    difference,
    markdown_cell,
    metric_name,
    percent,
    three_digits,
    with_interval,
)
from unmask.evaluation.results.base import Result, Run
from unmask.files import write_whole
from unmask.pages.page import render

AnyResult = TypeVar("AnyResult", bound=Result)

FORMATS: Final[Mapping[str, Any]] = {
    "number": three_digits,
    "with_interval": with_interval,
    "percent": percent,
    "difference": difference,
    "metric_name": metric_name,
}
"""How templates write numbers and names."""


@dataclass(frozen=True)
class Report:
    """A result with what its templates need.

    Attributes:
        result: the result.
        template: the templates are this, followed by ``.html.j2`` and ``.md.j2``.
        content: the templates' variables, besides the result and the formats of numbers.
        page: further variables of the page, such as charts.
    """

    result: Result
    template: str
    content: Mapping[str, Any]
    page: Mapping[str, Any] = field(default_factory=dict)

    def html(self) -> str:
        """The page; every text of the result is escaped."""
        return self._render("html", self.page)

    def markdown(self) -> str:
        """The same metrics as Markdown, without charts."""
        return self._render("md", {"cell": markdown_cell})

    def write(self, folder: Path, name: str, json_name: str | None = None) -> None:
        """Write the result as JSON, HTML and Markdown; each file appears whole or not at all.

        Args:
            folder: an existing folder.
            name: of the files, without suffix.
            json_name: of the JSON file, where it differs.

        Raises:
            UsageError: ``cannot_write``.
        """
        texts = {
            f"{json_name or name}.json": self.result.to_json(indent=1) + "\n",
            f"{name}.html": self.html(),
            f"{name}.md": self.markdown(),
        }
        for file, text in texts.items():
            write_whole(folder / file, text)

    def _render(self, suffix: str, further: Mapping[str, Any]) -> str:
        template = f"unmask.evaluation.reports/{self.template}.{suffix}.j2"
        return render(template, result=self.result, **FORMATS, **self.content, **further)


def command_line(run: Run) -> str:
    """The call that made a result, to be pasted into a shell; '' if it was made by the library."""
    return shlex.join(run.command)


MAX_RESULT_BYTES = 256 << 20


def read_result(path: Path, *kinds: type[AnyResult]) -> AnyResult:
    """Read a result that a command wrote as JSON.

    Args:
        path: the file.
        *kinds: which results it may hold, such as :class:`unmask.evaluation.results.Evaluation`.

    Raises:
        UsageError: ``bad_result``.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_RESULT_BYTES + 1)
        text = data.decode() if len(data) <= MAX_RESULT_BYTES else ""
    except (OSError, ValueError):
        text = ""
    for kind in kinds:
        try:
            return kind.from_json(text)
        except (ValueError, RecursionError):
            continue
    names = " or ".join(kind.kind_name() for kind in kinds)
    raise UsageError("bad_result", f"{path}: is not a readable {names} result")
