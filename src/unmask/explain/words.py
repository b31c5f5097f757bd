"""A verdict in plain words, every one of them bound to a fact that was measured.

A rule reads facts and gives a template; the template's fields are facts, and no template holds a number of its own. So
a sentence cannot say what was not measured, and each one carries the facts that it states and those that it hangs on.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

Tone = Literal["finding", "warning", "note"]
Rule = Callable[[Mapping[str, Any]], str | None]


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence.

    Attributes:
        rule: the name of the rule that made it.
        tone: ``finding``: of the verdict and what it rests on. ``warning``: what makes it unreliable. ``note``: what
            stands beside it and is not mixed into it.
        text: for people.
        states: the facts in the text, by name; another value gives another text or none.
        because: the further facts that the rule read to say this rather than something else.
    """

    rule: str
    tone: Tone
    text: str
    states: dict[str, Any]
    because: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "rule": self.rule,
            "tone": self.tone,
            "text": self.text,
            "states": self.states,
            "because": self.because,
        }


RULES: Final[dict[str, tuple[Tone, Rule]]] = {}
"""Every rule by name, in the order of the paragraph."""


def compose(facts: Mapping[str, Any]) -> tuple[Sentence, ...]:
    """The sentences that facts allow, in the order of the rules.

    Args:
        facts: by name; one that is missing or ``None`` was not measured, and nothing is said of it.
    """
    sentences = []
    for name, (tone, rule) in RULES.items():
        read = _Read(facts)
        template = rule(read)
        if template is None:
            continue
        stated = {field for _, field, _, _ in _FORMAT.parse(template) if field}
        values = {field: read[field] for field in sorted(stated)}
        if None in values.values():  # what was not measured is not stated
            continue
        text = _FORMAT.vformat(template, (), values)
        because = {key: facts.get(key) for key in sorted(read.names - stated)}
        sentences.append(Sentence(name, tone, text, values, because))
    return tuple(sentences)


class _Read(Mapping[str, Any]):
    """Facts that remember which of them were read; one that is missing is ``None``."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._facts = facts
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.names.add(name)
        return self._facts.get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._facts)

    def __len__(self) -> int:
        return len(self._facts)


class _Format(string.Formatter):
    """Fields of a template: ``share`` in per cent, ``count`` with thousands, ``list`` with commas, or as Python's."""

    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec == "share":
            return f"{100 * value:.1f} %"
        if format_spec == "list":
            return ", ".join(str(each) for each in value)
        return str(super().format_field(value, format_spec))


_FORMAT: Final = _Format()


def _rule(tone: Tone) -> Callable[[Rule], Rule]:
    def add(rule: Rule) -> Rule:
        RULES[rule.__name__] = (tone, rule)
        return rule

    return add


@_rule("finding")
def verdict(_: Mapping[str, Any]) -> str | None:
    """What the detector answers."""
    return (
        "The detector calls this image {result}: its probability of being fake is {fake_probability:share}, and FAKE "
        "begins at {threshold:share}."
    )


@_rule("finding")
def certainty(facts: Mapping[str, Any]) -> str | None:
    """How often such an answer was right."""
    probability, low, high = facts["fake_probability"], facts["band_low"], facts["band_high"]
    if probability is None or low is None or high is None:
        return None
    if low <= probability <= high:
        return (
            "{fake_probability:share} lies between {band_low:share} and {band_high:share}, where its verdicts were "
            "often wrong: take this one as undecided."
        )
    if not facts["faces"]:
        return None
    return (
        "Outside the band of doubt, from {band_low:share} to {band_high:share}, {accuracy_outside:share} of its "
        "verdicts on validation images were right."
    )


@_rule("finding")
def faces(facts: Mapping[str, Any]) -> str | None:
    """What was judged."""
    if not facts["faces"]:
        return None
    if facts["faces"] == 1:
        return "One face was found ({face_side:.0f} pixels wide) and judged."
    return (
        "{faces} faces were found; number {deciding_face} by size, {face_side:.0f} pixels wide, decided, and "
        "{faces_called_fake} of them reach the threshold."
    )


@_rule("warning")
def no_face(facts: Mapping[str, Any]) -> str | None:
    """Why an image without a face is uncertain."""
    if facts["faces"] != 0 or not facts["seeks_faces"]:
        return None
    return "Faces found: {faces}. The whole image was judged, for which the detector was not made."


