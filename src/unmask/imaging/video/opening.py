"""Open a video file with PyAV and read its facts, within limits. Runs in the child process.

FFmpeg sees the file through a Python file object, may use the one container that the first bytes name and the decoders
of :data:`DECODERS`, and may open nothing else: playlists and references to other files lead nowhere.
"""

from __future__ import annotations

import math
import re
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import IO, Any, Final

import av
import av.logging
from av.stream import Discard

from unmask.errors import VideoError
from unmask.imaging.video.facts import ClipFacts
from unmask.imaging.video.limits import VideoLimits
from unmask.imaging.video.pixels import colour_name, square

DECODERS: Final = (
    *("h264", "hevc", "vp8", "vp9", "libdav1d", "av1", "prores", "mpeg4", "mpeg1video", "mpeg2video", "mjpeg"),
    *("h263", "flv", "msmpeg4v1", "msmpeg4v2", "msmpeg4", "wmv1", "wmv2", "wmv3", "vc1", "theora", "vp6", "vp6f"),
    *("dvvideo", "dnxhd", "cfhd", "ffv1", "huffyuv", "ffvhuff", "utvideo", "rawvideo", "qtrle", "svq1", "svq3"),
    *("cinepak", "png"),
)
"""The decoders that may run: those of cameras, phones, editors and the web."""

READ_ERRORS: Final = (av.FFmpegError, ValueError, OSError, IndexError, OverflowError)
"""What PyAV raises on damaged files: FFmpeg's errors; those of the Python file object, asked to go before its
start; and of streams that appear late, which PyAV does not know."""

_MOST_ASPECT: Final = 4.0  # a pixel that is wider or narrower than that is an error of the file
_SAMPLED: Final = 2_000  # entries of the index that tell whether the rate varies
_COVERED, _LAST_KEY = 0.9, 20.0  # an index covers at least this proportion of the clip, less these seconds
_BUFFER: Final = 256 * 1024
_PROBED: Final = 5 * 2**20  # bytes, and microseconds, in which FFmpeg looks for what headers do not tell
_COVER: Final = 0x400  # FFmpeg's flag of a stream that is the cover of a record
_SIZE: Final = re.compile(r"\bsize (\d{1,9})x(\d{1,9}) (?:is invalid|exceeds)")
_ERRORS: Final = (
    (re.compile(r"streams exceeds", re.I), "too_complex", "The clip has more streams than are read."),
    (
        re.compile(r"moov atom not found|Truncat|ended prematurely|partial file", re.I),
        "truncated",
        "The clip ends too early; the file is incomplete.",
    ),
)


@dataclass(frozen=True, slots=True)
class Index:
    """What the index of a file tells of a stream.

    Attributes:
        keys: times of key frames in seconds, rising; empty where the file has no index.
        lead: seconds by which they run ahead of the times shown, for they are decoding times.
        varies: whether frames last differently long; ``None`` if it does not tell.
    """

    keys: tuple[float, ...] = ()
    lead: float = 0.0
    varies: bool | None = None


def open_container(file: IO[bytes], container: str, limits: VideoLimits) -> Any:
    """Open a file; no frame is given out.

    Raises:
        VideoError: ``truncated``, ``corrupt``, ``too_complex``, ``out_of_memory``, ``side_too_long``,
            ``too_many_pixels``.
    """
    options = {
        "protocol_whitelist": "none",
        "codec_whitelist": ",".join(DECODERS),
        "max_streams": str(limits.max_streams),
        "max_pixels": str(limits.max_pixels),
        "threads": "1",
        "probesize": str(_PROBED),
        "analyzeduration": str(_PROBED),
    }
    av.logging.set_level(av.logging.ERROR)
    said: list[Any] = []
    try:
        with av.logging.Capture(local=False) as said:
            opened = av.open(
                file, "r", format=container, options=options, buffer_size=_BUFFER, metadata_errors="replace"
            )
    except MemoryError:
        failure = _explained(said, VideoError("out_of_memory", "Reading the clip needs too much memory."))
    except READ_ERRORS:
        failure = _explained(said, VideoError("corrupt", f"The {container} data is damaged and cannot be read."))
    else:
        size = _refused_size(said)
        if size is None or any(_area(stream) for stream in opened.streams.video):
            return opened
        opened.close()
        check_size(size, limits)
        failure = VideoError("corrupt", "The clip does not say how large its frames are.")
    finally:
        av.logging.set_level(None)
    raise failure


