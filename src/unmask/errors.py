"""Every error that unmask raises on purpose.

Each carries a short stable ``code`` for programs and a message for people. The command maps the three families to
its exit codes: an input that failed (1), a wrong call (2), a broken or incomplete installation (3).
"""

from __future__ import annotations

from typing import Any

from unmask.text import printable


class UnmaskError(Exception):
    """Base of all errors raised on purpose.

    Text of others, such as a file's name, enters every message here: its control characters come out escaped.

    Args:
        code: see below.
        message: one sentence.
        *details: further lines, such as one for each bad row.

    Attributes:
        code: short stable identifier, lower case with underscores, e.g. ``"truncated"``.
        message: one sentence for people, and the details, a line for each.
    """

    exit_code = 1

    def __init__(self, code: str, message: str, *details: str) -> None:
        self.code = code
        self.message = "\n  ".join(map(printable, (message, *details)))
        super().__init__(self.message)

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are otherwise pickled by a call with ``args`` alone, which holds no code.
        return _restored, (type(self), self.args, self.__dict__)


class ImageError(UnmaskError):
    """An image could not be accepted or read; ``code`` says why."""


class VideoError(ImageError):
    """A clip could not be accepted or read; ``code`` says why."""


class ManifestError(UnmaskError):
    """A manifest is malformed; the message names the row."""

    exit_code = 2


class UsageError(UnmaskError):
    """The caller asked for something that does not exist or makes no sense."""

    exit_code = 2


class BundleError(UnmaskError):
    """A bundle is missing, malformed, or does not match its hashes."""

    exit_code = 3


class MissingExtraError(UnmaskError):
    """An optional part of unmask is not installed; the message is the pip line that installs it."""

    exit_code = 3

    def __init__(self, extra: str, purpose: str) -> None:
        from unmask.install import install_line  # not needed by a command that works

        super().__init__("missing_extra", f"{purpose} needs more packages: {install_line(extra)}")
        self.extra = extra


def _restored(kind: type[UnmaskError], args: tuple[Any, ...], state: dict[str, Any]) -> UnmaskError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error
