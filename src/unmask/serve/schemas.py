"""What the API answers with, field by field; the source of ``docs/openapi.json``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from unmask.bundle.schema import Threshold, UncertainBand
from unmask.imaging.faces import Box

Label = Literal["REAL", "FAKE"]
Judgement = Literal["right", "wrong", "unsure"]
# PostgreSQL's text knows no NUL.
Words = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=2000)]


class FaceVerdict(BaseModel):
    """One face, its box in pixels of the upright image."""

    box: Box
    fake_probability: float = Field(ge=0, le=1)


class Provenance(BaseModel):
    """Marks that tools left in the file; never mixed into the score."""

    c2pa: str
    generator_tags: list[str]


class ErrorInfo(BaseModel):
    """Why one image could not be read."""

    code: str
    message: str


class Evidence(BaseModel):
    """Evidence over one region: a transparent overlay to lay over the image."""

    box: Box = Field(description="Where it belongs: x0, y0, x1, y1 in pixels of the upright image.")
    png: str = Field(description="data:image/png;base64: orange speaks for fake, purple for real.")


class VerdictFields(BaseModel):
    """The verdict on one image, as `unmask detect --json` gives it."""

    model_config = ConfigDict(extra="allow")

    path: str | None = None
    result: Label | None
    confidence: float | None = Field(ge=0, le=100, description="Percentage for the class in `result`.")
    fake_probability: float | None = Field(ge=0, le=1)
    uncertain: bool
    faces: list[FaceVerdict]
    face_found: bool
    provenance: Provenance | None
    model: str
    bundle_sha256: str
    ms: float
    error: ErrorInfo | None


class Detected(VerdictFields):
    """The verdict on one uploaded image."""

    filename: str = Field(description="As it was uploaded.")
    id: UUID | None = Field(description="In the history; null when nothing is stored or there was an error.")
    evidence: list[Evidence] | None = Field(None, description="Only with `evidence=true`; no entry where no map.")


class Detection(BaseModel):
    """Verdicts in the order of the uploads."""

    results: list[Detected]


class ForensicFigure(BaseModel):
    """A number of a view, against the range of real photographs."""

    model_config = ConfigDict(extra="allow")

    name: str
    title: str
    value: float | None
    unit: str
    low: float | None
    high: float | None
    outside: bool | None


class ForensicView(BaseModel):
    """One way to look at the image; none of them enters the score."""

    model_config = ConfigDict(extra="allow")

    name: str
    title: str
    look_for: str
    cannot_show: str
    figures: list[ForensicFigure]
    facts: dict[str, Any]
    picture: str | None = Field(description="data:image/jpeg;base64; null where there is nothing to look at.")


class Sentence(BaseModel):
    """One thing that was found, in plain words."""

    model_config = ConfigDict(extra="allow")

    text: str


class Explained(BaseModel):
    """Why a verdict is what it is, and what else the image and its file say."""

    model_config = ConfigDict(extra="allow")

    verdict: VerdictFields
    text: str = Field(description="All sentences.")
    sentences: list[Sentence]
    facts: dict[str, Any] = Field(description="Everything that was measured, by name.")
    size: tuple[int, int] = Field(description="Width and height of the image.")
    evidence: dict[str, Any]
    forensics: list[ForensicView] | None
    metadata: dict[str, Any] | None
    credentials: dict[str, Any] | None
    picture: str = Field(description="data:image/jpeg;base64: upright, at most 1,024 pixels a side.")
    overlay: str = Field(description="data:image/jpeg;base64: the same with faces and evidence drawn on it.")


class Health(BaseModel):
    """That the service answers, and what with."""

    status: Literal["ok"]
    model: str
    bundle_sha256: str
    version: str
    store: Literal["none", "memory", "sqlite", "postgresql"]
    waiting: int = Field(description="Images waiting or in work.")
    queue: int = Field(description="Most of them.")


class ServiceLimits(BaseModel):
    """What the service accepts and keeps."""

    max_body_bytes: int
    max_images: int
    max_pixels: int
    deadline_s: float
    keeps_history: bool
    keeps_images: bool
    keep_days: float = Field(description="0: for ever.")
    token_required: bool


class Model(BaseModel):
    """The detector behind the service."""

    model: str
    bundle_sha256: str
    threshold: float = Field(description="In use: from this probability on an image is called FAKE.")
    threshold_name: str | None = Field(description="Of the bundle's thresholds, if it is one of them.")
    false_positive_budget: float | None = Field(description="Share of real images that it may call fake.")
    thresholds: list[Threshold] = Field(description="All that the bundle has, by rising budget.")
    uncertain: UncertainBand
    bundle: dict[str, Any] = Field(description="`bundle.json`: calibration, preprocessing, training card and more.")
    limits: ServiceLimits


class Feedback(BaseModel):
    """What somebody who knows the image says of a verdict."""

    model_config = ConfigDict(extra="forbid")

    verdict: Judgement
    note: Words = ""


class FeedbackRecord(Feedback):
    """Feedback and when it was given."""

    time: datetime


class HistoryItem(BaseModel):
    """One verdict that was given."""

    id: UUID
    time: datetime
    sha256: str = Field(description="Of the uploaded bytes.")
    filename: str
    result: Label
    fake_probability: float
    uncertain: bool
    model: str
    feedback: FeedbackRecord | None
    image: str | None = Field(description="Where the kept image can be fetched; null when it was not kept.")


class HistoryRecord(HistoryItem):
    """One verdict with all its fields."""

    verdict: dict[str, Any] = Field(description="As it was answered, without evidence.")


class HistoryPage(BaseModel):
    """Newest first."""

    items: list[HistoryItem]
    next: str | None = Field(description="The `cursor` of the next page; null on the last.")
