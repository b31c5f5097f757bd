"""The parts of a recipe: what each setting means, its range and its default."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from unmask.recipes.references import PAPERS, Reference


def _known_source(source: str) -> str:
    if source not in ("pip", "hub", "none") and not (source.startswith("file:") and len(source) > len("file:")):
        raise ValueError(f"weights come from 'pip', 'hub', 'none' or 'file:PATH', not {source!r}")
    return source


WeightSource = Annotated[str, AfterValidator(_known_source)]
Scalar = bool | int | float | str | None
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
    """Settings that cannot be changed once read, and that know their own names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Backbone(Part):
    """The network that turns pixels into a feature map.

    Attributes:
        name: a name of unmask's registry (``mobilenet_v1``, ``resnet50v2``, ...) or any timm model name.
        weights: where pretrained weights may come from, tried in order. ``pip``: a package of weights; ``hub``: timm's
            own download; ``file:PATH``: a local ``.safetensors`` or ``.pth`` file; ``none``: random weights, which the
            run says loudly.
        input: ``pixels``, or the image's log spectrum: ``fft`` (magnitude, centred) or ``dct`` (8 x 8 blocks).
        attention: what re-weights the feature map before it is pooled: ``se`` (squeeze-and-excitation, Hu et al.,
            CVPR 2018) or ``cbam`` (Woo et al., ECCV 2018).
    """

    name: str = "tf_efficientnet_lite0"
    weights: tuple[WeightSource, ...] = ("pip", "hub")
    input: Literal["pixels", "fft", "dct"] = "pixels"
    attention: Literal["none", "se", "cbam"] = "none"


class Fusion(Part):
    """Further backbones whose pooled features are joined with those of the first.

    Attributes:
        branches: the further backbones; all look at the same pixels.
        kind: ``concat``: side by side. ``gated``: projected to one width and summed under weights that a learnt gate
            gives each branch for each image.
        width: features of each branch in a gated sum.
    """

    branches: tuple[Backbone, ...] = Field(min_length=1)
    kind: Literal["concat", "gated"] = "concat"
    width: int = Field(256, ge=8)


class Head(Part):
    """What turns the pooled features into a logit.

    Attributes:
        kind: ``linear``: one linear unit. ``dense``: dense layers with ReLU in between.
        units: width of each hidden layer of a dense head.
        batch_norm: batch normalisation after each hidden layer's linear part.
        dropout: share of features dropped in training before each linear layer.
        output: ``sigmoid``: one logit. ``softmax``: one for each class; the logit of fake is their difference.
        mirror: whether the answer is the mean over an image and its mirror image: steadier, at twice the cost.
            Training does not depend on it.
    """

    kind: Literal["linear", "dense"] = "linear"
    units: tuple[Annotated[int, Field(ge=1)], ...] = (128,)
    batch_norm: bool = False
    dropout: float = Field(0.2, ge=0, lt=1)
    output: Literal["sigmoid", "softmax"] = "sigmoid"
    mirror: bool = False


class Features(Part):
    """Pooled features of a frozen backbone, computed once and kept.

    Attributes:
        copies: augmented views of each training image that are kept beside the plain one. A head trained on the
            cache sees these and no others, where training epoch by epoch shows a new view each time.
    """

    copies: int = Field(0, ge=0, le=100)


class Classifier(Part):
    """A scikit-learn classifier on pooled features, in the place of the network's own head.

    Attributes:
        estimator: which.
        parameters: keyword arguments of the scikit-learn estimator that differ from unmask's own defaults.
        standardise: z-scores first, fitted on the training features.
        balance: ``weights``: classes weigh the same; ``smote``: synthetic minority samples (Chawla et al., JAIR 2002).
            Both touch training features only.
    """

    estimator: Estimator
    parameters: dict[str, Scalar] = {}
    standardise: bool = True
    balance: Literal["none", "weights", "smote"] = "none"


class DataPolicy(Part):
    """Which images an epoch shows, how often, and what they weigh.

    Attributes:
        balance: ``none``: every row once. ``class``: real and fake equally often. ``class-source``: that, and within a
            class each source in proportion to its number of rows to the power ``source_power``.
        source_power: 1 leaves sources as frequent as they are, 0 shows all equally often.
        class_weights: whether the loss of an image is weighted by the inverse frequency of its class.
        self_blended: share of the fakes of an epoch that are made on the fly from real rows by self-blending.
        reconstructed: share of those that are real rows handed through a small autoencoder on the fly.
        epoch_size: images an epoch shows; the number of training rows when absent.
    """

    balance: Literal["none", "class", "class-source"] = "class-source"
    source_power: float = Field(0.5, ge=0, le=1)
    class_weights: bool = False
    self_blended: float = Field(0.0, ge=0, le=1)
    reconstructed: float = Field(0.0, ge=0, le=1)
    epoch_size: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _shares_fit(self) -> DataPolicy:
        if self.self_blended + self.reconstructed > 1 + 1e-9:
            raise ValueError("self_blended and reconstructed are shares of the same fakes: together at most 1")
        return self


