"""Rules of abstention by hand, and their Markdown."""

from __future__ import annotations

import math

from _render_doubt import abstention, thorough
from abstention import Observed, rules, summary

AREA = {"value": 0.9, "low": 0.8, "high": 0.95}
RATE = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 10}


def _seen(
    *, fake: bool, called: bool, margin: float, side: float = 200, word: str = "", flips: tuple[str, ...] = ()
) -> Observed:
    return Observed("", fake, word or ("FAKE" if called else "REAL"), called, margin, side, flips)


# Two small faces, one wrong; a wrong one that flips; two sure and right; one in the band; one without a face.
SEEN = [
    _seen(fake=True, called=False, margin=1.0, side=60),
    _seen(fake=False, called=False, margin=3.0, side=60),
    _seen(fake=True, called=False, margin=2.0, flips=("JPEG 75",)),
    _seen(fake=True, called=True, margin=4.0),
    _seen(fake=False, called=False, margin=5.0),
    _seen(fake=False, called=True, margin=0.1, side=40, word="UNCERTAIN"),
    _seen(fake=False, called=True, margin=9.0, side=math.inf, word="NO_FACE"),
]


def test_rules_by_hand() -> None:
    found = {rule["rule"]: rule for rule in rules(SEEN)}
    small = found["face below 64 px"]
    assert (small["decided"], small["wrong_made_uncertain"], small["right_made_uncertain"]) == (5, 1, 1)
    # A wider band takes the two nearest to the threshold, both wrong.
    assert small["wrong_by_a_wider_band"] == 2 and not small["pays"]
    assert (small["right_before"]["value"], small["right_after"]["value"]) == (0.6, round(2 / 3, 10))
    flips = found["flips: JPEG 75"]
    assert (flips["wrong_made_uncertain"], flips["right_made_uncertain"], flips["pays"]) == (1, 0, True)
    # The uncertain face of 40 pixels is uncertain already.
    assert found["face below 48 px"]["proportion_wrong"] is None and not found["face below 48 px"]["pays"]


def test_the_markdown_names_what_pays() -> None:
    content = {
        "model": "m@1",
        "rules": {"all": rules(SEEN), "clean": rules(SEEN)},
        "conditions": {"clean": summary(SEEN)},
    }
    text = "\n".join(abstention(content))
    assert "uncertain: 2 of 9**: flips: JPEG 75, flips: any of them." in text
    assert "| face below 64 px | 1 | 1 | 2 |" in text and "| clean | 7 |" in text


def test_the_markdown_of_two_in_turn() -> None:
    mode = {
        **dict.fromkeys(("real_kept", "fakes_found", "decided", "right_of_decided"), RATE),
        **{"auc": AREA, "n": 10, "mean_ms": 62.3, "verdicts_of": {"a@1": 4, "d@2": 6}},
    }
    editions = {"2": dict.fromkeys(("default", "thorough", "accurate"), mode)}
    text = "\n".join(thorough({"models": {"default": "d@2", "accurate": "a@1"}, "editions": editions}))
    assert text.count("| 4 of 10 | 62 |") == 3
