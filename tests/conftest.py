"""Fixtures that tests of several packages use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_faces() -> Path:
    """The shared pictures' folder, which holds manifest.csv; without it the test is skipped.

    It is looked for in the folder that UNMASK_SHARED names, or else in ``shared`` beside the repository.
    """
    beside = Path(__file__).resolve().parents[2] / "shared"
    faces = Path(os.environ.get("UNMASK_SHARED", beside)) / "data" / "faces"
    if not faces.is_dir():
        pytest.skip("the shared pictures are not here")
    return faces
