"""Text from files, names and servers made safe to show. Imports nothing of unmask."""

from __future__ import annotations

import re

_MAX_QUOTED = 80
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,9})?")


def printable(text: str) -> str:
    """Text with control characters escaped, so that it cannot command the terminal it is printed on."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def quote(text: str) -> str:
    """Text in quotation marks for a message: control characters escaped, at most 80 characters."""
    return repr(text if len(text) <= _MAX_QUOTED else f"{text[: _MAX_QUOTED - 3]}...")


def shorten(text: str) -> str:
    """Text of others for a message, without quotation marks: control characters escaped, at most 80 characters."""
    shown = printable(text[: _MAX_QUOTED + 1])
    return shown if len(shown) <= _MAX_QUOTED else f"{shown[: _MAX_QUOTED - 3]}..."


def harmless_cell(text: str) -> str:
    """Text for a cell of a CSV table for people: a spreadsheet shows it as it is, but for an apostrophe in front.

    The apostrophe keeps a spreadsheet from running the text as a formula, and from rewriting it as a number (0012 as
    12, 1e10 as 10000000000, twenty digits as fifteen). Line ends become LF, since a CR outside quotation marks ends a
    row; other control characters, and what UTF-8 cannot hold, as in file names that are not Unicode, come out escaped.
    """
    text = text.replace("\r\n", "\n").encode(errors="backslashreplace").decode()
    text = "".join(char if char in "\t\n" else printable(char) for char in text)
    return f"'{text}" if text.startswith(_FORMULA) or _is_rewritten(text) else text


def guard_cell(text: str) -> str:
    """Text for a cell of a CSV table that unmask reads again: an apostrophe in front of what would be a formula.

    Numbers stay as they are. :func:`unguard_cell` gives back the same text.
    """
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def unguard_cell(text: str) -> str:
    """The text of a cell without the apostrophe that keeps it from being a formula."""
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(_FORMULA) else text


def _is_rewritten(text: str) -> bool:
    """Whether a spreadsheet takes text for a number and shows it in another form."""
    return bool(_NUMBER.fullmatch(text)) and f"{float(text):.15g}" != text
