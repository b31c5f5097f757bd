"""Preparation of every command that trains."""

from __future__ import annotations

import logging
import warnings


def prepare_training(purpose: str) -> None:
    """Check that the packages for training are installed, and silence Lightning's routine messages.

    Raises:
        MissingExtraError: with the pip command that installs them.
    """
    from unmask.cli.extras import need

    packages = (
        "torch",
        "timm",
        "lightning",
        "torchmetrics",
        "sklearn",
        "scipy",
        "skl2onnx",
        "onnxscript",
        "matplotlib",
    )
    need("train", purpose, *packages)
    import lightning.pytorch  # noqa: F401 - it sets its own level when it is imported

    # Devices, tips and its own deprecations.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning")
