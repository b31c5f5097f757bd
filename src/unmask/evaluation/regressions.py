"""Images whose verdict is known: those that a detector must judge rightly, and those that it is known to miss.

They are a manifest (:class:`unmask.data.manifest.Manifest`) with further columns: ``expected``, the verdicts that pass,
separated by spaces; ``known_miss``, why the case fails so far, blank where it must pass; ``sha256`` of the file. An
image that may not be published is listed by its hash alone, and judged where somebody has it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from unmask.bundle.bundle import CLIPS, Bundle, write_bundle
from unmask.bundle.card import RegressionRecord
from unmask.data.manifest import Manifest
from unmask.data.rows import ManifestRow, RowsDigest
from unmask.detect.detector import Detector
from unmask.detect.words import WORDS
from unmask.errors import UsageError
from unmask.evaluation.evaluate import describe_run
from unmask.evaluation.results.base import EvaluatedDetector, Label
from unmask.evaluation.results.regressions import RegressionCase, Regressions, Status
from unmask.files import RootFolder
from unmask.text import quote

COLUMNS: Final = ("path", "label", "expected", "known_miss", "sha256")

# Of a verdict that is right and of one that is wrong, by whether the case is a known miss.
_STATUSES: Final[dict[bool, tuple[Status, Status]]] = {False: ("passed", "failed"), True: ("fixed", "known_miss")}


@dataclass(frozen=True, slots=True)
class Case:
    """An image whose verdict is known; see :class:`RegressionCase` for the attributes.

    Attributes:
        file: where the image is; ``None`` if it is not here.
    """

    path: str
    label: Label
    expected: tuple[str, ...]
    known_miss: str
    file: Path | None


@dataclass(frozen=True, slots=True)
class Cases:
    """The cases of a manifest, with the SHA-256 of its content."""

    cases: tuple[Case, ...]
    digest: str


def read_cases(path: Path, root: Path | None = None) -> Cases:
    """The cases of a manifest, with their files' hashes checked.

    Args:
        path: a table with at least the columns ``COLUMNS``.
        root: the folder of the images (default: the manifest's own).

    Raises:
        UsageError: ``missing_column``, ``bad_row``; ``changed_image``: a file is not the one that the case is about;
            ``nothing_read``: no image is here.
        ManifestError: the table is malformed.
    """
    manifest = Manifest.open(path, root)
    missing = [name for name in COLUMNS if name not in manifest.columns]
    if missing:
        raise UsageError("missing_column", f"{path}: there is no column {missing[0]}; cases need {', '.join(COLUMNS)}")
    digest, folder = RowsDigest(), RootFolder(manifest.root)
    cases = []
    for row in manifest:
        digest.add(row)
        cases.append(_case(row, folder, str(path)))
    if cases and all(case.file is None for case in cases):
        raise UsageError("nothing_read", f"{path}: none of its {len(cases)} images is here; name their folder.")
    return Cases(tuple(cases), digest.hexdigest())


def run_regressions(
    detector: Detector,
    cases: Cases,
    *,
    command: Sequence[str] = (),
    progress: Callable[[], None] = lambda: None,
) -> Regressions:
    """Judge every case.

    Args:
        detector: what is tested, with its threshold.
        cases: of :func:`read_cases`.
        command: arguments of the call, to note.
        progress: called after each case.
    """
    found = []
    for case in cases.cases:
        found.append(_judge(detector, case))
        progress()
    return Regressions(
        kind="regressions",
        run=describe_run(command),
        detector=EvaluatedDetector(
            model=detector.model_name, threshold=detector.threshold, bundle_sha256=detector.bundle.sha256
        ),
        cases_digest=cases.digest,
        cases=tuple(found),
    )


def record_of(result: Regressions) -> RegressionRecord:
    """What a bundle's card notes of a result."""

    def names(status: Status) -> tuple[str, ...]:
        return tuple(case.path for case in result.of_status(status))

    return RegressionRecord(
        cases_digest=result.cases_digest,
        passed=len(result.of_status("passed")),
        failed=names("failed"),
        known_misses=names("known_miss"),
        fixed=names("fixed"),
    )


def write_into_card(bundle: Bundle, result: Regressions, folder: Path) -> Bundle:
    """Write a copy of a bundle whose card says how it fares; its hash differs, its verdicts do not.

    Raises:
        UsageError: ``other_bundle``, the result belongs to a different bundle; ``cannot_write``.
    """
    if result.detector.bundle_sha256 != bundle.sha256:
        raise UsageError("other_bundle", f"The result belongs to a different bundle than {bundle.info.name}.")
    card = bundle.info.card.model_copy(update={"regressions": record_of(result)})
    info = bundle.info.model_copy(update={"card": card})
    return write_bundle(folder, info, bundle.model, bundle.golden, bundle.files.get(CLIPS))


def _case(row: ManifestRow, folder: RootFolder, table: str) -> Case:
    where = f"{table}: row {row.line}"
    expected = tuple(row.extra["expected"].split())
    if not expected or not set(expected) <= set(WORDS):
        text = f"{where}: expected must list some of {', '.join(WORDS)}, not {quote(row.extra['expected'])}"
        raise UsageError("bad_row", text)
    located = folder.locate(row.path)
    file = Path(located) if located is not None and Path(located).is_file() else None
    if file is not None and hashlib.sha256(file.read_bytes()).hexdigest() != row.extra["sha256"]:
        raise UsageError("changed_image", f"{where}: {quote(row.path)} is not the file with the hash in the table")
    label: Label = "fake" if row.label == "fake" else "real"
    return Case(row.path, label, expected, row.extra["known_miss"], file)


def _judge(detector: Detector, case: Case) -> RegressionCase:
    verdict, probability = None, None
    status: Status = "absent"
    if case.file is not None:
        found = detector.detect_or_error(case.file)
        verdict = found.verdict if found.error is None else found.error.code
        probability = found.fake_probability
        right, wrong = _STATUSES[bool(case.known_miss)]
        status = right if verdict in case.expected else wrong
    return RegressionCase(
        path=case.path,
        label=case.label,
        expected=case.expected,
        verdict=verdict,
        fake_probability=probability,
        status=status,
        known_miss=case.known_miss,
    )
