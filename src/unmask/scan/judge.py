"""From items to rows: the one function that every engine calls."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol

from unmask.detect.detector import Detector, load
from unmask.errors import BundleError, ImageError
from unmask.imaging.limits import DecodeLimits
from unmask.imaging.session import use_device
from unmask.scan.items import Item
from unmask.scan.rows import Row, facts_of, facts_of_error

FAILED: Final = "judging_failed"


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """What a verdict follows from besides the bytes; plain values, so that it can be sent anywhere.

    Attributes:
        model: path or name of the bundle; ``None`` for the one in the package.
        threshold: probabilities from here up are fake.
        bundle_sha256: of the bundle; another one is refused.
        limits: on each image file.
        timeout: seconds that one image may take.
        seen: file of verdicts by SHA-256, see :class:`unmask.scan.seen.Seen`; ``None`` for none.
        gpu: compute on a GPU, which changes the last digits of probabilities.
    """

    model: str | None
    threshold: float
    bundle_sha256: str
    limits: DecodeLimits
    timeout: float = 60.0
    seen: str | None = None
    gpu: bool = False

    def load(self) -> Detector:
        """The detector.

        Raises:
            BundleError: the bundle is missing, broken, or not the one of the scan (``other_bundle``); ``no_gpu``.
        """
        if self.gpu:
            use_device("cuda")
        detector = load(self.model, self.threshold)
        detector.limits = self.limits
        if detector.bundle.sha256 != self.bundle_sha256:
            text = (
                f"{self.model or 'the bundle in the package'}: is bundle {detector.bundle.sha256[:12]}, "
                f"not {self.bundle_sha256[:12]}, which the scan began with"
            )
            raise BundleError("other_bundle", text)
        return detector

    def to_json(self) -> dict[str, Any]:
        """Plain values; :meth:`from_json` gives the settings back."""
        return asdict(self)

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> JudgeSettings:
        """The settings of :meth:`to_json`."""
        return cls(**{**facts, "limits": DecodeLimits(**facts["limits"])})


class Known(Protocol):
    """Verdicts by the SHA-256 of the bytes."""

    def get(self, sha256: str) -> Row | None:
        """The facts of an image that was judged before."""

    def put(self, sha256: str, facts: Row) -> None:
        """Note the facts of an image."""


def judge_items(
    detector: Detector, items: Iterable[Item], read: Callable[[Item], bytes], known: Known | None = None
) -> Iterator[Row]:
    """The rows of items, in their order.

    All columns but ``ms`` follow from the bytes, the bundle, the threshold and the limits alone: each image is judged
    by itself, so neither the engine nor the images around it change a bit of its row.

    Args:
        detector: judges.
        items: to be judged.
        read: gives the bytes of an item, or raises ImageError.
        known: verdicts on the same bytes, which are not judged again.

    Yields:
        One row for each item; one that cannot be read or judged has the code in ``error``.
    """
    for item in items:
        started = time.perf_counter()
        try:
            facts = _judge(detector, read(item), known)
        except ImageError as error:
            facts = facts_of_error(error)
        yield row_of(item, facts, detector, 1000 * (time.perf_counter() - started))


def row_of(item: Item, facts: Row, detector: Detector, ms: float) -> Row:
    """The whole row of an image.

    Args:
        item: the image.
        facts: its columns of ``OF_THE_BYTES``.
        detector: names the bundle.
        ms: milliseconds of reading and judging.
    """
    return {
        "path": item.path,
        **facts,
        "model": detector.model_name,
        "bundle_sha256": detector.bundle.sha256,
        "threshold": detector.threshold,
        "ms": round(ms, 1),
    }


def _judge(detector: Detector, data: bytes, known: Known | None) -> Row:
    sha256 = hashlib.sha256(data).hexdigest()
    facts = None if known is None else known.get(sha256)
    if facts is not None:
        return facts
    try:
        facts = facts_of(detector.detect_or_error(data), sha256)
    except Exception as error:  # a fault of ours must not end a scan; the row says so
        return facts_of_error(ImageError(FAILED, f"Judging the image failed ({type(error).__name__}: {error})"), sha256)
    if known is not None and facts["error"] != "out_of_memory":  # which says nothing of the bytes
        known.put(sha256, facts)
    return facts
