"""Plain words: no sentence without its facts, no number that is not a fact, another fact another sentence."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from unmask.explain.words import DOUBTS, RULES, Sentence, compose, reasons
from unmask.imaging.marks import CredentialsState

share = st.floats(0, 1)
name = st.text("abcdefgh", min_size=1, max_size=8)
FACTS: dict[str, st.SearchStrategy[Any]] = {
    "verdict": st.sampled_from(["REAL", "FAKE", "UNCERTAIN", "NO_FACE"]),
    "fake_probability": share,
    "threshold": share,
    "band_low": st.floats(0, 0.5),
    "band_high": st.floats(0.5, 1),
    "accuracy_outside": share,
    "likely_kind": st.sampled_from(["generated", "manipulated"]),
    "kind_probability": share,
    "unseen_true_positive_rate": share,
    "marks": st.lists(name, max_size=3),
    "faces": st.integers(0, 9),
    "faces_called_fake": st.integers(0, 9),
    "deciding_face": st.integers(1, 9),
    "face_side": st.floats(1, 4000),
    "small_face": st.integers(20, 100),
    "evidence_for": st.sampled_from(["real", "fake"]),
    "has_map": st.booleans(),
    "map_reliable": st.booleans(),
    "top_place": name,
    "top_place_share": share,
    "top_place_area": share,
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
    "views_outside": st.lists(name, max_size=3),
    "figures_chance": share,
    "reference_class": name,
    "reference_n": st.integers(100, 5000),
    "reference_gap": name,
    "credentials": st.sampled_from(get_args(CredentialsState)),
    "credentials_note": name,
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
        return {", ".join(value), " ".join(value)}
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


PLACE = {"evidence_for": "fake", "top_place": "mouth", "top_place_share": 0.5, "top_place_area": 0.1}
CHECK = {"has_map": True, "orders_beaten": 3, "random_orders": 8}
MEASURED = {
    "figures_measured": 19,
    "figures_outside_count": 1,
    "figures_chance": 0.05,
    "reference_class": "lossless",
    "reference_n": 300,
}
BASIS = {"fake_probability": 0.5, "threshold": 0.45, "band_low": 0.4, "band_high": 0.6}


@pytest.mark.parametrize(
    ("rule", "facts", "words"),
    [
        # each verdict in its own words; REAL is never a proof
        ("verdict", {**BASIS, "verdict": "FAKE"}, "Fake: the probability that this image is fake is 50.0 %"),
        ("verdict", {**BASIS, "verdict": "REAL"}, "No sign of manipulation was found"),
        ("verdict", {**BASIS, "verdict": "REAL"}, "does not prove that it is real"),
        # in the uncertain band
        ("verdict", {**BASIS, "verdict": "UNCERTAIN"}, "Between 40.0 % and 60.0 % verdicts are often wrong"),
        ("verdict", {"verdict": "NO_FACE"}, "No face was found"),
        ("certainty", {"verdict": "REAL", "accuracy_outside": 0.97}, "97.0 % of the verdicts as clear"),
        ("kind", {"verdict": "FAKE", "likely_kind": "manipulated", "kind_probability": 0.9}, "most likely manipulated"),
        # a place that holds more than its area
        ("place", {**PLACE, "map_reliable": True}, "is strongest on the mouth, with 50.0 %"),
        ("place", {**PLACE, "map_reliable": True, "top_place_area": 0.45}, "is spread over the face"),
        ("place", {**PLACE, "map_reliable": True, "top_place": "around the face"}, "the area around the face"),
        # a map that is no better than chance
        ("map_check", {**CHECK, "map_reliable": False}, "not reliable for this image"),
        ("map_check", {**CHECK, "map_reliable": True, "orders_beaten": 8}, "passed its check"),
        ("map_check", {"has_map": True}, "was not checked for this image: do not rely on it"),
        (
            "forensics",
            {"reference_gap": "its short edge has 9 pixels"},
            "inside the image: its short edge has 9 pixels.",
        ),
        ("forensics", {**MEASURED, "figures_outside": []}, "All 19 forensic measurements are in the range"),
        (
            "forensics",
            {**MEASURED, "figures_outside": ["Noise level"], "views_outside": ["Noise residual"]},
            "(lossless, n = 300): 1 of 19 forensic measurements, under Noise residual. Each",
        ),
        ("small_face", {"face_side": 40.0, "small_face": 60}, "only 40 pixels"),
        ("heavy_compression", {"jpeg_quality": 30, "heavy_quality": 50}, "quality 30"),
        ("marks", {"marks": ["The file names X as its software."]}, "The file names X as its software. Such marks"),
        ("no_marks", {"marks": []}, "proves nothing"),
        ("credentials", {"credentials": "none"}, "proves nothing"),
        ("credentials", {"credentials": "expired", "credentials_note": "No tampering."}, "expired. No tampering."),
        # with the card's measurement, and without one
        ("unseen", {"verdict": "REAL", "unseen_true_positive_rate": 0.31}, "finds only 31.0 %"),
        ("unseen", {"verdict": "REAL"}, "are missed more often"),
        # uncertain by its probability, or by a fact about the image
        (
            "verdict",
            {"verdict": "UNCERTAIN", "fake_probability": 0.5, "band_low": 0.3, "band_high": 0.9},
            "Between 30.0 %",
        ),
        (
            "verdict",
            {"verdict": "UNCERTAIN", "fake_probability": 0.95, "doubts": ["It is small."]},
            "95.0 %. It is small.",
        ),
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
        # the file says something of its making, or there is no file
        ("no_marks", {"marks": ["The file names X as its software."]}),
        ("no_marks", {"marks": None}),
        ("marks", {"marks": []}),
        # how sure an undecided verdict is was said with it; without a face there is none
        ("certainty", {"verdict": "UNCERTAIN", "accuracy_outside": 0.97}),
        ("certainty", {"verdict": "NO_FACE", "accuracy_outside": 0.97}),
        # the kind of a fake is no matter of other verdicts, nor of detectors that do not answer it
        ("kind", {"verdict": "REAL", "likely_kind": "manipulated", "kind_probability": 0.9}),
        ("kind", {"verdict": "FAKE"}),
        # a fake that was found was not missed
        ("unseen", {"verdict": "FAKE", "unseen_true_positive_rate": 0.31}),
        # no map, so nothing to check
        ("map_check", {"has_map": False}),
        # a place of a map that failed its check, or was not checked
        ("place", {**PLACE, "map_reliable": False}),
        ("place", PLACE),
    ],
)
def test_what_is_well_is_not_warned_of(rule: str, facts: dict[str, Any]) -> None:
    assert rule in RULES
    assert rule not in by_rule(facts)


@given(some_facts)
def test_without_a_passed_check_no_sentence_depends_on_a_place(facts: dict[str, Any]) -> None:
    for sentence in compose({**facts, "map_reliable": None if facts["map_reliable"] else False}):
        assert not {"top_place", "top_place_share"} & set(sentence.states)


@given(some_facts)
def test_reasons_are_at_most_three_of_the_sentences(facts: dict[str, Any]) -> None:
    sentences = compose(facts)
    chosen = reasons(sentences)
    assert len(chosen) <= 3
    assert len(set(map(id, chosen))) == len(chosen)
    assert all(each in sentences for each in chosen)
    found = {sentence.rule for sentence in sentences}
    rules = [sentence.rule for sentence in chosen]
    # the basis of the verdict is first, and the strongest doubt is never left out
    assert ("verdict" in found) == ("verdict" in rules)
    assert rules[:1] == ["verdict"] or "verdict" not in found
    assert [rule for rule in DOUBTS if rule in found][:1] == [rule for rule in DOUBTS if rule in rules][:1]


FOUND = {"verdict": "REAL", "fake_probability": 0.1, "threshold": 0.5, "accuracy_outside": 0.97}


@pytest.mark.parametrize(
    ("facts", "rules"),
    [
        # a mark is stronger than warnings, and a place that passed its check is the third
        (
            {**FOUND, **PLACE, "marks": ["M."], "face_side": 9.0, "small_face": 60, "map_reliable": True},
            ["verdict", "marks", "place"],
        ),
        # the place failed its check: the next doubt instead
        (
            {**FOUND, **PLACE, "marks": ["M."], "face_side": 9.0, "small_face": 60, "map_reliable": False},
            ["verdict", "marks", "small_face"],
        ),
        # nothing speaks against a REAL but the generators that training did not have
        ({**FOUND, **PLACE, "map_reliable": True}, ["verdict", "unseen", "place"]),
        ({**FOUND}, ["verdict", "unseen", "certainty"]),
        ({**FOUND, "verdict": "FAKE"}, ["verdict", "certainty"]),
        ({"verdict": "NO_FACE", "marks": ["M."]}, ["verdict", "marks"]),
    ],
)
def test_which_reasons_are_chosen(facts: dict[str, Any], rules: list[str]) -> None:
    assert [sentence.rule for sentence in reasons(compose(facts))] == rules
