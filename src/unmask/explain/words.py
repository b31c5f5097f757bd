"""A verdict in plain words, each sentence bound to measured facts.

A rule reads facts and returns a template, whose fields are facts. No template contains a number of its own, so no
sentence can say what was not measured. Each sentence carries the facts that it states and that it depends on.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from unmask.pages.timeline import clock

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
DOUBTS: Final = ("marks", "out_of_distribution", "small_face", "heavy_compression", "thumbnail", "unseen")
"""Rules that name a reason to doubt the verdict, the strongest first."""
MOST_REASONS: Final = 3


def reasons(sentences: Sequence[Sentence], doubts: Sequence[str] = DOUBTS) -> tuple[Sentence, ...]:
    """At most three sentences for a first look, by the order of ``doubts``.

    The basis of the verdict is first. Then come the strongest reason for doubt, which is what the file says of its own
    making if it says anything, and the place of the evidence, which is only there for a map that passed its check. If
    either is missing, further doubts fill up, and last how often such verdicts were right.
    """
    found = {sentence.rule: sentence for sentence in sentences}
    told = [name for name in doubts if name in found]
    ranked = ["verdict", *told[:1], "place", *told[1:], "certainty"]
    chosen = [name for name in ranked if name in found][:MOST_REASONS]
    order = ("verdict", *doubts, "place", "certainty")
    return tuple(found[name] for name in sorted(chosen, key=order.index))


def compose(facts: Mapping[str, Any], rules: Mapping[str, tuple[Tone, Rule]] | None = None) -> tuple[Sentence, ...]:
    """The sentences that facts allow, in the order of the rules.

    Args:
        facts: by name; nothing is said about facts that are missing or ``None``, i.e. not measured.
        rules: by name (default: :data:`RULES`, which are those of images).
    """
    sentences = []
    for name, (tone, rule) in (RULES if rules is None else rules).items():
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
    """Formats of template fields, besides Python's own.

    ``share`` is percent, ``clock`` a time in a clip, ``list`` is joined by commas, ``text`` by spaces, ``place`` is a
    place of a face with its article.
    """

    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec == "share":
            return f"{100 * value:.1f} %"
        if format_spec == "clock":
            return clock(value)
        if format_spec == "list":
            return ", ".join(str(each) for each in value)
        if format_spec == "text":
            return " ".join(str(each) for each in value)
        if format_spec == "place":
            return f"the area {value}" if str(value).startswith("around") else f"the {value}"
        return str(super().format_field(value, format_spec))


_FORMAT: Final = _Format()


def _rule(tone: Tone) -> Callable[[Rule], Rule]:
    def add(rule: Rule) -> Rule:
        RULES[rule.__name__] = (tone, rule)
        return rule

    return add


@_rule("finding")
def verdict(facts: Mapping[str, Any]) -> str | None:
    """The verdict and its basis."""
    match facts["verdict"]:
        case "FAKE":
            return (
                "Fake: the probability that this image is fake is {fake_probability:share}; the threshold is "
                "{threshold:share}."
            )
        case "REAL":
            return (
                "No sign of manipulation was found: the probability that this image is fake is "
                "{fake_probability:share}, below the threshold of {threshold:share}. This does not prove that it is "
                "real."
            )
        case "UNCERTAIN":
            if facts["doubts"]:
                return "Uncertain: the probability that this image is fake is {fake_probability:share}. {doubts:text}"
            return (
                "Uncertain: the probability that this image is fake is {fake_probability:share}. Between "
                "{band_low:share} and {band_high:share} verdicts are often wrong."
            )
        case "NO_FACE":
            return "No face was found. This detector judges faces only, so there is no verdict on this image."
    return None


@_rule("finding")
def certainty(facts: Mapping[str, Any]) -> str | None:
    """How often such a verdict is correct."""
    if facts["verdict"] not in {"FAKE", "REAL"}:
        return None
    return "On validation images, {accuracy_outside:share} of the verdicts as clear as this one were right."


@_rule("finding")
def kind(facts: Mapping[str, Any]) -> str | None:
    """Which kind of fake it is, by detectors that answer this too."""
    if facts["verdict"] != "FAKE":
        return None
    return "If it is fake, it was most likely {likely_kind} (probability {kind_probability:share})."


@_rule("warning")
def marks(facts: Mapping[str, Any]) -> str | None:
    """What the file says of its own making."""
    if not facts["marks"]:
        return None
    return "{marks:text} Such marks do not change the verdict, and anyone can add or remove them."


@_rule("finding")
def faces(facts: Mapping[str, Any]) -> str | None:
    """What was judged."""
    if not facts["faces"]:
        return None
    if facts["faces"] == 1:
        return "One face was found ({face_side:.0f} pixels wide) and judged."
    return (
        "{faces} faces were found; {faces_called_fake} of them reach the threshold. Face {deciding_face}, "
        "{face_side:.0f} pixels wide, decides about the image."
    )


@_rule("finding")
def place(facts: Mapping[str, Any]) -> str | None:
    """Where the evidence lies, by a map that passed its check."""
    share, area = facts["top_place_share"], facts["top_place_area"]
    if facts["map_reliable"] is not True or share is None or area is None:
        return None
    if share - area < _CLEAR_LEAD:
        return (
            "The evidence for “{evidence_for}” is spread over the face; its largest part ({top_place_share:share}) is "
            "on {top_place:place} ({top_place_area:share} of the area)."
        )
    return (
        "The evidence for “{evidence_for}” is strongest on {top_place:place}, with {top_place_share:share} of the "
        "evidence on {top_place_area:share} of the area."
    )


@_rule("finding")
def map_check(facts: Mapping[str, Any]) -> str | None:
    """Whether the evidence map can be relied on."""
    if not facts["has_map"]:
        return None
    if facts["map_reliable"] is None:
        return "The evidence map was not checked for this image: do not rely on it."
    if facts["map_reliable"]:
        return (
            "The evidence map passed its check: blurring the strongest places first changes the probability more than "
            "{orders_beaten} of {random_orders} random orders do."
        )
    return (
        "The evidence map is not reliable for this image: in its check it was not clearly better than chance, beating "
        "{orders_beaten} of {random_orders} random orders."
    )


@_rule("warning")
def out_of_distribution(facts: Mapping[str, Any]) -> str | None:
    """Whether the image is unlike the training images."""
    if not facts["out_of_distribution"]:
        return None
    return (
        "This image is unlike the training images, so the verdict is less certain: it is at a distance of "
        "{novelty_distance:.2f} from them, and {novelty_quantile:share} of validation images are within "
        "{novelty_threshold:.2f}."
    )


@_rule("warning")
def small_face(facts: Mapping[str, Any]) -> str | None:
    """Whether the face is too small."""
    side, limit = facts["face_side"], facts["small_face"]
    if side is None or limit is None or side >= limit:
        return None
    return "The face is only {face_side:.0f} pixels wide; below {small_face} pixels verdicts are unreliable."


@_rule("warning")
def heavy_compression(facts: Mapping[str, Any]) -> str | None:
    """Whether compression has removed the traces."""
    quality, limit = facts["jpeg_quality"], facts["heavy_quality"]
    if quality is None or limit is None or quality >= limit:
        return None
    return (
        "The file is strongly compressed (JPEG quality {jpeg_quality:.0f}; below {heavy_quality} is strong), which "
        "removes the traces that separate real from fake."
    )


@_rule("warning")
def unseen(facts: Mapping[str, Any]) -> str | None:
    """How often fakes by generators that training did not include are found."""
    if facts["verdict"] != "REAL":
        return None
    if facts["unseen_true_positive_rate"] is None:
        return "Fakes by generators that the detector was not trained on are missed more often than others."
    return (
        "Of fakes by generators that it was not trained on, the detector finds only {unseen_true_positive_rate:share}."
    )


@_rule("note")
def forensics(facts: Mapping[str, Any]) -> str | None:
    """How the forensic measurements compare with real photographs."""
    if facts["reference_gap"] is not None:
        return (
            "There are no comparable real photographs for the forensic measurements, so look only at changes inside "
            "the image: {reference_gap}."
        )
    if not facts["figures_measured"] or facts["figures_outside"] is None:
        return None
    if not facts["figures_outside"]:
        return (
            "All {figures_measured} forensic measurements are in the range of comparable real photographs "
            "({reference_class}, n = {reference_n})."
        )
    return (
        "Outside the range of comparable real photographs ({reference_class}, n = {reference_n}): "
        "{figures_outside_count} of {figures_measured} forensic measurements, under {views_outside:list}. Each is "
        "outside for about {figures_chance:share} of real photographs."
    )


@_rule("note")
def no_marks(facts: Mapping[str, Any]) -> str | None:
    """Whether the file says nothing of its own making."""
    if facts["marks"] is None or facts["marks"]:
        return None
    return "No mark of an image generator was found in the file. This proves nothing: marks are easily removed."


@_rule("note")
def credentials(facts: Mapping[str, Any]) -> str | None:
    """What content credentials claim."""
    if facts["credentials"] == "none":
        return "The file has no content credentials (C2PA), like most files. This proves nothing."
    return None if facts["credentials"] is None else "Content credentials (C2PA): {credentials}. {credentials_note}"


@_rule("note")
def camera(facts: Mapping[str, Any]) -> str | None:
    """Which camera and software the file names."""
    if facts["camera"] is not None and facts["software"] is not None:
        return "The file names the camera “{camera}” and the software “{software}”. Both can be forged."
    if facts["camera"] is not None:
        return "The file names the camera “{camera}”, which can be forged."
    return None if facts["software"] is None else "The file names the software “{software}”, which can be forged."


@_rule("warning")
def thumbnail(facts: Mapping[str, Any]) -> str | None:
    """Whether the embedded thumbnail shows another image."""
    if not facts["thumbnail_differs"]:
        return None
    if facts["thumbnail_correlation"] is None:
        return "The thumbnail in the file shows another image."
    return (
        "The thumbnail in the file shows another image (correlation {thumbnail_correlation:.2f}): the image was "
        "changed after its thumbnail was made."
    )


@_rule("note")
def position(facts: Mapping[str, Any]) -> str | None:
    """Whether the file says where the image was taken."""
    return (
        "The file says where the image was taken: think of privacy before you share it."
        if facts["has_position"]
        else None
    )


# Evidence is strongest on a place whose proportion of the evidence exceeds that of the area by this much.
_CLEAR_LEAD = 0.1
