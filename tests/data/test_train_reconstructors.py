"""The tool that trains the networks behind reconstructions: what it writes, and that it repeats."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from unmask.imaging.session import single_thread_session  # noqa: E402

TOOL = Path(__file__).parents[2] / "tools" / "train_reconstructors.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_reconstructors", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["nearest-4", "transposed-4"])
def test_the_graph_answers_as_torch_does_at_any_size(name: str, tool: ModuleType, tmp_path: Path) -> None:
    torch.manual_seed(3)
    network = tool.Autoencoder(*tool.NETWORKS[name]).eval()
    with torch.no_grad():  # as the file has them
        for weights in network.parameters():
            if weights.ndim > 1:
                weights.copy_(weights.half().float())
    tool.export(network, tmp_path / "one.onnx")
    session = single_thread_session((tmp_path / "one.onnx").read_bytes())
    for height, width in ((4, 4), (40, 64), (200, 132)):
        image = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
        (shown,) = session.run(None, {"picture": image})
        with torch.inference_mode():
            logits = network(torch.from_numpy(image).permute(2, 0, 1)[None].float() / 127.5 - 1)
        expected = ((logits[0].permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255).numpy()
        assert shown.shape == image.shape
        # Rounding may go either way where the two differ in the last bits.
        assert np.abs(shown.astype(int) - expected.astype(int)).max() <= 1


def test_training_repeats(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, astronaut: Image.Image
) -> None:
    for number in range(4):
        astronaut.rotate(10 * number).crop((100, 20, 320, 240)).save(tmp_path / f"{number}.png")
    rows = [f"{number}.png,real,{'val' if number == 3 else 'train'}" for number in range(4)]
    (tmp_path / "m.csv").write_text("path,label,split\n" + "\n".join(rows) + "\n")
    for out in ("one", "two"):
        options = ["--manifest", "m.csv", "--only", "nearest-2", "--steps", "3", "--out", out]
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["train", *options])
        tool.main()
    one, two = ((tmp_path / out / "nearest-2.onnx").read_bytes() for out in ("one", "two"))
    assert one == two
    (shown,) = single_thread_session(one).run(None, {"picture": np.asarray(Image.open(tmp_path / "3.png"))})
    assert shown.shape == (220, 220, 3)
