"""Whether a manifest is one of clips."""

from __future__ import annotations

from pathlib import PurePath

from unmask.data.manifest import Manifest
from unmask.errors import UsageError
from unmask.imaging.video.facts import CLIP_SUFFIXES


def holds_clips(manifest: Manifest) -> bool:
    """Whether a manifest's files are clips, by their suffixes.

    Raises:
        ManifestError: a bad row.
        UsageError: ``mixed_manifest``: some are clips and some are images.
    """
    found = {PurePath(row.path).suffix.lower() in CLIP_SUFFIXES for row in manifest if row.path}
    if len(found) > 1:
        text = f"{manifest.name} holds images and clips, which are different units; use a manifest for each."
        raise UsageError("mixed_manifest", text)
    return found == {True}
