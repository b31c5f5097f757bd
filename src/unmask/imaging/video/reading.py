"""Read a video file with PyAV: its facts, and upright RGB frames at chosen times. Runs in the child process.

FFmpeg sees the file through a Python file object, may use the one container that the first bytes name and the decoders
of :data:`DECODERS`, and may open nothing else: playlists and references to other files lead nowhere.
"""

from __future__ import annotations

import bisect
import math
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import IO, Any, Final

import av
import av.logging
import numpy as np
import numpy.typing as npt
import PIL.Image
from av.sidedata.sidedata import Type
from av.stream import Discard
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from unmask.errors import VideoError
from unmask.imaging.video.cuts import Look, is_cut, look_at
from unmask.imaging.video.facts import ClipFacts
from unmask.imaging.video.hints import writing_hints
from unmask.imaging.video.limits import VideoLimits

DECODERS: Final = (
    *("h264", "hevc", "vp8", "vp9", "libdav1d", "av1", "prores", "mpeg4", "mpeg1video", "mpeg2video", "mjpeg"),
    *("h263", "flv", "msmpeg4v1", "msmpeg4v2", "msmpeg4", "wmv1", "wmv2", "wmv3", "vc1", "theora", "vp6", "vp6f"),
    *("dvvideo", "dnxhd", "cfhd", "ffv1", "huffyuv", "ffvhuff", "utvideo", "rawvideo", "qtrle", "svq1", "svq3"),
    *("cinepak", "png"),
)
"""The decoders that may run: those of cameras, phones, editors and the web."""

# Every step is exact, so that the same file gives the same pixels on every machine.
_EXACT: Final = (
    Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.BITEXACT | Interpolation.FULL_CHR_H_INT
)
_UNSPECIFIED: Final = 2
_MATRICES: Final = {
    1: ("BT.709", Colorspace.ITU709),
    4: ("FCC", Colorspace.FCC),
    5: ("BT.601", Colorspace.ITU601),
    6: ("BT.601", Colorspace.ITU601),
    7: ("SMPTE 240M", Colorspace.SMPTE240M),
    9: ("BT.2020", Colorspace.BT2020),
    10: ("BT.2020", Colorspace.BT2020),
}
_HDR: Final = {16: "PQ", 18: "HLG"}
_HD_HEIGHT: Final = 720  # from here up a clip that names no matrix is BT.709, as players take it
_TURNS: Final = {  # rows of a display matrix, as signs, to the transposition that makes a frame upright
    (1, 0, 0, 1): None,
    (0, 1, -1, 0): PIL.Image.Transpose.ROTATE_270,
    (-1, 0, 0, -1): PIL.Image.Transpose.ROTATE_180,
    (0, -1, 1, 0): PIL.Image.Transpose.ROTATE_90,
    (-1, 0, 0, 1): PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    (1, 0, 0, -1): PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    (0, 1, 1, 0): PIL.Image.Transpose.TRANSPOSE,
    (0, -1, -1, 0): PIL.Image.Transpose.TRANSVERSE,
}
_DEGREES: Final = {
    PIL.Image.Transpose.ROTATE_270: 90,
    PIL.Image.Transpose.ROTATE_180: 180,
    PIL.Image.Transpose.ROTATE_90: 270,
    PIL.Image.Transpose.TRANSPOSE: 90,
    PIL.Image.Transpose.TRANSVERSE: 270,
}
_MIRRORS: Final = frozenset(
    {
        PIL.Image.Transpose.FLIP_LEFT_RIGHT,
        PIL.Image.Transpose.FLIP_TOP_BOTTOM,
        PIL.Image.Transpose.TRANSPOSE,
        PIL.Image.Transpose.TRANSVERSE,
    }
)
_MOST_ASPECT: Final = 4.0  # a pixel that is wider or narrower than that is an error of the file
_SAMPLED: Final = 2_000  # entries of the index that tell whether the rate varies
_KEYS_LOOKED_AT: Final = 96  # key frames that are decoded to find scenes
_NO_INDEX_GAP: Final = 8.0  # seconds; without an index, smaller gaps are decoded and larger ones jumped over
_BUFFER: Final = 256 * 1024
_ERRORS: Final = (
    (re.compile(r"streams exceeds", re.I), "too_complex", "The clip has more streams than are read."),
    (re.compile(r"moov atom not found|Truncat|ended prematurely|partial file", re.I), "truncated", ""),
)


