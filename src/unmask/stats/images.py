"""Scored images as arrays: what every metric is computed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from unmask.stats.metrics import Codes, Flags, Floats


class ScoreTable(Protocol):
    """What :meth:`Images.of` reads of a table of scores; ``fake_probability`` is NaN for unreadable images."""

    @property
    def is_fake(self) -> Flags: ...  # noqa: D102 - as in Images

    @property
    def fake_probability(self) -> Floats: ...  # noqa: D102 - as in Images

    @property
    def threshold(self) -> float: ...  # noqa: D102 - images at or above it are called fake

    def groups(self) -> Codes: ...  # noqa: D102 - as in Images

    def column(self, name: str) -> tuple[str, ...]: ...  # noqa: D102 - its cells; blank where there is no such column


@dataclass(frozen=True)
class Images:
    """Scored images, one element each.

    Attributes:
        is_fake: bool [n], the truth.
        probability: float [n], probability of fake in [0, 1]; NaN where the image could not be read.
        called_fake: bool [n], the prediction; the wrong one where the image could not be read.
        group: int [n], numbers from 0, equal within a group.
        uncertain: bool [n], predictions inside the uncertain band; ``None`` where that is unknown.
    """

    is_fake: Flags
    probability: Floats
    called_fake: Flags
    group: Codes
    uncertain: Flags | None = None

    @classmethod
    def of(cls, scores: ScoreTable) -> Images:
        """From a table, with its threshold."""
        failed = np.isnan(scores.fake_probability)
        called_fake = np.where(failed, ~scores.is_fake, scores.fake_probability >= scores.threshold)
        cells = np.asarray(scores.column("uncertain"), np.str_)
        is_known = bool(np.isin(cells[~failed], ("true", "false")).all())
        uncertain = (cells == "true") & ~failed if is_known else None
        return cls(scores.is_fake, scores.fake_probability, called_fake, scores.groups(), uncertain)

    def __len__(self) -> int:
        return len(self.is_fake)

    @property
    def failed(self) -> Flags:
        """Images that could not be read."""
        return np.isnan(self.probability)

    @property
    def score(self) -> Floats:
        """What images are ranked by: the probability; -1 for an unreadable fake and 2 for an unreadable real image."""
        return np.where(self.failed, np.where(self.is_fake, -1.0, 2.0), self.probability)

    @property
    def is_right(self) -> Flags:
        """Correct predictions."""
        return np.asarray(self.called_fake == self.is_fake)

    @property
    def has_both(self) -> bool:
        """Whether both classes are present."""
        return bool(self.is_fake.any() and not self.is_fake.all())

    def where(self, chosen: Flags) -> Images:
        """The chosen images only, their groups numbered from 0."""
        _, group = np.unique(self.group[chosen], return_inverse=True)
        uncertain = None if self.uncertain is None else self.uncertain[chosen]
        return Images(self.is_fake[chosen], self.probability[chosen], self.called_fake[chosen], group, uncertain)
