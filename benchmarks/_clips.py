"""Make a clip of a moving face for ``video_speed.py``, in a process of its own.

    python benchmarks/_clips.py OUT [--seconds 10] [--repeat 1] [--crf 23]

scikit-image's portrait of an astronaut moves like one that is filmed from the hand: H.264, 1280 x 720, 30 frames per
second. ``--repeat`` writes the same packets again and again with later times, so that an hour takes no time to encode.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import av
import numpy as np
import skimage.data
from PIL import Image

_SIZE, _RATE = (1280, 720), 30


def main() -> None:
    """Write the clip."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--crf", default="23")
    arguments = parser.parse_args()
    once = arguments.out if arguments.repeat == 1 else arguments.out.with_name("once.mp4")
    _encode(once, round(arguments.seconds * _RATE), arguments.crf)
    if once != arguments.out:
        _repeat(once, arguments.out, arguments.repeat)
        once.unlink()


def _encode(path: Path, count: int, crf: str) -> None:
    # Larger than the frame, which moves over it.
    scene = Image.fromarray(skimage.data.astronaut()).resize((1440, 1440), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(0)
    with av.open(str(path), "w") as clip:
        stream = clip.add_stream("libx264", rate=_RATE, options={"crf": crf, "preset": "veryfast"})
        stream.width, stream.height = _SIZE
        stream.pix_fmt = "yuv420p"
        for number in range(count):
            along = number / _RATE
            left = 80 + 60 * math.sin(0.9 * along) + noise.normal(0, 0.7)
            top = 60 + 40 * math.sin(1.3 * along + 1) + noise.normal(0, 0.7)
            box = (left, top, left + _SIZE[0], top + _SIZE[1])
            frame = av.VideoFrame.from_image(scene.resize(_SIZE, Image.Resampling.BILINEAR, box=box))
            clip.mux(stream.encode(frame))
        clip.mux(stream.encode(None))


def _repeat(source: Path, path: Path, times: int) -> None:
    with av.open(str(path), "w") as clip:
        out = None
        shift = 0
        for _ in range(times):
            with av.open(str(source)) as opened:
                stream = opened.streams.video[0]
                out = out or clip.add_stream_from_template(stream)
                for packet in opened.demux(stream):
                    if packet.dts is None:
                        continue
                    packet.dts, packet.pts = packet.dts + shift, packet.pts + shift
                    packet.stream = out
                    clip.mux(packet)
                assert stream.duration is not None
                shift += stream.duration


if __name__ == "__main__":
    main()
