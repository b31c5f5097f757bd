"""Marks: every tag that the reader can make becomes one plain sentence, and nothing else does."""

from __future__ import annotations

import pytest

from unmask.imaging.provenance import Mark, Provenance


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        # no tag, no mark
        ((), ()),
        # two keys of one front end: one sentence
        (
            ("png:prompt", "png:workflow"),
            (Mark("settings", "The file holds settings of an image generator, as ComfyUI writes them."),),
        ),
        # a named generator
        (
            ("software:Stable Diffusion",),
            (Mark("generator", "The file names Stable Diffusion as its software."),),
        ),
        # a composite is said to be one
        (
            ("xmp:compositeWithTrainedAlgorithmicMedia",),
            (
                Mark(
                    "source_type",
                    "The file's metadata say that the image is a composite: a trained algorithm (generative AI) made "
                    "parts of it.",
                ),
            ),
        ),
        # text that no reader writes
        (("<b>:x", "xmp:digitalCapture", ""), ()),
    ],
)
def test_each_tag_makes_a_sentence(tags: tuple[str, ...], expected: tuple[Mark, ...]) -> None:
    assert Provenance("none", tags).marks == expected


def test_only_a_change_after_signing_breaks_a_signature() -> None:
    (mark,) = Provenance("present", (), "changed after signing").marks
    assert mark.to_json() == {
        "kind": "broken_signature",
        "text": "The image or its content credentials were changed after signing.",
    }
    assert Provenance("present", (), "expired").marks == ()
