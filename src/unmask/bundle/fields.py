"""What all parts of ``bundle.json`` have in common."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(max_length=10_000)]
Name = Annotated[str, Field(max_length=200)]
Digest = Annotated[str, Field(max_length=128)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Number = Annotated[float, Field(ge=-1e12, le=1e12)]


class Part(BaseModel):
    """A part of ``bundle.json``: frozen, without unknown keys, numbers finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Measured(Part):
    """A measured proportion with its 95 % confidence interval.

    Attributes:
        value: the proportion, in [0, 1].
        low: lower end of the interval.
        high: upper end of the interval.
        n: number of images that it was measured on.
    """

    value: float = Field(ge=0, le=1)
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)
    n: int = Field(ge=1, lt=2**63)


def without_empty(content: dict[str, Any], *names: str) -> dict[str, Any]:
    """Content without those of some entries that are empty: versions that do not know them refuse them."""
    return {name: value for name, value in content.items() if name not in names or value}
