"""Decode a video file with PyAV: upright RGB frames at chosen times. Runs in the child process."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import IO, Any, Final

from unmask.errors import VideoError
from unmask.imaging.video.boxes import ends_early
from unmask.imaging.video.cuts import Look, is_cut, look_at
from unmask.imaging.video.hints import writing_hints
from unmask.imaging.video.limits import VideoLimits
from unmask.imaging.video.opening import (
    READ_ERRORS,
    check_facts,
    choose_stream,
    open_container,
    read_facts,
    read_index,
    time_base,
)
from unmask.imaging.video.pixels import luma, rotation_of, turn_of, upright
from unmask.imaging.video.raw import RawFrame

_KEYS_LOOKED_AT: Final = 96  # key frames that are decoded to find scenes
# Without an index, gaps of up to 10 s are decoded. Larger ones are jumped over, to 5 s before the wanted time: a key
# frame must lie between.
_NO_INDEX_GAP, _NO_INDEX_LEAD, _FURTHEST_LEAD = 10.0, 5.0, 40.0
_OF_A_CUT_FILE: Final = frozenset({"corrupt", "no_video", "unsupported_format", "out_of_memory"})
_THREADS: Final = 2
_MOST_PASSES: Final = 4  # over the packets of the whole clip
_MOST_DAMAGED: Final = 10_000  # parts that are passed over before the rest of the clip is
_FIRST_BYTES: Final = 4096  # of the first packet


@dataclass(slots=True)
class _Decoded:
    frame: Any
    time: float
    look: Look
    cut: bool  # since the frame before it


class OpenClip:
    """An open video file.

    Args:
        file: at its start, seekable; closed by the caller.
        size: its bytes.
        container: as :func:`~unmask.imaging.video.facts.sniff_container` names it.
        limits: checked here, before a frame is decoded.

    Attributes:
        facts: what the file says of itself.

    Raises:
        VideoError: ``truncated``, ``corrupt``, ``no_video``, ``unsupported_format``, ``too_long``,
            ``too_many_frames``, ``too_many_pixels``, ``side_too_long``, ``too_small``, ``too_complex``.
    """

    def __init__(self, file: IO[bytes], size: int, container: str, limits: VideoLimits) -> None:
        self._file, self._size, self._name, self._limits = file, size, container, limits
        self._notes: list[str] = []
        self._decoded_pixels = self._packets = self._damaged = 0
        self._first: _Decoded | None = None
        self._first_bytes = b""
        try:
            self._open()
            self.facts = read_facts(self._container, self._stream, self._index, container, size, limits)
            check_facts(self.facts, limits)
            if not self.facts.duration_s:
                self._measure()
            self._look_at_first()
        except VideoError as error:
            if error.code in _OF_A_CUT_FILE and ends_early(file, container, size):
                raise VideoError("truncated", "The clip ends too early; the file is incomplete.") from None
            raise

    @property
    def notes(self) -> tuple[str, ...]:
        """Problems found in reading so far, in sentences."""
        damaged = [f"{self._damaged:,} damaged parts of the clip were passed over."] if self._damaged else []
        return (*self.facts.notes, *self._notes, *damaged)

    def close(self) -> None:
        """Close the container."""
        self._container.close()

    def cuts(self) -> list[float]:
        """Times at which scenes begin, by comparing key frames: encoders begin a scene with one."""
        if len(self._index.keys) < 2:
            return []
        keys = self._index.keys
        if len(keys) > _KEYS_LOOKED_AT:
            keys = tuple(keys[round(i * (len(keys) - 1) / (_KEYS_LOOKED_AT - 1))] for i in range(_KEYS_LOOKED_AT))
        found: list[float] = []
        before: Look | None = None
        for key in keys:
            self._seek(key)
            decoded = self._next()
            if decoded is None:
                continue
            if before is not None and is_cut(before, decoded.look, adjacent=False):
                found.append(decoded.time)
            before = decoded.look
        self._first = None
        return [time for time in found if 0 < time < self.facts.duration_s]

    def frames(self, times: Sequence[float], cuts: Sequence[float] = ()) -> Iterator[RawFrame]:
        """The frames shown at some times, each frame once.

        Args:
            times: seconds from the start, rising.
            cuts: where scenes are known to begin.

        Raises:
            VideoError: ``truncated`` or ``corrupt``: not one frame could be decoded.
        """
        shown: _Decoded | None = None
        coming, self._first = self._first, None
        if coming is None:
            self._restart()
            coming = self._next()
        last: _Decoded | None = None
        cut, index = False, 0
        for time in times:
            jump = self._jump(time, shown or coming)
            if jump is not None:
                shown, coming = None, self._reach(jump, time)
            while coming is not None and coming.time <= time:
                cut |= coming.cut
                shown, coming = coming, (None if self._is_spent else self._next())
            chosen = shown or coming
            if chosen is None or (last is not None and chosen.time <= last.time):
                continue
            if last is not None:
                cut |= any(last.time < known <= chosen.time for known in cuts)
                cut |= last.frame.width != chosen.frame.width or last.frame.height != chosen.frame.height
                cut |= jump is not None and is_cut(last.look, chosen.look, adjacent=False)
            yield RawFrame(
                index, chosen.time, bool(chosen.frame.key_frame), cut, upright(chosen.frame, self.facts.pixel_aspect)
            )
            last, cut, index = chosen, False, index + 1
        if index == 0:
            raise self._nothing()
        if self._is_spent:
            self._notes.append("The clip is so long between key frames that only some of its frames were read.")
        elif coming is None and last is not None and times and times[-1] - last.time > max(1.0, 0.1 * times[-1]):
            self._notes.append(f"The clip ends early: its last frame is at {last.time:.1f} s.")

    def _open(self) -> None:
        self._container = open_container(self._file, self._name, self._limits)
        self._stream = choose_stream(self._container, self._limits)
        self._base = time_base(self._stream)
        self._start = self._base * (self._stream.start_time or 0)
        self._index = read_index(self._container, self._stream, self._limits)
        context = self._stream.codec_context
        context.thread_type = "AUTO"
        context.thread_count = _THREADS
        context.options = {"max_pixels": str(self._limits.max_pixels)}
        self._begin(0.0)

    def _restart(self) -> None:
        """Go back to the first frame."""
        if self._index.keys:
            self._seek(self._index.keys[0])
        else:  # some containers cannot seek to their start
            self._container.close()
            self._file.seek(0)
            self._open()

    def _measure(self) -> None:
        """Read all packets of a file that does not say how long it lasts."""
        last = 0.0
        for packet in self._stream_packets():
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is not None:
                last = max(last, (stamp + (packet.duration or 0)) * self._base - self._start)
            if self._packets > self._limits.max_frames:
                most = f"{self._limits.max_frames:,}"
                raise VideoError("too_many_frames", f"The clip has over {most} frames, the most that are read.")
        duration = last or max(1, self._packets) / (self.facts.fps or 25)
        self.facts = replace(self.facts, duration_s=duration, bit_rate=int(8 * self._size / duration))
        check_facts(self.facts, self._limits)
        self._restart()

    def _look_at_first(self) -> None:
        """Complete the facts by what only the first packet and the first frame tell."""
        self._first = self._next()
        if self._first is None:
            raise self._nothing()
        rotation, mirrored = rotation_of(turn_of(self._first.frame))
        self.facts = replace(
            self.facts,
            size=self.facts.size[::-1] if rotation in (90, 270) else self.facts.size,
            rotation=rotation,
            mirrored=mirrored,
            interlaced=bool(self._first.frame.interlaced_frame),
            hints=writing_hints(self.facts, self._first_bytes),
        )

    @property
    def _is_spent(self) -> bool:
        return self._decoded_pixels > self._limits.max_decoded_pixels

    def _jump(self, time: float, at: _Decoded | None) -> float | None:
        """The time to seek to on the way to ``time``, or ``None`` where decoding on is shorter."""
        now = at.time if at is not None else 0.0
        if self._index.keys:
            place = bisect.bisect_right(self._index.keys, time - self._index.lead)
            key = self._index.keys[place - 1] if place else -math.inf
            return key if key > now + self._index.lead else None
        return time - _NO_INDEX_LEAD if time - now > _NO_INDEX_GAP or (self._is_spent and time > now) else None

    def _reach(self, jump: float, time: float) -> _Decoded | None:
        """Jump towards a wanted time, and further back where the container lands behind it."""
        lead = _NO_INDEX_LEAD
        self._seek(jump)
        coming = self._next()
        while lead <= _FURTHEST_LEAD and not self._is_spent:
            if coming.time <= time if coming is not None else self._index.keys:
                break
            lead *= 2
            if lead >= time:
                self._restart()
                return self._next()
            self._seek(time - lead)
            coming = self._next()
        return coming

    def _seek(self, time: float) -> None:
        """Go to a key frame of the index, or near a time where there is no index."""
        if self._index.keys:
            time += self._index.lead  # seeking goes by the times shown
        stamp = (self._stream.start_time or 0) + math.floor(time / self._base + 1e-3)
        try:
            self._container.seek(stamp, stream=self._stream, backward=True)
        except READ_ERRORS:
            self._damaged += 1
        self._stream.codec_context.flush_buffers()
        self._begin(time)

    def _begin(self, time: float) -> None:
        self._source = self._decode()
        self._before: Look | None = None
        self._clock = max(0.0, time)  # for frames without a time

    def _next(self) -> _Decoded | None:
        return next(self._source, None)

    def _decode(self) -> Iterator[_Decoded]:
        """Frames from here on, damaged ones left out."""
        step = 1 / (self.facts.fps or 25)
        for frame in self._sound_frames():
            if max(frame.width, frame.height) > self._limits.max_side or min(frame.width, frame.height) < 1:
                self._damaged += 1
                continue
            self._decoded_pixels += frame.width * frame.height
            time = frame.time
            time = self._clock if time is None else float(time) - self._start
            self._clock = time + step
            look = look_at(luma(frame))
            cut = self._before is not None and is_cut(self._before, look, adjacent=True)
            self._before = look
            yield _Decoded(frame, time, look, cut)

    def _sound_frames(self) -> Iterator[Any]:
        for packet in self._stream_packets():
            try:
                frames = packet.decode()
            except READ_ERRORS:
                self._damaged += 1
                if self._damaged > _MOST_DAMAGED:
                    return
                continue
            for frame in frames:
                if frame.is_corrupt:
                    self._damaged += 1
                else:
                    yield frame

    def _stream_packets(self) -> Iterator[Any]:
        """Packets from here to the end, the last one empty; a part that cannot be read ends them."""
        try:
            for packet in self._container.demux(self._stream):
                self._packets += 1
                if self._packets > _MOST_PASSES * self._limits.max_frames:
                    return
                if not self._first_bytes and packet.size:
                    self._first_bytes = bytes(memoryview(packet)[:_FIRST_BYTES])
                yield packet
        except READ_ERRORS:
            self._damaged += 1

    def _nothing(self) -> VideoError:
        return VideoError("corrupt", "Not one frame of the clip could be decoded.")
