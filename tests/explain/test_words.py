"""Plain words: no sentence without its facts, no number that is not a fact, another fact another sentence."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from unmask.explain.words import RULES, Sentence, compose

share = st.floats(0, 1)
name = st.text("abcdefgh", min_size=1, max_size=8)
FACTS: dict[str, st.SearchStrategy[Any]] = {
    "result": st.sampled_from(["REAL", "FAKE"]),
    "fake_probability": share,
    "threshold": share,
    "band_low": st.floats(0, 0.5),
    "band_high": st.floats(0.5, 1),
    "accuracy_outside": share,
    "seeks_faces": st.booleans(),
    "faces": st.integers(0, 9),
    "faces_called_fake": st.integers(0, 9),
    "deciding_face": st.integers(1, 9),
    "face_side": st.floats(1, 4000),
    "small_face": st.integers(20, 100),
    "top_place": name,
    "top_place_share": share,
    "top_place_area": share,
    "gain": st.floats(-1, 1),
    "orders_beaten": st.integers(0, 8),
    "random_orders": st.just(8),
    "out_of_distribution": st.booleans(),
    "novelty_distance": st.floats(0, 50),
    "novelty_threshold": st.floats(0.1, 50),
    "novelty_quantile": share,
    "jpeg_quality": st.integers(1, 100),
    "heavy_quality": st.integers(30, 60),
    "figures_measured": st.integers(0, 20),
    "figures_outside": st.lists(name, max_size=3),
    "figures_outside_count": st.integers(0, 3),
    "figures_chance": share,
    "generator_tags": st.lists(name, max_size=3),
    "credentials": st.sampled_from(["none", "present but invalid", "valid, signer unknown"]),
    "camera": name,
    "software": name,
    "thumbnail_correlation": st.floats(-1, 1),
    "thumbnail_differs": st.booleans(),
    "has_position": st.booleans(),
}
all_facts = st.fixed_dictionaries(FACTS)
# What may not have been measured.
some_facts = st.fixed_dictionaries({key: st.none() | values for key, values in FACTS.items()})


def shown(value: Any) -> set[str]:
    """Every way in which a template shows a value."""
    if isinstance(value, list):
        return {", ".join(value)}
    if isinstance(value, float | int) and not isinstance(value, bool):
        return {f"{100 * value:.1f} %", f"{value:.0f}", f"{value:.2f}", f"{value:.3f}", str(value)}
    return {str(value)}


@given(some_facts)
def test_every_sentence_states_its_facts_and_no_number_besides(facts: dict[str, Any]) -> None:
    for sentence in compose(facts):
        numbers = set()
        for key, value in sentence.states.items():
            assert value is not None
            assert value == facts[key]
            found = {text for text in shown(value) if text in sentence.text}
            assert found, (key, sentence)
            numbers |= found
        rest = sentence.text
        for text in sorted(numbers, key=len, reverse=True):
            rest = rest.replace(text, "")
        assert not re.search(r"\d", rest.replace("C2PA", "")), sentence
        assert set(sentence.because).isdisjoint(sentence.states)


def by_rule(facts: dict[str, Any]) -> dict[str, Sentence]:
    return {sentence.rule: sentence for sentence in compose(facts)}


@settings(max_examples=300)
@given(all_facts, st.data())
def test_another_fact_is_another_sentence_or_none(facts: dict[str, Any], data: st.DataObject) -> None:
    before = by_rule(facts)
    key = data.draw(st.sampled_from(sorted(FACTS)))
    value = data.draw(FACTS[key])
    # What rounds to the same digits reads the same.
    assume(shown(value).isdisjoint(shown(facts[key])))
    after = by_rule({**facts, key: value})
    for rule, sentence in before.items():
        if key in sentence.states:
            assert rule not in after or after[rule].text != sentence.text, (key, sentence)
        elif key not in sentence.because:
            assert after[rule] == sentence
    for rule, sentence in after.items():
        assert rule in before or key in {*sentence.states, *sentence.because}


def test_nothing_measured_nothing_said() -> None:
    assert compose({}) == ()


def test_braces_in_a_file_are_no_fields() -> None:
    [sentence] = compose({"camera": "{fake_probability} {0.__class__}"})
    assert "{fake_probability} {0.__class__}" in sentence.text
    assert list(sentence.states) == ["camera"]


@pytest.mark.parametrize(
    ("rule", "facts", "words"),
    [
        # in the uncertain band
        ("certainty", {"fake_probability": 0.5, "band_low": 0.4, "band_high": 0.6}, "undecided"),
        # a place that holds more than its area
        (
            "place",
            {"result": "FAKE", "top_place": "mouth", "top_place_share": 0.5, "top_place_area": 0.1},
            "concentrated",
        ),
        ("place", {"result": "FAKE", "top_place": "mouth", "top_place_share": 0.5, "top_place_area": 0.45}, "spread"),
        # a map that is no better than chance
        ("map_is_faithful", {"gain": 0.1, "orders_beaten": 3, "random_orders": 8}, "Do not rely"),
        ("map_is_faithful", {"gain": 0.1, "orders_beaten": 8, "random_orders": 8}, "does rely"),
        ("no_face", {"faces": 0, "seeks_faces": True}, "whole image"),
        ("small_face", {"face_side": 40.0, "small_face": 60}, "only 40 pixels"),
        ("heavy_compression", {"jpeg_quality": 30, "heavy_quality": 50}, "quality 30"),
        ("generator_tags", {"generator_tags": []}, "proves nothing"),
        ("credentials", {"credentials": "none"}, "proves nothing"),
    ],
)
def test_what_each_rule_says(rule: str, facts: dict[str, Any], words: str) -> None:
    assert words in by_rule(facts)[rule].text


@pytest.mark.parametrize(
    ("rule", "facts"),
    [
        ("small_face", {"face_side": 60.0, "small_face": 60}),
        ("heavy_compression", {"jpeg_quality": 50, "heavy_quality": 50}),
        ("out_of_distribution", {"out_of_distribution": False, "novelty_distance": 1.0}),
        ("thumbnail", {"thumbnail_differs": False, "thumbnail_correlation": 0.99}),
        ("position", {"has_position": False}),
        # a detector that judges whole images did what it was made for
        ("no_face", {"faces": 0, "seeks_faces": False}),
    ],
)
def test_what_is_well_is_not_warned_of(rule: str, facts: dict[str, Any]) -> None:
    assert rule in RULES
    assert rule not in by_rule(facts)
