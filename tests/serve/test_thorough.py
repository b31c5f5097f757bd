"""A service that judges again, with a second detector, what the first one is not sure of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.serve.conftest import Start, make_image

from unmask.bundle.bundle import Bundle
from unmask.errors import BundleError
from unmask.imaging.preprocessing import Preprocessing
from unmask.serve.app import load_detector
from unmask.serve.settings import Settings

WHOLE = Preprocessing(size=32, faces=None)


def test_each_verdict_and_explanation_is_of_the_detector_that_judged(
    start: Start,
    make_bundle: Callable[..., Bundle],
    make_graph: Callable[..., bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    make_bundle(tmp_path / "first", preprocessing=WHOLE)
    make_bundle(tmp_path / "accurate", name="sharp", model=make_graph(offset=-5.0), preprocessing=WHOLE)
    sure, doubtful = make_image(160), make_image(128)
    with start("--thorough", "--batch", "4", model=tmp_path / "first") as server, server.client() as client:
        assert client.get("/ready").status_code == 200
        model = client.get("/v1/model").json()
        assert (model["model"], model["second"]["model"], model["second"]["threshold"]) == ("tiny@1", "sharp@1", 0.5)
        files = [("images", (f"{at}.png", data)) for at, data in enumerate([sure, doubtful, sure, doubtful])]
        found = client.post("/v1/detect", files=files).json()["results"]
        assert [each["model"] for each in found] == ["tiny@1", "sharp@1", "tiny@1", "sharp@1"]
        assert [each["verdict"] for each in found] == ["FAKE"] * 4
        for data, name in ((sure, "tiny@1"), (doubtful, "sharp@1")):
            explained = client.post("/v1/explain", files={"image": ("a.png", data)}).json()["verdict"]
            judged = next(each for each in found if each["model"] == name)
            assert (explained["model"], explained["fake_probability"]) == (name, judged["fake_probability"])


def test_it_does_not_start_without_the_accurate_detector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNMASK_CACHE", str(tmp_path / "cache"))
    with pytest.raises(BundleError) as caught:
        load_detector(Settings(thorough=True))
    assert caught.value.code == "no_accurate"
