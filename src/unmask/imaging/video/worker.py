"""A child process that reads one clip for :mod:`unmask.imaging.video.frames`, within limits.

Requests arrive on standard input as lines of JSON; answers leave on standard output, each behind its lengths. The
file is inherited open, so the child opens none by name. Native libraries write to the standard error of whoever calls
them, so the child's goes nowhere.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import IO, TYPE_CHECKING, Any

from unmask.errors import ImageError, VideoError
from unmask.imaging.decode_worker import HEAD, CpuClock, limit_memory
from unmask.imaging.video.animation import OpenAnimation
from unmask.imaging.video.cuts import spread
from unmask.imaging.video.facts import HEAD as HEAD_BYTES
from unmask.imaging.video.facts import sniff_container
from unmask.imaging.video.limits import VideoLimits

if TYPE_CHECKING:
    from unmask.imaging.video.reading import OpenClip


def main(told: str) -> None:
    """Answer with the facts of the clip, then requests for frames, until standard input ends."""
    settings = json.loads(told)
    limits = VideoLimits(**settings["limits"])
    # A print of a library must not end up between two answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to end
    if settings["video"]:
        import unmask.imaging.video.reading  # noqa: F401 - FFmpeg's libraries do not count against the memory
    limit_memory(limits.memory_bytes)
    with os.fdopen(settings["file"], "rb") if "file" in settings else open(settings["path"], "rb") as file:  # noqa: PTH123
        try:
            with CpuClock(limits.cpu_seconds):
                clip = open_clip(file, settings["as_clip"], limits)
            _answer(answers, {"facts": clip.facts.to_json()})
            for line in sys.stdin.buffer:
                _frames(clip, json.loads(line), limits, answers)
        except ImageError as error:
            _answer(answers, {"code": error.code, "message": error.message})
        except MemoryError:
            _answer(answers, {"code": "out_of_memory", "message": "Decoding the clip needs more memory than there is."})


def open_clip(file: IO[bytes], as_clip: bool, limits: VideoLimits) -> OpenClip | OpenAnimation:
    """Open a clip or, where animations are clips, an animation.

    Raises:
        ImageError: it cannot be accepted or read.
    """
    size = os.fstat(file.fileno()).st_size
    head = file.read(HEAD_BYTES)
    file.seek(0)
    container = sniff_container(head)
    if container is not None:
        from unmask.imaging.video.reading import OpenClip

        return OpenClip(file, size, container, limits)
    if not as_clip:
        raise VideoError("unsupported_format", "This is not a clip of a kind that is read.")
    if size > limits.max_animation_bytes:
        most = limits.max_animation_bytes
        raise VideoError("file_too_large", f"The animation has {size:,} bytes; at most {most:,} are read.")
    return OpenAnimation(file.read(), limits)


def _frames(clip: OpenClip | OpenAnimation, wanted: dict[str, Any], limits: VideoLimits, answers: IO[bytes]) -> None:
    clock = CpuClock(limits.cpu_seconds)
    with clock:
        cuts: list[float] = []
        times = wanted["times"]
        if times is None:
            cuts = clip.cuts()
            times = spread(clip.facts.duration_s, wanted["frames"], cuts)
    frames = clip.frames(times, cuts)
    while True:
        with clock:
            frame = next(frames, None)
        if frame is None:
            break
        about: dict[str, Any] = {
            "index": frame.index,
            "time_s": frame.time_s,
            "key_frame": frame.key_frame,
            "after_cut": frame.after_cut,
        }
        _answer(answers, about | {"size": frame.image.size}, frame.image.tobytes())
    _answer(answers, {"end": True, "notes": clip.notes})


def _answer(answers: IO[bytes], about: dict[str, Any], pixels: bytes = b"") -> None:
    text = json.dumps(about).encode()
    answers.write(HEAD.pack(len(text), len(pixels)))
    answers.write(text)
    answers.write(pixels)
    answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
