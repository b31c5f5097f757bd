"""The request and response bodies of the API; the source of ``docs/openapi.json``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from unmask.bundle.schema import Threshold, UncertainBand
from unmask.detect.verdict import Label, Word
from unmask.imaging.faces import Box
from unmask.imaging.marks import CredentialsState, MarkKind

Judgement = Literal["right", "wrong", "unsure"]
# PostgreSQL text cannot hold NUL.
Words = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=2000)]


class FaceVerdict(BaseModel):
    """One face. `box` is in pixels of the upright image."""

    box: Box
    fake_probability: float = Field(ge=0, le=1)


class Provenance(BaseModel):
    """Notes that tools left in the file; never part of the score."""

    c2pa: str = Field(description="`present`: a manifest of content credentials is in the file; `none`: it is not.")
    generator_tags: list[str] = Field(description="Notes by place, e.g. `png:parameters`; `marks` says them in words.")
    credentials_state: CredentialsState | None = Field(
        None, description="See `state` of `Credentials`; null in verdicts stored by older versions."
    )


class Credentials(BaseModel):
    """The content credentials (C2PA) of a file: what a signer states. Nothing is fetched to check them."""

    model_config = ConfigDict(extra="allow")

    state: CredentialsState = Field(
        description="`none`; `valid and trusted`; `valid, signer unknown`; `expired`: unchanged, but the certificate "
        "is not valid today; `could not be checked`: unreadable, an unsupported algorithm, or the library is missing; "
        "`changed after signing`; `stored elsewhere`: the file only links to them."
    )
    note: str = Field(description="What the state means, in one or two sentences.")
    advice: str = Field(description="What to do next, in one sentence.")
    generator: str | None
    title: str | None
    digital_source_types: list[str]
    signer: str | None
    signed_at: str | None
    ingredients: int = Field(description="Number of other images that it was made from.")
    problems: list[str] = Field(description="Codes of failed checks, as in the C2PA specification.")


class Mark(BaseModel):
    """One thing that the file says of its own making: a claim, not proof, and never part of the score."""

    kind: MarkKind = Field(
        description="`generator`: a generator is named; `settings`: settings of a generator's program; `source_type`: "
        "an IPTC or C2PA digital source type that means made by an algorithm; `broken_signature`: changed after "
        "signing."
    )
    text: str = Field(description="A sentence from a fixed vocabulary; never text from the file.")


class ErrorInfo(BaseModel):
    """Why one image could not be read."""

    code: str
    message: str


class Evidence(BaseModel):
    """Evidence for one region, as a transparent overlay on the image."""

    box: Box = Field(description="Position of the overlay: x0, y0, x1, y1 in pixels of the upright image.")
    png: str = Field(description="PNG data URI: orange is evidence for fake, purple for real.")


class VerdictFields(BaseModel):
    """The verdict on one image, as `unmask detect --json` prints it."""

    model_config = ConfigDict(extra="allow")

    path: str | None = None
    verdict: Word | None = Field(
        description="`FAKE`; `REAL`: no sign of manipulation was found, which is no proof; `UNCERTAIN`: "
        "`fake_probability` lies in the uncertain band of the detector; `NO_FACE`: the detector judges faces and found "
        "none; null with an error."
    )
    fake_probability: float | None = Field(
        ge=0,
        le=1,
        description="Probability of fake. With `NO_FACE` it is that of the whole image, which is unreliable: do not "
        "show it to people.",
    )
    kinds: dict[str, float] | None = Field(
        None, description="Probability of yes for each question that the detector answers besides; null if for none."
    )
    result: Label | None = Field(
        description="`FAKE` if `fake_probability` reaches the threshold, else `REAL`, whatever `verdict` says."
    )
    confidence: float | None = Field(
        ge=50,
        le=100,
        description="Probability of the class in `result` in percent, but at least 50: 100 x `fake_probability` for "
        "`FAKE`, 100 x (1 - `fake_probability`) for `REAL`. It is 50 where the threshold makes the less probable class "
        "the `result`.",
    )
    uncertain: bool = Field(description="Whether `verdict` is `UNCERTAIN` or `NO_FACE`.")
    face_found: bool
    faces: list[FaceVerdict] = Field(description="The faces, largest first.")
    marks: list[Mark] = Field(
        default=[], description="What the file says of its own making; show it beside the verdict. Never in the score."
    )
    notes: list[str] = Field(default=[], description="Problems in the file, one sentence each.")
    sha256: str | None = Field(None, description="SHA-256 of the file; null with an error.")
    provenance: Provenance | None
    model: str
    bundle_sha256: str
    ms: float
    error: ErrorInfo | None


class Detected(VerdictFields):
    """The verdict on one uploaded image."""

    filename: str = Field(description="File name of the upload.")
    id: UUID | None = Field(description="Identifier in the history; null if nothing was stored.")
    evidence: list[Evidence] | None = Field(
        None,
        description="With `evidence=true` only. Regions without a map have none, nor has an image whose verdict is "
        "`NO_FACE`.",
    )


class Detection(BaseModel):
    """Verdicts in the order of the uploads."""

    results: list[Detected]


class ForensicFigure(BaseModel):
    """One measurement of a forensic view, with its range in real photographs of the same compression and size."""

    model_config = ConfigDict(extra="allow")

    name: str
    title: str
    value: float | None
    unit: str
    low: float | None = Field(description="Lower end of the range; null without comparable photographs.")
    high: float | None = Field(description="Upper end of the range; null without comparable photographs.")
    n: int = Field(description="Number of photographs that the range is from.")
    outside: bool | None
    reference: str | None = Field(
        description="The photographs that the range is from, e.g. `JPEG quality 88–93, short edge 360–640 pixels`."
    )
    comparison: Literal["inside", "outside", "no comparable reference", "not measured", "not compared"]


class ForensicView(BaseModel):
    """One forensic view of the image; never part of the score."""

    model_config = ConfigDict(extra="allow")

    name: str
    title: str
    look_for: str
    cannot_show: str
    figures: list[ForensicFigure]
    facts: dict[str, Any]
    picture: str | None = Field(description="JPEG data URI; null if the view has no image.")


class Sentence(BaseModel):
    """One finding in plain words."""

    model_config = ConfigDict(extra="allow")

    text: str


class Explained(BaseModel):
    """The explanation of a verdict, with what the image and its file show."""

    model_config = ConfigDict(extra="allow")

    verdict: VerdictFields
    text: str = Field(description="All sentences as one text.")
    reasons: list[Sentence] = Field(
        description="At most three of the sentences for a first look, the basis of the verdict first."
    )
    sentences: list[Sentence]
    facts: dict[str, Any] = Field(description="All measurements by name.")
    size: tuple[int, int] = Field(description="Width and height of the image.")
    evidence: dict[str, Any] = Field(
        description="The evidence map of each region, its places and its check. `reliable`: true if the map passed its "
        "check, false if it failed, null if it was not checked or no face was found."
    )
    forensics: list[ForensicView] | None
    metadata: dict[str, Any] | None
    credentials: Credentials | None
    picture: str = Field(description="JPEG data URI of the upright image, at most 1,024 pixels per side.")
    overlay: str = Field(
        description="JPEG data URI of the same image with faces and evidence, in faint grey unless `reliable`."
    )


class Health(BaseModel):
    """State of the service and its detector."""

    status: Literal["ok"]
    model: str
    bundle_sha256: str
    version: str
    store: Literal["none", "memory", "sqlite", "postgresql"]
    waiting: int = Field(description="Images waiting or in progress.")
    queue: int = Field(description="Most images that may wait or be in progress.")


class Ready(BaseModel):
    """Whether the service accepts images."""

    status: Literal["ready"]


class ClipLimits(BaseModel):
    """Which clips the service accepts."""

    max_bytes: int
    max_seconds: float = Field(description="Longest clip in seconds.")
    frames: int = Field(description="Frames judged unless a request asks for another number.")
    max_frames: int
    queue: int = Field(description="Most clips being sent, waiting or in progress.")


class ServiceLimits(BaseModel):
    """What the service accepts and stores."""

    max_body_bytes: int
    max_images: int
    max_pixels: int
    deadline_s: float
    keeps_history: bool
    keeps_images: bool
    keep_days: float = Field(description="Days that records are kept; 0 means forever.")
    token_required: bool
    clips: ClipLimits | None = Field(None, description="Null if the service accepts no clips.")


class SecondModel(BaseModel):
    """The detector that judges again what the first one is not sure of."""

    model: str
    bundle_sha256: str
    threshold: float = Field(description="Threshold in use: an image is FAKE when its probability reaches it.")


class Model(BaseModel):
    """The detector of the service."""

    model: str
    bundle_sha256: str
    threshold: float = Field(description="Threshold in use: an image is FAKE when its probability reaches it.")
    threshold_name: str | None = Field(description="Name of the threshold in use, if the bundle names it.")
    false_positive_budget: float | None = Field(description="False-positive rate that the threshold allows.")
    thresholds: list[Threshold] = Field(description="All thresholds of the bundle, by rising budget.")
    uncertain: UncertainBand
    bundle: dict[str, Any] = Field(description="Content of `bundle.json`: calibration, training card and more.")
    second: SecondModel | None = Field(
        None,
        description="Judges images whose first verdict is UNCERTAIN, or that are unlike the training images of the "
        "first detector; null if the service is not `--thorough`. `model` of a verdict says which detector gave it.",
    )
    limits: ServiceLimits


class Feedback(BaseModel):
    """Whether a verdict was right, from somebody who knows the image.

    For `FAKE` and `REAL` it says what the image is, and `GET /v1/export` gives that as its label. `UNCERTAIN` and
    `NO_FACE` name no class, so right or wrong makes no label.
    """

    model_config = ConfigDict(extra="forbid")

    verdict: Judgement
    note: Words = ""


class FeedbackRecord(Feedback):
    """Feedback with its time."""

    time: datetime


class _HistoryFields(BaseModel):
    id: UUID
    time: datetime
    sha256: str = Field(description="SHA-256 of the uploaded bytes.")
    filename: str
    result: Label
    fake_probability: float
    uncertain: bool
    marks: list[Mark] = Field(description="What the file says of its own making.")
    model: str
    feedback: FeedbackRecord | None
    image: str | None = Field(description="Address of the stored image; null if it was not stored.")
    thumbnail: str | None = Field(
        description="JPEG data URI, at most 160 pixels per side and 12 kB, if the service stores images; null if not, "
        "and in records from before it made thumbnails."
    )


class HistoryItem(_HistoryFields):
    """One past verdict."""

    verdict: Word


class HistoryRecord(_HistoryFields):
    """One past verdict with all its fields."""

    verdict: VerdictFields = Field(
        description="The verdict as it was returned. One that an older version stored has the fields of today."
    )
    evidence: list[Evidence] | None = Field(
        description="Evidence overlays as `POST /v1/detect?evidence=true` returns them, drawn from the stored map; "
        "null if there was none, and in records from before it was stored."
    )


class HistoryPage(BaseModel):
    """One page of the history, newest first."""

    items: list[HistoryItem]
    next: str | None = Field(description="`cursor` for the next page; null on the last page.")
