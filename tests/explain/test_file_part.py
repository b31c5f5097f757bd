"""The part of a report on the file: plain words for each state, folded tags, text of the file as text."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import get_args

import pytest

from unmask.explain.metadata import Metadata
from unmask.imaging.credentials import Action, Credentials, plain
from unmask.imaging.marks import CredentialsState, Mark
from unmask.pages.page import render


def part(credentials: Credentials, metadata: Metadata | None = None, marks: tuple[Mark, ...] = ()) -> str:
    explanation = SimpleNamespace(
        metadata=metadata or Metadata("JPEG"), credentials=credentials, verdict=SimpleNamespace(marks=marks)
    )
    return render("unmask.explain/file.html.j2", explanation=explanation, edit_values=lambda edit: [edit.action])


@pytest.mark.parametrize("state", get_args(CredentialsState))
def test_each_state_says_what_it_means_and_what_to_do(state: CredentialsState) -> None:
    shown = part(plain(state, "unreadable"))
    assert f"Content credentials (C2PA): {state}" in shown
    assert "What to do:" in shown
    told_changed = "changed after signing" in shown or "tampered" in shown
    assert told_changed == (state == "changed after signing")
    assert "damaged after" not in shown


def test_no_mark_is_said_to_prove_nothing() -> None:
    assert "No mark of an image generator was found. That proves nothing" in part(plain("none"))
    shown = part(plain("none"), marks=(Mark("generator", "The file names Flux as its software."),))
    assert "The file names Flux as its software." in shown and "No mark" not in shown


def test_the_dump_of_tags_is_folded_and_no_markup() -> None:
    text = "<b>x</b>"
    about = Metadata("PNG", iptc={"credit": text}, texts={"parameters": text}, generator_tags=("png:parameters",))
    signed = replace(
        plain("expired"), actions=(Action(text, text, None, None),), problems=("signingCredential.expired",)
    )
    shown = part(signed, about)
    assert text not in shown
    before, _, after = shown.partition("<details><summary>All tags (3)</summary>")
    assert "&lt;b&gt;" not in before and after.partition("</details>")[0].count("&lt;b&gt;x&lt;/b&gt;") == 2
    assert "<details><summary>Steps and failed checks (2)</summary>" in shown
    assert "<details>" not in part(plain("none"))
