"""What every verb that trains does first."""

from __future__ import annotations

import logging
import warnings


def prepare_training(purpose: str) -> None:
    """Check that all that training needs is there, and keep Lightning to what is news to the user.

    Raises:
        MissingExtraError: with the pip line that installs it.
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

    # What it says of devices, tips and its own deprecations is no news.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning")
