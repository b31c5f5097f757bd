"""Tiny inputs of every command; not to be changed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.faults.disk import call

from unmask.bundle.bundle import Bundle
from unmask.imaging.preprocessing import Preprocessing

RECIPE = """
name: toy
summary: a toy
seed: 5
backbone: {name: test_efficientnet, weights: [none]}
preprocessing: {size: 32, faces: null}
augmentation: {rescale: 0, codec: 0.2}
schedule: {epochs: 2, batch_size: 4, learning_rate: 3.0e-3, warmup_epochs: 0.5, patience: 9}
"""


@dataclass(frozen=True)
class Inputs:
    """Files that commands are run on.

    Attributes:
        folder: holds the others.
        bundle: a bundle that calls bright images fake and looks for no faces.
        table: a manifest of 16 images of 40 x 40 pixels, in two splits.
        image: one of them.
        face: a manifest of two images of a face.
        scores: a table of scores.
        recipe: of a network that trains in about a second an epoch.
        urls: a manifest of two images on a local server.
        run: the folder of a training run; only with :func:`trained`.
    """

    folder: Path
    bundle: Path
    table: Path
    image: Path
    face: Path
    scores: Path
    recipe: Path
    urls: Path
    run: Path


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        pass  # its standard error is that of the command under test


@pytest.fixture(scope="session")
def inputs(
    make_bundle: Callable[..., Bundle], tmp_path_factory: pytest.TempPathFactory, astronaut: Image.Image
) -> Iterator[Inputs]:
    """The inputs, with a server for ``urls``."""
    folder = tmp_path_factory.mktemp("inputs")
    make_bundle(folder / "bright", name="bright", preprocessing=Preprocessing(size=32, faces=None))
    draw = np.random.default_rng(0)
    rows, scores = ["path,label,source,group,split"], ["path,label,fake_probability"]
    for at in range(16):
        label, split = ("real", "fake")[at % 2], ("train", "train", "val", "test")[at // 4]
        pixels = np.clip(draw.normal(140 if at % 2 else 115, 20) + draw.normal(0, 20, (40, 40, 3)), 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{at}.png")
        rows.append(f"{at}.png,{label},s{at // 2 % 2},g{at // 2},{split}")
        scores.append(f"{at}.png,{label},{0.3 + 0.4 * (at % 2) + 0.01 * at}")
    (folder / "table.csv").write_text("\n".join(rows) + "\n")
    (folder / "scores.csv").write_text("\n".join(scores) + "\n")
    for at in range(2):
        astronaut.crop((120, 20, 320, 220)).rotate(3 * at).resize((100, 100)).save(folder / f"face{at}.png")
    (folder / "face.csv").write_text("path,label,group\nface0.png,real,a\nface1.png,real,b\n")
    (folder / "toy.yaml").write_text(RECIPE)
    server = _QuietServer(("127.0.0.1", 0), lambda *given: _Quiet(*given, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    (folder / "urls.csv").write_text(f"url,label\n{base}/0.png,real\n{base}/1.png,fake\n")
    yield Inputs(
        folder, folder / "bright", folder / "table.csv", folder / "0.png", folder / "face.csv", folder / "scores.csv",
        folder / "toy.yaml", folder / "urls.csv", folder / "run",
    )  # fmt: skip
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def trained(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """The inputs with a finished run; skips without the packages to train."""
    for module in ("torch", "lightning", "onnxscript"):
        pytest.importorskip(module)
    import torch

    torch.set_num_threads(1)
    code, said = call(
        "train", inputs.recipe, "--manifest", inputs.table, "--out", inputs.run, "--workers", 0,
        folder=tmp_path_factory.mktemp("said"),
    )  # fmt: skip
    assert code == 0, said
    return inputs


def is_whole(path: Path) -> bool:
    """Whether a file of one of the formats that commands write can be read to its end."""
    content = path.read_bytes()
    match path.suffix:
        case ".json":
            json.loads(content)
        case ".html":
            assert content.rstrip().endswith(b"</html>")
        case ".png" | ".jpg":
            with Image.open(path) as image:
                image.load()
        case ".parquet":
            assert content[:4] == content[-4:] == b"PAR1"
        case ".ckpt":
            import torch

            torch.load(path, weights_only=True)
        case ".csv" | ".md" | ".yaml" | ".txt":
            assert content.endswith(b"\n")
        case _:
            return len(content) > 0
    return True
