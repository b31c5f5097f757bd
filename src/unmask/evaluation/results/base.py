"""What results have in common: values with their confidence intervals, counts, and how a result was made."""

from __future__ import annotations

import inspect
import json
import re
import shlex
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

Label = Literal["real", "fake"]
Number = int | float


_ATTRIBUTE = re.compile(r"^ {4}(\w+): ((?:.+\n?)(?: {8}.+\n?)*)", re.MULTILINE)


def _describe(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Give each property in a JSON schema the words of the docstrings; none of them is written twice."""
    words: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        _, _, attributes = inspect.cleandoc(kind.__doc__ or "").partition("\nAttributes:\n")
        words |= {name: " ".join(text.split()) for name, text in _ATTRIBUTE.findall(attributes)}
    schema["description"] = inspect.cleandoc(model.__doc__ or "").partition("\n\nAttributes:\n")[0]
    for name, field in model.model_fields.items():
        if name in words and (shown := schema.get("properties", {}).get(field.alias or name)) is not None:
            shown["description"] = words[name]


class Part(BaseModel):
    """A part of a result. Keys of a file that are not known here are ignored."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", protected_namespaces=(), allow_inf_nan=False, json_schema_extra=_describe
    )

    former_names: ClassVar[Mapping[str, str]] = {}
    """Keys of older files, with the field that each is read into."""

    @model_validator(mode="before")
    @classmethod
    def _rename(cls, content: Any) -> Any:
        if not isinstance(content, dict) or not cls.former_names:
            return content
        return {cls.former_names.get(name, name): value for name, value in content.items()}


class Result(Part):
    """The result of a command. Its file is its JSON."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as :meth:`to_json` writes them."""
        content: dict[str, Any] = json.loads(self.to_json())
        return content

    def to_json(self, indent: int | None = None) -> str:
        """JSON text; the same result gives the same text."""
        return json.dumps(self.model_dump(by_alias=True), indent=indent, allow_nan=False)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """The result that plain values describe.

        Raises:
            ValueError: they are not a result of this kind (pydantic's ``ValidationError``).
        """
        return cls.model_validate(content)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The result that a file's text holds.

        Raises:
            ValueError: it is no JSON, or not a result of this kind.
            RecursionError: it is nested too deeply.
        """
        return cls.model_validate(json.loads(text))

    @classmethod
    def kind_name(cls) -> str:
        """The value of ``kind`` in files."""
        (name,) = get_args(cls.model_fields["kind"].annotation)
        return str(name)


class Estimate(Part):
    """A value with its 95 % confidence interval.

    Attributes:
        value: the value; ``None`` where the images do not determine it.
        low: lower end of the interval; ``None`` where the resampled sets do not vary.
        high: upper end.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


class Metric(Estimate):
    """A metric.

    Attributes:
        method: how the interval was computed: ``wilson``, for a proportion, with the design effect of the groups; or
            ``bootstrap``, over whole groups. Older files do not always say.
        n: number of images; likewise.
    """

    method: Literal["wilson", "bootstrap"] | None = None
    n: int | None = None


class Counts(Part):
    """Numbers of images.

    Attributes:
        n: all.
        n_real: real ones.
        n_fake: fake ones.
        groups: number of groups; images of one group (a person, a video) are not independent.
    """

    n: int
    n_real: int
    n_fake: int
    groups: int


class ByLabel(Part):
    """Number of images of each label."""

    real: int = 0
    fake: int = 0


class Predicted(Part):
    """Numbers of images of one label by prediction."""

    called_real: int
    called_fake: int
    unreadable: int


class Confusion(Part):
    """The confusion matrix: predictions by label."""

    real: Predicted
    fake: Predicted


class Baseline(Part):
    """The metrics of always predicting the larger class.

    Attributes:
        answer: that class.
        accuracy: its proportion of the images.
        balanced_accuracy: 0.5; ``None`` where one class is missing.
        auc: likewise.
        mcc: Matthews' correlation, 0.
    """

    answer: Label
    accuracy: float
    balanced_accuracy: float | None
    auc: float | None
    mcc: float


class Run(Part):
    """How a result was made.

    Attributes:
        command: the arguments of the call; empty when made by the library.
        python: version of Python.
        packages: version of each package.
    """

    command: Annotated[tuple[str, ...], BeforeValidator(lambda given: _split(given))] = ()
    python: str = ""
    packages: dict[str, str] = {}


class Intervals(Part):
    """How intervals were drawn.

    Attributes:
        level: confidence level, 0.95.
        draws: number of bootstrap draws.
        seed: random seed of the draws.
        drawn: what was drawn as a whole.
        ece_bins: number of bins of the expected calibration error.
    """

    level: float = 0.95
    draws: int
    seed: int
    drawn: str = "groups"
    ece_bins: int | None = None


class DetectorFacts(Part):
    """What a result notes about a bundle.

    Attributes:
        bundle_sha256: hash of the bundle; ``None`` for scores of an unknown one.
        sources_in_training: number of training images by label and source.
        manifest_digest: of the manifest that was scored.
        calibrated_on: digest of the manifest that the bundle was recalibrated on.
    """

    bundle_sha256: str | None = None
    sources_in_training: dict[str, dict[str, int]] | None = None
    manifest_digest: str | None = None
    calibrated_on: str | None = None


class EvaluatedDetector(DetectorFacts):
    """The detector that a result is about.

    Attributes:
        model: its name and version.
        threshold: an image is called fake when its probability reaches this.
    """

    model: str
    threshold: float


class RecipeFacts(Part):
    """The recipe of an experiment: name, SHA-256, and its settings."""

    name: str
    digest: str
    settings: dict[str, Any] = {}


class ManifestFacts(Part):
    """The images of an experiment: the file's name and the manifest's SHA-256."""

    name: str
    manifest_digest: str


class WorstSource(Metric):
    """The source with the lowest rate of correct predictions for a label.

    Attributes:
        source: its name.
        seen: whether the detector was trained on it; ``None`` if unknown.
    """

    source: str
    seen: bool | None = None


class WorstSources(Part):
    """The worst source of each label; ``None`` where there are no images of the label."""

    fake: WorstSource | None
    real: WorstSource | None


def _split(command: object) -> object:
    """Arguments of a command that older files keep as one line."""
    return tuple(shlex.split(command)) if isinstance(command, str) else command