class Phase(Part):
    """A stretch of epochs with the same trained part. Decay and warm-up begin anew with each phase.

    Attributes:
        epochs: most epochs.
        learning_rate: peak rate.
        train: ``head``: the backbones are frozen, their batch normalisation too; ``all``; or how many of the last
            blocks of each backbone are trained with the head.
    """

    epochs: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    train: Literal["head", "all"] | Annotated[int, Field(ge=1)] = "all"


class Schedule(Part):
    """How the network is optimised.

    Attributes:
        epochs: most epochs, of a run with one phase.
        learning_rate: peak rate, of a run with one phase.
        phases: several phases in order, in place of ``epochs`` and ``learning_rate``.
        batch_size: images a step.
        optimizer: ``adamw``, ``adam`` or ``sgd`` (Nesterov momentum 0.9).
        weight_decay: on weights with two or more dimensions only.
        decay: of the rate within a phase. ``cosine``: to 0. ``step``: times ``decay_factor`` every ``decay_epochs``.
            ``plateau``: times ``decay_factor`` after ``decay_epochs`` epochs without a lower validation loss.
            ``constant``.
        decay_factor: see ``decay``.
        decay_epochs: see ``decay``.
        warmup_epochs: epochs of linear warm-up, may be a fraction.
        loss: ``cross_entropy``, or ``focal`` (Lin et al., ICCV 2017).
        focal_gamma: exponent of the focal loss.
        label_smoothing: how far targets stand from 0 and 1.
        mixup: alpha of mixup (Zhang et al., ICLR 2018); 0 is none.
        cutmix: alpha of CutMix (Yun et al., ICCV 2019); 0 is none. With both, each batch draws one.
        monitor: what decides which epoch is best, and when patience is lost.
        patience: epochs without a better one before the phase stops.
        precision: ``bf16-mixed`` takes a third less memory. It is faster on GPUs, and on CPUs that multiply matrices in
            bf16 (AMX); on others single precision is.
        gradient_clip: greatest norm of the gradient.
        average: decay per step of a moving average of the weights, which is what is validated and kept; 0 is none. It
            reaches over the last ``1 / (1 - average)`` steps, at the beginning over fewer (as the teacher of Tarvainen
            and Valpola, NeurIPS 2017).
    """

    epochs: int = Field(10, ge=1)
    learning_rate: float = Field(5e-4, gt=0)
    phases: tuple[Phase, ...] = ()
    batch_size: int = Field(32, ge=2)
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    weight_decay: float = Field(0.02, ge=0)
    decay: Literal["cosine", "step", "plateau", "constant"] = "cosine"
    decay_factor: float = Field(0.1, gt=0, lt=1)
    decay_epochs: int = Field(3, ge=1)
    warmup_epochs: float = Field(0.5, ge=0)
    loss: Literal["cross_entropy", "focal"] = "cross_entropy"
    focal_gamma: float = Field(2.0, ge=0)
    label_smoothing: float = Field(0.0, ge=0, lt=0.5)
    mixup: float = Field(0.0, ge=0)
    cutmix: float = Field(0.0, ge=0)
    monitor: Literal["val_auc", "val_loss"] = "val_auc"
    patience: int = Field(4, ge=1)
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    gradient_clip: float = Field(1.0, gt=0)
    average: float = Field(0.0, ge=0, lt=1)

    @property
    def all_phases(self) -> tuple[Phase, ...]:
        """The phases in order; one that trains everything where none is listed."""
        return self.phases or (Phase(epochs=self.epochs, learning_rate=self.learning_rate, train="all"),)


class Ensemble(Part):
    """Several recipes whose answers are combined. The members need one preprocessing.

    Attributes:
        members: names of shipped recipes, or YAML files.
        combine: of the members' logits. ``mean``; ``weighted``: by weights that add up to 1, fitted on validation
            images; ``stacked``: logistic regression on out-of-fold scores of the training images.
        folds: of the out-of-fold scores.
    """

    members: tuple[str, ...] = Field(min_length=2)
    combine: Literal["mean", "weighted", "stacked"] = "mean"
    folds: int = Field(3, ge=2, le=10)


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
    system: str
    reported: dict[str, float] = {}
    departs: tuple[str, ...] = ()

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
                raise ValueError(f"reported.{name} is a fraction from 0 to 1, not {value}")
        return content