@dataclass(frozen=True, slots=True)
class RawFrame:
    """A frame as the child reads it: see :class:`~unmask.imaging.video.frames.Frame`."""

    index: int
    time_s: float
    key_frame: bool
    after_cut: bool
    image: PIL.Image.Image


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
        self._limits, self._size = limits, size
        self._open(file, container)
        self._stream = self._choose_stream()
        self._base = float(self._stream.time_base or Fraction(1, 1000))
        self._start = self._base * (self._stream.start_time or 0)
        self._read_index()
        self._notes: list[str] = []
        self.facts = self._read_facts(container)
        self._check()
        self._decoded_pixels = self._packets = self._damaged = 0
        self._first: _Decoded | None = None
        self._prepare()

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
        if len(self._keys) < 2:
            return []
        keys = self._keys
        if len(keys) > _KEYS_LOOKED_AT:
            keys = [keys[round(i * (len(keys) - 1) / (_KEYS_LOOKED_AT - 1))] for i in range(_KEYS_LOOKED_AT)]
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
            self._seek(-math.inf)
            coming = self._next()
        last: _Decoded | None = None
        cut, index = False, 0
        for time in times:
            jump = self._jump(time, shown or coming)
            if jump is not None:
                self._seek(jump)
                shown, coming = None, self._next()
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
            yield RawFrame(index, chosen.time, bool(chosen.frame.key_frame), cut, self._upright(chosen.frame))
            last, cut, index = chosen, False, index + 1
        if index == 0:
            raise self._nothing()
        if self._is_spent:
            self._notes.append("The clip is so long between key frames that only some of its frames were read.")
        elif coming is None and last is not None and times and times[-1] - last.time > max(1.0, 0.1 * times[-1]):
            self._notes.append(f"The clip ends early: its last frame is at {last.time:.1f} s.")

    # Opening

    def _open(self, file: IO[bytes], container: str) -> None:
        limits = self._limits
        options = {
            "protocol_whitelist": "none",
            "codec_whitelist": ",".join(DECODERS),
            "max_streams": str(limits.max_streams),
            "max_pixels": str(limits.max_pixels),
            "threads": "1",
            "probesize": str(5 * 2**20),
            "analyzeduration": str(5_000_000),
        }
        av.logging.set_level(av.logging.ERROR)
        said: list[Any] = []
        try:
            with av.logging.Capture(local=False) as said:
                self._container = av.open(
                    file, "r", format=container, options=options, buffer_size=_BUFFER, metadata_errors="replace"
                )
        except MemoryError:
            raise self._refused(said, VideoError("out_of_memory", "Reading the clip needs too much memory.")) from None
        except (av.FFmpegError, ValueError, OverflowError, UnicodeError):
            broken = VideoError("corrupt", f"The {container} data is damaged and cannot be read.")
            raise self._refused(said, broken) from None
        finally:
            av.logging.set_level(None)

    @staticmethod
    def _refused(said: list[Any], otherwise: VideoError) -> VideoError:
        text = "\n".join(str(entry[2]) for entry in said)
        for pattern, code, message in _ERRORS:
            if pattern.search(text):
                return VideoError(code, message or "The clip ends too early; the file is incomplete.")
        return otherwise

    def _choose_stream(self) -> Any:
        streams = self._container.streams
        if len(streams) > self._limits.max_streams:
            raise VideoError(
                "too_complex", f"The clip has {len(streams):,} streams; at most {self._limits.max_streams:,} are read."
            )
        moving = [stream for stream in streams.video if not _is_cover(stream)]
        if not moving:
            kinds = "sound but no moving image" if streams.audio else "no moving image"
            raise VideoError("no_video", f"The file has {kinds}.")
        largest = max(moving, key=lambda stream: (_has_decoder(stream), _area(stream), -stream.index))
        for stream in streams:
            if stream is not largest:
                stream.discard = Discard.all
        if not _has_decoder(largest):
            name = getattr(largest.codec_context, "name", None) or "its codec"
            raise VideoError("unsupported_format", f"Clips of this kind are not read ({name}).")
        return largest

    def _read_index(self) -> None:
        """Note the key frames' times and whether the rate varies, where the file has an index."""
        entries = self._stream.index_entries
        count = len(entries)
        if count > self._limits.max_frames:
            raise VideoError(
                "too_many_frames", f"The clip has {count:,} frames; at most {self._limits.max_frames:,} are read."
            )
        keys: list[float] = []
        first: list[int] = []
        for at, entry in enumerate(entries):
            if at < _SAMPLED:
                first.append(entry.timestamp)
            if entry.is_keyframe:
                keys.append(entry.timestamp * self._base - self._start)
        self._keys = sorted(keys)
        # The index has decoding times, which run ahead of the times shown.
        self._lead = max(0.0, -self._keys[0]) + 1e-6 if self._keys else 0.0
        steps = {late - early for early, late in zip(sorted(first), sorted(first)[1:], strict=False)}
        self._varies: bool | None = None
        if len(first) > 2 and len(keys) < count:
            self._varies = max(steps) - min(steps) > max(1, 0.1 * max(steps))

    def _read_facts(self, container: str) -> ClipFacts:
        stream, context = self._stream, self._stream.codec_context
        coded = (int(context.width), int(context.height))
        aspect = self._aspect()
        duration = self._duration()
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        frames = stream.frames or None
        if self._varies is None and stream.average_rate and stream.base_rate and container in ("matroska", "mpegts"):
            self._varies = abs(float(stream.base_rate / stream.average_rate) - 1) > 0.02
        metadata: dict[str, str] = {}
        for part in (self._container.metadata, stream.metadata):
            for name, text in part.items():
                if len(metadata) < self._limits.max_metadata:
                    metadata.setdefault(str(name)[:80], str(text)[:200])
        counts: dict[str, int] = {}
        for each in self._container.streams:
            counts[each.type] = counts.get(each.type, 0) + 1
        name, _ = self._matrix(context.colorspace, coded)
        span = "full" if context.color_range == 2 else "limited"
        hdr = _HDR.get(context.color_trc)
        return ClipFacts(
            container=container,
            codec=str(context.name),
            profile=str(stream.profile or ""),
            pixel_format=str(context.pix_fmt or ""),
            encoder=metadata.get("encoder", metadata.get("ENCODER", "")),
            duration_s=duration,
            fps=rate if math.isfinite(rate) and 0 < rate < 10_000 else 0.0,
            frames=frames,
            size=_square(coded, aspect),
            coded_size=coded,
            rotation=0,
            mirrored=False,
            pixel_aspect=aspect,
            streams=counts,
            variable_rate=self._varies,
            key_frames=len(self._keys) or None,
            bit_rate=int(8 * self._size / duration) if duration else None,
            colour=f"{name}, {span}" + (f", {hdr}" if hdr else ""),
            interlaced=None,
            metadata=metadata,
            notes=(f"The clip is HDR ({hdr}); its tones are read as if it were not.",) if hdr else (),
        )

    def _duration(self) -> float:
        """Seconds that the file says it lasts; 0 if it does not say."""
        own, whole = self._stream.duration, self._container.duration
        for seconds in (own and own * self._base, whole and whole / 1e6):
            if seconds and math.isfinite(seconds) and seconds > 0:
                return float(seconds)
        return 0.0

    def _check(self) -> None:
        """Refuse what exceeds a limit."""
        limits, facts = self._limits, self.facts
        width, height = facts.coded_size
        found = f"The clip has {width:,} x {height:,} pixels"
        if width <= 0 or height <= 0:
            raise VideoError("corrupt", "The clip does not say how large its frames are.")
        for size in (facts.coded_size, facts.size):
            if max(size) > limits.max_side:
                raise VideoError("side_too_long", f"{found}; a side may have at most {limits.max_side:,}.")
            if size[0] * size[1] > limits.max_pixels:
                raise VideoError("too_many_pixels", f"{found}; at most {limits.max_pixels:,} are decoded.")
        if min(facts.size) < limits.min_side:
            raise VideoError("too_small", f"{found}; a side must have at least {limits.min_side:,}.")
        if facts.duration_s > limits.max_duration_s:
            raise VideoError(
                "too_long",
                f"The clip lasts {facts.duration_s:,.0f} s; at most {limits.max_duration_s:,.0f} s are read.",
            )
        if facts.frames is not None and facts.frames > limits.max_frames:
            raise VideoError(
                "too_many_frames",
                f"The clip has {facts.frames:,} frames; at most {limits.max_frames:,} are read.",
            )

    def _prepare(self) -> None:
        """Complete the facts by what only packets and the first frame tell."""
        context = self._stream.codec_context
        context.thread_type = "AUTO"
        context.thread_count = 2
        context.options = {"max_pixels": str(self._limits.max_pixels)}
        first = self._read_packets()
        facts = replace(self.facts, hints=writing_hints(self.facts, first))
        self._seek(-math.inf)
        self._first = self._next()
        if self._first is None:
            raise self._nothing()
        turn = _turn_of(self._first.frame)
        sideways = _DEGREES.get(turn, 0) in (90, 270) if turn is not None else False
        self.facts = replace(
            facts,
            size=facts.size[::-1] if sideways else facts.size,
            rotation=_DEGREES.get(turn, 0) if turn is not None else 0,
            mirrored=turn in _MIRRORS,
            interlaced=bool(self._first.frame.interlaced_frame),
        )

    def _read_packets(self) -> bytes:
        """The start of the first packet; where the file does not say how long it lasts, all packets are read."""
        data, last = b"", 0.0
        try:
            for packet in self._container.demux(self._stream):
                if not data and packet.size:
                    data = bytes(memoryview(packet)[:4096])
                    if self.facts.duration_s:
                        return data
                stamp = packet.pts if packet.pts is not None else packet.dts
                if stamp is not None:
                    last = max(last, (stamp + (packet.duration or 0)) * self._base - self._start)
                self._packets += 1
                if self._packets > self._limits.max_frames:
                    raise VideoError(
                        "too_many_frames",
                        f"The clip has over {self._limits.max_frames:,} frames, the most that are read.",
                    )
        except (av.FFmpegError, ValueError):
            self._damaged += 1
        if not data:
            raise self._nothing()
        duration = last or self._packets / (self.facts.fps or 25)
        self.facts = replace(self.facts, duration_s=duration, bit_rate=int(8 * self._size / duration))
        self._check()
        return data

    # Decoding

    @property
    def _is_spent(self) -> bool:
        return self._decoded_pixels > self._limits.max_decoded_pixels

    def _jump(self, time: float, at: _Decoded | None) -> float | None:
        """The time to seek to on the way to ``time``, or ``None`` where decoding on is shorter."""
        now = at.time if at is not None else 0.0
        if self._keys:
            place = bisect.bisect_right(self._keys, time - self._lead)
            key = self._keys[place - 1] if place else -math.inf
            return key if key > now + self._lead else None
        return time if time - now > _NO_INDEX_GAP or (self._is_spent and time > now) else None

    def _seek(self, time: float) -> None:
        """Go to the last key frame at or before a time."""
        stamp = self._stream.start_time or 0
        if math.isfinite(time):
            stamp += math.floor(time / self._base + 1e-3)
        elif self._keys:
            stamp += math.floor(self._keys[0] / self._base)
        try:
            self._container.seek(stamp, stream=self._stream, backward=True)
        except (av.FFmpegError, ValueError, OverflowError):
            self._damaged += 1
        self._stream.codec_context.flush_buffers()
        self._source = self._decode()
        self._before: Look | None = None
        self._clock = max(0.0, time) if math.isfinite(time) else 0.0

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
            look = look_at(_luma(frame))
            cut = self._before is not None and is_cut(self._before, look, adjacent=True)
            self._before = look
            yield _Decoded(frame, time, look, cut)

    def _sound_frames(self) -> Iterator[Any]:
        packets = self._container.demux(self._stream)
        while True:
            self._packets += 1
            if self._packets > 4 * self._limits.max_frames:
                return
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                frames = packet.decode()
            except (av.FFmpegError, ValueError):
                self._damaged += 1
                if self._damaged > 10_000:
                    return
                continue
            for frame in frames:
                if frame.is_corrupt:
                    self._damaged += 1
                else:
                    yield frame

    def _nothing(self) -> VideoError:
        return VideoError("corrupt", "Not one frame of the clip could be decoded.")

    # From a frame to an image

    def _upright(self, frame: Any) -> PIL.Image.Image:
        _, matrix = self._matrix(frame.colorspace, (frame.width, frame.height))
        rgb = frame.reformat(
            format="rgb24",
            src_colorspace=matrix,
            src_color_range=ColorRange.JPEG if frame.color_range == 2 else None,
            interpolation=_EXACT,
            threads=1,
        )
        image = PIL.Image.fromarray(np.ascontiguousarray(rgb.to_ndarray()))
        aspect = self.facts.pixel_aspect
        if (size := _square(image.size, aspect)) != image.size:
            image = image.resize(size, PIL.Image.Resampling.BICUBIC)
        turn = _turn_of(frame)
        return image if turn is None else image.transpose(turn)

    def _matrix(self, colorspace: int, size: tuple[int, int]) -> tuple[str, Colorspace | None]:
        if colorspace == 0:
            return "RGB", None
        guess = 1 if min(size) >= _HD_HEIGHT else 6
        return _MATRICES.get(guess if colorspace in (_UNSPECIFIED, 3) else colorspace, _MATRICES[guess])

    def _aspect(self) -> float:
        ratio = self._stream.sample_aspect_ratio or self._stream.codec_context.sample_aspect_ratio
        value = float(ratio) if ratio else 1.0
        # Less than a hundredth is rounding, of which stretching would blur every pixel.
        return value if 1 / _MOST_ASPECT <= value <= _MOST_ASPECT and abs(value - 1) > 0.01 else 1.0


