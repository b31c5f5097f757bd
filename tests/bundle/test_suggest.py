"""What is suggested where a path leads to no bundle."""

from __future__ import annotations

from pathlib import Path

import pytest

from unmask.bundle.bundle import Bundle
from unmask.errors import BundleError


def said(path: Path | str) -> BundleError:
    with pytest.raises(BundleError) as caught:
        Bundle.open(path)
    return caught.value


@pytest.fixture
def runs(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``runs`` in the current folder: a run with a bundle, one without, a folder of bundles, a bundle by itself."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs"
    for place in ("mine/bundle", "several/first", "several/second", "detector-v2"):
        (folder / place).mkdir(parents=True)
        for name in ("SHA256SUMS", "bundle.json", "golden.json", "model.onnx"):
            (folder / place / name).write_bytes((tiny_bundle / name).read_bytes())
    (folder / "mine" / "recipe.yaml").write_text("")
    (folder / "unfinished").mkdir()
    (folder / "unfinished" / "recipe.yaml").write_text("")
    return Path("runs")


@pytest.mark.parametrize(
    ("path", "code", "hint"),
    [
        # a run holds its bundle one folder below
        ("runs/mine", "broken_bundle", "Did you mean runs/mine/bundle?"),
        # a run that has none yet
        ("runs/unfinished", "broken_bundle", "runs/unfinished is a training run without a bundle"),
        ("runs/unfinished/bundle", "no_bundle", "runs/unfinished is a training run without a bundle"),
        # a folder of bundles
        ("runs/several", "broken_bundle", "Did you mean runs/several/first or runs/several/second?"),
        # more than a line should name
        ("runs", "broken_bundle", "Did you mean runs/detector-v2 or runs/mine/bundle?"),
        # a misspelt name, of a bundle and of a run
        ("runs/detektor-v2", "no_bundle", "Did you mean runs/detector-v2?"),
        ("runs/Mine", "no_bundle", "Did you mean runs/mine/bundle?"),
        # another ending
        ("runs/detector-v2.zip", "no_bundle", "Did you mean runs/detector-v2?"),
        # a folder above is misspelt
        ("runs/mihe/bundle", "no_bundle", "Did you mean runs/mine/bundle?"),
        # the name of a run alone
        ("mine", "no_bundle", "Did you mean runs/mine/bundle?"),
    ],
)
def test_what_is_suggested(runs: Path, path: str, code: str, hint: str) -> None:
    error = said(path)
    assert error.code == code
    assert hint in error.message and "\n" not in error.message


@pytest.mark.parametrize("path", ["nowhere", "runs/xyz", "runs/xyz/deeper/still", "x" * 5000, "a\0b"])
def test_nothing_is_suggested(runs: Path, path: str) -> None:
    assert "?" not in said(path).message


def test_a_broken_bundle_is_not_sent_elsewhere(runs: Path) -> None:
    (runs / "mine" / "bundle" / "model.onnx").unlink()
    error = said(runs / "mine" / "bundle")
    assert error.code == "broken_bundle" and "Did you mean" not in error.message
