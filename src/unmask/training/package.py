"""From the best checkpoint of a run to its bundle."""

from __future__ import annotations

import importlib.metadata
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from unmask.bundle.bundle import Bundle, ask_graph, write_bundle
from unmask.bundle.golden import golden_pixels
from unmask.bundle.schema import BundleInfo, BundleQuestion, Card
from unmask.data.families import FAMILIES
from unmask.errors import BundleError
from unmask.imaging.session import single_thread_session
from unmask.models.network import FaceNetwork
from unmask.recipes import Question, Recipe
from unmask.training.calibration import fit_platt, thresholds, uncertain_band
from unmask.training.dataset import Sample, seen
from unmask.training.export import export_with_features, parity, record_golden
from unmask.training.novelty import attach_novelty, novelty_threshold

Flags = npt.NDArray[np.bool_]

_PARITY_TOLERANCE = 1e-4
_PARITY_IMAGES = 64
_DEFAULT_THRESHOLD = "fpr_5"
_PACKAGES = ("torch", "timm", "lightning", "onnx", "onnxruntime", "numpy", "Pillow", "scikit-learn")


class Packaged(NamedTuple):
    """A bundle that was written.

    Attributes:
        bundle: the bundle.
        probability: float64 [n], of fake, of the validation samples in their order.
    """

    bundle: Bundle
    probability: npt.NDArray[np.float64]


def package_run(
    recipe: Recipe,
    network: FaceNetwork,
    weights: dict[str, str],
    train: Sequence[Sample],
    validation: Sequence[Sample],
    manifest_digest: str,
    folder: Path,
) -> Packaged:
    """Export, check, calibrate and write a trained network.

    Calibration, thresholds and the uncertain band are fitted on the validation samples, with the exported graph.

    Raises:
        BundleError: ``no_parity``: the graph and torch differ by more than 1e-4.
    """
    size = recipe.preprocessing.size
    model = export_with_features(network, size)
    difference = parity(network, model, golden_batch(size))
    return package_graph(recipe, model, difference, weights, train, validation, manifest_digest, folder)


def package_graph(
    recipe: Recipe,
    model: bytes,
    difference: float,
    weights: dict[str, str],
    train: Sequence[Sample],
    validation: Sequence[Sample],
    manifest_digest: str,
    folder: Path,
    *,
    evidence: Literal["cam", "none"] = "cam",
    members: Mapping[str, Recipe] | None = None,
    metrics: Mapping[str, float] | None = None,
    questions: Sequence[Question | BundleQuestion] = (),
    features: npt.NDArray[np.float32] | None = None,
) -> Packaged:
    """Check, calibrate and write a graph of any origin.

    Args:
        recipe: the experiment.
        model: from ``pixels`` to ``logit`` and ``evidence``. If it has an output ``features``, their distance from
            the training images' becomes part of the graph.
        difference: largest difference between the graph and the model that it was exported from.
        weights: initial weights, for the card.
        train: training images.
        validation: images to fit calibration, thresholds and the uncertain band on, with the graph.
        manifest_digest: of the manifest.
        folder: where the bundle is written.
        evidence: ``cam``: a map; ``none``: no locations.
        members: of an ensemble, for the card.
        metrics: further metrics for the card.
        questions: what the graph's output ``questions`` answers, in its order.
        features: float32 [n, width], the graph's features of ``train`` where they are known.

    Raises:
        BundleError: ``no_parity``: the difference is more than 1e-4.
    """
    size = recipe.preprocessing.size
    if not difference <= _PARITY_TOLERANCE:
        raise BundleError("no_parity", f"The exported graph differs from the trained model by {difference:.2g}.")
    model = attach_novelty(recipe, model, train, features)
    judged = judge(recipe, model, validation)
    logit, distance = judged.logit, judged.distance
    is_fake = np.array([sample.is_fake for sample in validation])
    calibration = fit_platt(
        logit,
        is_fake,
        f"{len(is_fake)} validation images, {int(is_fake.sum())} fake, classes weighted equally",
    )
    probability = np.array([calibration.probability(value) for value in logit])
    cuts = thresholds(probability, is_fake)
    default = next(cut for cut in cuts if cut.name == _DEFAULT_THRESHOLD)
    card = Card(
        summary=recipe.summary,
        recipe=recipe.published(),
        members={name: member.published() for name, member in (members or {}).items()},
        recipe_digest=recipe.digest(),
        manifest_digest=manifest_digest,
        weights=weights,
        sources=_count_sources(train),
        families=count_families(sample.family for sample in train if sample.is_fake),
        metrics={
            "validation_pictures": len(is_fake),
            "validation_auc": round(float(roc_auc_score(is_fake, logit)), 6),
            "onnx_parity": difference,
            **(metrics or {}),
        },
        limits=recipe.limits,
        packages={name: importlib.metadata.version(name) for name in _PACKAGES},
        commit=_commit(),
    )
    info = BundleInfo(
        name=recipe.name,
        preprocessing=recipe.preprocessing,
        calibration=calibration,
        thresholds=cuts,
        default_threshold=default.name,
        uncertain=uncertain_band(probability, is_fake, default.fake_probability),
        evidence=evidence,
        out_of_distribution=None if distance is None else novelty_threshold(distance, len(train)),
        questions=_calibrated(questions, judged.questions, validation),
        card=card,
    )
    return Packaged(write_bundle(folder, info, model, record_golden(model, size)), probability)


