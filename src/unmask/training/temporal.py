"""Train a temporal head on frames that a detector has judged, and put it into a bundle with that detector."""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from unmask.bundle.bundle import Bundle, write_bundle
from unmask.bundle.schema import BundleInfo, Clips
from unmask.errors import UsageError
from unmask.files import OutputFolder
from unmask.journal import Journal
from unmask.models.temporal import TemporalHead
from unmask.progress import progress_bar
from unmask.recipes import Recipe
from unmask.recipes.temporal import Temporal
from unmask.training.calibration import fit_shrunk, thresholds, uncertain_band
from unmask.training.folder import open_run
from unmask.training.rows import TrainingRows
from unmask.training.temporal_export import export_temporal, temporal_parity
from unmask.training.temporal_frames import (
    FrameSequence,
    clip_sequences,
    split_rows,
    still_sequences,
    with_features,
)

JOURNAL_NAME = "frames.jsonl"
_DEFAULT_THRESHOLD = "fpr_5"
_LEAST_SCALE = 1e-3
_PACKAGES = ("torch", "onnx", "onnxruntime", "numpy", "Pillow", "scikit-learn", "av")

Floats = npt.NDArray[np.float64]


def fit_temporal(
    recipe: Recipe, rows: TrainingRows, out: Path, *, resume: bool = False, workers: int | None = None
) -> Bundle:
    """Train the temporal head of a recipe.

    Rows of still images give sequences for a first phase, rows of clips those of the second. Rows of splits ``train``
    and ``val`` are used alike: calibration and thresholds are fitted on logits of clips that each came from a head that
    saw no clip of the same group. Fakes that were made from clips (column ``made_by``) are trained on only.

    Args:
        recipe: with a part ``temporal``.
        rows: of the manifest.
        out: the run folder; the bundle is written to ``out/bundle``.
        resume: resume an interrupted run: frames that were judged are not judged again.
        workers: threads; the number of CPUs by default.

    Raises:
        UsageError: ``missing_class``: fewer than two groups of clips of a class; ``run_exists``, ``no_run``,
            ``other_run``, ``cannot_write``.
        BundleError: ``no_features``: the detector does not measure the distance from its training images.
        MissingExtraError: the extra ``video`` is not installed.
    """
    settings = recipe.temporal
    assert settings is not None
    detector = Bundle.open(settings.detector)
    judged_by = with_features(detector, settings.directions)
    open_run(out, recipe, rows.digest, f"frames judged by {detector.name}, sha256 {detector.sha256}", resume=resume)
    clip_rows, still_rows = split_rows([*rows.train, *rows.validation])
    with Journal(OutputFolder(out).path / JOURNAL_NAME) as journal:
        with progress_bar("clips", len(clip_rows)) as advance:
            clips, missed = clip_sequences(judged_by, settings, clip_rows, journal, advance)
        with progress_bar("still images", len(still_rows)) as advance:
            stills, _ = still_sequences(judged_by, settings, still_rows, journal, recipe.seed, workers, advance)
    measured = [clip for clip in clips if not clip.is_made]
    for is_fake in (False, True):
        count = len({group for clip in measured if clip.is_fake == is_fake for group in clip.groups})
        if count < 2:
            text = (
                f"There are {count} groups of {'fake' if is_fake else 'real'} clips with a face, and at least 2 are "
                "needed; fakes made from clips are not counted."
            )
            raise UsageError(
                "missing_class", text + "".join(f" {name}: {why}" for name, why in list(missed.items())[:3])
            )
    start = first_phase(settings, stills, recipe.seed, width=clips[0].frames.shape[1] - 1)
    logits = out_of_fold(settings, clips, measured, start, folds_of(measured, settings.folds, recipe.seed), recipe.seed)
    head = second_phase(settings, clips, start, recipe.seed)
    graph = export_temporal(head)
    info = _info(recipe, detector, rows.digest, clips, stills, measured, logits, temporal_parity(head, graph))
    return write_bundle(out / "bundle", info, judged_by.model, detector.golden, graph)


