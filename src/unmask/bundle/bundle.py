"""Read and check a bundle: a folder or a zip, hostile until its hashes and schema have been checked.

Files: ``model.onnx`` (input ``pixels``: uint8 [n, size, size, 3] RGB; outputs ``logit``: float32 [n] and
``evidence``: float32 [n, h, w], both towards fake, and optionally ``distance``: float32 [n] from the training images
``questions``: float32 [n, q], the logits of the questions in ``bundle.json``, and ``features``: float32 [n, k], what
``clips.onnx`` needs of each frame), ``bundle.json``, ``golden.json``, ``SHA256SUMS`` and optionally ``clips.onnx``, see
:mod:`unmask.bundle.clip_head`.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from unmask.bundle.catalogue import known_model
from unmask.bundle.golden import GoldenCase, golden_pixels, read_golden
from unmask.bundle.hub import fetch, hub_address, is_hub_address
from unmask.bundle.schema import BundleInfo, first_error
from unmask.bundle.session import GraphSession, checked_session
from unmask.bundle.suggest import suggestion
from unmask.errors import BundleError
from unmask.files import OutputFolder
from unmask.imaging.session import computes_in_eight_bits
from unmask.text import quote, shorten

MODEL, INFO, GOLDEN, SUMS = "model.onnx", "bundle.json", "golden.json", "SHA256SUMS"
CONTENT = (MODEL, INFO, GOLDEN)
CLIPS = "clips.onnx"
"""Only in bundles whose ``clips.pooling`` is ``temporal``: from the frames of a track to one logit."""
DEFAULT_BUNDLE = "unmask-default"
DISTANCE, QUESTIONS, FEATURES = "distance", "questions", "features"
# The outputs that are read, and their number of dimensions.
_SIDES = {"logit": 1, "evidence": 3, DISTANCE: 1, QUESTIONS: 2, FEATURES: 2}
# Largest allowed size of each file, checked while it is read: a small zip may unpack to far more.
MOST_BYTES = {MODEL: 2 << 30, CLIPS: 64 << 20, INFO: 4 << 20, GOLDEN: 4 << 20, SUMS: 1 << 16}
# Other CPUs round differently; a larger difference means another model.
_GOLDEN_TOLERANCE = 1e-3
# An activation that is rounded to the next of 256 steps, because of a last bit, moves the logit by so much.
_GOLDEN_TOLERANCE_IN_EIGHT_BITS = 0.1


class _Folder(Protocol):
    """What a bundle needs from a folder: in the file system, in a package, in a zip or in memory."""

    def read(self, name: str, most: int) -> bytes: ...


class _PathFolder:
    def __init__(self, folder: Any) -> None:
        self._folder = folder

    def read(self, name: str, most: int) -> bytes:
        if not (self._folder / name).is_file():  # opening a FIFO would block forever
            raise FileNotFoundError(name)
        with (self._folder / name).open("rb") as file:
            return bytes(file.read(most + 1))


class _ZipFolder:
    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, name: str, most: int) -> bytes:
        with zipfile.ZipFile(self._path) as archive, archive.open(self._member(archive, name)) as file:
            return file.read(most + 1)

    @staticmethod
    def _member(archive: zipfile.ZipFile, name: str) -> str:
        """The file at the top of the archive, or in the one folder that it holds."""
        found = [entry for entry in archive.namelist() if entry == name or entry.split("/")[1:] == [name]]
        if len(found) != 1:
            raise FileNotFoundError(name)
        return found[0]


class _MemoryFolder:
    def __init__(self, content: Mapping[str, bytes]) -> None:
        self._content = content

    def read(self, name: str, most: int) -> bytes:
        return self._content[name][: most + 1]


@dataclass(frozen=True, repr=False)
class Bundle:
    """A bundle whose hashes and schema have been checked.

    It can be copied and pickled: the pickle holds the bytes of its files, whose hashes are checked again on loading.

    Attributes:
        info: the content of ``bundle.json``.
        model: the bytes of ``model.onnx``.
        golden: cases for :meth:`verify`.
        sha256: hash of ``SHA256SUMS``, which identifies the bundle as a whole.
        files: the bytes of its files by name.
    """

    info: BundleInfo
    model: bytes
    golden: tuple[GoldenCase, ...]
    sha256: str
    files: Mapping[str, bytes] = field(compare=False)

    def __repr__(self) -> str:
        return f"<Bundle {self.name}, sha256 {self.sha256[:12]}>"

    def __reduce__(self) -> tuple[Any, ...]:
        stored = _parse_info(self.files[INFO], self.name)
        return _unpickled, (dict(self.files), self.sha256, None if self.info == stored else self.info)

    @property
    def name(self) -> str:
        """Name and version, e.g. ``unmask-default@1``."""
        return f"{self.info.name}@{self.info.version}"

    @classmethod
    def open(cls, path: str | os.PathLike[str] | None = None) -> Bundle:
        """Read a bundle and check its hashes.

        Args:
            path: a folder or zip, or the name of a detector in the index, unless there is a file or folder of that
                name, or an address on a hub, ``hf://owner/name@revision`` (default: the bundle in the package).

        Raises:
            BundleError: ``no_bundle``, ``broken_bundle`` (a file is missing, too large or malformed),
                ``wrong_hash``, ``unknown_schema``.
        """
        shown = str(path) if path is not None else DEFAULT_BUNDLE
        try:
            bundle = cls._from(_folder(path, shown), shown)
        except BundleError as error:
            hint = "" if path is None or error.code not in ("no_bundle", "broken_bundle") else suggestion(Path(path))
            if not hint:
                raise
            raise BundleError(error.code, f"{error.message} {hint}") from None
        model = None if path is None else known_model(path)
        if model is not None and bundle.sha256 != model.sha256:
            raise BundleError("wrong_hash", f"{shown}: it is not the bundle that the index of detectors names.")
        return bundle

    @classmethod
    def _from(cls, folder: _Folder, shown: str) -> Bundle:
        content = {SUMS: _read(folder, SUMS, shown)}
        sums = _parse_sums(content[SUMS], shown)
        for name in CONTENT:
            content[name] = _read(folder, name, shown)
            _check_sum(content[name], name, sums, shown)
        info = _parse_info(content[INFO], shown)
        if info.clips is not None and info.clips.pooling == "temporal":
            content[CLIPS] = _read(folder, CLIPS, shown)
            _check_sum(content[CLIPS], CLIPS, sums, shown)
        return cls(
            info=info,
            model=content[MODEL],
            golden=_parse_golden(content[GOLDEN], shown),
            sha256=hashlib.sha256(content[SUMS]).hexdigest(),
            files=content,
        )

    def session(self) -> GraphSession:
        """A session of the graph, which has been checked, with its inputs and outputs.

        Raises:
            BundleError: ``bad_model``; ``graph_deadline``, it takes too long to load.
        """
        session = checked_session(self.model)
        if session.inputs != (("pixels", "tensor(uint8)"),) or session.outputs[:2] != ("logit", "evidence"):
            inputs, outputs = quote(str(session.inputs)), quote(str(session.outputs))
            raise BundleError("bad_model", f"This is not a detector: inputs {inputs}, outputs {outputs}.")
        if self.info.out_of_distribution is not None and DISTANCE not in session.outputs:
            raise BundleError("bad_model", f"{INFO} has a threshold on the distance, but the model has no such output.")
        if self.info.questions and QUESTIONS not in session.outputs:
            raise BundleError("bad_model", f"{INFO} has questions, but the model has no output that answers them.")
        if CLIPS in self.files and FEATURES not in session.outputs:
            raise BundleError("bad_model", f"{CLIPS} needs features, but the model has no output of this name.")
        return session

    def verify(self) -> dict[str, float]:
        """Run the model on the golden cases and compare.

        Returns:
            ``cases``: number of cases; ``largest_difference``: of any logit or mean evidence.

        Raises:
            BundleError: ``golden_mismatch`` if an output differs by more than 0.001, or by more than 0.1 where the
                model computes in 8 bits; ``bad_model`` if the model does not run on images of the size in
                ``bundle.json``; ``graph_deadline`` and ``graph_memory`` if it takes too long or too much memory.
        """
        if not self.golden:
            raise BundleError("golden_mismatch", f"{self.info.name}: the bundle has no golden case to check.")
        session = self.session()
        worst = 0.0
        rounds = computes_in_eight_bits(self.model)
        tolerance = _GOLDEN_TOLERANCE_IN_EIGHT_BITS if rounds else _GOLDEN_TOLERANCE
        for case in self.golden:
            logit, evidence = run_graph(session, golden_pixels(case.seed, self.info.preprocessing.size)[None])
            difference = max(abs(float(logit[0]) - case.logit), abs(float(evidence.mean()) - case.evidence_mean))
            # A NaN must fail too, so the comparison asks for what is right, not for what is wrong.
            if not difference <= tolerance:
                raise BundleError(
                    "golden_mismatch",
                    f"{self.info.name}: golden case {case.seed} gives {float(logit[0]):.5f}, expected "
                    f"{case.logit:.5f}.",
                )
            worst = max(worst, difference)
        return {"cases": len(self.golden), "largest_difference": worst}


class Answer(NamedTuple):
    """A model's outputs for n images.

    Attributes:
        logit: float32 [n], towards fake.
        evidence: float32 [n, h, w], towards fake.
        distance: float32 [n] from the training images; ``None`` if the model does not measure it.
        questions: float32 [n, q], a logit for each question; ``None`` if the model answers none.
        features: float32 [n, k], for verdicts on clips; ``None`` if the model does not give them.
    """

    logit: npt.NDArray[np.float32]
    evidence: npt.NDArray[np.float32]
    distance: npt.NDArray[np.float32] | None
    questions: npt.NDArray[np.float32] | None
    features: npt.NDArray[np.float32] | None = None


def ask_graph(session: Any, pixels: npt.NDArray[np.uint8]) -> Answer:
    """Run a model on pixels uint8 [n, size, size, 3] and check its outputs; every number is finite.

    Args:
        session: of ONNX Runtime, or one with a deadline.
        pixels: the images.

    Raises:
        BundleError: ``bad_model`` if the model does not take these pixels or its outputs are not as expected;
            ``graph_deadline`` and ``graph_memory`` if it takes too long or too much memory.
    """
    if not isinstance(session, GraphSession):
        session = GraphSession(session)
    names = [name for name in _SIDES if name in {"logit", "evidence", *session.outputs}]
    answers = session.run(names, {"pixels": pixels})
    counted = all(answer.shape[:1] == (len(pixels),) for answer in answers)
    counted = counted and all(answer.dtype.kind == "f" for answer in answers)
    if (
        not counted
        or [answer.ndim for answer in answers] != [_SIDES[name] for name in names]
        or not all(answer.size for answer in answers)
    ):
        shapes = quote(str(tuple(answer.shape for answer in answers)))
        raise BundleError("bad_model", f"Model output has unexpected shapes {shapes} for {len(pixels)} images.")
    # A NaN is below every threshold: it would call the image real.
    if not all(np.isfinite(answer).all() for answer in answers):
        raise BundleError("bad_model", "Model output has numbers that are not finite.")
    found = dict(zip(names, answers, strict=True))
    return Answer(found["logit"], found["evidence"], found.get(DISTANCE), found.get(QUESTIONS), found.get(FEATURES))


def run_graph(session: Any, pixels: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The logit [n] and evidence [n, h, w] of :func:`ask_graph`."""
    answer = ask_graph(session, pixels)
    return answer.logit, answer.evidence


