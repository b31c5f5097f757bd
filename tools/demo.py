"""The main job on real input: judge a portrait and a manipulated copy of it.

The portrait is of the astronaut Eileen Collins, by NASA, public domain, as it comes with scikit-image. The manipulation
is our own: her face is blended onto a changed copy of itself, as a face swap would be.

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

_SEED = 2  # a blend that can be seen; of the first 16 seeds the shipped detector calls eight fake
_NEXT = """
Evidence: {folder}/evidence (orange speaks for fake, purple for real)

Next:
  {bin}/unmask detect YOUR.jpg --evidence evidence     judge your own images
  {bin}/unmask detect FOLDER --recursive --json        a whole folder, one JSON object a line
  {bin}/unmask serve                                   the same in a browser, and an API
  {bin}/unmask bundle info                             what the detector was trained on, and where it fails
  {bin}/unmask --help                                  all commands
"""


def main() -> None:
    """Write the images, judge them, say what to do next."""
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