def check_size(size: tuple[int, int], limits: VideoLimits) -> None:
    """Refuse frames that are too large.

    Raises:
        VideoError: ``side_too_long``, ``too_many_pixels``.
    """
    found = f"The clip has {size[0]:,} x {size[1]:,} pixels"
    if max(size) > limits.max_side:
        raise VideoError("side_too_long", f"{found}; a side may have at most {limits.max_side:,}.")
    if size[0] * size[1] > limits.max_pixels:
        raise VideoError("too_many_pixels", f"{found}; at most {limits.max_pixels:,} are decoded.")


def _refused_size(said: list[Any]) -> tuple[int, int] | None:
    """The size of frames that FFmpeg refused, as it did for ``max_pixels``."""
    sizes = [_SIZE.search(str(entry[2])) for entry in said]
    return next(((int(found[1]), int(found[2])) for found in sizes if found), None)


def _explained(said: list[Any], otherwise: VideoError) -> VideoError:
    text = "\n".join(str(entry[2]) for entry in said)
    for pattern, code, message in _ERRORS:
        if pattern.search(text):
            return VideoError(code, message)
    return otherwise


def choose_stream(container: Any, limits: VideoLimits) -> Any:
    """The largest moving image of a file; the other streams are passed over.

    Raises:
        VideoError: ``too_complex``, ``no_video``, ``unsupported_format``.
    """
    streams = container.streams
    if len(streams) > limits.max_streams:
        raise VideoError(
            "too_complex", f"The clip has {len(streams):,} streams; at most {limits.max_streams:,} are read."
        )
    moving = [stream for stream in streams.video if not int(stream.disposition) & _COVER]
    if not moving:
        kinds = "sound but no moving image" if streams.audio else "no moving image"
        raise VideoError("no_video", f"The file has {kinds}.")
    largest = max(moving, key=lambda stream: (_has_decoder(stream), _area(stream), -stream.index))
    for stream in streams:
        if stream is not largest:
            stream.discard = Discard.all
    if not _has_decoder(largest):
        name = getattr(largest.codec_context, "name", None) or "unknown"
        raise VideoError("unsupported_format", f"Clips with the codec {name} are not read.")
    return largest


def read_index(opened: Any, stream: Any, limits: VideoLimits) -> Index:
    """Key frames and steps of a stream, where the file has an index, and it covers the whole.

    Raises:
        VideoError: ``too_many_frames``.
    """
    base = time_base(stream)
    if opened.format.name.startswith("matroska"):  # it reads its index when it first seeks
        with suppress(*READ_ERRORS):
            opened.seek(int(_duration(opened, stream) / base), stream=stream, backward=True)
            opened.seek(stream.start_time or 0, stream=stream, backward=True)
    entries = stream.index_entries
    count, start = len(entries), base * (stream.start_time or 0)
    if count > limits.max_frames:
        raise VideoError("too_many_frames", f"The clip has {count:,} frames; at most {limits.max_frames:,} are read.")
    keys: list[float] = []
    first: list[int] = []
    for at, entry in enumerate(entries):
        if at < _SAMPLED:
            first.append(entry.timestamp)
        if entry.is_keyframe:
            keys.append(entry.timestamp * base - start)
    keys.sort()
    steps = [late - early for early, late in pairwise(sorted(first))]
    if keys and entries[count - 1].timestamp * base - start < _COVERED * _duration(opened, stream) - _LAST_KEY:
        keys = []  # of a file in fragments, whose index grows as it is read
    is_full = len(steps) > 1 and 0 < len(keys) < count  # else it may hold key frames alone
    return Index(
        tuple(keys),
        max(0.0, -keys[0], _reordering(stream)) + 1e-6 if keys else 0.0,
        max(steps) - min(steps) > max(1, 0.1 * max(steps)) if is_full else None,
    )