def write_bundle(
    folder: Path, info: BundleInfo, model: bytes, golden: tuple[GoldenCase, ...], clips: bytes | None = None
) -> Bundle:
    """Write a bundle as a folder, then read and check it.

    ``SHA256SUMS`` is written last: if writing is interrupted, the bundle fails its check.

    Args:
        folder: where it is written.
        info: the content of ``bundle.json``.
        model: the bytes of ``model.onnx``.
        golden: cases for :meth:`Bundle.verify`.
        clips: the bytes of ``clips.onnx``, of a bundle whose ``clips.pooling`` is ``temporal``.
    """
    out = OutputFolder(folder)
    content = {
        MODEL: model,
        INFO: (info.model_dump_json(indent=2) + "\n").encode(),
        GOLDEN: (json.dumps([case.model_dump() for case in golden], indent=2) + "\n").encode(),
    }
    if clips is not None:
        content[CLIPS] = clips
    content[SUMS] = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in content.items()).encode()
    for name, data in content.items():
        out.write(name, data)
    return Bundle.open(folder)


def _folder(path: str | os.PathLike[str] | None, shown: str) -> _Folder:
    model = None if path is None else known_model(path)
    if path is None or (model is not None and model.is_shipped):
        return _PathFolder(files("unmask.assets") / (DEFAULT_BUNDLE if model is None else model.name))
    if model is not None:
        if not model.is_here:
            raise BundleError("no_bundle", f"{model.name} is not on this machine: unmask models pull {model.name}")
        return _PathFolder(model.folder)
    if is_hub_address(path):
        return _PathFolder(fetch(hub_address(path), MOST_BYTES, (*CONTENT, SUMS)).folder)
    path = Path(path)
    if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises for a name that is too long
        return _PathFolder(path)
    if os.path.isfile(path):  # noqa: PTH113
        if not zipfile.is_zipfile(path):
            raise BundleError("broken_bundle", f"{shown} is neither a folder nor a zip file.")
        return _ZipFolder(path)
    raise BundleError("no_bundle", f"There is no bundle at {shown}.")


