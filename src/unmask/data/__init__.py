"""Tables of images and what is done to them before training.

The package holds the :class:`~unmask.data.manifest.Manifest` and everything that makes, checks or splits one:
``fetch``, ``audit``, ``split`` and ``make`` (face crops, contact sheets, synthetic fakes). It is the first step of
making a detector and may import :mod:`unmask.imaging` and the ground floor. Importing it must not import torch; a
function that needs an optional package imports it when called and raises
:class:`~unmask.errors.MissingExtraError` where it is not installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unmask.lazy import lazy_names

if TYPE_CHECKING:
    from unmask.data.split.splitter import Splitter

__all__ = ["Splitter"]

__getattr__, __dir__ = lazy_names(__name__, {"Splitter": "unmask.data.split.splitter"})