def _reordering(stream: Any) -> float:
    """Seconds by which a frame may be shown after the place that a container without display times gives it."""
    rate = float(stream.average_rate or 0)
    return stream.codec_context.reorder_depth / rate if rate > 1 else 0.0


def time_base(stream: Any) -> float:
    """Seconds of a unit of the stream's times."""
    return float(stream.time_base or Fraction(1, 1000))


def read_facts(opened: Any, stream: Any, index: Index, container: str, size: int, limits: VideoLimits) -> ClipFacts:
    """What the headers say, before a frame is decoded."""
    context = stream.codec_context
    coded = (int(context.width), int(context.height))
    aspect, duration = _aspect(stream), _duration(opened, stream)
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    varies = index.varies
    if varies is None and stream.average_rate and stream.base_rate and container in ("matroska", "mpegts"):
        varies = abs(float(stream.base_rate / stream.average_rate) - 1) > 0.02
    metadata: dict[str, str] = {}
    for part in (opened.metadata, stream.metadata):
        for name, text in part.items():
            if len(metadata) < limits.max_metadata:
                metadata.setdefault(str(name)[:80], str(text)[:200])
    counts: dict[str, int] = {}
    for each in opened.streams:
        counts[each.type] = counts.get(each.type, 0) + 1
    colour, hdr = colour_name(context, coded)
    return ClipFacts(
        container=container,
        codec=str(context.name),
        profile=str(stream.profile or ""),
        pixel_format=str(context.pix_fmt or ""),
        encoder=metadata.get("encoder", metadata.get("ENCODER", "")),
        duration_s=duration,
        fps=rate if math.isfinite(rate) and 0 < rate < 10_000 else 0.0,
        frames=stream.frames or None,
        size=square(coded, aspect),
        coded_size=coded,
        rotation=0,
        mirrored=False,
        pixel_aspect=aspect,
        streams=counts,
        variable_rate=varies,
        key_frames=len(index.keys) or None,
        bit_rate=int(8 * size / duration) if duration else None,
        colour=colour,
        interlaced=None,
        metadata=metadata,
        notes=(f"The clip is HDR ({hdr}); its tones are read as if it were not.",) if hdr else (),
    )


def check_facts(facts: ClipFacts, limits: VideoLimits) -> None:
    """Refuse what exceeds a limit.

    Raises:
        VideoError: ``corrupt``, ``side_too_long``, ``too_many_pixels``, ``too_small``, ``too_long``,
            ``too_many_frames``.
    """
    if min(facts.coded_size) <= 0:
        raise VideoError("corrupt", "The clip does not say how large its frames are.")
    for size in (facts.coded_size, facts.size):
        check_size(size, limits)
    if min(facts.size) < limits.min_side:
        found = f"The clip has {facts.size[0]:,} x {facts.size[1]:,} pixels"
        raise VideoError("too_small", f"{found}; a side must have at least {limits.min_side:,}.")
    if facts.duration_s > limits.max_duration_s:
        raise VideoError(
            "too_long", f"The clip lasts {facts.duration_s:,.0f} s; at most {limits.max_duration_s:,.0f} s are read."
        )
    if facts.frames is not None and facts.frames > limits.max_frames:
        raise VideoError(
            "too_many_frames", f"The clip has {facts.frames:,} frames; at most {limits.max_frames:,} are read."
        )


def _duration(opened: Any, stream: Any) -> float:
    """Seconds that the file says it lasts; 0 if it does not say."""
    own, whole = stream.duration, opened.duration
    for seconds in (own and own * time_base(stream), whole and whole / 1e6):
        if seconds and math.isfinite(seconds) and seconds > 0:
            return float(seconds)
    return 0.0


def _aspect(stream: Any) -> float:
    ratio = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    value = float(ratio) if ratio else 1.0
    # Less than a hundredth is rounding, of which stretching would blur every pixel.
    return value if 1 / _MOST_ASPECT <= value <= _MOST_ASPECT and abs(value - 1) > 0.01 else 1.0


def _has_decoder(stream: Any) -> bool:
    return stream.codec_context is not None and stream.codec_context.name in DECODERS


def _area(stream: Any) -> int:
    return 0 if stream.codec_context is None else int(stream.codec_context.width) * int(stream.codec_context.height)
