"""Verdicts on clips kept in a journal beside those on images."""

from __future__ import annotations

from typing import Any, Final, get_type_hints

from pydantic import ValidationError, create_model

from unmask.video.verdict import ClipVerdict

_FIELDS: Final = {name: kind for name, kind in get_type_hints(ClipVerdict).items() if name not in {"path", "error"}}
_Kept: Final[Any] = create_model("_Kept", **{name: (kind, ...) for name, kind in _FIELDS.items()})  # type: ignore[call-overload]


def clip_facts(verdict: ClipVerdict) -> dict[str, Any]:
    """What a journal holds of a verdict: all but its path, which is the one given."""
    facts: dict[str, Any] = _Kept(**{name: getattr(verdict, name) for name in _FIELDS}).model_dump(mode="json")
    return facts


def restored_clip(facts: dict[str, Any], path: str) -> ClipVerdict | None:
    """The verdict of a line; ``None`` where the line is damaged or lacks what verdicts now have."""
    try:
        kept: Any = _Kept.model_validate(facts)
    except ValidationError:
        return None
    return ClipVerdict(path=path, error=None, **{name: getattr(kept, name) for name in _FIELDS})
