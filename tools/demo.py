"""Demonstrate unmask: classify a portrait and a manipulated copy of it.

The portrait shows the astronaut Eileen Collins (NASA, public domain); it ships with scikit-image. The manipulated copy
is made here: her face is blended onto a transformed copy of itself, as in a face swap.

    python tools/demo.py FOLDER
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

from unmask.data.make.self_blend import self_blend
from unmask.imaging.faces import FaceFinder

_SEED = 2  # a visible blend; the shipped detector calls three of the first 16 seeds fake
_NEXT = """
Evidence: {folder}/evidence (orange: evidence for fake, purple: for real)

Next:
  {bin}/unmask detect YOUR.jpg --evidence evidence     classify your own images
  {bin}/unmask detect FOLDER --recursive --json        a whole folder, one JSON object per line
  {bin}/unmask serve                                   web page and API
  {bin}/unmask bundle info                             what the detector was trained on, and where it fails
  {bin}/unmask --help                                  all commands
"""


def main() -> None:
    """Write the images, classify them, and suggest what to do next."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    portrait = Image.fromarray(data.astronaut())
    face = FaceFinder().find(portrait)[0]
    manipulated = self_blend(portrait, face, np.random.default_rng(_SEED)).image
    for name, image in (("real", portrait), ("manipulated", manipulated)):
        image.save(folder / f"{name}.jpg", quality=92)
    images = [str(folder / f"{name}.jpg") for name in ("real", "manipulated")]
    command = [sys.executable, "-m", "unmask", "detect", *images, "--evidence", str(folder / "evidence")]
    subprocess.run(command, check=True)
    print(_NEXT.format(folder=folder, bin=".venv/bin"))


if __name__ == "__main__":
    main()