def first_phase(settings: Temporal, stills: Sequence[FrameSequence], seed: int, width: int) -> TemporalHead:
    """A head that has learnt from sequences of still images; without any, one that is the mean of the frames.

    Args:
        settings: of the recipe.
        stills: sequences of still images.
        seed: random seed.
        width: features of a frame.
    """
    torch.manual_seed(seed)
    head = TemporalHead(settings, width)
    if stills:
        _standardise(head, stills)
        _train(head, stills, settings, settings.still_epochs, settings.still_rate, seed)
    return head


def second_phase(settings: Temporal, clips: Sequence[FrameSequence], start: TemporalHead, seed: int) -> TemporalHead:
    """A copy of a head that has learnt from clips, too.

    Args:
        settings: of the recipe.
        clips: sequences of clips.
        start: the head of the first phase.
        seed: random seed.
    """
    torch.manual_seed(seed + 1)
    head = TemporalHead(settings, len(start.mean) - 1)
    head.load_state_dict(start.state_dict())
    if not bool((start.scale != 1).any()):
        _standardise(head, clips)
    _train(head, clips, settings, settings.epochs, settings.learning_rate, seed + 1)
    return head


def out_of_fold(
    settings: Temporal,
    clips: Sequence[FrameSequence],
    measured: Sequence[FrameSequence],
    start: TemporalHead,
    folds: Sequence[frozenset[str]],
    seed: int,
) -> Floats:
    """The logits [n] of measured clips, each from a head that saw no sequence of its groups.

    Args:
        settings: of the recipe.
        clips: all sequences of clips.
        measured: those whose logits are wanted.
        start: the head of the first phase, which saw no clip.
        folds: groups that are left out together; every measured clip has its groups in one of them.
        seed: random seed.
    """
    logits = np.full(len(measured), np.nan)
    for left_out in folds:
        inside = [at for at, clip in enumerate(measured) if clip.groups & left_out]
        head = second_phase(settings, [clip for clip in clips if not clip.groups & left_out], start, seed)
        for at in inside:
            logits[at] = judge(head, measured[at])
    return logits


def folds_of(clips: Sequence[FrameSequence], count: int, seed: int) -> list[frozenset[str]]:
    """Groups of clips in folds of about equal size, those with fakes spread first; at most one fold for each group."""
    fakes = {group for clip in clips if clip.is_fake for group in clip.groups}
    rng = np.random.default_rng(seed)
    groups = sorted({group for clip in clips for group in clip.groups})
    order = [groups[at] for at in rng.permutation(len(groups))]
    order.sort(key=lambda group: group not in fakes)
    found: list[set[str]] = [set() for _ in range(min(count, len(order)))]
    for at, group in enumerate(order):
        found[at % len(found)].add(group)
    return [frozenset(fold) for fold in found]


def judge(head: TemporalHead, clip: FrameSequence) -> float:
    """The logit of a sequence."""
    head.eval()
    with torch.inference_mode():
        return float(head(torch.from_numpy(clip.frames)[None], torch.from_numpy(clip.seconds)[None])[0])


def mean_logit(clip: FrameSequence) -> float:
    """The mean of the frames' logits, which a head starts from."""
    return float(clip.frames[:, 0].mean())


def _standardise(head: TemporalHead, sequences: Sequence[FrameSequence]) -> None:
    frames = np.concatenate([each.frames for each in sequences])
    head.mean.copy_(torch.from_numpy(frames.mean(0)))
    head.scale.copy_(torch.from_numpy(np.maximum(frames.std(0), _LEAST_SCALE)))


