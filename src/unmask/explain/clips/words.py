"""A verdict on a clip in plain words; how sentences are bound to facts is in :mod:`unmask.explain.words`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from unmask.explain.words import RULES as IMAGE_RULES
from unmask.explain.words import Rule, Tone

RULES: Final[dict[str, tuple[Tone, Rule]]] = {}
"""The rules of clips by name, in the order of their sentences."""
DOUBTS: Final = (
    *("marks", "out_of_distribution", "few_frames", "small_face", "divided", "written_again", "uncalibrated"),
    "unseen",
)
"""Rules that name a reason to doubt the verdict, the strongest first."""


def _rule(tone: Tone) -> Callable[[Rule], Rule]:
    def add(rule: Rule) -> Rule:
        RULES[rule.__name__] = (tone, rule)
        return rule

    return add


def _as_for_images(*names: str) -> None:
    RULES.update({name: IMAGE_RULES[name] for name in names})


@_rule("finding")
def verdict(facts: Mapping[str, Any]) -> str | None:
    """The verdict and its basis."""
    match facts["verdict"]:
        case "FAKE":
            return (
                "Fake: the probability that this clip is fake is {fake_probability:share}; the threshold is "
                "{threshold:share}."
            )
        case "REAL":
            return (
                "No sign of manipulation was found: the probability that this clip is fake is "
                "{fake_probability:share}, below the threshold of {threshold:share}. This does not prove that it is "
                "real."
            )
        case "UNCERTAIN":
            return (
                "Uncertain: the probability that this clip is fake is {fake_probability:share}. Between "
                "{band_low:share} and {band_high:share} verdicts are often wrong."
            )
        case "NO_FACE":
            return (
                "No face was found in {frames_judged} frames. This detector judges faces only, so there is no verdict "
                "on this clip."
            )
    return None


@_rule("finding")
def certainty(facts: Mapping[str, Any]) -> str | None:
    """How often such a verdict is correct, which is known only where clips were measured."""
    if facts["verdict"] not in {"FAKE", "REAL"} or not facts["clips_calibrated"]:
        return None
    return "On validation clips, {accuracy_outside:share} of the verdicts as clear as this one were right."


_as_for_images("marks")


@_rule("finding")
def basis(facts: Mapping[str, Any]) -> str | None:
    """Which frames of which face the verdict comes from."""
    if not facts["tracks"]:
        return None
    return (
        "Track {deciding_track} of {tracks} decides: a face that is seen from {track_start:clock} to "
        "{track_end:clock}, judged in {track_frames} frames. The probability comes from {pooling}."
    )


@_rule("finding")
def place(facts: Mapping[str, Any]) -> str | None:
    """How the single frames of that face were judged."""
    if not facts["tracks"]:
        return None
    return (
        "By themselves, {track_frames_fake} of its {track_frames} frames reach the threshold of a single image; they "
        "range from {lowest:share} (at {lowest_time:clock}) to {highest:share} (at {highest_time:clock})."
    )


@_rule("warning")
def out_of_distribution(facts: Mapping[str, Any]) -> str | None:
    """Whether most frames are unlike the training images."""
    if facts["unlike_training"] is None or facts["unlike_training"] <= _MOST:
        return None
    return (
        "{unlike_training:share} of the frames with this face are unlike the training images, so the verdict is less "
        "certain."
    )


@_rule("warning")
def few_frames(facts: Mapping[str, Any]) -> str | None:
    """Whether the face was seen in too few frames to average anything out."""
    frames, least = facts["track_frames"], facts["least_frames"]
    if frames is None or least is None or frames >= least:
        return None
    return "Only {track_frames} frames of this face were judged; below {least_frames} one odd frame weighs much."


@_rule("warning")
def small_face(facts: Mapping[str, Any]) -> str | None:
    """Whether the face is too small."""
    side, limit = facts["face_side"], facts["small_face"]
    if side is None or limit is None or side >= limit:
        return None
    return (
        "In half of its frames the face is at most {face_side:.0f} pixels wide; below {small_face} pixels verdicts are "
        "unreliable."
    )


@_rule("warning")
def divided(facts: Mapping[str, Any]) -> str | None:
    """Whether the frames contradict each other."""
    if facts["verdict"] not in {"FAKE", "REAL"} or not facts["frames_against"] or not facts["track_frames"]:
        return None
    if facts["frames_against"] / facts["track_frames"] < _DIVIDED:
        return None
    return "The frames do not agree: {frames_against} of {track_frames} are on the other side of the threshold."


@_rule("warning")
def written_again(facts: Mapping[str, Any]) -> str | None:
    """Whether the file shows that it was encoded again."""
    if not facts["reencoding"]:
        return None
    return "{reencoding:text} Each encoding removes traces that separate real from fake."


@_rule("warning")
def uncalibrated(facts: Mapping[str, Any]) -> str | None:
    """Whether probability and threshold were made for single images."""
    if facts["clips_calibrated"] is not False or facts["verdict"] == "NO_FACE":
        return None
    return (
        "Probability and threshold were calibrated on single images, not on clips: how often they are right for clips "
        "was not measured."
    )


@_rule("warning")
def unseen(facts: Mapping[str, Any]) -> str | None:
    """How often fakes by generators that training did not include are found."""
    if facts["verdict"] != "REAL":
        return None
    if facts["unseen_true_positive_rate"] is None:
        return "Fakes by generators that the detector was not trained on are missed more often than others."
    return (
        "Of faked images by generators that it was not trained on, the detector finds only "
        "{unseen_true_positive_rate:share}."
    )


@_rule("note")
def no_marks(facts: Mapping[str, Any]) -> str | None:
    """Whether the file says nothing of its own making."""
    if facts["marks"] is None or facts["marks"]:
        return None
    return "No mark of a generator was found in the file. This proves nothing: marks are easily removed."


_as_for_images("credentials")


@_rule("note")
def file(facts: Mapping[str, Any]) -> str | None:
    """What the file is."""
    if facts["encoder"]:
        return "The file holds {codec} video in {container}, and names “{encoder}” as the software that wrote it."
    return "The file holds {codec} video in {container}, and does not say which software wrote it."


_MOST: Final = 0.5
_DIVIDED: Final = 0.25
"""Proportion of frames on the other side of the threshold from which the frames count as divided."""
