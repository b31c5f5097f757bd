"""Plain words on clips, by the rules that :mod:`tests.explain.test_words` checks for images."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.explain.clips.facts import POOLINGS
from unmask.explain.clips.words import DOUBTS, RULES
from unmask.explain.words import compose, reasons
from unmask.imaging.marks import CredentialsState
from unmask.pages.timeline import clock

share, seconds, count = st.floats(0, 1), st.floats(0, 4000), st.integers(0, 4096)
name = st.text("abcdefgh", min_size=1, max_size=8)
FACTS: dict[str, st.SearchStrategy[Any]] = {
    "verdict": st.sampled_from(["REAL", "FAKE", "UNCERTAIN", "NO_FACE"]),
    **dict.fromkeys(("fake_probability", "threshold", "accuracy_outside", "lowest", "highest"), share),
    **dict.fromkeys(("band_low", "band_high", "unlike_training", "unseen_true_positive_rate"), share),
    **dict.fromkeys(("track_start", "track_end", "lowest_time", "highest_time"), seconds),
    **dict.fromkeys(("frames_judged", "track_frames", "track_frames_fake", "frames_against"), count),
    "clips_calibrated": st.booleans(),
    "tracks": st.integers(0, 40),
    "deciding_track": st.integers(1, 40),
    "pooling": st.sampled_from(sorted(POOLINGS.values())),
    "least_frames": st.just(8),
    "face_side": st.floats(1, 4000),
    "small_face": st.just(60),
    "marks": st.lists(name, max_size=3),
    "reencoding": st.lists(name, max_size=3),
    "credentials": st.sampled_from(get_args(CredentialsState)),
    "credentials_note": name,
    **dict.fromkeys(("container", "codec", "encoder"), name),
}
some_facts = st.fixed_dictionaries({key: st.none() | values for key, values in FACTS.items()})
FINE: dict[str, Any] = {
    "verdict": "FAKE", "fake_probability": 0.9, "threshold": 0.7, "band_low": 0.6, "band_high": 0.8,
    "clips_calibrated": True, "accuracy_outside": 0.97, "tracks": 2, "deciding_track": 1, "pooling": "the mean",
    "track_start": 0.1, "track_end": 9.9, "track_frames": 32, "track_frames_fake": 30, "lowest": 0.6, "highest": 0.99,
    "lowest_time": 1.0, "highest_time": 2.0, "least_frames": 8, "frames_against": 2, "face_side": 200.0,
    "small_face": 60, "unlike_training": 0.0, "marks": [], "reencoding": [], "credentials": "none",
    "container": "an MP4 or MOV file", "codec": "HEVC", "encoder": None, "frames_judged": 32,
}  # fmt: skip


def shown(value: Any) -> set[str]:
    """Every way in which a template shows a value."""
    if isinstance(value, list):
        return {", ".join(value), " ".join(value)}
    if isinstance(value, float | int) and not isinstance(value, bool):
        return {f"{100 * value:.1f} %", f"{value:.0f}", str(value), clock(value)}
    return {str(value)}


@settings(max_examples=60)
@given(some_facts)
def test_every_sentence_states_its_facts_and_no_number_besides(facts: dict[str, Any]) -> None:
    for sentence in compose(facts, RULES):
        rest = sentence.text
        for key, value in sentence.states.items():
            assert value is not None and value == facts[key]
            assert any(text in sentence.text for text in shown(value)), (key, sentence)
        for text in sorted({text for value in sentence.states.values() for text in shown(value)}, key=len)[::-1]:
            rest = rest.replace(text, "")
        assert not re.search(r"\d", rest.replace("C2PA", "")), sentence
        assert set(sentence.because).isdisjoint(sentence.states)
    assert len(reasons(compose(facts, RULES), DOUBTS)) <= 3


def test_nothing_measured_little_said() -> None:
    assert compose({}, RULES) == ()


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({}, ["verdict", "place", "certainty"]),
        # Marks come before every other doubt.
        ({"marks": ["It says so."], "track_frames": 3}, ["verdict", "marks", "place"]),
        ({"track_frames": 3}, ["verdict", "few_frames", "place"]),
        ({"face_side": 59.0}, ["verdict", "small_face", "place"]),
        # 8 of 32 are a quarter, 7 are not.
        ({"frames_against": 8}, ["verdict", "divided", "place"]),
        ({"frames_against": 7}, ["verdict", "place", "certainty"]),
        ({"unlike_training": 0.51}, ["verdict", "out_of_distribution", "place"]),
        ({"unlike_training": 0.5}, ["verdict", "place", "certainty"]),
        ({"reencoding": ["By x264."], "clips_calibrated": False}, ["verdict", "written_again", "place"]),
        # Without thresholds for clips no sentence says how often verdicts on clips are right.
        ({"clips_calibrated": False}, ["verdict", "uncalibrated", "place"]),
        ({"verdict": "REAL"}, ["verdict", "unseen", "place"]),
        ({"verdict": "NO_FACE", "tracks": 0, "clips_calibrated": False}, ["verdict"]),
    ],
)
def test_the_strongest_doubt_is_among_the_reasons(changes: dict[str, Any], rules: list[str]) -> None:
    found = reasons(compose({**FINE, **changes}, RULES), DOUBTS)
    assert [sentence.rule for sentence in found] == rules


def test_every_doubt_is_a_rule() -> None:
    assert set(DOUBTS) <= set(RULES)
    assert all(RULES[doubt][0] == "warning" for doubt in DOUBTS)
