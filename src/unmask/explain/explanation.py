"""The reasons for a verdict on an image, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from unmask.bundle.schema import BundleInfo
from unmask.detect.verdict import RegionVerdict, Verdict
from unmask.explain.faithfulness import Faithfulness
from unmask.explain.metadata import Metadata
from unmask.explain.places import Place
from unmask.explain.views import View
from unmask.explain.words import Sentence, reasons
from unmask.imaging.credentials import Credentials

if TYPE_CHECKING:
    from unmask.explain.gradients import GradientMaps


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Explanation:
    """The reasons for a verdict, and what else the image and its file show.

    Attributes:
        verdict: the verdict; its regions have maps by occlusion if the model computes none.
        method: how the maps of the regions were made.
        deciding: index of the region that decides about the image.
        places: where the evidence of that region lies; empty without a face, and unless the map is ``reliable``.
        faithfulness: whether its map can be relied on; ``None`` if it was not checked, or without a face.
        views: forensic views; ``None`` if they were left out.
        metadata: metadata of the file; ``None`` for images in memory.
        credentials: content credentials of the file; ``None`` for images in memory.
        gradients: gradients of a torch network; ``None`` without a run.
        facts: everything that was measured, by name.
        sentences: the facts in plain words.
        image: RGB, upright, at most 1,024 pixels per side.
        overlay: the image with faces and evidence drawn on it, in faint grey unless ``reliable``. Without evidence if
            the verdict is NO_FACE.
        closeup: RGB, the region that decides.
        closeup_overlay: that region with its evidence drawn on it in the same way.
        size: width and height of the original image in pixels.
        info: description of the bundle that gave the verdict.
        file_bytes: size of the file; ``None`` for images in memory.
    """

    verdict: Verdict
    method: str
    deciding: int
    places: tuple[Place, ...]
    faithfulness: Faithfulness | None
    views: tuple[View, ...] | None
    metadata: Metadata | None
    credentials: Credentials | None
    gradients: GradientMaps | None
    facts: dict[str, Any]
    sentences: tuple[Sentence, ...]
    image: Image.Image
    overlay: Image.Image
    closeup: Image.Image
    closeup_overlay: Image.Image
    size: tuple[int, int]
    info: BundleInfo
    file_bytes: int | None

    def __repr__(self) -> str:
        views = "no views" if self.views is None else f"{len(self.views)} views"
        return f"<Explanation {self.verdict.verdict}, {len(self.sentences)} sentences, {views}>"

    @property
    def reliable(self) -> bool | None:
        """Whether the evidence map passed its check; ``None`` if it was not checked, or there is none."""
        return None if self.faithfulness is None else self.faithfulness.reliable

    @property
    def _regions(self) -> tuple[RegionVerdict, ...]:
        """The regions with evidence; without a face there is none, since the detector was not made for the image."""
        return () if self.verdict.verdict == "NO_FACE" else self.verdict.regions

    @property
    def reasons(self) -> tuple[Sentence, ...]:
        """At most three of the sentences, for a first look; see :func:`unmask.explain.words.reasons`."""
        return reasons(self.sentences)

    @property
    def text(self) -> str:
        """The sentences as one paragraph."""
        return " ".join(sentence.text for sentence in self.sentences)

    def to_json(self) -> dict[str, Any]:
        """Everything but the images, as plain values; for one image and detector always the same except ``ms``."""
        return {
            "schema": 1,
            "verdict": self.verdict.to_json(),
            "text": self.text,
            "reasons": [sentence.to_json() for sentence in self.reasons],
            "sentences": [sentence.to_json() for sentence in self.sentences],
            "facts": self.facts,
            "size": list(self.size),
            "evidence": {
                "method": self.method,
                "unit": "calibrated logit, above 0 towards fake; the mean over cells is the logit of a linear detector",
                "reliable": self.reliable,
                "deciding_region": self.deciding if self._regions else None,
                "regions": [
                    {
                        "crop": [round(edge, 1) for edge in region.crop],
                        "fake_probability": round(region.fake_probability, 6),
                        "map": [[round(float(cell), 4) for cell in row] for row in region.evidence],
                    }
                    for region in self._regions
                ],
                "places": [place.to_json() for place in self.places],
                "faithfulness": self.faithfulness and self.faithfulness.to_json(),
            },
            "forensics": None if self.views is None else [view.to_json() for view in self.views],
            "metadata": self.metadata and self.metadata.to_json(),
            "credentials": self.credentials and self.credentials.to_json(),
            "gradients": self.gradients
            and [{"channel": each.channel, "share": round(each.share, 6)} for each in self.gradients.features],
        }

    def write(self, folder: Path, time: datetime | None = None) -> Path:
        """Write ``report.html``, ``explanation.json`` and the images as PNG files into a folder.

        Args:
            folder: created if missing; nothing is written outside it.
            time: of the report; see :func:`unmask.explain.citation.report_time`.

        Returns:
            The path of ``report.html``.

        Raises:
            UsageError: ``cannot_write``, ``bad_source_date_epoch``.
        """
        from unmask.explain.page import write_explanation

        return write_explanation(self, folder, time)

    def to_html(self, time: datetime | None = None) -> str:
        """The report as a self-contained page; see :func:`unmask.explain.page.render_html`."""
        from unmask.explain.page import render_html

        return render_html(self, time)
