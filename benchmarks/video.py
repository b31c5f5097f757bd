"""From the frames of a clip to one verdict: pooling, temporal heads and trajectories, on clips left out by pairs.

    python benchmarks/video.py --clips ../shared/data/videos/manifest.csv \\
        --stills ../shared/data/faces/manifest.csv --work /tmp/video --out benchmarks/results/video.json

Every clip is judged by what saw no clip of its group: pairs are never split, nor is a swap from its donor's group. What
is trained sees the other clips, fakes made of their real ones (self-blended with a tremor, and swapped, all encoded
alike), and still images of the validation split moved a little. ``--work`` keeps clips and frames; call the script
again to resume an interrupted run. Differences are of the AUC, with intervals over draws of whole groups.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from _report import argument_parser, describe_run, write_json
from _shared import draw_balanced
from unmask.bundle.bundle import Bundle
from unmask.data.make.clips import ClipPolicy, synthesize_clips
from unmask.data.manifest import Manifest
from unmask.files import OutputFolder
from unmask.journal import Journal
from unmask.progress import progress_bar
from unmask.recipes import Recipe, Temporal
from unmask.stats.intervals import interval, rounded
from unmask.stats.metrics import Floats, auc
from unmask.stats.trajectory import STATISTICS, trajectory
from unmask.training.temporal import first_phase, judge, second_phase
from unmask.training.temporal_frames import (
    FrameSequence,
    clip_sequences,
    still_sequences,
    with_features,
)
from unmask.video.pooling import pool

TOP: Final = 0.25
DRAWS: Final = 4000
_TREMOR: Final = 0.01
_PACKAGES: Final = ("unmask", "numpy", "torch", "onnxruntime", "scikit-learn", "av")
_Score = Callable[[FrameSequence], float]


def main() -> None:
    """Run and write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--clips", type=Path, required=True, metavar="FILE", help="manifest of clips")
    parser.add_argument("--stills", type=Path, metavar="FILE", help="manifest of images, of which val rows are used")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="folder for clips and frames")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="result")
    parser.add_argument("--bundle", type=Path, help="detector of frames (default: the one in the package)")
    parser.add_argument("--images", type=int, default=160, metavar="N", help="still images")
    parser.add_argument("--frames", type=int, default=64, metavar="N", help="most frames of a clip that is made")
    parser.add_argument("--seeds", type=int, default=2, metavar="N", help="heads that are trained for each clip")
    parser.add_argument("--smoke", action="store_true", help="trial run")
    given = parser.parse_args()
    bundle = Bundle.open(given.bundle)
    gru, transformer = (_settings(name) for name in ("video-gru", "video-transformer"))
    sequences, made, stills = _read(given, bundle, gru)
    rows = {row.path: row for row in Manifest.open(given.clips)}
    is_fake = np.array([clip.is_fake for clip in sequences])
    groups = [next(iter(clip.groups)) for clip in sequences]
    logits = {
        "mean": _all(sequences, lambda clip: pool(clip.frames[:, 0], "mean")),
        "top-k-mean": _all(sequences, lambda clip: pool(clip.frames[:, 0], "top-k-mean", TOP)),
        "noisy-or": _all(sequences, lambda clip: pool(clip.frames[:, 0], "noisy-or")),
        "trajectory": _left_out(sequences, made, lambda train: _statistics(train, with_mean=False)),
        "mean and trajectory": _left_out(sequences, made, lambda train: _statistics(train, with_mean=True)),
    }
    spread: dict[str, list[float]] = {}
    for title, settings, extra, first in (
        ("gru", gru, made, stills),
        ("transformer", transformer, made, stills),
        ("gru, no stills", gru, made, []),
        ("gru, no made clips", gru, [], stills),
    ):
        runs = [_heads(settings, sequences, extra, first, seed) for seed in range(1, given.seeds + 1)]
        spread[title] = [rounded(auc(run, is_fake)) or 0.0 for run in runs]
        logits[title] = np.mean(runs, axis=0)
    write_json(
        given.out,
        {
            "run": describe_run(_PACKAGES, bundle.sha256, smoke=given.smoke),
            "clips": len(sequences),
            "fake": int(is_fake.sum()),
            "groups": len(set(groups)),
            "made": len(made),
            "stills": len(stills),
            "frames": gru.frames,
            "draws": DRAWS,
            "top": TOP,
            "methods": [
                _method(name, found, logits["mean"], is_fake, groups, spread.get(name))
                for name, found in logits.items()
            ],
            "pairs": _pairs(sequences, logits),
            "table": [
                {
                    "path": clip.name,
                    "label": "fake" if clip.is_fake else "real",
                    "kind": rows[clip.name].kind,
                    "group": group,
                    "logits": {name: rounded(float(found[at])) for name, found in logits.items() if "," not in name},
                }
                for at, (clip, group) in enumerate(zip(sequences, groups, strict=True))
            ],
        },
    )


def _settings(name: str) -> Temporal:
    settings = Recipe.load(name).temporal
    assert settings is not None
    return settings


