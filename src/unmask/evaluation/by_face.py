"""From a table of scores per image to one per face, and from one per clip to one per track or frame."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from unmask.errors import UsageError
from unmask.evaluation.cells import parse_probability
from unmask.evaluation.scores import Scores
from unmask.text import quote


def by_face(scores: Scores) -> Scores | None:
    """One row for each face, with its image's label; ``None`` where the column ``face_probabilities`` has no faces.

    Of clips, one row for each track. Not every face in a fake needs to be fake, so this is too hard on the detector
    there. Images without a face are left out. The faces of an image are one group.

    Raises:
        UsageError: ``bad_probability``.
    """
    return _by_part(scores, "face_probabilities", "#")


def by_frame(scores: Scores) -> Scores | None:
    """One row for each frame of a clip's deciding track; ``None`` where there is no column ``frame_probabilities``.

    The frames of a clip are one group.

    Raises:
        UsageError: ``bad_probability``.
    """
    return _by_part(scores, "frame_probabilities", "@")


def _by_part(scores: Scores, column: str, mark: str) -> Scores | None:
    faces = [cell.split() for cell in scores.column(column)]
    image = np.repeat(np.arange(len(scores)), [len(each) for each in faces])
    if not len(image):
        return None
    columns = {name: tuple(values[at] for at in image) for name, values in scores.columns.items()}
    groups = scores.column("group")
    return replace(
        scores,
        path=tuple(
            f"{scores.path[at]}{mark}{face}" for at, each in enumerate(faces) for face in range(1, len(each) + 1)
        ),
        is_fake=scores.is_fake[image],
        fake_probability=np.array(
            [
                _of_face(cell, f"{scores.name}: {quote(path)}, {column}")
                for path, each in zip(scores.path, faces, strict=True)
                for cell in each
            ]
        ),
        error=("",) * len(image),
        # A blank group is a group of its own for each row; faces of one image are not.
        columns={**columns, "group": tuple(groups[at] or f"image {scores.path[at]}" for at in image)},
    )


def _of_face(cell: str, where: str) -> float:
    value = parse_probability(cell, "", where)
    if math.isnan(value):
        raise UsageError("bad_probability", f"{where}: {quote(cell)} is not a number from 0 to 1")
    return value
