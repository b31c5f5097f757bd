"""What a run looked at, as images: some of its first epoch, and the validation images that it judges worst."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from unmask.files import whole_file, write_whole
from unmask.imaging.preprocessing import Pixels, Preprocessing
from unmask.text import guard_cell
from unmask.training.dataset import FaceData, Sample, seen

_SHOWN: Final = 24
_COLUMNS: Final = 6
_LONGEST_NAME: Final = 24


def draw_first_batch(data: FaceData, out: Path) -> None:
    """The first images of the first epoch as the network gets them, augmented, with their labels, as a PNG.

    Args:
        data: the images of the run.
        out: the file to write.
    """
    shown = data.first_images(_SHOWN)
    _draw(
        [(pixels, "real" if target < 0.5 else "fake") for pixels, target in shown],
        "First images of epoch 1, as the network gets them",
        out,
    )


def draw_worst(
    samples: Sequence[Sample], probability: npt.NDArray[np.float64], preprocessing: Preprocessing, out: Path
) -> None:
    """The images whose probability is furthest from their label, as a PNG, and their paths as a CSV table beside it.

    Args:
        samples: images with labels.
        probability: float64 [n], of fake, from 0 to 1.
        preprocessing: of the detector.
        out: the PNG; the table has the same name and ends in ``.csv``.
    """
    error = np.abs(probability - [sample.is_fake for sample in samples])
    worst = np.argsort(-error, kind="stable")[:_SHOWN]
    tiles, rows = [], [("number", "path", "label", "probability")]
    for number, place in enumerate(worst, 1):
        sample, percent = samples[place], 100 * probability[place]
        label = "fake" if sample.is_fake else "real"
        tiles.append((seen(sample, preprocessing), f"{number}: {label}, {percent:.1f} %\n{_short(sample.path.name)}"))
        # A file's name need not be Unicode.
        path = str(sample.path).encode(errors="backslashreplace").decode()
        rows.append((str(number), guard_cell(path), label, f"{probability[place]:.6f}"))
    _draw(tiles, "Validation images furthest from their label, and their probability of fake", out)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_whole(out.with_suffix(".csv"), text.getvalue())


def _draw(tiles: Sequence[tuple[Pixels, str]], title: str, out: Path) -> None:
    height = -(-len(tiles) // _COLUMNS)
    figure = Figure(figsize=(12, 0.5 + 2.4 * height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    for axes in figure.subplots(height, _COLUMNS, squeeze=False).flat:
        axes.set_axis_off()
    for axes, (pixels, words) in zip(figure.axes, tiles, strict=False):
        axes.imshow(pixels)
        axes.set_title(words, fontsize=8, parse_math=False)
    with whole_file(out) as file:
        figure.savefig(file, format="png", dpi=100, metadata={"Software": None})


def _short(name: str) -> str:
    """A file name that fits below an image, in letters that every font has."""
    plain = name.encode("ascii", "backslashreplace").decode()
    return plain if len(plain) <= _LONGEST_NAME else f"...{plain[3 - _LONGEST_NAME :]}"
