"""What lets others cite and check a report: its time, its limits, and the commands that give the same verdict."""

from __future__ import annotations

import hashlib
import os
import shlex
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from unmask.bundle.bundle import DEFAULT_BUNDLE, SUMS
from unmask.errors import UsageError
from unmask.imaging.credentials import VERIFY
from unmask.text import printable
from unmask.version import __version__

if TYPE_CHECKING:
    from unmask.bundle.schema import BundleInfo
    from unmask.detect.verdict import Verdict
    from unmask.explain.explanation import Explanation
    from unmask.video.verdict import ClipVerdict

IMAGE_SEARCHES: Final = (
    ("Google Lens", "https://lens.google.com/"),
    ("TinEye", "https://tineye.com/"),
    ("Bing", "https://www.bing.com/visualsearch"),
    ("Yandex", "https://yandex.com/images/"),
)
"""Reverse image searches by name, with the page to which a person can upload an image."""
CREDENTIALS_CHECK: Final = VERIFY
"""The page of the C2PA's own check of content credentials."""

_FACES_ONLY: Final = (
    "Only faces are judged: not the scene, the caption, or whether the photograph is old, cropped or out of context."
)


def report_time() -> datetime:
    """The time for a report: ``SOURCE_DATE_EPOCH`` if the environment sets it, else now; in UTC, in whole seconds.

    Raises:
        UsageError: ``bad_source_date_epoch``: it is not a number of seconds since 1970.
    """
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given is None:
        return datetime.now(UTC).replace(microsecond=0)
    try:
        return datetime.fromtimestamp(int(given), UTC)
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            "bad_source_date_epoch", f"SOURCE_DATE_EPOCH must be a number of seconds since 1970, not {given!r}."
        ) from None


def shown_time(time: datetime) -> str:
    """A time for people, in UTC, e.g. ``2026-01-31 09:05:00 UTC``."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def limits(explanation: Explanation) -> list[str]:
    """At most three sentences on what the verdict cannot tell."""
    info, threshold = explanation.info, explanation.facts["threshold"]
    told = any(sentence.rule == "unseen" for sentence in explanation.reasons)  # what the card's first limit is about
    found_rate = explanation.facts.get("unseen_true_positive_rate")
    found = [_FACES_ONLY]
    if found_rate is not None and not told:
        found.append(f"It finds about {100 * found_rate:.0f} % of fakes by generators that were not in its training.")
    else:
        found += info.card.limits[told : told + 1]
    named = next((item for item in info.thresholds if item.fake_probability == threshold), None)
    if named is not None and explanation.verdict.verdict != "NO_FACE":
        found.append(
            f"Of 100 real images like those it was validated on, about {100 * named.false_positive_budget:g} reach the "
            "threshold for fake."
        )
    return found


def commands(explanation: Explanation, name: str) -> list[tuple[str, str]]:
    """The commands that give the same verdict again, each with what it must print.

    Args:
        explanation: the explanation of an image file.
        name: file name of the image.
    """
    threshold, usual = explanation.facts["threshold"], explanation.info.threshold.fake_probability
    return commands_for(explanation.verdict, explanation.info, name, None if threshold == usual else threshold)


def commands_for(
    verdict: Verdict | ClipVerdict, info: BundleInfo, name: str, threshold: float | None, options: str = ""
) -> list[tuple[str, str]]:
    """The commands that give the same verdict on a file again, each with what it must print.

    Args:
        verdict: the verdict.
        info: description of the bundle that gave it.
        name: file name.
        threshold: that of the verdict; ``None``: the bundle's own.
        options: further ones of ``unmask detect``, each after a space.
    """
    shipped = verdict.bundle_sha256 == _shipped_sha256()
    bundle = "" if shipped else f" {info.name}/"
    given = f" --model{bundle}" if bundle else ""
    if threshold is not None:
        given += f" --threshold {threshold!r}"
    file = shlex.quote(printable(f"./{name}" if name.startswith("-") else name))
    number = (
        "verdict NO_FACE"
        if verdict.verdict == "NO_FACE"
        else f"fake_probability {verdict.to_dict()['fake_probability']}"
    )
    return [
        ("unmask --version", f"prints unmask {__version__}" + ("" if shipped else "; its package lacks the bundle")),
        (f"unmask bundle verify{bundle} --json", f"prints sha256 {verdict.bundle_sha256}"),
        (f"unmask detect {file}{given}{options} --json", f"prints sha256 {verdict.sha256} and {number}"),
    ]


def _shipped_sha256() -> str:
    """The hash that identifies the bundle in the package."""
    return hashlib.sha256((files("unmask.assets") / DEFAULT_BUNDLE / SUMS).read_bytes()).hexdigest()
