"""Fakes made from real faces alone: their own content, passed through a small autoencoder.

Face generators end in layers that up-sample, and these leave the trace that most generators have in common. A real
image passed through such layers has this trace with its own camera, codec, background and person, so nothing else
separates the two. After Rajan, Ojha, Schloesser and Lee, "Aligned Datasets Improve Detection of Latent
Diffusion-Generated Images", ICLR 2025; the networks here are small ones of our own, with three ways of up-sampling.
``tools/train_reconstructors.py`` makes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from unmask.data.make.self_blend import face_mask, face_window
from unmask.imaging.faces import Face
from unmask.imaging.session import single_thread_session

NETWORKS: Final = ("nearest-2", "nearest-4", "shuffle-4", "transposed-4")

_ONLY_FACE = 1 / 3  # of the fakes keep the image outside the face, as if the face were painted in
# Small networks lose colour and fine detail, and either would give a fake away. So a fake gets the real image's coarse
# colours, up to the full strength of its fine detail, and at least half of the network's pixels.
_RATIOS = (0.5, 1.0)
_COARSE = 3  # pixels: the blur beyond which a reconstruction has the real image's colours
_MULTIPLE = 4  # of the sides that the networks take


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """A reconstructed image and where it was changed.

    Attributes:
        image: RGB, of the size of the real image.
        mask: float32 [height, width] in [0, 1]: the opacity of the reconstruction.
        network: which autoencoder made it, one of ``NETWORKS``.
    """

    image: Image.Image
    mask: npt.NDArray[np.float32]
    network: str


def reconstruct(image: Image.Image, face: Face, rng: np.random.Generator) -> Reconstruction:
    """Pass a face and its surroundings, or only a part of the face, through one of the autoencoders.

    Nothing outside :func:`~unmask.data.make.self_blend.face_window` is read or changed: the window is larger than a
    crop with the default margin, and the result does not depend on where the image ends outside it. The same draws
    give the same image with one version of Pillow and of ONNX Runtime on one kind of processor.

    Args:
        image: the real image, RGB and upright. It is not changed.
        face: the face in it.
        rng: the only source of randomness.
    """
    network = str(rng.choice(NETWORKS))
    window = face_window(face, image.size)
    part = image.crop(window)
    opacity = face_mask(face, window, rng) if rng.random() < _ONLY_FACE else Image.new("L", part.size, 255)
    ratio = float(rng.uniform(*_RATIOS))
    opacity = opacity.point([round(level * ratio) for level in range(256)])
    result = image.copy()
    result.paste(_through(network, part, float(rng.random())), window[:2], opacity)
    mask = np.zeros((image.height, image.width), np.float32)
    mask[window[1] : window[3], window[0] : window[2]] = np.asarray(opacity, np.float32) / 255
    return Reconstruction(result, mask, network)


def _through(network: str, image: Image.Image, sharpness: float) -> Image.Image:
    """A network's output for an image, with the image's own coarse colours and some of its sharpness."""
    pixels = np.asarray(image)
    height, width = pixels.shape[:2]
    padded = np.pad(pixels, ((0, -height % _MULTIPLE), (0, -width % _MULTIPLE), (0, 0)), "edge")
    (shown,) = _session(network).run(None, {"picture": padded})
    coarse, fine = _bands(image)
    _, fine_shown = _bands(Image.fromarray(np.ascontiguousarray(shown[:height, :width])))
    gain = (max(float(fine.std()), 1.0) / max(float(fine_shown.std()), 1.0)) ** sharpness
    return Image.fromarray(np.clip(np.rint(coarse + gain * fine_shown), 0, 255).astype(np.uint8))


def _bands(image: Image.Image) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """An image split into its blurred version and the rest."""
    coarse = np.asarray(image.filter(ImageFilter.GaussianBlur(_COARSE)), np.float32)
    return coarse, np.asarray(image, np.float32) - coarse


@cache
def _session(network: str) -> Any:
    return single_thread_session((files("unmask.assets") / "reconstructors" / f"{network}.onnx").read_bytes())
