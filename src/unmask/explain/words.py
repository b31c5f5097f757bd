"""A verdict in plain words, each sentence bound to measured facts.

A rule reads facts and returns a template, whose fields are facts. No template contains a number of its own, so no
sentence can say what was not measured. Each sentence carries the facts that it states and that it depends on.
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
        rule: name of the rule that made it.
        tone: ``finding``: about the verdict and its basis. ``warning``: a reason to doubt the verdict. ``note``: other
            information, which does not enter the verdict.
        text: the sentence.
        states: the facts in the text, by name; another value gives another text or none.
        because: other facts that the rule read to choose this sentence.
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
"""All rules by name, in the order of their sentences."""


def compose(facts: Mapping[str, Any]) -> tuple[Sentence, ...]:
    """The sentences that facts allow, in the order of the rules.

    Args:
        facts: by name; nothing is said about facts that are missing or ``None``, i.e. not measured.
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
    """Facts that record which of them were read; missing ones are ``None``."""

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
    """Formats of template fields: ``share`` is percent, ``list`` is joined by commas, others are Python's."""

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
    """The verdict."""
    return (
        "The detector calls this image {result}: its probability of being fake is {fake_probability:share}, and the "
        "threshold for FAKE is {threshold:share}."
    )


@_rule("finding")
def certainty(facts: Mapping[str, Any]) -> str | None:
    """How often such a verdict is correct."""
    probability, low, high = facts["fake_probability"], facts["band_low"], facts["band_high"]
    if probability is None or low is None or high is None:
        return None
    if low <= probability <= high:
        return (
            "{fake_probability:share} lies between {band_low:share} and {band_high:share}, where its verdicts were "
            "often wrong: treat this one as undecided."
        )
    if not facts["faces"]:
        return None
    return (
        "Outside the uncertain band, from {band_low:share} to {band_high:share}, {accuracy_outside:share} of its "
        "verdicts on validation images were correct."
    )


@_rule("finding")
def faces(facts: Mapping[str, Any]) -> str | None:
    """What was judged."""
    if not facts["faces"]:
        return None
    if facts["faces"] == 1:
        return "One face was found ({face_side:.0f} pixels wide) and judged."
    return (
        "{faces} faces were found. Number {deciding_face} by size, {face_side:.0f} pixels wide, decides; "
        "{faces_called_fake} of them reach the threshold."
    )


@_rule("warning")
def no_face(facts: Mapping[str, Any]) -> str | None:
    """Why an image without a face is uncertain."""
    if facts["faces"] != 0 or not facts["seeks_faces"]:
        return None
    return "Faces found: {faces}. The whole image was judged, which the detector was not made for."


@_rule("finding")
def place(facts: Mapping[str, Any]) -> str | None:
    """Where the evidence lies."""
    share, area = facts["top_place_share"], facts["top_place_area"]
    if share is None or area is None:
        return None
    if share - area < _CLEAR_LEAD:
        return (
            "The evidence for {result} is spread over the face: the largest part, {top_place_share:share}, lies on "
            "“{top_place}”, which covers {top_place_area:share} of the crop."
        )
    return (
        "The evidence for {result} is concentrated on “{top_place}”: {top_place_share:share} of it lies on "
        "{top_place_area:share} of the crop."
    )


@_rule("finding")
def map_is_faithful(facts: Mapping[str, Any]) -> str | None:
    """Whether these places can be relied on."""
    gain, beaten, orders = facts["gain"], facts["orders_beaten"], facts["random_orders"]
    if gain is None or beaten is None or not orders:
        return None
    if gain > 0 and beaten >= _MOST * orders:
        return (
            "The detector does rely on these places: blurring them in this order changes its prediction more than "
            "{orders_beaten} of {random_orders} random orders do (gain {gain:.3f})."
        )
    return (
        "Do not rely on these places: blurring them in this order changes the detector's prediction more than only "
        "{orders_beaten} of {random_orders} random orders do (gain {gain:.3f})."
    )


@_rule("warning")
def out_of_distribution(facts: Mapping[str, Any]) -> str | None:
    """Whether the image is unlike the training images."""
    if not facts["out_of_distribution"]:
        return None
    return (
        "The image is unlike the training images: its features are at a distance of {novelty_distance:.2f} from "
        "theirs; {novelty_quantile:share} of validation images are within {novelty_threshold:.2f}."
    )


@_rule("warning")
def small_face(facts: Mapping[str, Any]) -> str | None:
    """Whether the face is too small."""
    side, limit = facts["face_side"], facts["small_face"]
    if side is None or limit is None or side >= limit:
        return None
    return "The face is only {face_side:.0f} pixels wide; below {small_face} the prediction is unreliable."


@_rule("warning")
def heavy_compression(facts: Mapping[str, Any]) -> str | None:
    """Whether compression has removed the traces."""
    quality, limit = facts["jpeg_quality"], facts["heavy_quality"]
    if quality is None or limit is None or quality >= limit:
        return None
    return (
        "The JPEG file is strongly compressed (quality {jpeg_quality:.0f}; below {heavy_quality} is strong), which "
        "removes the traces that separate real from fake."
    )


@_rule("note")
def forensics(facts: Mapping[str, Any]) -> str | None:
    """What the forensic views show."""
    if not facts["figures_measured"] or facts["figures_outside"] is None:
        return None
    if not facts["figures_outside"]:
        return "None of the {figures_measured} forensic measurements is outside the range of real photographs."
    return (
        "Forensic measurements outside the range of real photographs: {figures_outside_count} of {figures_measured} "
        "({figures_outside:list}). For a real photograph, the chance of each is {figures_chance:share}."
    )


@_rule("note")
def generator_tags(facts: Mapping[str, Any]) -> str | None:
    """Marks of image generators in the file."""
    if facts["generator_tags"] is None:
        return None
    if not facts["generator_tags"]:
        return "The file has no mark of an image generator; that proves nothing."
    return "The file has marks of image generators: {generator_tags:list}; anyone can add such marks."


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
        return "The thumbnail in the file shows another image."
    return (
        "The thumbnail in the file shows another image (correlation {thumbnail_correlation:.2f}): this one was changed "
        "after the thumbnail was made."
    )


@_rule("note")
def position(facts: Mapping[str, Any]) -> str | None:
    """Whether the file says where the image was taken."""
    return (
        "The file says where the image was taken: think of privacy before you share it."
        if facts["has_position"]
        else None
    )


# Evidence is concentrated on a place whose proportion of the evidence exceeds that of the area by this much.
_CLEAR_LEAD = 0.1
# A map is relied on if it beats this proportion of the random orders.
_MOST = 0.875
