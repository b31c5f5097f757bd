"""All measurements of one clip by name: the facts that sentences may state."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any, Final

from unmask.bundle.schema import BundleInfo
from unmask.detect.verdict import Word, word_of
from unmask.explain.facts import SMALL_FACE, UNSEEN
from unmask.imaging.credentials import Credentials
from unmask.imaging.faces import Box
from unmask.imaging.video.facts import ClipFacts
from unmask.imaging.video.hints import CAMERA
from unmask.video.verdict import ClipVerdict, Track

LEAST_FRAMES: Final = 8
"""Frames of a face below which the report warns that one odd frame weighs much."""
POOLINGS: Final = {
    "mean": "the mean of its frames' logits",
    "top-k-mean": "the mean of the logits of its most suspicious frames",
    "noisy-or": "the chance that at least one of its frames is fake",
    "temporal": "a network that sees its frames in turn",
}
"""What a track's probability comes from, by the name of the pooling."""
CODECS: Final = {
    "h264": "H.264", "hevc": "HEVC (H.265)", "vp8": "VP8", "vp9": "VP9", "av1": "AV1", "libdav1d": "AV1",
    "prores": "ProRes", "mpeg4": "MPEG-4", "mpeg2video": "MPEG-2", "mpeg1video": "MPEG-1", "mjpeg": "Motion JPEG",
    "theora": "Theora", "rawvideo": "uncompressed",
}  # fmt: skip
"""Names of codecs for people, by those of FFmpeg."""
CONTAINERS: Final = {
    "mov": "an MP4 or MOV file", "matroska": "a Matroska or WebM file", "avi": "an AVI file",
    "mpegts": "an MPEG transport stream", "mpeg": "an MPEG program stream", "ogg": "an Ogg file",
    "flv": "an FLV file", "asf": "a WMV file", "GIF": "a GIF animation", "WEBP": "a WebP animation",
    "PNG": "a PNG animation",
}  # fmt: skip
"""Names of containers for people."""


def gather(
    verdict: ClipVerdict, info: BundleInfo, frame_threshold: float, credentials: Credentials | None
) -> dict[str, Any]:
    """Facts by name; ``None`` for what was not measured.

    Args:
        verdict: a verdict without error.
        info: description of the bundle that gave it.
        frame_threshold: the probability from which a single image is FAKE.
        credentials: content credentials of the file.
    """
    clip, track = verdict.facts, verdict.deciding
    assert clip is not None
    band = info.uncertain if info.clips is None else info.clips.uncertain
    against = None
    if track is not None and verdict.result is not None:
        is_fake = verdict.result == "FAKE"
        against = sum((each >= frame_threshold) != is_fake for each in track.probabilities)
    return {
        "verdict": verdict.verdict,
        "result": verdict.result,
        "fake_probability": verdict.fake_probability,
        "threshold": verdict.threshold,
        "band_low": band.low,
        "band_high": band.high,
        "accuracy_outside": band.accuracy_outside,
        "clips_calibrated": info.clips is not None,
        "unseen_true_positive_rate": info.card.metrics.get(UNSEEN),
        "likely_kind": None
        if not verdict.kind_remark or not verdict.kinds
        else max(verdict.kinds, key=verdict.kinds.__getitem__),
        "frames_judged": verdict.frames_judged,
        "tracks": len(verdict.tracks),
        "deciding_track": None if verdict.deciding_track is None else verdict.deciding_track + 1,
        "pooling": POOLINGS.get(verdict.pooling),
        "least_frames": LEAST_FRAMES,
        "frames_against": against,
        "small_face": SMALL_FACE,
        "unlike_training": verdict.out_of_distribution,
        "marks": None if verdict.provenance is None else [mark.text for mark in verdict.marks],
        "generator_tags": None if verdict.provenance is None else list(verdict.provenance.generator_tags),
        "credentials": credentials and credentials.state,
        "credentials_note": credentials and credentials.note,
        "container": CONTAINERS.get(clip.container, clip.container),
        "codec": CODECS.get(clip.codec, clip.codec),
        "encoder": clip.encoder or None,
        "hints": list(clip.hints),
        "reencoding": [hint for hint in clip.hints if hint != CAMERA],
        "duration_s": clip.duration_s,
    } | _of_track(track, frame_threshold)