def _read(
    given: Any, bundle: Bundle, settings: Temporal
) -> tuple[list[FrameSequence], list[FrameSequence], list[FrameSequence]]:
    """The clips, those made of them, and the still images, as frames."""
    work = OutputFolder(given.work).path
    table = Manifest.open(given.clips)
    count = sum(row.label == "real" for row in table)
    with progress_bar("self-blended clips", count) as advance:
        policy = ClipPolicy("self-blend", frames=given.frames, tremor=_TREMOR, with_originals=True)
        synthesize_clips(table, work / "blends", policy, progress=advance)
    with progress_bar("swapped clips", count) as advance:
        synthesize_clips(table, work / "swaps", ClipPolicy("swap", frames=given.frames), progress=advance)
    judged_by = with_features(bundle, settings.directions)
    tables = [table, *(Manifest.open(work / name / "manifest.csv") for name in ("blends", "swaps"))]
    works = [[(row, each.resolve(row)) for row in each] for each in tables]
    drawn: list[Any] = []
    if given.stills is not None:
        images = Manifest.open(given.stills).select(split="val")
        drawn = [(row, images.resolve(row)) for row in draw_balanced(list(images), given.images, 0)]
    with Journal(work / "frames.jsonl") as journal:
        with progress_bar("clips", sum(map(len, works))) as advance:
            found = [clip_sequences(judged_by, settings, each, journal, advance)[0] for each in works]
        with progress_bar("still images", len(drawn)) as advance:
            stills, _ = still_sequences(judged_by, settings, drawn, journal, 1, os.cpu_count(), advance)
    return found[0], [*found[1], *found[2]], stills


def _all(clips: Sequence[FrameSequence], score: _Score) -> Floats:
    return np.array([score(clip) for clip in clips])


def _left_out(
    clips: Sequence[FrameSequence],
    made: Sequence[FrameSequence],
    train: Callable[[list[FrameSequence]], _Score],
) -> Floats:
    """The logit of each clip by what is trained without its group."""
    logits = np.empty(len(clips))
    for groups in {clip.groups for clip in clips}:
        score = train([each for each in (*clips, *made) if not each.groups & groups])
        for at, clip in enumerate(clips):
            if clip.groups == groups:
                logits[at] = score(clip)
    return logits


def _heads(
    settings: Temporal,
    clips: Sequence[FrameSequence],
    made: Sequence[FrameSequence],
    stills: Sequence[FrameSequence],
    seed: int,
) -> Floats:
    start = first_phase(settings, stills, seed, clips[0].frames.shape[1] - 1)

    def train(others: list[FrameSequence]) -> _Score:
        head = second_phase(settings, others, start, seed)
        return lambda clip: judge(head, clip)

    return _left_out(clips, made, train)


def _statistics(train: Sequence[FrameSequence], *, with_mean: bool) -> _Score:
    """Logistic regression on statistics of the path that the features take."""

    def row(clip: FrameSequence) -> list[float]:
        found = trajectory(clip.frames[:, 1:])
        return [*(found[name] for name in STATISTICS), *([pool(clip.frames[:, 0])] if with_mean else [])]

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000))
    model.fit([row(clip) for clip in train], [clip.is_fake for clip in train])
    return lambda clip: float(model.decision_function([row(clip)])[0])


def _method(
    name: str, found: Floats, mean: Floats, is_fake: Any, groups: Sequence[str], seeds: list[float] | None
) -> dict[str, Any]:
    """AUC, and its difference from the mean's, with intervals over draws of whole groups."""
    names = sorted(set(groups))
    members = [np.flatnonzero(np.array(groups) == group) for group in names]
    rng = np.random.default_rng(0)
    own, differences = [], []
    for _ in range(DRAWS):
        places = np.concatenate([members[at] for at in rng.integers(len(names), size=len(names))])
        if is_fake[places].all() or not is_fake[places].any():
            continue
        own.append(auc(found[places], is_fake[places]))
        differences.append(own[-1] - auc(mean[places], is_fake[places]))
    value = auc(found, is_fake)
    return {
        "name": name,
        "auc": _with_interval(value, own),
        "gain": None if name == "mean" else _with_interval(value - auc(mean, is_fake), differences),
        "auc_of_seeds": seeds,
    }


def _with_interval(value: float, drawn: list[float]) -> dict[str, float | None]:
    low, high = np.quantile(drawn, (0.025, 0.975)).tolist()
    return interval(value, (low, high))


def _pairs(clips: Sequence[FrameSequence], logits: dict[str, Floats]) -> dict[str, dict[str, int]]:
    """In how many groups with both classes the fake has the higher logit."""
    pairs = [
        (fake, real)
        for fake, one in enumerate(clips)
        for real, other in enumerate(clips)
        if one.is_fake and not other.is_fake and one.groups == other.groups
    ]
    return {
        name: {"right": sum(bool(found[fake] > found[real]) for fake, real in pairs), "pairs": len(pairs)}
        for name, found in logits.items()
    }


if __name__ == "__main__":
    main()
