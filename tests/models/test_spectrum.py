"""What backbones see: spectra as NumPy and SciPy give them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
fft = pytest.importorskip("scipy.fft")

from unmask.models.spectrum import CosineSpectrum, FourierSpectrum, seen_side  # noqa: E402

pytestmark = pytest.mark.train


def magnitude(spectrum: Any) -> np.ndarray:
    """Undo the normalisation and the logarithm."""
    return np.expm1(spectrum.double().numpy() * 1.2 + 2.0)


def make_images(size: int, count: int = 2) -> np.ndarray:
    return np.random.default_rng(size).integers(0, 256, (count, size, size, 3), np.uint8)


@pytest.mark.parametrize("size", [32, 33, 96])
def test_fourier_magnitudes_are_those_of_numpy(size: int) -> None:
    pixels = make_images(size)
    images = pixels.transpose(0, 3, 1, 2).astype(float)
    images -= images.mean((2, 3), keepdims=True)
    window = np.hanning(size + 1)[:-1]
    window /= np.sqrt(np.mean(window**2))
    expected = np.abs(np.fft.fftshift(np.fft.fft2(images * np.outer(window, window), norm="ortho"), axes=(2, 3)))
    got = FourierSpectrum(size)(torch.from_numpy(pixels))
    assert got.shape == (2, 3, size, size)
    np.testing.assert_allclose(magnitude(got), expected, rtol=1e-3, atol=2e-3)


def test_a_wave_is_two_peaks_at_its_frequency() -> None:
    size, across, down = 64, 10, 4
    y, x = np.mgrid[:size, :size]
    wave = 128 + 60 * np.cos(2 * np.pi * (across * x + down * y) / size)
    pixels = np.repeat(wave[None, :, :, None], 3, 3).round().astype(np.uint8)
    peaks = magnitude(FourierSpectrum(size)(torch.from_numpy(pixels)))[0, 0]
    strongest = {tuple(place) for place in np.argwhere(peaks > peaks.max() * 0.9)}
    centre = size // 2
    assert strongest == {(centre + down, centre + across), (centre - down, centre - across)}


def test_noise_has_the_same_magnitude_at_any_size() -> None:
    levels = []
    for size in (64, 128):
        noise = np.random.default_rng(0).normal(128, 20, (1, size, size, 3)).round().clip(0, 255).astype(np.uint8)
        levels.append(np.sqrt(np.mean(magnitude(FourierSpectrum(size)(torch.from_numpy(noise))) ** 2)))
    assert levels == pytest.approx([20, 20], rel=0.05)


def test_block_magnitudes_are_those_of_scipy() -> None:
    size = 32
    pixels = make_images(size)
    luminance = pixels.astype(float) @ [0.299, 0.587, 0.114] - 128
    padded = np.pad(luminance, ((0, 0), (3, 3), (3, 3)), mode="reflect")
    got = magnitude(CosineSpectrum()(torch.from_numpy(pixels)))
    assert got.shape == (2, 64, size // 2, size // 2)
    for row, column in ((0, 0), (5, 11), (15, 15)):
        block = padded[:, row * 2 : row * 2 + 8, column * 2 : column * 2 + 8]
        expected = np.abs(fft.dctn(block, axes=(1, 2), norm="ortho")).reshape(2, 64)
        np.testing.assert_allclose(got[:, :, row, column], expected, rtol=1e-3, atol=2e-3)


def test_a_backbone_of_blocks_sees_half_the_side() -> None:
    for kind, side in (("pixels", 192), ("fft", 192), ("dct", 96)):
        assert seen_side(kind, 192) == side


def test_no_rounding_of_half_precision_enters_a_spectrum() -> None:
    """Training may run in bfloat16; there a spectrum would lose all but the strongest frequencies."""
    pixels = torch.from_numpy(make_images(32))
    for view in (FourierSpectrum(32), CosineSpectrum()):
        plain = view(pixels)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(view(pixels), plain)
