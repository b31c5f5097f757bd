"""A recipe as a scikit-learn estimator."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_is_fitted

from unmask.data.manifest import Manifest
from unmask.data.rows import ManifestRow
from unmask.detect.detector import Detector
from unmask.errors import UsageError
from unmask.recipes import Recipe
from unmask.training.fit import fit


class FaceClassifier(ClassifierMixin, BaseEstimator):
    """Trains a recipe on images: a scikit-learn classifier for ``cross_val_score``, ``GridSearchCV`` and others.

    A stratified part of the images is held out for calibration and for choosing the best epoch. The split does not
    know groups: if images belong together, use a group splitter outside, or a manifest and ``unmask train``. A fitted
    classifier can be copied and pickled, also by joblib; the pickle holds the bytes of its bundle.

    Args:
        recipe: name of a shipped recipe, or a YAML file.
        overrides: settings as ``part.key=value``, e.g. ``("ensemble.combine=weighted", "seed=2")``.
        validation_share: proportion of the images held out, in (0, 1).
        workers: processes that load images; 0 loads them in this process.

    Attributes:
        classes_: the two labels, sorted. The positive class is ``"fake"``, or else the second label.
        detector_: the trained :class:`unmask.Detector`.

    Example:
        >>> from sklearn.model_selection import cross_val_score
        >>> from unmask import FaceClassifier
        >>> cross_val_score(FaceClassifier("s0-mobilenetv2-rf"), paths, labels, scoring="roc_auc")
    """

    def __init__(
        self,
        recipe: str = "unmask-default",
        overrides: Sequence[str] = (),
        validation_share: float = 0.2,
        workers: int = 0,
    ) -> None:
        self.recipe = recipe
        self.overrides = overrides
        self.validation_share = validation_share
        self.workers = workers

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803 - scikit-learn's name
        """Train.

        Args:
            X: paths, or images uint8 [n, h, w, 3].
            y: [n], two classes: ``real`` and ``fake``, or any two labels, the larger of which means fake.

        Raises:
            UsageError: ``bad_pictures``, ``missing_class``, or what :func:`unmask.training.fit.fit` raises.
        """
        labels = np.asarray(y)
        self.classes_ = np.unique(labels)
        if len(self.classes_) != 2:
            raise UsageError("missing_class", f"y must hold two classes, not {len(self.classes_)}.")
        is_fake = labels == self.classes_[self._fake_column]
        recipe = Recipe.load(self.recipe, list(self.overrides))
        places = np.arange(len(labels))
        _, kept = train_test_split(places, test_size=self.validation_share, stratify=is_fake, random_state=recipe.seed)
        set_aside = set(kept.tolist())
        with tempfile.TemporaryDirectory(prefix="unmask-") as folder:
            paths = _as_files(X, Path(folder) / "images")
            if len(paths) != len(labels):
                raise UsageError("bad_pictures", f"X holds {len(paths)} images and y {len(labels)} labels.")
            rows = [
                ManifestRow(
                    path=str(path), label="fake" if fake else "real", split="val" if place in set_aside else "train"
                )
                for place, (path, fake) in enumerate(zip(paths, is_fake, strict=True))
            ]
            # The caller's paths may lie anywhere, so the root is that of the file system.
            manifest = Manifest.from_rows(rows, Path(folder).anchor)
            bundle = fit(recipe, manifest, Path(folder) / "run", workers=self.workers)
        self.detector_ = Detector(bundle)
        return self

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:  # noqa: N803
        """Calibrated probabilities float64 [n, 2], one column per class in ``classes_``.

        Raises:
            ImageError: an image cannot be read.
        """
        check_is_fitted(self, "detector_")
        fake = np.array([self.detector_.detect(image).fake_probability for image in _as_sources(X)], np.float64)
        columns = (fake, 1 - fake) if self._fake_column == 0 else (1 - fake, fake)
        return np.stack(columns, 1)

    def predict(self, X: Any) -> npt.NDArray[Any]:  # noqa: N803
        """The more probable class of each image [n]."""
        likeliest = self.predict_proba(X).argmax(1)  # first, since it raises if the classifier is not fitted
        return np.asarray(self.classes_[likeliest])

    @property
    def _fake_column(self) -> int:
        return 0 if self.classes_.tolist() == ["fake", "real"] else 1


def _as_sources(images: Any) -> list[Any]:
    """Paths, or arrays uint8 [h, w, 3]."""
    array = np.asarray(images)
    if array.ndim == 1 and array.dtype.kind in "OU":
        return [Path(path) for path in array.tolist()]
    if array.ndim == 4 and array.shape[3] == 3 and array.dtype == np.uint8:
        return list(array)
    raise UsageError("bad_pictures", f"X must be paths or uint8 [n, h, w, 3], not {array.dtype} {list(array.shape)}.")


def _as_files(images: Any, folder: Path) -> list[Path]:
    paths = []
    for number, source in enumerate(_as_sources(images)):
        if isinstance(source, np.ndarray):
            folder.mkdir(exist_ok=True)
            path = folder / f"{number:06}.png"
            Image.fromarray(source).save(path, compress_level=1)
            paths.append(path)
        else:
            paths.append(source.absolute())
    return paths
