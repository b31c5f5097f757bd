"""Clips made to harm their reader, and a way to read thousands of them: each in a forked child with the limits' clocks.

The child does what :mod:`unmask.imaging.video.worker` does, without starting an interpreter for each file.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from PIL import Image
from tests.video.clips import encode, moving

from unmask.errors import ImageError
from unmask.imaging.decode_worker import CpuClock, limit_memory
from unmask.imaging.video.cuts import spread
from unmask.imaging.video.limits import VideoLimits
from unmask.imaging.video.worker import open_clip

LIMITS: Final = replace(VideoLimits(), cpu_seconds=10.0, memory_bytes=768 * 2**20)
_FRAMES: Final = 4
_DEADLINE: Final = 60.0  # seconds; far beyond the CPU clock's, for what waits instead


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a file.

    Attributes:
        code: ``read``; an error's code; ``stopped`` by the clock; ``crashed`` by a signal; ``escaped``: another
            exception, which the worker would not have caught.
        detail: the name of the signal or exception.
        cpu_s: CPU time of the child.
        peak_mib: how much its resident memory grew at most.
    """

    code: str
    detail: str
    cpu_s: float
    peak_mib: float


def read_in_child(path: Path, limits: VideoLimits = LIMITS, *, as_clip: bool = True) -> Outcome:
    """Read a few frames of a file in a forked child."""
    reader, writer = os.pipe()
    # The child begins with what this process has in memory.
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        code = "escaped"
        detail = ""
        try:
            limit_memory(limits.memory_bytes)
            with CpuClock(limits.cpu_seconds), path.open("rb") as file:
                clip = open_clip(file, as_clip, limits)
                cuts = clip.cuts()
                for frame in clip.frames(spread(clip.facts.duration_s, _FRAMES, cuts), cuts):
                    assert max(frame.image.size) <= 4 * limits.max_side
                json.dumps(clip.facts.to_json())
            code = "read"
        except ImageError as error:
            code = error.code
        except MemoryError:
            code = "out_of_memory"
        except BaseException as error:
            detail = type(error).__name__ + ": " + str(error)[:200]
        os.write(writer, json.dumps([code, detail]).encode())
        os._exit(0)
    os.close(writer)
    late = False
    end = time.monotonic() + _DEADLINE
    while not (done := os.wait4(child, os.WNOHANG))[0]:
        if time.monotonic() > end and not late:
            os.kill(child, signal.SIGKILL)
            late = True
        time.sleep(0.002)
    _, status, usage = done
    said = os.read(reader, 4096)
    os.close(reader)
    code, detail = json.loads(said) if said else ("crashed", "")
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        code = "stopped" if number in (signal.SIGPROF, signal.SIGKILL) else "crashed"
        detail = signal.Signals(number).name
    return Outcome(code, detail, usage.ru_utime + usage.ru_stime, max(0.0, usage.ru_maxrss / 1024 - resident))


def originals(folder: Path) -> dict[str, Path]:
    """Small sound clips of many containers and codecs, by name."""
    size = (64, 48)
    frames = [moving(i, size) for i in range(18)]
    keys = {"g": "6", "sc_threshold": "0"}
    made = {
        "mp4": encode(folder / "a.mp4", frames, options=keys, rotation=90),
        "fast.mp4": encode(folder / "b.mp4", frames, options=keys, container_options={"movflags": "faststart"}),
        "frag.mp4": encode(
            folder / "c.mp4", frames, options=keys, container_options={"movflags": "frag_keyframe+empty_moov"}
        ),
        "hevc.mp4": encode(
            folder / "d.mp4", frames, codec="libx265", options={"x265-params": "log-level=none:pools=1"}
        ),
        "mpeg4.avi": encode(folder / "e.avi", frames, codec="mpeg4"),
        "mjpeg.avi": encode(folder / "f.avi", frames, codec="mjpeg", pixel_format="yuvj420p"),
        "vp9.webm": encode(folder / "g.webm", frames, codec="libvpx-vp9", options={"cpu-used": "8"}),
        "mkv": encode(folder / "h.mkv", frames, options=keys),
        "ts": encode(folder / "i.ts", frames, options=keys),
        "prores.mov": encode(folder / "j.mov", frames, codec="prores_ks", pixel_format="yuv422p10le"),
        "flv": encode(folder / "k.flv", frames, options=keys),
        "mpg": encode(folder / "l.mpg", frames, codec="mpeg2video", fps=25),
    }
    images = [Image.fromarray(frame) for frame in frames]
    for name in ("gif", "webp", "png"):
        made[name] = folder / f"m.{name}"
        images[0].save(made[name], save_all=True, append_images=images[1:], duration=80)
    return made