def _train(
    head: TemporalHead,
    sequences: Sequence[FrameSequence],
    settings: Temporal,
    epochs: int,
    rate: float,
    seed: int,
) -> None:
    """Train on sequences of both classes in equal weight, each time on other frames of them."""
    if not sequences or not epochs:
        return
    rng = np.random.default_rng(seed)
    is_fake = np.array([each.is_fake for each in sequences])
    weight = np.where(is_fake, 0.5 / max(1, is_fake.sum()), 0.5 / max(1, (~is_fake).sum())) * len(sequences)
    large = [each for each in head.parameters() if each.ndim > 1]
    small = [each for each in head.parameters() if each.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": large, "weight_decay": settings.weight_decay}, {"params": small, "weight_decay": 0.0}], lr=rate
    )
    steps = -(-len(sequences) // settings.batch_size) * epochs
    decay = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    head.train()
    longest = max(len(each.frames) for each in sequences)
    for _ in range(epochs):
        order = rng.permutation(len(sequences))
        for at in range(0, len(order), settings.batch_size):
            batch = order[at : at + settings.batch_size]
            length = int(rng.integers(max(2, longest // 4), longest, endpoint=True))
            frames, seconds = _batch([sequences[place] for place in batch], length, rng)
            logit = head(frames, seconds)
            added = logit - frames[:, :, 0].mean(1)
            target = torch.from_numpy(is_fake[batch].astype(np.float32))
            loss = nn.functional.binary_cross_entropy_with_logits(logit, target, reduction="none")
            weighed = (loss * torch.from_numpy(weight[batch].astype(np.float32))).mean()
            optimizer.zero_grad()
            (weighed + settings.pull * added.square().mean()).backward()
            nn.utils.clip_grad_norm_(head.parameters(), 1.0)
            optimizer.step()
            decay.step()
    head.eval()


def _rate(step: int, steps: int) -> float:
    """The part of the peak rate at a step: a tenth of the steps upwards, the rest down to 0 by a cosine."""
    rise = max(1, steps // 10)
    return (step + 1) / rise if step < rise else 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def _batch(sequences: Sequence[FrameSequence], length: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Frames of each sequence at random, in their order; a short one gives some of them twice."""
    frames, seconds = [], []
    for each in sequences:
        count = len(each.frames)
        if count >= length:
            places = np.sort(rng.choice(count, length, replace=False))
        else:
            places = np.linspace(0, count - 1, length).round().astype(int)
        frames.append(each.frames[places])
        seconds.append(each.seconds[places])
    return torch.from_numpy(np.stack(frames)), torch.from_numpy(np.stack(seconds))


def _info(
    recipe: Recipe,
    detector: Bundle,
    manifest_digest: str,
    clips: Sequence[FrameSequence],
    stills: Sequence[FrameSequence],
    measured: Sequence[FrameSequence],
    logits: Floats,
    difference: float,
) -> BundleInfo:
    assert recipe.temporal is not None
    is_fake = np.array([clip.is_fake for clip in measured])
    about = (
        f"{len(measured)} clips, {int(is_fake.sum())} fake, each judged by a head that saw no clip of its group; "
        "classes weighted equally"
    )
    # The head adds to the mean of the frames' logits, so the calibration of images is where to start from.
    calibration = fit_shrunk(logits, is_fake, detector.info.calibration, about)
    probability = np.array([calibration.probability(logit) for logit in logits])
    found = thresholds(probability, is_fake, of_others=True)
    default = next(each for each in found if each.name == _DEFAULT_THRESHOLD)
    means = np.array([mean_logit(clip) for clip in measured])
    card = detector.info.card.model_copy(
        update={
            "summary": recipe.summary,
            "recipe": recipe.published(),
            "members": {detector.info.name: detector.info.card.recipe, **detector.info.card.members},
            "recipe_digest": recipe.digest(),
            "manifest_digest": manifest_digest,
            "metrics": {
                **{f"detector_{name}": value for name, value in detector.info.card.metrics.items()},
                "clips": len(measured),
                "clips_fake": int(is_fake.sum()),
                "validation_auc": round(float(roc_auc_score(is_fake, logits)), 6),
                "validation_auc_of_the_mean": round(float(roc_auc_score(is_fake, means)), 6),
                "made_clips": sum(clip.is_made for clip in clips),
                "still_sequences": len(stills),
                "onnx_parity": difference,
            },
            "limits": (*recipe.limits, *detector.info.card.limits),
            "packages": {**detector.info.card.packages, **_versions()},
        }
    )
    policy = Clips(
        pooling="temporal",
        frames=recipe.temporal.frames,
        calibration=calibration,
        thresholds=found,
        default_threshold=default.name,
        uncertain=uncertain_band(probability, is_fake, default.fake_probability),
    )
    return detector.info.model_copy(update={"name": recipe.name, "version": 1, "clips": policy, "card": card})


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in _PACKAGES}
