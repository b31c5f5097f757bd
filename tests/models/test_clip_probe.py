"""The probes of ``benchmarks/clip_probe.py``: families, weights, and that what is left out is left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

import _clip_heads as heads
from unmask.data.rows import ManifestRow

pytestmark = pytest.mark.train

WIDTH = 768


def row(**columns: Any) -> ManifestRow:
    edition = columns.pop("edition", "1")
    return ManifestRow(**{"path": "a.jpg", "label": "real", "kind": "real", **columns}, extra={"edition": edition})


def data(seed: int = 0) -> heads.Data:
    """Reals of two sources and fakes of four families, 40 of each; some fakes share a group with a real."""
    draw = np.random.default_rng(seed)
    kinds = [
        ("real", "camera", "one"), ("real", "camera", "two"), ("diffusion", "FLUX", "f"),
        ("diffusion", "SDXL", "x"), ("faceswap", "swap", "s"), ("photoshop", "hand", "p"),
    ]  # fmt: skip
    rows = [
        row(
            path=f"{source}/{number}.jpg",
            label="real" if kind == "real" else "fake",
            kind=kind,
            generator=generator,
            source=source,
            group=f"shared{number}" if number < 5 else f"{source}{number}",
            split=("train", "train", "val", "test")[number % 4],
            edition=str(1 + number % 2),
        )
        for kind, generator, source in kinds
        for number in range(40)
    ]
    features = draw.normal(size=(len(rows), WIDTH)).astype(np.float32)
    return heads.Data.of(rows, features, draw.uniform(size=len(rows)))


def test_what_is_left_out_is_not_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    images = data()
    twins = [row(path="one/0.jpg", source="one", group="shared0"), row(path="one/6.jpg", source="one", group="one6")]
    made = np.zeros((2, WIDTH), np.float32)
    images = images.with_twins({"recoded": (twins, made), "rebuilt": (twins, made)})
    asked_for: list[tuple[Any, Any]] = []

    def predict(whole: heads.Data, train: Any, asked: Any, settings: heads.Settings) -> dict[str, Any]:
        asked_for.append((train, asked))
        return {"one_head": np.linspace(0, 1, int(asked.sum()))}

    monkeypatch.setattr(heads, "predict", predict)
    found = heads.by_family(images, heads.Settings())
    assert [result["family"] for result in found] == ["flux", "sdxl", "faceswap", "photoshop"]
    for result, (train, asked) in zip(found, asked_for, strict=True):
        assert not (train & (images.family == result["family"])).any()
        assert not (asked & (images.split == "test")).any()
        assert not (train & (images.split == "test")).any()
        assert not (asked & images.is_twin).any()
        assert not set(images.group[train]) & set(images.group[asked])
        assert result["fakes"] == 30
    asked_for.clear()
    sources = heads.by_source(images, heads.Settings())
    assert [result["source"] for result in sources] == ["one", "two"]
    for result, (train, asked) in zip(sources, asked_for, strict=True):
        assert not (train & ~images.is_fake & (images.source == result["source"])).any()
        assert not (train & (images.source == f"recoded {result['source']}") & images.touching(asked)).any()
        assert not set(images.group[train]) & set(images.group[asked])


def test_two_heads_answer_two_questions() -> None:
    """Each kind of fake differs in its own feature: each head finds its own kind, and noisy-or finds both."""
    images = data()
    generated = np.isin(images.family, ("flux", "sdxl"))
    images.features[:, 2:] = 0
    images.features[generated, 0] += 6
    images.features[images.is_manipulated, 1] += 6
    asked = images.split == "test"
    scores = heads.predict(
        images, (images.split == "train") & ~images.touching(asked), asked, heads.Settings(c=1, blend=0, shift=0)
    )
    real = ~images.is_fake[asked]
    for name, own in (("generated", generated), ("manipulated", images.is_manipulated), ("two_heads", images.is_fake)):
        assert heads.auc(scores[name][own[asked] | real], own[asked][own[asked] | real]) > 0.9, name
    manipulated = images.is_manipulated[asked]
    assert scores["manipulated"][manipulated].min() > scores["generated"][manipulated].max()
