"""What verdicts on images and on clips have in common."""

from __future__ import annotations

from typing import Any, Protocol

from unmask.detect.words import Word
from unmask.errors import ImageError
from unmask.imaging.marks import Mark


class Judged(Protocol):
    """A verdict on an image or on a clip; see :class:`~unmask.detect.verdict.Verdict` for what its parts mean."""

    @property
    def path(self) -> str | None:
        """As given."""

    @property
    def verdict(self) -> Word | None:
        """The word; ``None`` with an error."""

    @property
    def fake_probability(self) -> float | None:
        """In [0, 1]; ``None`` with an error."""

    @property
    def uncertain(self) -> bool:
        """Whether the word is UNCERTAIN or NO_FACE."""

    @property
    def kind_remark(self) -> str:
        """What kind of fake it probably is, or ''."""

    @property
    def marks(self) -> tuple[Mark, ...]:
        """What the file says of its own making."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was odd in reading."""

    @property
    def error(self) -> ImageError | None:
        """Why the file could not be read."""

    def to_dict(self) -> dict[str, Any]:
        """The verdict as plain values, ready for JSON."""
