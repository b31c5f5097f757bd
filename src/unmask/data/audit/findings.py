"""The findings of an audit: code, severity, the images concerned, and advice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, Literal, TypeVar

Severity = Literal["info", "warning", "error"]
SEVERITIES: Final[tuple[Severity, ...]] = ("info", "warning", "error")

MAX_LISTED: Final = 50
_MAX_TOGETHER: Final = 8

ADVICE: Final = {
    "unreadable": "Fetch these files again, repair them, or take their rows out.",
    "not-fetched": "Get the images first: unmask data fetch.",
    "checksum-mismatch": "The files differ from those in the manifest: get them again, or correct sha256.",
    "one-class": "Add images of the other label: nothing can be learned or measured from one.",
    "imbalance": "Train with balanced draws or class weights, judge by balanced accuracy or AUC, or add images.",
    "one-class-split": "Split the set again with both labels in every split: unmask data split.",
    "one-class-source": (
        "A network can learn the source instead of the label: add images of the other label made in the same way,"
        " and report metrics on sources that training never saw (leave-one-source-out)."
    ),
    "shortcut-file-facts": (
        "Give both labels the same format, size and compression: pass all through one random resize and JPEG"
        " pipeline in training, and report this AUC next to the model's."
    ),
    "shortcut-pixels": (
        "Look at the images (unmask data sheet), match the labels in these statistics or crop what gives them away,"
        " and report this AUC next to the model's."
    ),
    "shortcut-common": (
        "The face crop and re-encoding that every detector sees do not remove this: augment against it (blur, rescale,"
        " colour), match the sources, and report this AUC next to the model's."
    ),
    "shortcut-within-source": (
        "Real and fake images of this source were not processed alike: make them again from the originals in one"
        " pipeline, or leave the source out of what you report."
    ),
    "label-conflict": (
        "Find out which label is right and keep one row; if that is unknown, remove all of them. If the fake is a fake"
        " whose change is too small to see, keep both in one group."
    ),
    "label-contradiction": "Correct the label or the other column; the rest of the manifest says the opposite.",
    "label-suspect": "Look at these images: exceptions to a shortcut, or wrong labels. This alone proves nothing.",
    "exact-duplicate": "Keep one row of each: copies count twice in training and in every metric.",
    "exact-duplicate-across-splits": "Split the set again with copies kept together: unmask data split --duplicates.",
    "near-duplicate": "Keep them in one split: give them one group, or pass --clusters to unmask data split.",
    "near-duplicate-across-splits": (
        "Split the set again with near-duplicates kept together: unmask data audit --clusters FILE, then"
        " unmask data split --duplicates FILE."
    ),
    "fake-beside-its-source": "Nothing is wrong with such pairs while they stay in one split: give them one group.",
    "group-crosses-splits": "Split the set again by groups: unmask data split.",
}
"""By code, what to do."""


@dataclass(frozen=True)
class Finding:
    """One kind of fault.

    Attributes:
        code: a key of :data:`ADVICE`.
        severity: ``error``: metrics from this set would be wrong; ``warning``: they may be too good; ``info``: to know.
        message: the finding in one sentence.
        items: the images concerned, at most 50 entries: paths as in the manifest, those that belong together (copies of
            each other) in one tuple of at most 8; or names, where ``of`` is not ``images``.
        total: number of entries in all.
        of: the kind of entry: ``images``, ``sources``, ``splits``, ``groups`` or ``facts``.
        details: the numbers behind the message.
        rows: of ``items`` that are images, their rows in the manifest, from 0.
    """

    code: str
    severity: Severity
    message: str
    items: tuple[tuple[str, ...], ...] = ()
    total: int = 0
    of: str = "images"
    details: dict[str, Any] = field(default_factory=dict)
    rows: tuple[tuple[int, ...], ...] = ()

    @property
    def advice(self) -> str:
        """What to do, in one sentence."""
        return ADVICE[self.code]

    def to_json(self) -> dict[str, Any]:
        """The finding as plain JSON values."""
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "advice": self.advice,
            "of": self.of,
            "items": [list(item) for item in self.items],
            "total": self.total,
            "details": self.details,
        }


def at_least(severity: Severity, floor: Severity) -> bool:
    """Whether a severity is at least the floor's."""
    return SEVERITIES.index(severity) >= SEVERITIES.index(floor)


_Entry = TypeVar("_Entry")


def bounded(items: Iterable[Iterable[_Entry]]) -> tuple[tuple[_Entry, ...], ...]:
    """The first entries of a list that may be long, each shortened."""
    return tuple(tuple(islice(item, _MAX_TOGETHER)) for item in islice(items, MAX_LISTED))
