"""The families of generators in a bundle's card, in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from unmask.bundle.bundle import Bundle
from unmask.bundle.schema import Card, Measured, UnseenFamily
from unmask.data.families import FAMILIES, TITLES
from unmask.evaluation.reports.model_card import model_card

pytestmark = pytest.mark.train


def test_every_family_has_a_name() -> None:
    assert set(TITLES) == set(FAMILIES)


def test_families_are_counted_in_their_order() -> None:
    from unmask.training.package import count_families

    assert count_families(["photoshop", "flux", "flux", "openai"]) == {"openai": 1, "flux": 2, "photoshop": 1}


def test_the_cards_list_families(make_bundle: Callable[..., Bundle], tmp_path: Path) -> None:
    from unmask.training.card import card_text

    unseen = UnseenFamily(
        auc=Measured(value=0.8, low=0.7, high=0.9, n=500), found=Measured(value=0.4, low=0.3, high=0.5, n=60)
    )
    card = Card(families={"flux": 7, "faceswap": 3}, unseen={"qwen": unseen})
    bundle = make_bundle(tmp_path / "b", card=card)
    assert Bundle.open(tmp_path / "b").info.card == card
    text, own = model_card(bundle), card_text(bundle.info, bundle.sha256)
    assert "| FLUX | 7 |" in text and "| face swaps | 3 |" in text
    assert "| Qwen-Image | 0.800 (0.700–0.900) | 40.0 % (30.0–50.0) | 60 |" in text
    assert "FLUX: 7 fakes in training" in own and "Qwen-Image, left out of training: AUC 0.800" in own
    for shown in (text, own):
        missing = next(
            line for line in shown.splitlines() if line.startswith(("- not seen: ", "Not seen in training: "))
        )
        assert "Stable Diffusion XL" in missing and "FLUX" not in missing
    # A card without them says nothing.
    plain = make_bundle(tmp_path / "plain")
    assert "families" not in card_text(plain.info, plain.sha256) and "family of generators" not in model_card(plain)
