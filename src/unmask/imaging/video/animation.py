"""Read an animated GIF, WebP or PNG file as a clip, with Pillow. Runs in the child process.

The first frame has the pixels that :func:`~unmask.imaging.decode.decode` gives of the file as an image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import PIL.Image
from PIL.ImageFile import ImageFile

from unmask.errors import ImageError, VideoError
from unmask.imaging.decode import decode, read_header
from unmask.imaging.formats import canvas_size, ends_early, sniff_format
from unmask.imaging.limits import DecodeLimits
from unmask.imaging.video.cuts import Look, is_cut, look_at
from unmask.imaging.video.delays import ANIMATIONS, frame_delays
from unmask.imaging.video.facts import ClipFacts
from unmask.imaging.video.limits import VideoLimits
from unmask.imaging.video.raw import RawFrame
from unmask.imaging.walk import check_container

_LEAST_DELAY: Final = 0.02  # seconds; browsers show shorter ones as a tenth of a second
_SHOWN_DELAY: Final = 0.1


class OpenAnimation:
    """An animated image file; the same methods as :class:`~unmask.imaging.video.reading.OpenClip`.

    Args:
        data: the file.
        limits: checked here, before a frame is decoded.

    Raises:
        VideoError: ``unsupported_format``, ``too_many_frames``, ``too_long``, and as for clips.
        ImageError: as :func:`~unmask.imaging.decode.decode`.
    """

    def __init__(self, data: bytes, limits: VideoLimits) -> None:
        name = sniff_format(data)
        if name not in ANIMATIONS:
            raise VideoError("unsupported_format", "This is neither a clip nor an animated image.")
        self._name, self._data, self._limits = name, data, limits
        self._image_limits = DecodeLimits(
            max_bytes=limits.max_animation_bytes,
            max_pixels=limits.max_pixels,
            max_side=limits.max_side,
            min_side=limits.min_side,
        )
        check_container(name, data, self._image_limits)
        self._ends = self._frame_ends()
        size = canvas_size(name, data)
        if size is not None:
            self._check_size(size)
        self._notes: list[str] = []
        image = self._opened()
        self._check_size(image.size)
        duration = self._ends[-1]
        if duration > limits.max_duration_s:
            raise VideoError(
                "too_long", f"The animation lasts {duration:,.0f} s; at most {limits.max_duration_s:,.0f} s are read."
            )
        steps = np.diff([0.0, *self._ends])
        self.facts = ClipFacts(
            container=name,
            codec=name.lower(),
            profile="",
            pixel_format=image.mode,
            encoder="",
            duration_s=duration,
            fps=len(self._ends) / duration,
            frames=len(self._ends),
            size=image.size,
            coded_size=image.size,
            rotation=0,
            mirrored=False,
            pixel_aspect=1.0,
            streams={"video": 1},
            variable_rate=bool(len(steps) > 1 and steps.max() - steps.min() > 1e-6),
            key_frames=None,
            bit_rate=int(8 * len(data) / duration),
            colour="RGB",
            interlaced=False,
            metadata={},
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """Problems found in reading so far, in sentences."""
        return tuple(self._notes)

    def close(self) -> None:
        """Nothing is open between calls."""

    def cuts(self) -> list[float]:
        """No scene is known before its frames are decoded."""
        return []

    def frames(self, times: Sequence[float], cuts: Sequence[float] = ()) -> Iterator[RawFrame]:
        """The frames shown at some times, each once; see :class:`~unmask.imaging.video.reading.OpenClip`.

        Raises:
            ImageError: the first frame cannot be decoded.
        """
        places = {min(int(np.searchsorted(self._ends, time, side="right")), len(self._ends) - 1) for time in times}
        wanted = iter(sorted(places))
        target = next(wanted, None)
        index, cut = 0, False
        before: Look | None = None
        last: tuple[int, PIL.Image.Image] | None = None  # decoded and not given out
        for at, image in self._decoded():
            look = look_at(np.asarray(image.convert("L")))
            cut |= before is not None and is_cut(before, look, adjacent=True)
            before, last = look, (at, image)
            if at == target:
                yield self._frame(index, at, cut, image)
                target, last = next(wanted, None), None
                index, cut = index + 1, False
                if target is None:
                    return
        if last is not None:  # the animation ends early, and this is what stays on the screen
            yield self._frame(index, last[0], cut, last[1])

    def _decoded(self) -> Iterator[tuple[int, PIL.Image.Image]]:
        """All frames with their places, for a later one builds on those before; ends early with a note."""
        opened, pixels = self._opened(), 0
        for at in range(len(self._ends)):
            if pixels > self._limits.max_decoded_pixels:
                self._notes.append("The animation is so long that only its first frames were read.")
                return
            try:
                if at:
                    opened.seek(at)
                image = decode(opened, self._image_limits).image
            except MemoryError:
                raise
            except Exception as error:  # whatever Pillow's readers make of damaged data
                if at == 0:
                    raise (error if isinstance(error, ImageError) else self._damaged()) from None
                self._notes.append(f"The animation ends early: frame {at + 1:,} cannot be decoded.")
                return
            pixels += image.width * image.height
            yield at, image

    def _frame(self, index: int, at: int, cut: bool, image: PIL.Image.Image) -> RawFrame:
        return RawFrame(index, 0.0 if at == 0 else self._ends[at - 1], at == 0, cut, image)

    def _opened(self) -> ImageFile:
        try:
            return read_header(self._name, self._data, self._notes)
        except (ImageError, MemoryError):
            raise
        except Exception:
            raise self._damaged() from None

    def _damaged(self) -> VideoError:
        if ends_early(self._name, self._data, None):
            return VideoError("truncated", f"The {self._name} data ends too early; the file is incomplete.")
        return VideoError("corrupt", f"The {self._name} data is damaged and cannot be decoded.")

    def _check_size(self, size: tuple[int, int]) -> None:
        found, limits = f"The animation has {size[0]:,} x {size[1]:,} pixels", self._limits
        if max(size) > limits.max_side:
            raise VideoError("side_too_long", f"{found}; a side may have at most {limits.max_side:,}.")
        if size[0] * size[1] > limits.max_pixels:
            raise VideoError("too_many_pixels", f"{found}; at most {limits.max_pixels:,} are decoded.")
        if min(size) < limits.min_side:
            raise VideoError("too_small", f"{found}; a side must have at least {limits.min_side:,}.")

    def _frame_ends(self) -> list[float]:
        """Seconds at which each frame ends, by the file's parts alone."""
        ends: list[float] = []
        for delay in frame_delays(self._name, self._data):
            ends.append((ends[-1] if ends else 0.0) + (delay if delay >= _LEAST_DELAY else _SHOWN_DELAY))
            if len(ends) > self._limits.max_animation_frames:
                most = self._limits.max_animation_frames
                raise VideoError("too_many_frames", f"The animation has over {most:,} frames, the most that are read.")
        return ends or [_SHOWN_DELAY]
