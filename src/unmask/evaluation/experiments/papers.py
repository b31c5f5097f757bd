"""How the papers S0 to S4 split their data, and what their reported results say in our metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from unmask.data.manifest import Manifest
from unmask.data.split.splitter import PRESETS, Splitter
from unmask.data.split.validation import VALIDATION_FRACTION
from unmask.errors import UsageError
from unmask.evaluation.measure import baseline
from unmask.stats.images import Images
from unmask.stats.intervals import wilson
from unmask.stats.metrics import Confusion
from unmask.stats.significance import mcnemar


@dataclass(frozen=True)
class Protocol:
    """The data and split of a paper.

    Attributes:
        title: the paper's system.
        data: its images.
        split: how it divided them.
        fractions: of train, (validation,) and test; ``None`` where the data set has its own split.
    """

    title: str
    data: str
    split: str
    fractions: tuple[float, ...] | None = None


PROTOCOLS: Final = {
    "S0": Protocol(
        "CNN features and a Random Forest",
        "3,000 of 6,557 faces fetched by URL: portraits of a photo site, fakes by StyleGAN3 and others; its test set "
        "has 42 real and 561 fake faces",
        "70 / 10 / 20, before anything else; classical heads 70 / 30",
        PRESETS["s0"].fractions,
    ),
    "S1": Protocol("MobileNetV2 at 96 x 96", "class folders of unreported size", "80 / 20", PRESETS["s1"].fractions),
    "S2": Protocol(
        "MobileNetV3, EfficientNetV2, InceptionResNetV2",
        "“140k real and fake faces”: 70,000 of FFHQ and 70,000 by StyleGAN at 256 px, 20,000 of them to test on",
        "the set's own",
    ),
    "S3": Protocol(
        "DeFakeNet: ResNet50V2",
        "10,000 real and fake faces of several public sets, balanced",
        "several ready-made ones",
    ),
    "S4": Protocol(
        "MobileNet behind a REST API",
        "“Deepfake and real images”: reals like FFHQ's, fakes by StyleGAN2, 3,800 to test on",
        "75 / 25",
        PRESETS["s4"].fractions,
    ),
}


def split_as(paper: str, manifest: Manifest, seed: int, *, given: bool) -> tuple[Manifest, list[str]]:
    """Split a manifest as a paper does, without dividing groups; and notes on the split, one sentence each.

    Args:
        paper: ``S0`` to ``S4``.
        manifest: the images.
        seed: random seed, where the split is drawn.
        given: keep the manifest's own split, whatever the paper does.

    Raises:
        UsageError: ``missing_split``, when the manifest's own split is needed and has no rows to train or test on; or
            what :class:`unmask.data.split.splitter.Splitter` raises.
    """
    protocol = PROTOCOLS[paper]
    if given or protocol.fractions is None:
        return _given(manifest, protocol, seed)
    if len(protocol.fractions) == 3:
        shares = dict(zip(("train", "val", "test"), protocol.fractions, strict=True))
        said = [f"Split {_percent(shares)} before any other step, as the paper does."]
    else:
        train, test = protocol.fractions
        shares = {"train": train * (1 - VALIDATION_FRACTION), "val": train * VALIDATION_FRACTION, "test": test}
        said = [
            f"Split {_percent({'train': train, 'test': test})} as the paper does. It names no validation part: "
            f"{100 * VALIDATION_FRACTION:.0f} % of the training part is set aside to choose the epoch and to calibrate."
        ]
    drawn = Splitter(manifest, exact=True).fractions(shares, seed=seed)
    said.append("The manifest's own split is not used.")
    return drawn.splits[0].manifest(), [*said, *(f"The split: {notice.message}." for notice in drawn.notices)]


def _given(manifest: Manifest, protocol: Protocol, seed: int) -> tuple[Manifest, list[str]]:
    there = {row.split for row in manifest}
    if missing := [split for split in ("train", "test") if split not in there]:
        raise UsageError(
            "missing_split",
            f"{manifest.name}: the manifest's own split is used, but no row has the split {' or '.join(missing)}. "
            "Make one with: unmask data split.",
        )
    said = [f"The manifest's own split. The paper's: {protocol.split}."]
    if "val" in there:
        return manifest, said
    said.append(
        f"It has no validation part: {100 * VALIDATION_FRACTION:.0f} % of the training part is set aside to choose the "
        "epoch and to calibrate."
    )
    shares = {"train": 1 - VALIDATION_FRACTION, "val": VALIDATION_FRACTION}
    drawn = Splitter(manifest, exact=True, keep=there - {"train", ""}).fractions(shares, seed=seed)
    return drawn.splits[0].manifest(), said


def readings(paper: str) -> list[str]:
    """What a paper's own results say in our metrics, one sentence each."""
    if paper == "S0":
        read = _matrix(37, 5, 555, 6)
        trivial, counts = baseline(read), Confusion.of(read.called_fake, read.is_fake)
        right = np.arange(603) >= 5
        p = mcnemar(np.ones(603, bool), right).p
        return [
            f"Of its {len(read)} test faces 42 are real: always predicting “{trivial.answer}” is right on "
            f"{_one_digit(trivial.accuracy)}.",
            f"37 of the 42 and 555 of the 561 right, for example, is {_one_digit(read.is_right.mean())} accuracy at "
            f"{_one_digit(counts.balanced_accuracy)} balanced accuracy.",
            f"With 5 discordant faces against none the exact McNemar test gives p = {p:.4f}.",
        ]
    if paper == "S4":
        correct, everything = 1821 + 1806, 3800
        low, high = wilson(correct, everything)
        interval = f"95 % interval {_one_digit(low)} to {_one_digit(high)}"
        return [
            f"Its printed confusion matrix has 1,821 + 1,806 of {everything:,} right: "
            f"{_one_digit(correct / everything)} ({interval}), but it reports 96.1 %."
        ]
    return []


def _matrix(real_right: int, real_wrong: int, fake_right: int, fake_wrong: int) -> Images:
    """Predictions with a given confusion matrix."""
    called_fake = np.array([True] * real_wrong + [False] * (real_right + fake_wrong) + [True] * fake_right)
    is_fake = np.arange(len(called_fake)) >= real_right + real_wrong
    return Images(is_fake, called_fake.astype(float), called_fake, np.arange(len(called_fake)))


def _one_digit(fraction: float) -> str:
    return f"{100 * fraction:.1f} %"


def _percent(shares: dict[str, float]) -> str:
    return " / ".join(f"{100 * share:.0f}" for share in shares.values())
