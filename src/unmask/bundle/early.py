"""The graphs of the package, opened by a thread while the program imports the rest.

What they need is numpy and ONNX Runtime; a bundle needs much more. Opening takes a third of a cold start, and runs
outside of Python.
"""

from __future__ import annotations

import os
import threading
from importlib.resources import files
from typing import Final

_GRAPHS: Final = ("unmask-default/model.onnx", "face_finder.onnx")


def open_shipped_early() -> None:
    """Begin to open the default detector's graph and the face finder, if there is a second CPU; raises nothing."""
    if (os.cpu_count() or 1) > 1:
        threading.Thread(target=_open, name="unmask-early").start()


def _open() -> None:
    from unmask.bundle.session import checked_options
    from unmask.imaging.session import open_early, session_options

    for name, options in zip(_GRAPHS, (checked_options, session_options), strict=True):
        try:
            model = (files("unmask.assets") / name).read_bytes()
        except OSError:
            return  # the one who asks for it says so
        open_early(model, options())