def _of_track(track: Track | None, threshold: float) -> dict[str, Any]:
    if track is None:
        names = "track_start track_end track_frames track_frames_fake lowest lowest_time highest highest_time"
        return dict.fromkeys([*names.split(), "face_side", "probability_jitter", "position_jitter"])
    high, low = track.most_suspicious, track.least_suspicious
    return {
        "track_start": track.start_s,
        "track_end": track.end_s,
        "track_frames": len(track.times),
        "track_frames_fake": sum(each >= threshold for each in track.probabilities),
        "highest": track.probabilities[high],
        "highest_time": track.times[high],
        "lowest": track.probabilities[low],
        "lowest_time": track.times[low],
        "face_side": median_side(track.boxes),
        "probability_jitter": track.jitter.probability,
        "position_jitter": track.jitter.position,
    }


def median_side(boxes: Sequence[Box]) -> float:
    """The median of the longer sides of boxes, in pixels."""
    return float(median(max(right - left, bottom - top) for left, top, right, bottom in boxes))


def frame_word(probability: float, info: BundleInfo, threshold: float) -> Word:
    """The word of a frame by itself, as of an image with a face."""
    return word_of(probability, threshold, info.uncertain, no_face=False)


def codec_facts(clip: ClipFacts, size: int) -> list[tuple[str, str]]:
    """What the report says of the file: term and value, those that are known."""
    rate = "" if not clip.fps else f"{clip.fps:.4g} frames per second"
    if rate and clip.variable_rate is not None:
        rate += ", which varies" if clip.variable_rate else ", constant"
    turned = f"{clip.rotation}° clockwise" if clip.rotation else "none"
    width, height = clip.size
    stored = "" if clip.coded_size == clip.size else f", stored as {clip.coded_size[0]} × {clip.coded_size[1]}"
    found = [
        ("container", CONTAINERS.get(clip.container, clip.container)),
        ("codec", " ".join(each for each in (CODECS.get(clip.codec, clip.codec), clip.profile) if each)),
        ("written by", clip.encoder or "the file does not say"),
        ("hints", " ".join(clip.hints) or "none that it was encoded again; that proves nothing"),
        ("size", f"{width} × {height} pixels{stored}"),
        ("duration", f"{clip.duration_s:.2f} s"),
        ("frame rate", rate),
        ("frames", "" if clip.frames is None else f"{clip.frames:,}"),
        ("key frames", "" if clip.key_frames is None else f"{clip.key_frames:,}"),
        ("rotation", turned + (", mirrored" if clip.mirrored else "")),
        ("pixels", "" if clip.pixel_aspect == 1 else f"{clip.pixel_aspect:.3g} times as wide as high"),
        ("interlaced", "yes" if clip.interlaced else ""),
        ("colour", ", ".join(each for each in (clip.colour, clip.pixel_format) if each)),
        ("bit rate", "" if not clip.bit_rate else f"{clip.bit_rate / 1000:,.0f} kbit/s"),
        ("streams", ", ".join(f"{count} {kind}" for kind, count in clip.streams.items())),
        ("bytes", f"{size:,}"),
    ]
    return [(term, value) for term, value in found if value]


def steadiness(verdict: ClipVerdict) -> list[tuple[str, str]]:
    """What the report says of the deciding track's tremor: term and value."""
    track = verdict.deciding
    if track is None:
        return []
    change, shift = track.jitter.probability, track.jitter.position
    return [
        (
            "probability",
            "too few frames"
            if change is None
            else f"changes by {100 * change:.1f} percentage points from one judged frame to the next, on average",
        ),
        (
            "place of the face",
            "too few frames"
            if shift is None
            else f"lies {100 * shift:.1f} % of the face's side beside the middle between its neighbours, on average",
        ),
    ]