def _turn_of(frame: Any) -> PIL.Image.Transpose | None:
    """The transposition that makes a frame upright, by its display matrix."""
    try:
        raw = bytes(frame.side_data[Type.DISPLAYMATRIX])
    except (KeyError, ValueError):
        return None
    if len(raw) < 36:
        return None
    a, b, _, c, d, *_ = struct.unpack("<9i", raw[:36])
    largest = max(abs(a), abs(b), abs(c), abs(d)) or 1
    return _TURNS.get((round(a / largest), round(b / largest), round(c / largest), round(d / largest)))


def _is_cover(stream: Any) -> bool:
    return bool(int(stream.disposition) & 0x400)  # AV_DISPOSITION_ATTACHED_PIC


def _has_decoder(stream: Any) -> bool:
    return stream.codec_context is not None and stream.codec_context.name in DECODERS


def _area(stream: Any) -> int:
    return 0 if stream.codec_context is None else int(stream.codec_context.width) * int(stream.codec_context.height)


def _square(size: tuple[int, int], aspect: float) -> tuple[int, int]:
    width, height = size
    return (round(width * aspect), height) if aspect >= 1 else (width, round(height / aspect))


def _luma(frame: Any) -> npt.NDArray[np.uint8]:
    """The brightness of a frame: its first plane where that is one of 8 bits, else a small grey copy."""
    form = frame.format
    if not form.is_rgb and form.is_planar and form.components[0].bits == 8 and form.name != "gray10le":
        plane = frame.planes[0]
        rows = np.frombuffer(plane, np.uint8)[: plane.line_size * plane.height]
        return rows.reshape(plane.height, plane.line_size)[:, : plane.width]
    grey = frame.reformat(width=128, height=72, format="gray", interpolation=Interpolation.POINT, threads=1)
    small: npt.NDArray[np.uint8] = grey.to_ndarray()
    return small