def _read(folder: _Folder, name: str, shown: str) -> bytes:
    try:
        data = folder.read(name, MOST_BYTES[name])
    except Exception as error:  # a hostile zip makes zipfile raise a dozen kinds: BadZipFile, zlib.error, LZMAError...
        raise BundleError("broken_bundle", f"{shown}: {name} cannot be read ({shorten(str(error))}).") from None
    if len(data) > MOST_BYTES[name]:
        raise BundleError("broken_bundle", f"{shown}: {name} is larger than {MOST_BYTES[name]:,} bytes.")
    return data


def _check_sum(data: bytes, name: str, sums: Mapping[str, str], shown: str) -> None:
    if hashlib.sha256(data).hexdigest() != sums.get(name):
        raise BundleError("wrong_hash", f"{shown}: {name} does not match its hash in {SUMS}.")


def _parse_sums(data: bytes, shown: str) -> dict[str, str]:
    try:
        lines = [line.split("  ", 1) for line in data.decode("ascii").splitlines()]
        return {name: digest for digest, name in lines}
    except (UnicodeDecodeError, ValueError):
        raise BundleError("broken_bundle", f"{shown}: {SUMS} is malformed.") from None


def _parse_info(data: bytes, shown: str) -> BundleInfo:
    try:
        content = json.loads(data, parse_constant=_finite, parse_float=_finite)
        if not isinstance(content, dict) or content.get("schema_version") != 1:
            raise BundleError("unknown_schema", f"{shown}: {INFO} has a format that this version does not know.")
        return BundleInfo.model_validate(content)
    except (ValidationError, ValueError, RecursionError) as error:
        raise BundleError("broken_bundle", f"{shown}: {INFO} is not valid: {first_error(error)}") from None


def _finite(text: str) -> float:
    """A number of a JSON file; NaN, Infinity and 1e999 are none."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{shorten(text)} is not a finite number")
    return value


def _parse_golden(data: bytes, shown: str) -> tuple[GoldenCase, ...]:
    try:
        return read_golden(data)
    except (ValidationError, ValueError, RecursionError) as error:
        raise BundleError("broken_bundle", f"{shown}: {GOLDEN} is not valid: {first_error(error)}") from None


def _unpickled(content: dict[str, bytes], sha256: str, info: BundleInfo | None) -> Bundle:
    """A bundle from the bytes in its pickle; ``info`` where it had been replaced in memory."""
    bundle = Bundle._from(_MemoryFolder(content), "pickled bundle")
    if bundle.sha256 != sha256:
        raise BundleError("wrong_hash", "pickled bundle: its files are not those that were pickled.")
    return bundle if info is None else replace(bundle, info=info)
