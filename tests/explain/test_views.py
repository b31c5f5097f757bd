"""Forensic views: a contract for every registered one, and what each must see in images made to show it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dctn

from unmask.explain.views import Figure, View, forensic_views
from unmask.explain.views import dct as dct_module
from unmask.explain.views.ela import error_levels
from unmask.explain.views.ghosts import smooth
from unmask.explain.views.jpeg_grid import grid_excess
from unmask.explain.views.noise import noise_levels
from unmask.explain.views.radial import RADII, radial_levels
from unmask.explain.views.ranges import MIN_PHOTOGRAPHS, Reference, References, Saved, parse, references
from unmask.explain.views.spectrum import WINDOW, peak_excess, strongest_peaks
from unmask.explain.views.subject import CELL, MAX_CELLS, Subject, mosaic, sample_cells
from unmask.explain.views.view import VIEWS, Findings, Measure, register
from unmask.imaging.decode import decode_image
from unmask.imaging.limits import DecodeLimits

ANY_SIZE = DecodeLimits(min_side=1)


def encode(image: Image.Image, form: str = "JPEG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def through_jpeg(image: Image.Image, quality: int) -> Image.Image:
    return decode_image(encode(image, quality=quality))


def figures(image: Image.Image, data: bytes | None = None) -> dict[str, float | None]:
    return {figure.name: figure.value for view in forensic_views(image, data) for figure in view.figures}


def facts(image: Image.Image, name: str, data: bytes | None = None) -> dict[str, object]:
    return next(view.facts for view in forensic_views(image, data) if view.name == name)


def noisy(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def oriented(image: Image.Image, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(image, quality=60, exif=exif)


ODD: dict[str, Callable[[], tuple[Image.Image, bytes | None]]] = {
    "one pixel": lambda: (Image.new("RGB", (1, 1), (9, 8, 7)), None),
    "one pixel high": lambda: (noisy(400, 1), None),
    "two pixels wide": lambda: (noisy(2, 700), None),
    "smaller than a block": lambda: (noisy(7, 7), encode(noisy(7, 7))),
    "one cell": lambda: (noisy(16, 16), None),
    "grey": lambda: (noisy(90, 70).convert("L").convert("RGB"), None),
    "black": lambda: (Image.new("RGB", (200, 150)), None),
    "white": lambda: (Image.new("RGB", (64, 64), "white"), None),
    "PNG": lambda: (noisy(100, 80), encode(noisy(100, 80), "PNG")),
    "huge": lambda: (Image.new("RGB", (5000, 3000), (120, 90, 60)), None),
    "very long": lambda: (noisy(6000, 20), None),
    "long as JPEG": lambda: (noisy(3000, 66), encode(noisy(3000, 66))),
    "no JPEG after its first bytes": lambda: (noisy(80, 80), b"\xff\xd8\xff" + bytes(40)),
    "empty data": lambda: (noisy(80, 80), b""),
    "data cut off": lambda: (noisy(80, 80), encode(noisy(80, 80))[:300]),
    "progressive": lambda: with_data(encode(noisy(120, 100), progressive=True)),
    "CMYK": lambda: with_data(encode(noisy(120, 100).convert("CMYK"))),
    "one channel": lambda: with_data(encode(noisy(120, 100).convert("L"))),
    "turned": lambda: with_data(oriented(noisy(121, 101), 7)),
}


def with_data(data: bytes) -> tuple[Image.Image, bytes]:
    return decode_image(data, ANY_SIZE), data


@pytest.fixture(params=ODD, ids=str)
def odd_views(request: pytest.FixtureRequest) -> list[View]:
    return forensic_views(*ODD[request.param]())


def test_every_view_keeps_its_contract(odd_views: list[View]) -> None:
    assert [view.name for view in odd_views] == list(VIEWS)
    for view in odd_views:
        assert [figure.name for figure in view.figures] == [measure.name for measure in VIEWS[view.name].measures]
        for figure in view.figures:
            assert figure.value is None or (type(figure.value) is float and np.isfinite(figure.value)), figure
            assert figure.title
        if view.image is not None:
            assert view.image.mode == "RGB"
            assert min(view.image.size) >= 1 and max(view.image.size) <= 1024
        json.dumps(view.to_json(), allow_nan=False)
        for text in (view.look_for, view.cannot_show):
            assert text.endswith(".") and text.count(". ") == 0


def test_the_same_image_gives_the_same_views(astronaut: Image.Image) -> None:
    data = encode(astronaut, quality=80)
    one, other = (forensic_views(decode_image(data), data) for _ in range(2))
    assert [view.to_json() for view in one] == [view.to_json() for view in other]
    assert all(a.image == b.image for a, b in zip(one, other, strict=True))


def test_a_view_and_a_measure_are_registered_once() -> None:
    def look(_: Subject) -> Findings:
        return Findings({})

    texts = {"title": "t", "look_for": "l.", "cannot_show": "c."}
    before = dict(VIEWS)
    with pytest.raises(ValueError):
        register("ela", **texts, measures=())(look)
    with pytest.raises(ValueError):
        register("another", **texts, measures=(Measure("ela_level", "t"),))(look)
    assert before == VIEWS


def test_the_shipped_classes_do_not_overlap_and_compare_every_measurement() -> None:
    classes = references().classes
    assert len(classes) == 24
    compared = {measure.name for view in VIEWS.values() for measure in view.measures if measure.compared}
    for each in classes:
        assert each.n >= MIN_PHOTOGRAPHS
        assert set(each.figures) == compared
        assert all(span.low < span.high and span.n >= MIN_PHOTOGRAPHS for span in each.figures.values())
        assert all(len(ends) == len(RADII) for ends in each.radial)
        assert (each.radial[0] <= each.radial[1]).all()
    places = [(each.quality and each.quality[0], each.short_edge[0]) for each in classes]
    assert len(set(places)) == len(places)


def cell(quality: list[int] | None, edges: list[int], n: int = 120, **figures: list[float]) -> dict[str, object]:
    return {
        "quality": quality,
        "short_edge": edges,
        "n": n,
        "figures": figures,
        "radial": {"low": [0.0] * 32, "high": [1.0] * 32},
    }


KNOWN = parse(
    {
        "central": 0.95,
        "classes": [
            cell([70, 79], [128, 199], a=[0.1, 0.2, 0.3, 120], flat=[0, 0, 0, 120], few=[0.1, 0.2, 0.3, 99]),
            cell([80, 100], [128, 199]),
            cell(None, [128, 199]),
            cell([70, 79], [200, 640]),
            # too few photographs
            cell([80, 100], [200, 640], 99),
        ],
    }
)


@pytest.mark.parametrize(
    ("saved", "quality", "edge", "place"),
    [
        # both ends of a class belong to it
        ("jpeg", 70, 128, ((70, 79), (128, 199))),
        ("jpeg", 79, 199, ((70, 79), (128, 199))),
        ("jpeg", 80, 199, ((80, 100), (128, 199))),
        ("jpeg", 100, 128, ((80, 100), (128, 199))),
        ("jpeg", 79, 200, ((70, 79), (200, 640))),
        # lossless photographs are compared with lossless ones, whatever they were before
        ("lossless", None, 128, (None, (128, 199))),
        # beyond the classes
        ("jpeg", 69, 150, "its JPEG quality is 69; the photographs have 70 to 100"),
        ("jpeg", 75, 127, "its short edge has 127 pixels; the photographs have 128 to 640"),
        ("jpeg", 75, 3024, "its short edge has 3024 pixels; the photographs have 128 to 640"),
        # between them
        ("jpeg", 90, 300, "there are too few photographs like it"),
        ("lossless", None, 300, "there are too few photographs like it"),
        # not comparable
        ("lossy", None, 150, "its format is neither JPEG nor lossless"),
        ("unknown", None, 150, "its JPEG quality is unknown"),
    ],
)
def test_the_class_of_an_image(saved: Saved, quality: float | None, edge: int, place: object) -> None:
    found = KNOWN.find(saved, quality, edge)
    assert (found if isinstance(found, str) else (found.quality, found.short_edge)) == place


def test_ranges_of_too_few_photographs_or_without_spread_are_dropped() -> None:
    found = KNOWN.find("jpeg", 75, 150)
    assert isinstance(found, Reference)
    assert set(found.figures) == {"a"}
    assert str(found) == "JPEG quality 70–79, short edge 128–199 pixels"
    assert str(KNOWN.find("lossless", None, 150)) == "lossless, short edge 128–199 pixels"
    assert len(KNOWN.classes) == 4


def test_without_any_class_nothing_is_comparable() -> None:
    assert References(0.95, ()).find("jpeg", 75, 150) == "there are too few photographs like it"


@pytest.mark.parametrize(
    ("data", "saved"),
    [
        (None, "lossless"),
        ("JPEG", "jpeg"),
        ("PNG", "lossless"),
        ("BMP", "lossless"),
        ("TIFF", "lossless"),
        # 256 colours
        ("GIF", "lossy"),
        ("WEBP", "lossy"),
        ("AVIF", "lossy"),
    ],
)
def test_how_an_image_was_saved(data: str | None, saved: str) -> None:
    image = noisy(40, 40)
    assert Subject(image, data and encode(image, data)).saved == saved


def test_lossless_webp_is_lossless() -> None:
    assert Subject(noisy(40, 40), encode(noisy(40, 40), "WEBP", lossless=True)).saved == "lossless"


def test_a_jpeg_without_tables_has_no_quality() -> None:
    assert Subject(noisy(80, 80), b"\xff\xd8\xff" + bytes(40)).saved == "unknown"


@pytest.mark.parametrize(
    ("figure", "comparison"),
    [
        (Figure("f", "F", 1.0, "", 0.0, 2.0, 120), "inside"),
        (Figure("f", "F", 2.1, "", 0.0, 2.0, 120), "outside"),
        (Figure("f", "F", None, "", 0.0, 2.0, 120), "not measured"),
        (Figure("f", "F", 1.0, "", None, None, 0), "no comparable reference"),
        # the quality of a JPEG chooses the class
        (Figure("f", "F", 1.0, "", None, None, 0, compared=False), "not compared"),
    ],
)
def test_how_a_measurement_compares(figure: Figure, comparison: str) -> None:
    assert figure.comparison == comparison == figure.to_json()["comparison"]


def test_figures_are_compared_with_the_class_of_their_image(
    monkeypatch: pytest.MonkeyPatch, astronaut: Image.Image
) -> None:
    """Noise has a range in one class only: the same photograph is outside at one size, not compared at another."""
    ranges = {"noise_level": [100.0, 101.0, 102.0, 150]}
    known = parse({"central": 0.95, "classes": [cell([90, 100], [200, 300], 150, **ranges)]})
    monkeypatch.setattr("unmask.explain.views.subject.references", lambda: known)
    for side, comparison, n in ((256, "outside", 150), (400, "no comparable reference", 0)):
        data = encode(astronaut.resize((side, side)), quality=92)
        found = {each.name: each for view in forensic_views(decode_image(data), data) for each in view.figures}
        assert (found["noise_level"].comparison, found["noise_level"].n) == (comparison, n)
        assert found["sharpness"].comparison == "no comparable reference"
        assert found["jpeg_quality"].comparison == "not compared"
        words = "JPEG quality 90–100, short edge 200–300 pixels"
        assert found["noise_level"].reference == (words if n else None)


@pytest.mark.parametrize(
    ("value", "low", "high", "outside"),
    [
        (1.0, 0.0, 2.0, False),
        (0.0, 0.0, 2.0, False),  # the ends belong to it
        (2.1, 0.0, 2.0, True),
        (-0.1, 0.0, 2.0, True),
        (None, 0.0, 2.0, False),  # not measured
        (5.0, None, None, False),  # no reference
    ],
)
def test_outside(value: float | None, low: float | None, high: float | None, outside: bool) -> None:
    assert Figure("f", "F", value, "", low, high, 9).outside is outside


def test_figures_mean_the_same_in_a_larger_image(astronaut: Image.Image) -> None:
    """A mosaic of copies has the same pixels at 16 times the area, of which a quarter of the cells is looked at."""
    part = astronaut.crop((0, 0, 320, 320))
    large = Image.new("RGB", (1280, 1280))
    for at in range(16):
        large.paste(part, (at % 4 * 320, at // 4 * 320))
    small_ones, large_ones = figures(part), figures(large)
    for name in ("ela_level", "noise_level", "noise_unevenness", "correlation_red_green"):
        assert large_ones[name] == pytest.approx(small_ones[name], rel=0.08, abs=0.005), name
    for name in ("spectral_slope", "fine_band"):
        assert large_ones[name] == pytest.approx(small_ones[name], abs=0.35), name


def test_cells_are_bounded_and_spread_evenly() -> None:
    cells = sample_cells(np.zeros((5000, 3000), np.uint8))
    assert cells.shape[0] * cells.shape[1] <= MAX_CELLS
    plane = np.arange(64 * 48, dtype=np.uint16).reshape(64, 48).astype(np.uint8)
    assert np.array_equal(mosaic(sample_cells(plane)), plane)
    assert np.array_equal(sample_cells(plane, (3, 5))[1, 0], plane[21:37, 3:19])
    assert sample_cells(np.zeros((15, 100), np.uint8)).size == 0


# --- compression ---------------------------------------------------------------------------------------------------


def test_error_level_is_what_saving_again_changes(astronaut: Image.Image) -> None:
    saved = np.asarray(Image.open(io.BytesIO(encode(astronaut, quality=90, subsampling="4:4:4"))), np.float64)
    change = np.minimum(np.abs(saved - np.asarray(astronaut, np.float64)), 31).mean(axis=2)
    expected = change.reshape(32, 16, 32, 16).mean(axis=(1, 3))
    assert np.abs(error_levels(Subject(astronaut)) - expected).max() < 0.07  # sixteenths are rounded away


def test_a_pasted_part_shows_in_the_error_level(astronaut: Image.Image) -> None:
    """A part that was never compressed changes more than its settled surroundings of the same texture."""
    settled = astronaut
    for _ in range(4):
        settled = decode_image(encode(settled, quality=90, subsampling="4:4:4"))
    settled.paste(astronaut.crop((160, 64, 288, 192)), (160, 64))
    levels = error_levels(Subject(settled))
    assert levels[4:12, 10:18].mean() > 3 * np.concatenate([levels[:4], levels[12:]]).mean()


@pytest.mark.parametrize(("first", "last"), [(60, 90), (75, 92), (50, 80)])
def test_an_earlier_compression_shows(astronaut: Image.Image, first: int, last: int) -> None:
    once, twice = encode(astronaut, quality=last), encode(through_jpeg(astronaut, first), quality=last)
    before, after = figures(decode_image(once), once), figures(decode_image(twice), twice)
    assert before["ghost_depth"] == 0 and before["dct_periodicity"] == 0
    assert after["ghost_depth"] > 0.3 and after["dct_periodicity"] > 0.2
    assert facts(decode_image(twice), "ghosts", twice)["quality"] == first


def test_a_ghost_is_local(astronaut: Image.Image) -> None:
    image = through_jpeg(astronaut, 95)
    image.paste(through_jpeg(astronaut, 60).crop((128, 128, 384, 384)), (128, 128))
    data = encode(image, quality=95)
    values = figures(decode_image(data), data)
    whole = encode(through_jpeg(astronaut, 60), quality=95)
    assert 0.15 < values["ghost_share"] < 0.35 < figures(decode_image(whole), whole)["ghost_share"]


@pytest.mark.parametrize("offset", [(3, 5), (0, 4), (7, 1)])
def test_a_moved_grid_is_found(astronaut: Image.Image, offset: tuple[int, int]) -> None:
    image = through_jpeg(astronaut, 60).crop((*offset, 512, 512))
    found = facts(image, "jpeg_grid")["strongest_offset"]
    assert found == [(-offset[0]) % 8, (-offset[1]) % 8]
    values = figures(image)
    assert values["grid_elsewhere"] > 0.2 > 0.05 > values["grid_strength"]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_grid_of_a_turned_file_is_known(astronaut: Image.Image, orientation: int) -> None:
    data = oriented(astronaut.crop((0, 0, 301, 259)), orientation)
    image = decode_image(data)
    assert facts(image, "jpeg_grid", data)["strongest_offset"] == [0, 0]
    assert figures(image, data)["dct_periodicity"] == 0  # its own steps, turned with it, give no rhythm


def test_an_uncompressed_image_has_no_grid(astronaut: Image.Image) -> None:
    assert np.abs(grid_excess(Subject(astronaut).cells)).max() < 0.05


def test_the_header_of_a_jpeg(astronaut: Image.Image) -> None:
    data = encode(astronaut, quality=83, progressive=True, subsampling="4:2:2")
    image = decode_image(data)
    values, found = figures(image, data), facts(image, "jpeg_tables", data)
    assert (values["jpeg_quality"], values["jpeg_quality_chroma"], values["jpeg_table_error"]) == (83, 83, 0)
    assert found["progressive"] is True and found["subsampling"] == "4:2:2" and found["standard_tables"] is True
    assert len(found["tables"]["0"]) == 64
    assert figures(image)["jpeg_quality"] is None


def test_dct_agrees_with_scipy() -> None:
    block = np.random.default_rng(1).normal(0, 50, (8, 8))
    matrix = dct_module.dct_matrix().astype(np.float64)
    assert np.abs(matrix @ block @ matrix.T - dctn(block, norm="ortho")).max() < 1e-4


@pytest.mark.parametrize("period", [2, 3, 5])
def test_periodicity_of_combs(period: int) -> None:
    bins = np.arange(-64, 65)
    smooth_ = np.rint(20_000 * np.exp(-np.abs(bins) / 12)).astype(np.int64)
    assert dct_module.periodicity(smooth_) == (0.0, 0.0)
    strength, found = dct_module.periodicity(np.where(bins % period == 0, smooth_, 0))
    assert strength > 0.8
    assert found == pytest.approx(period, rel=0.04) or found == pytest.approx(period / (period // 2), rel=0.04)


def test_smoothing_keeps_a_constant() -> None:
    assert np.allclose(smooth(np.full((3, 5), 7, np.float32)), 7)


# --- signal --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [2.0, 8.0])
def test_noise_level_of_gaussian_noise(sigma: float) -> None:
    """On a slope, which the residual must not see."""
    draw = np.random.default_rng(0)
    plane = np.linspace(60, 180, 256)[:, None] + draw.normal(0, sigma, (256, 256))
    cells = sample_cells(np.rint(plane).astype(np.uint8))
    assert float(noise_levels(cells).mean()) == pytest.approx(np.hypot(sigma, np.sqrt(1 / 12)), rel=0.03)


def test_noise_is_uneven_where_a_part_was_smoothed() -> None:
    draw = np.random.default_rng(0)
    plane = 128 + draw.normal(0, 6, (256, 256))
    even = Image.fromarray(np.rint(plane).astype(np.uint8)).convert("RGB")
    plane[:, :128] = 128 + (plane[:, :128] - 128) / 4
    uneven = Image.fromarray(np.rint(plane).astype(np.uint8)).convert("RGB")
    assert figures(even)["noise_unevenness"] < 0.3 < 1 < figures(uneven)["noise_unevenness"]


def test_correlation_of_channels() -> None:
    draw = np.random.default_rng(0)
    shared, own = draw.normal(0, 10, (256, 256)), draw.normal(0, 10, (256, 256))
    planes = [128 + shared, 128 + 0.6 * shared + 0.8 * own, 128 + draw.normal(0, 10, (256, 256))]
    values = figures(Image.fromarray(np.rint(np.clip(np.stack(planes, 2), 0, 255)).astype(np.uint8)))
    assert values["correlation_red_green"] == pytest.approx(0.6, abs=0.02)
    assert values["correlation_green_blue"] == pytest.approx(0, abs=0.02)
    grey = figures(Image.fromarray(np.rint(np.clip(planes[0], 0, 255)).astype(np.uint8)).convert("RGB"))
    assert grey["correlation_red_blue"] == pytest.approx(1)


def test_a_periodic_pattern_is_a_peak() -> None:
    y, x = np.mgrid[:256, :256]
    pattern = 3 * np.cos(2 * np.pi * (0.25 * x + 0.375 * y)) + np.random.default_rng(0).normal(0, 3, (256, 256))
    image = Image.fromarray(np.rint(128 + pattern).astype(np.uint8)).convert("RGB")
    peaks = facts(image, "spectrum")["peaks"]
    assert (abs(peaks[0]["x"]), abs(peaks[0]["y"])) == (0.25, 0.375)
    assert peaks[0]["decibels"] > 10 > 6 > peaks[-1]["decibels"]


def test_zero_insertion_leaves_peaks_where_upsampling_does() -> None:
    """What an up-convolution does before its kernel smooths it, incompletely."""
    coarse = 100 + np.random.default_rng(0).normal(0, 20, (160, 160))
    coarse = np.cumsum(coarse - 100, axis=1) / 12 + 100  # rich in low frequencies, as images are
    fine = np.zeros((320, 320))
    fine[::2, ::2] = coarse
    smoothed = sum(np.roll(fine, (a, b), (0, 1)) * (1.2 if (a, b) == (0, 0) else 1) for a in (0, 1) for b in (0, 1))
    plain = np.repeat(np.repeat(coarse, 2, 0), 2, 1)
    peaks = [
        peak_excess_of(Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8)).convert("RGB"))
        for values in (plain, smoothed)
    ]
    assert peaks[1] > peaks[0] + 5


def peak_excess_of(image: Image.Image) -> float:
    value = figures(image)["upsampling_peaks"]
    assert value is not None
    return value


def test_peaks_leave_out_centre_and_axes() -> None:
    power = np.ones((WINDOW, WINDOW))
    middle = WINDOW // 2
    power[middle, middle + 10] = power[middle + 2, middle + 2] = 1e6
    power[middle - 8, middle + 16] = 100
    peaks = strongest_peaks(peak_excess(power))
    assert (peaks[0]["x"], peaks[0]["y"]) == (0.25, -0.125)
    assert peaks[0]["decibels"] == pytest.approx(20, abs=0.01)


def test_radial_levels_of_a_power_law() -> None:
    steps = np.arange(WINDOW) - WINDOW // 2
    radius = np.maximum(np.hypot(steps[:, None], steps[None, :]), 0.5)
    levels = radial_levels(1e6 * radius**-2.5)
    assert np.polyfit(np.log10(RADII[3:]), levels[3:], 1)[0] == pytest.approx(-2.5, abs=0.03)
    assert levels[3:8].mean() == pytest.approx(0, abs=1e-9)


def test_blur_shows_in_sharpness_and_bands(astronaut: Image.Image) -> None:
    blurred = astronaut.resize((170, 170), Image.Resampling.BICUBIC).resize((512, 512), Image.Resampling.BICUBIC)
    sharp, soft = figures(astronaut), figures(blurred)
    assert soft["sharpness"] < sharp["sharpness"] - 0.2
    assert soft["fine_band"] < sharp["fine_band"] - 1
    assert soft["spectral_slope"] < sharp["spectral_slope"] - 1
    assert CELL % 8 == 0  # what makes cells exact under JPEG
