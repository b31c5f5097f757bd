"""The packages of the extra ``scale``, imported on first use."""

from __future__ import annotations

from typing import Any

from unmask.errors import MissingExtraError


def pyarrow() -> Any:
    """The package pyarrow, with ``pyarrow.parquet``.

    Raises:
        MissingExtraError: the extra ``scale`` is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("scale", "unmask scan") from error
    return pyarrow
