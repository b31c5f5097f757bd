"""The request and response bodies of the API for clips."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from unmask.detect.verdict import Label, Word
from unmask.imaging.faces import Box
from unmask.serve.clip_store import ClipState
from unmask.serve.schemas import ErrorInfo, FeedbackRecord, Mark, Provenance


class ClipFrame(BaseModel):
    """One face in one frame."""

    model_config = ConfigDict(extra="allow")

    time_s: float = Field(description="Seconds from the start of the clip.")
    box: Box = Field(description="x0, y0, x1, y1 in pixels of the upright frame.")
    fake_probability: float = Field(ge=0, le=1, description="Of this frame alone, as for an image.")


class Jitter(BaseModel):
    """How unsteady a track is from one frame to the next; shown, never part of the score."""

    probability: float | None = Field(description="Mean change of the probability of fake between frames in turn.")
    position: float | None = Field(
        description="Mean distance of the face's centre from the middle between its neighbours, in sides of the face."
    )


class ClipTrack(BaseModel):
    """One face through one scene."""

    model_config = ConfigDict(extra="allow")

    start_s: float = Field(description="Time of its first frame in seconds.")
    end_s: float = Field(description="Time of its last frame in seconds.")
    fake_probability: float = Field(ge=0, le=1, description="Of the track as a whole.")
    verdict: Word
    is_main: bool = Field(description="Whether it may decide: it is neither small nor short beside the others.")
    jitter: Jitter
    frames: list[ClipFrame] = Field(description="The frames in which the face was found, in order.")


class ClipVerdict(BaseModel):
    """The verdict on one clip, as `unmask detect --json` prints it."""

    model_config = ConfigDict(extra="allow")

    kind: Literal["video"]
    verdict: Word = Field(description="As for an image; `NO_FACE` if no frame has a face.")
    fake_probability: float = Field(
        ge=0,
        le=1,
        description="Of the deciding track. With `NO_FACE` it is that of whole frames, which is unreliable: do not "
        "show it to people.",
    )
    kinds: dict[str, float] | None = Field(None, description="As for an image.")
    result: Label = Field(description="As for an image.")
    confidence: float = Field(ge=50, le=100, description="As for an image.")
    uncertain: bool = Field(description="Whether `verdict` is `UNCERTAIN` or `NO_FACE`.")
    face_found: bool
    duration_s: float = Field(description="Length of the clip in seconds.")
    frames_judged: int
    times: list[float] = Field(description="Times of the frames judged, in seconds.")
    pooling: str = Field(description="How the frames of a track make one probability.")
    threshold: float = Field(description="A track is FAKE when its probability reaches it.")
    tracks: list[ClipTrack] = Field(description="The faces through the clip, in order of appearance.")
    deciding_track: int | None = Field(
        description="Place in `tracks` of the one whose verdict is that of the clip; null without a face."
    )
    marks: list[Mark] = Field(
        default=[], description="What the file says of its own making; show it beside the verdict. Never in the score."
    )
    notes: list[str] = Field(default=[], description="Problems in the file, one sentence each.")
    sha256: str | None = None
    provenance: Provenance | None = None
    video: dict[str, Any] | None = Field(
        None, description="What the file says of itself: container, codec, size, frame rate, encoder and more."
    )
    model: str
    bundle_sha256: str
    ms: float


class ClipProgress(BaseModel):
    """How far a clip is."""

    judged: int = Field(description="Frames judged.")
    total: int = Field(description="Frames that will be judged; 0 while that is not known.")


class _ClipFields(BaseModel):
    id: UUID
    time: datetime = Field(description="When the clip was accepted.")
    ended: datetime | None = Field(description="When it was done, failed or cancelled; null before.")
    state: ClipState = Field(
        description="`waiting`, `running`; then for good `done`, `failed` (see `error`) or `cancelled`. A clip that "
        "was not finished when the service stopped is `failed` with the code `interrupted`."
    )
    filename: str
    sha256: str = Field(description="SHA-256 of the uploaded bytes.")
    bytes: int
    frames: int = Field(description="Frames asked for.")
    position: int | None = Field(description="Clips in front of this one; null unless it waits.")
    progress: ClipProgress | None = Field(description="Null unless it is running in the instance that was asked.")
    word: Word | None = Field(description="The verdict in one word; null before `done`.")
    fake_probability: float | None
    error: ErrorInfo | None
    feedback: FeedbackRecord | None
    clip: str | None = Field(description="Address of the stored clip; null if it was not stored.")


class ClipItem(_ClipFields):
    """One clip, without its tracks."""


class Clip(_ClipFields):
    """One clip, from its upload to its verdict."""

    verdict: ClipVerdict | None = Field(description="Null before `done`.")


class ClipPage(BaseModel):
    """One page of clips, newest first."""

    items: list[ClipItem]
    next: str | None = Field(description="`cursor` for the next page; null on the last page.")


def error_of(text: str | None) -> dict[str, Any] | None:
    """Read a stored error."""
    return None if text is None else ErrorInfo.model_validate_json(text).model_dump()
