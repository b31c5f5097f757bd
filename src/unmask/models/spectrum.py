"""The input of a backbone: normalised pixels, or the image's log spectrum.

Spectra are matrix products and filters inside the graph, so that an exported graph needs no special operator.
Generators leave traces in spectra that are hard to see in pixels (Frank et al., ICML 2020).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601
_BLOCK = 8
_STRIDE = 2


class Pixels(nn.Module):
    """The image, normalised as the backbone's weights require.

    Args:
        mean: per channel, in units of pixel / 255.
        std: likewise.
    """

    mean: Tensor
    std: Tensor
    channels = 3
    localised = True

    def __init__(self, mean: tuple[float, float, float], std: tuple[float, float, float]) -> None:
        super().__init__()
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1) * 255, persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels uint8 [n, size, size, 3] to [n, 3, size, size]."""
        # A permuted NHWC batch already has the channels-last strides that are fastest for CPU convolutions.
        return (pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std


class Spectrum(nn.Module):
    """A spectrum, always in 32-bit floating point: bfloat16 would keep only its strongest frequencies."""

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels uint8 [n, size, size, 3] to [n, channels, h, w], near mean 0 and deviation 1 on photographs."""
        if not torch.is_autocast_enabled(pixels.device.type):
            return self._transform(pixels)
        with torch.autocast(pixels.device.type, enabled=False):
            return self._transform(pixels)

    def _transform(self, pixels: Tensor) -> Tensor:
        raise NotImplementedError


class FourierSpectrum(Spectrum):
    """Log magnitude of the two-dimensional Fourier transform of each colour channel, frequency 0 in the middle.

    A Hann window prevents the cross that the image's edges would leave in the spectrum. With an orthonormal
    transform, and corrected for the window's power, white noise with a standard deviation of s grey levels has
    magnitudes near s at any size. Magnitudes below one grey level are mostly rounding errors, hence
    ``log(1 + magnitude)``.

    Channels are red, green and blue, [n, 3, size, size]. Positions are frequencies, not places in the image.

    Args:
        size: side of the images in pixels.
    """

    cosine: Tensor
    sine: Tensor
    channels = 3
    localised = False

    def __init__(self, size: int) -> None:
        super().__init__()
        position = torch.arange(size, dtype=torch.float64)
        window = torch.hann_window(size, periodic=True, dtype=torch.float64)
        window = window / window.square().mean().sqrt() / math.sqrt(size)
        # Remove whole turns first: cosines of large angles lose precision.
        turns = torch.outer(position - size // 2, position) % size / size
        angle = 2 * math.pi * turns
        self.register_buffer("cosine", (angle.cos() * window).float(), persistent=False)
        self.register_buffer("sine", (angle.sin() * window).float(), persistent=False)

    def _transform(self, pixels: Tensor) -> Tensor:
        images = pixels.permute(0, 3, 1, 2).float()
        # The mean says nothing about texture, and its leakage through the window would cover the lowest frequencies.
        images = images - images.mean((2, 3), keepdim=True)
        over_rows_cosine, over_rows_sine = self.cosine @ images, self.sine @ images
        real = over_rows_cosine @ self.cosine.T - over_rows_sine @ self.sine.T
        imaginary = over_rows_cosine @ self.sine.T + over_rows_sine @ self.cosine.T
        return _normalised_log((real.square() + imaginary.square()).sqrt())


class CosineSpectrum(Spectrum):
    """Log magnitudes of the orthonormal 8 x 8 DCT-II of the luminance, one channel for each of the 64 frequencies.

    The result is [n, 64, size / 2, size / 2], with frequency (u, v) down and across in channel 8 u + v.

    With frequencies as channels, a backbone that pools over positions still separates them, and a position remains a
    place in the image. Blocks are 2 pixels apart: images have been rescaled, so their own block grid is not aligned
    with this one, and backbones that halve their input five times need half the image's side, not an eighth.
    """

    filters: Tensor
    channels = _BLOCK**2
    localised = True

    def __init__(self) -> None:
        super().__init__()
        frequency = torch.arange(_BLOCK, dtype=torch.float64)
        basis = torch.cos(math.pi * (frequency + 0.5) * frequency[:, None] / _BLOCK) * math.sqrt(2 / _BLOCK)
        basis[0] /= math.sqrt(2)
        blocks = torch.einsum("uy,vx->uvyx", basis, basis).reshape(_BLOCK**2, 1, _BLOCK, _BLOCK)
        luminance = torch.tensor(_LUMINANCE, dtype=torch.float64).view(1, 3, 1, 1)
        self.register_buffer("filters", (blocks * luminance).float(), persistent=False)

    def _transform(self, pixels: Tensor) -> Tensor:
        images = pixels.permute(0, 3, 1, 2).float() - 128
        images = nn.functional.pad(images, [(_BLOCK - _STRIDE) // 2] * 4, mode="reflect")
        return _normalised_log(nn.functional.conv2d(images, self.filters, stride=_STRIDE).abs())


def seen_side(kind: str, size: int) -> int:
    """Side of a backbone's input for an image of a side in pixels."""
    return size // _STRIDE if kind == "dct" else size


def _normalised_log(magnitude: Tensor) -> Tensor:
    # The four photographs of scikit-image at 96 and 192 px: means of 1.4 to 2.8, deviations of 0.9 to 1.4.
    return (magnitude.log1p() - 2.0) / 1.2