def golden_batch(size: int) -> npt.NDArray[np.uint8]:
    """Images to compare exported graphs on: uint8 [64, size, size, 3]."""
    return np.stack([golden_pixels(seed, size) for seed in range(_PARITY_IMAGES)])


def score(recipe: Recipe, model: bytes, samples: Sequence[Sample]) -> npt.NDArray[np.float64]:
    """The logits of a graph for samples, preprocessed as in detection: float64 [n]."""
    return judge(recipe, model, samples).logit


class Judged(NamedTuple):
    """A graph's outputs for samples.

    Attributes:
        logit: float64 [n].
        distance: float64 [n]; ``None`` if the graph does not measure it.
        questions: float64 [n, q], logits; ``None`` if the graph answers none.
    """

    logit: npt.NDArray[np.float64]
    distance: npt.NDArray[np.float64] | None
    questions: npt.NDArray[np.float64] | None


def judge(recipe: Recipe, model: bytes, samples: Sequence[Sample]) -> Judged:
    """The outputs of a graph for samples, preprocessed as in detection."""
    session = single_thread_session(model)
    answers = [ask_graph(session, seen(sample, recipe.preprocessing)[None]) for sample in samples]
    distances = [float(answer.distance[0]) for answer in answers if answer.distance is not None]
    questions = [answer.questions[0] for answer in answers if answer.questions is not None]
    return Judged(
        np.array([float(answer.logit[0]) for answer in answers]),
        np.array(distances) if distances else None,
        np.stack(questions).astype(np.float64) if questions else None,
    )


def concerns(question: Question | BundleQuestion | None, samples: Sequence[Sample]) -> tuple[Flags, Flags]:
    """Which samples a question is to find and which it is about: bool [n] each. Without a question: fakes, all."""
    is_fake = np.array([sample.is_fake for sample in samples], bool)
    if question is None:
        return is_fake, np.ones(len(samples), bool)
    positive = is_fake & np.array([sample.kind in question.kinds for sample in samples], bool)
    return positive, positive | ~is_fake


def _calibrated(
    questions: Sequence[Question | BundleQuestion], logits: npt.NDArray[np.float64] | None, validation: Sequence[Sample]
) -> tuple[BundleQuestion, ...]:
    if logits is None:
        return ()
    found = []
    for question, logit in zip(questions, logits.T, strict=True):
        positive, used = concerns(question, validation)
        about = f"{used.sum()} validation images, {positive.sum()} of them {' or '.join(question.kinds)}, the rest real"
        calibration = fit_platt(logit[used], positive[used], about)
        found.append(BundleQuestion(name=question.name, kinds=question.kinds, calibration=calibration))
    return tuple(found)


def _count_sources(samples: Sequence[Sample]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {"real": {}, "fake": {}}
    for sample in samples:
        of_label = counts["fake" if sample.is_fake else "real"]
        of_label[sample.source] = of_label.get(sample.source, 0) + 1
    return {label: dict(sorted(sources.items())) for label, sources in counts.items()}


def count_families(families: Iterable[str]) -> dict[str, int]:
    """The number of fakes of each family, in the order of :data:`unmask.data.families.FAMILIES`."""
    counts = Counter(families)
    return {family: counts[family] for family in FAMILIES if counts[family]}


def _commit() -> str:
    """The revision of the git checkout, or '' outside of one."""
    try:
        folder = Path(__file__).parent
        answer = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], cwd=folder, capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