@_rule("finding")
def place(facts: Mapping[str, Any]) -> str | None:
    """Where the evidence lies."""
    share, area = facts["top_place_share"], facts["top_place_area"]
    if share is None or area is None:
        return None
    if share - area < _CLEAR_LEAD:
        return (
            "The evidence for {result} is spread over the face: the most, {top_place_share:share}, lies on the place "
            "“{top_place}”, which fills {top_place_area:share} of the crop."
        )
    return (
        "The evidence for {result} gathers on the place “{top_place}”: {top_place_share:share} of it lies on "
        "{top_place_area:share} of the crop."
    )


@_rule("finding")
def map_is_faithful(facts: Mapping[str, Any]) -> str | None:
    """Whether those places are to be believed."""
    gain, beaten, orders = facts["gain"], facts["orders_beaten"], facts["random_orders"]
    if gain is None or beaten is None or not orders:
        return None
    if gain > 0 and beaten >= _MOST * orders:
        return (
            "The places are the detector's own: blurring them away in that order moves its answer more than "
            "{orders_beaten} of {random_orders} random orders do (gain {gain:.3f})."
        )
    return (
        "Do not rely on the places: blurring them away in that order moves the detector's answer more than only "
        "{orders_beaten} of {random_orders} random orders do (gain {gain:.3f})."
    )


@_rule("warning")
def out_of_distribution(facts: Mapping[str, Any]) -> str | None:
    """Whether training had anything like it."""
    if not facts["out_of_distribution"]:
        return None
    return (
        "It is unlike the images of training: their features lie {novelty_distance:.2f} away, and "
        "{novelty_quantile:share} of validation images lie within {novelty_threshold:.2f}."
    )


@_rule("warning")
def small_face(facts: Mapping[str, Any]) -> str | None:
    """Whether the face is too small."""
    side, limit = facts["face_side"], facts["small_face"]
    if side is None or limit is None or side >= limit:
        return None
    return "The face is only {face_side:.0f} pixels wide; below {small_face} the answer is unreliable."


@_rule("warning")
def heavy_compression(facts: Mapping[str, Any]) -> str | None:
    """Whether compression has removed the traces."""
    quality, limit = facts["jpeg_quality"], facts["heavy_quality"]
    if quality is None or limit is None or quality >= limit:
        return None
    return (
        "The JPEG file is strongly compressed (quality {jpeg_quality:.0f}, strong being below {heavy_quality}), which "
        "removes the traces that tell real from fake."
    )


@_rule("note")
def forensics(facts: Mapping[str, Any]) -> str | None:
    """What the forensic views show."""
    if not facts["figures_measured"] or facts["figures_outside"] is None:
        return None
    if not facts["figures_outside"]:
        return "Of {figures_measured} forensic figures none lies outside the range of real photographs."
    return (
        "Of {figures_measured} forensic figures {figures_outside_count} lie outside the range of real photographs "
        "({figures_outside:list}); in a real photograph each does with a chance of {figures_chance:share}."
    )


@_rule("note")
def generator_tags(facts: Mapping[str, Any]) -> str | None:
    """What generators left in the file."""
    if facts["generator_tags"] is None:
        return None
    if not facts["generator_tags"]:
        return "The file has no mark of an image generator; that proves nothing."
    return "The file carries marks of image generators: {generator_tags:list}; marks can be added by anyone."


@_rule("note")
def credentials(facts: Mapping[str, Any]) -> str | None:
    """What content credentials claim."""
    if facts["credentials"] == "none":
        return "The file has no content credentials (C2PA); that proves nothing."
    return None if facts["credentials"] is None else "Content credentials (C2PA) of the file: {credentials}."


@_rule("note")
def camera(facts: Mapping[str, Any]) -> str | None:
    """Which camera and software the file names."""
    if facts["camera"] is not None and facts["software"] is not None:
        return "The file names the camera “{camera}” and the software “{software}”; both can be forged."
    if facts["camera"] is not None:
        return "The file names the camera “{camera}”, which can be forged."
    return None if facts["software"] is None else "The file names the software “{software}”, which can be forged."


@_rule("note")
def thumbnail(facts: Mapping[str, Any]) -> str | None:
    """Whether the embedded thumbnail shows another image."""
    if not facts["thumbnail_differs"]:
        return None
    if facts["thumbnail_correlation"] is None:
        return "The thumbnail in the file is not one of this image."
    return (
        "The thumbnail in the file is not one of this image (correlation {thumbnail_correlation:.2f}): it was "
        "changed after the thumbnail was made."
    )


@_rule("note")
def position(facts: Mapping[str, Any]) -> str | None:
    """Whether the file tells where the image was taken."""
    return "The file says where it was taken: mind privacy before you pass it on." if facts["has_position"] else None


# A place stands out where it holds this much more of the evidence than of the area.
_CLEAR_LEAD = 0.1
# A map is believed where it beats this share of the random orders.
_MOST = 0.875
