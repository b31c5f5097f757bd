"""Frames of a clip, read by a child process that can be stopped: a hostile file can end it, never the program."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import PIL.Image

from unmask.errors import MissingExtraError, UsageError, VideoError
from unmask.imaging.decode_worker import HEAD
from unmask.imaging.video.facts import HEAD as HEAD_BYTES
from unmask.imaging.video.facts import ClipFacts, sniff_container
from unmask.imaging.video.limits import VideoLimits, default_video_limits
from unmask.parallel import end_process

DEFAULT_FRAMES: Final = 32
# Wall-clock time for each second of CPU time: the machine may be busy.
_PATIENCE: Final = 4.0
_FLAGS: Final = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))


@dataclass(frozen=True, slots=True, repr=False)
class Frame:
    """One frame of a clip.

    Attributes:
        index: its place among the frames that were asked for, from 0.
        time_s: seconds from the clip's start at which it is shown.
        image: upright sRGB of mode RGB. Saved as PNG and judged alone, it gets the probability that it gets in the
            clip, bit for bit.
        key_frame: whether it was encoded on its own.
        after_cut: whether a scene cut lies between the frame before it in this list and this one.
    """

    index: int
    time_s: float
    image: PIL.Image.Image
    key_frame: bool
    after_cut: bool

    def __repr__(self) -> str:
        return f"<Frame {self.index} at {self.time_s:.2f} s, {self.image.width} x {self.image.height}>"


def has_video() -> bool:
    """Whether the extra ``video`` is installed."""
    return importlib.util.find_spec("av") is not None


class ClipReader:
    """An open clip. A context manager; for one thread.

    Args:
        path: of the file.
        limits: on it (default: ``default_video_limits()``).
        as_clip: whether an animated GIF, WebP or PNG file is read as a clip, which it else is not.

    Attributes:
        facts: what the file says of itself.
        notes: sentences about problems in reading; complete after the frames were read.

    Raises:
        MissingExtraError: the extra ``video`` is not installed.
        VideoError: the clip cannot be accepted or read; codes ``not_found``, ``is_directory``, ``not_a_file``,
            ``permission_denied``, ``read_error``, ``empty``, ``file_too_large``, ``unsupported_format``, ``no_video``,
            ``truncated``, ``corrupt``, ``too_long``, ``too_many_frames``, ``too_many_pixels``, ``side_too_long``,
            ``too_small``, ``too_complex``, ``out_of_memory``, ``changed``, and ``decode_stopped``: it
            took too much time or memory, or crashed its child.
    """

    def __init__(
        self, path: str | os.PathLike[str], limits: VideoLimits | None = None, *, as_clip: bool = False
    ) -> None:
        self._path, self._as_clip = os.fspath(path), as_clip
        self._limits = limits or default_video_limits()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_used = False
        self.notes: tuple[str, ...] = ()
        self.facts = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def frames(self, frames: int = DEFAULT_FRAMES, every: float | None = None) -> Iterator[Frame]:
        """Frames spread over the clip, each once and in order; one at a time is in memory.

        Args:
            frames: how many, from 1 to ``limits.max_judged``: the middles of equal parts, each scene with at least
                one. A clip of fewer frames gives all of them.
            every: instead, the seconds between frames, the first at the start; above 0.

        Raises:
            UsageError: ``bad_frames``: more than ``limits.max_judged`` frames, or none.
            VideoError: the clip cannot be decoded.
        """
        if every is None:
            if not 1 <= frames <= self._limits.max_judged:
                raise UsageError(
                    "bad_frames", f"From 1 to {self._limits.max_judged:,} frames can be judged, not {frames}."
                )
            return self._read({"frames": frames, "times": None})
        if not (math.isfinite(every) and every > 0):
            raise UsageError("bad_frames", f"The time between frames must be above 0 s, not {every}.")
        count = count_every(self.facts.duration_s, every)
        if count > self._limits.max_judged:
            raise UsageError(
                "bad_frames",
                f"A frame each {every:g} s makes {count:,} frames; at most {self._limits.max_judged:,} can be judged.",
            )
        return self.at([i * every for i in range(count)])

    def at(self, times: Sequence[float]) -> Iterator[Frame]:
        """The frames shown at some times, each once and in order.

        Args:
            times: in seconds. The time of a frame gives that frame.

        Raises:
            VideoError: the clip cannot be decoded.
        """
        return self._read({"times": sorted(time + _NUDGE for time in times)})

    def sha256(self) -> str:
        """Hash of the file.

        Raises:
            VideoError: ``changed``: it is no longer the file whose frames were read.
        """
        with os.fdopen(_open(self._path, self._limits), "rb") as file:
            same = _identity(file.fileno()) == self._identity
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if not same or _identity(file.fileno()) != self._identity:
                raise VideoError("changed", "The file was changed while it was read.")
        return digest

    def close(self) -> None:
        """End the child, whatever it does."""
        process, self._process = self._process, None
        if process is not None:
            end_process(process)

    def _start(self) -> ClipFacts:
        file = _open(self._path, self._limits)
        self._identity = _identity(file)
        is_video = sniff_container(os.read(file, HEAD_BYTES)) is not None
        os.lseek(file, 0, os.SEEK_SET)
        if is_video and not has_video():
            os.close(file)
            raise MissingExtraError("video", "Reading clips")
        settings: dict[str, Any] = {"limits": asdict(self._limits), "as_clip": self._as_clip, "video": is_video}
        inherited = os.name == "posix"
        settings |= {"file": file} if inherited else {"path": self._path}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "unmask.imaging.video.worker", json.dumps(settings)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=(file,) if inherited else (),
                env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )
        finally:
            os.close(file)
        self._is_used = False
        about, _ = self._answer()
        return ClipFacts.from_json(about["facts"])

    def _read(self, request: dict[str, Any]) -> Iterator[Frame]:
        if self._process is None or self._is_used:
            self.close()
            self._start()
        self._is_used = True
        process = self._process
        assert process is not None and process.stdin is not None
        with suppress(OSError):  # a child that ended is noticed on reading
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
        while True:
            if self._process is not process:
                raise UsageError("bad_call", "The clip was closed, or other frames of it were asked for.")
            about, pixels = self._answer()
            if "end" in about:
                self.notes = tuple(about["notes"])
                return
            image = PIL.Image.frombytes("RGB", tuple(about["size"]), pixels)
            yield Frame(about["index"], about["time_s"], image, about["key_frame"], about["after_cut"])

    def _answer(self) -> tuple[dict[str, Any], bytes]:
        """The child's next answer.

        Raises:
            VideoError: it is an error, or the child ended first.
        """
        process = self._process
        assert process is not None and process.stdout is not None
        clock = threading.Timer(self._limits.cpu_seconds * _PATIENCE, process.kill)
        clock.daemon = True
        clock.start()
        try:
            head = process.stdout.read(HEAD.size)
            text_size, pixel_size = HEAD.unpack(head) if len(head) == HEAD.size else (0, 0)
            text, pixels = process.stdout.read(text_size), process.stdout.read(pixel_size)
        finally:
            clock.cancel()
        if not text or len(text) < text_size or len(pixels) < pixel_size:
            self.close()
            raise VideoError(
                "decode_stopped", "Decoding the clip took too much time or memory, or crashed, and was stopped."
            )
        about: dict[str, Any] = json.loads(text)
        if "code" in about:
            self.close()
            raise VideoError(about["code"], about["message"])
        return about, pixels


_NUDGE: Final = 1e-6  # seconds; the time of a frame must give that frame after rounding


def count_every(duration_s: float, every: float) -> int:
    """Number of frames of a clip with a time between them, the first at its start; at least 1."""
    return max(1, math.ceil(duration_s / every - 1e-9))


def probe(path: str | os.PathLike[str], limits: VideoLimits | None = None, *, as_clip: bool = False) -> ClipFacts:
    """What a clip's file says of itself; its first frame alone is decoded.

    Raises:
        MissingExtraError, VideoError: see :class:`ClipReader`.
    """
    with ClipReader(path, limits, as_clip=as_clip) as clip:
        return clip.facts


def sample_frames(
    path: str | os.PathLike[str],
    frames: int = DEFAULT_FRAMES,
    every: float | None = None,
    limits: VideoLimits | None = None,
    *,
    as_clip: bool = False,
) -> Iterator[Frame]:
    """Frames spread over a clip; see :meth:`ClipReader.frames`.

    Raises:
        MissingExtraError, VideoError, UsageError: see :class:`ClipReader`.
    """
    with ClipReader(path, limits, as_clip=as_clip) as clip:
        yield from clip.frames(frames, every)


def frames_at(
    path: str | os.PathLike[str],
    times: Sequence[float],
    limits: VideoLimits | None = None,
    *,
    as_clip: bool = False,
) -> Iterator[Frame]:
    """The frames of a clip shown at some times; see :meth:`ClipReader.at`.

    Raises:
        MissingExtraError, VideoError: see :class:`ClipReader`.
    """
    with ClipReader(path, limits, as_clip=as_clip) as clip:
        yield from clip.at(times)


def _open(path: str, limits: VideoLimits) -> int:
    """Open a regular file within the limits, through links; nothing else is ever opened."""
    try:
        if not path:
            raise FileNotFoundError
        _check(Path(path).stat(), limits)
        file = os.open(path, _FLAGS)
        try:
            _check(os.fstat(file), limits)  # again: the path may have been replaced since
        except BaseException:
            os.close(file)
            raise
        return file
    except PermissionError:
        failure = VideoError("permission_denied", "The file may not be read (permission denied).")
    except (FileNotFoundError, NotADirectoryError, ValueError):
        failure = VideoError("not_found", "There is no such file.")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        failure = VideoError("read_error", f"The file could not be read ({reason}).")
    raise failure


def _identity(file: int) -> tuple[int, int, int, int]:
    status = os.fstat(file)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _check(status: os.stat_result, limits: VideoLimits) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise VideoError("is_directory", "The path is a folder, not a clip.")
    if not stat.S_ISREG(status.st_mode):
        raise VideoError("not_a_file", "The path is a FIFO, a socket or a device, not a regular file.")
    if status.st_size == 0:
        raise VideoError("empty", "The file is empty.")
    if status.st_size > limits.max_bytes:
        raise VideoError(
            "file_too_large", f"The clip has {status.st_size:,} bytes; at most {limits.max_bytes:,} are read."
        )