def mutate(data: bytes, seed: int) -> bytes:
    """A damaged copy: a few changes of bytes, sizes, order or length, drawn by the seed."""
    draw = random.Random(seed)
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 4, 8, 16))):
        at = draw.randrange(len(changed))
        kind = draw.randrange(8)
        if kind == 0:
            changed[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            changed[at] = draw.choice((0, 0x7F, 0x80, 0xFF))
        elif kind == 2:  # a number that is as large as numbers get, or nothing
            changed[at : at + 4] = draw.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", bytes(4), b"\0\0\0\1"))
        elif kind == 3:
            del changed[at : at + draw.randrange(1, 64)]
        elif kind == 4:
            changed[at:at] = draw.randbytes(draw.randrange(1, 64))
        elif kind == 5:
            other, length = draw.randrange(len(changed)), draw.randrange(1, 128)
            changed[at : at + length] = changed[other : other + length]
        elif kind == 6 and draw.random() < 0.3:
            del changed[at:]
        else:  # near the start, where headers are
            changed[draw.randrange(min(len(changed), 600))] = draw.randrange(256)
        if not changed:
            return b"\0"
    return bytes(changed)


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def many_streams(count: int) -> bytes:
    """An MP4 file with this number of video tracks, each with nothing in it."""
    tkhd = _box(
        b"tkhd",
        struct.pack(">IIIIII", 7, 0, 0, 1, 0, 1000),
        bytes(16),
        bytes(36),
        struct.pack(">II", 64 << 16, 48 << 16),
    )
    mdhd = _box(b"mdhd", struct.pack(">IIIIIHH", 0, 0, 0, 1000, 1000, 0, 0))
    hdlr = _box(b"hdlr", bytes(8), b"vide", bytes(13))
    avc1 = _box(b"avc1", bytes(6), struct.pack(">H", 1), bytes(16), struct.pack(">HH", 64, 48), bytes(50))
    stsd = _box(b"stsd", struct.pack(">II", 0, 1), avc1)
    empty = [_box(name, struct.pack(">II", 0, 0)) for name in (b"stts", b"stsc", b"stco")]
    stbl = _box(b"stbl", stsd, *empty, _box(b"stsz", struct.pack(">III", 0, 0, 0)))
    trak = _box(b"trak", tkhd, _box(b"mdia", mdhd, hdlr, _box(b"minf", stbl)))
    mvhd = _box(b"mvhd", struct.pack(">IIIII", 0, 0, 0, 1000, 1000), bytes(80))
    return _box(b"ftyp", b"isom", bytes(4), b"isom") + _box(b"moov", mvhd, trak * count) + _box(b"mdat", bytes(64))


def endless_gif(frames: int, size: tuple[int, int] = (64, 48)) -> bytes:
    """A GIF file of one frame, again and again, which asks to be repeated for ever."""
    width, height = size
    head = b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\0\0" + b"\0\0\0\xff\xff\xff"
    loop = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"
    # Clear, then the end: a frame of nothing.
    frame = b"\x21\xf9\x04\0\x0a\0\0\0" + b"," + struct.pack("<HHHH", 0, 0, width, height) + b"\0\x02\x01\x2c\0"
    return head + loop + frame * frames


def _frame_beyond(data: bytes) -> bytes:
    """The second frame lies beyond the canvas, far away."""
    changed = bytearray(data)
    control = b"\x21\xf9\x04"
    at = data.index(control, data.index(control) + 1) + 8  # of the comma that begins the frame
    changed[at + 1 : at + 9] = struct.pack("<HHHH", 60_000, 60_000, 64, 48)
    return bytes(changed)


def sized_mp4(source: bytes, width: int, height: int) -> bytes:
    """An MP4 file whose headers claim another size; its stream still has its own."""
    changed = bytearray(source)
    at = source.index(b"avc1") + 4 + 24
    changed[at : at + 4] = struct.pack(">HH", width, height)
    return bytes(changed)


def sized_avi(source: bytes, side: int, *, in_headers: bool) -> bytes:
    """An AVI file of JPEG frames that claim to be squares of this side, as its headers may."""
    changed = bytearray(source)
    at = source.find(b"\xff\xc0\x00\x11\x08")
    while at >= 0:
        changed[at + 5 : at + 9] = struct.pack(">HH", side, side)
        at = source.find(b"\xff\xc0\x00\x11\x08", at + 1)
    if in_headers:
        at = source.index(b"strf") + 8 + 4
        changed[at : at + 8] = struct.pack("<II", side, side)
    return bytes(changed)


def cut_copies(data: bytes, most: int = 64) -> Iterator[bytes]:
    """The file cut at each kibibyte of its first 64."""
    for end in range(1024, min(len(data), most * 1024) + 1, 1024):
        yield data[:end]


def special_cases(folder: Path) -> dict[str, Callable[[], bytes]]:
    """Files that are wrong in one way each, by name; large ones are made when asked for."""
    mp4 = (folder / "a.mp4").read_bytes()
    webm = (folder / "g.webm").read_bytes()
    avi = (folder / "f.avi").read_bytes()
    gif = (folder / "m.gif").read_bytes()

    return {
        "headers claim 16k x 16k": lambda: sized_mp4(mp4, 16_384, 16_384),
        "16k x 16k": lambda: sized_avi(avi, 16_000, in_headers=True),
        "frames of 16k x 16k behind small headers": lambda: sized_avi(avi, 16_000, in_headers=False),
        "10,000 streams": lambda: many_streams(10_000),
        "65 streams": lambda: many_streams(65),
        "an endless GIF": lambda: endless_gif(400_000),
        "a GIF of 16k x 16k": lambda: endless_gif(10, (16_384, 16_384)),
        "a GIF with a frame beyond its canvas": lambda: _frame_beyond(gif),
        "MP4 with the header of WebM": lambda: webm[:48] + mp4[48:],
        "WebM with the header of MP4": lambda: mp4[:48] + webm[48:],
        "MP4 with the header of AVI": lambda: b"RIFF\xff\xff\xff\xffAVI LIST" + mp4[16:],
        "headers alone": lambda: mp4[:40],
        "noise behind a header": lambda: b"\0\0\0\x18ftypisom\0\0\2\0isommp41" + random.Random(0).randbytes(200_000),
        "boxes within boxes": lambda: b"\0\0\0\x10ftypisom\0\0\2\0" + _nested(4_000),
        "a duration of centuries": lambda: _long(mp4),
        "a playlist": lambda: b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        "a list of files": lambda: b"ffconcat version 1.0\nfile '/etc/passwd'\n",
    }


def _nested(depth: int) -> bytes:
    inner = b""
    for _ in range(depth):
        inner = _box(b"moov", inner)
    return inner


def _long(mp4: bytes) -> bytes:
    changed = bytearray(mp4)
    for name in (b"mvhd", b"mdhd"):
        at = mp4.index(name) + 4 + 4 + 8 + 4
        changed[at : at + 4] = b"\x7f\xff\xff\xff"
    with suppress(ValueError):
        at = mp4.index(b"tkhd") + 4 + 4 + 8 + 8
        changed[at : at + 4] = b"\x7f\xff\xff\xff"
    return bytes(changed)


def cpu_now() -> float:
    """CPU seconds of the children so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
