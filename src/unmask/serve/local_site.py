"""The page as a static site that judges images in the browser, without a service.

The site is the page of ``web/``, built for this, with a bundle, the face finder and a service worker that keeps all of
it in the browser. Any host of static files can serve it.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from unmask.bundle.bundle import Bundle
from unmask.errors import UnmaskError, UsageError
from unmask.files import OutputFolder
from unmask.serve.schemas import Model, ServiceLimits

BUILT: Final = Path(__file__).parent / "static-local"
"""The built page; see ``web/vite.config.ts``."""

_POLICY: Final = re.compile(r'http-equiv="Content-Security-Policy" content="(?P<policy>[^"]*)"')
# The browser's own limits on a canvas; the same numbers as in web/src/local/file.ts.
_MAX_BYTES: Final = 256 * 2**20
_MAX_PIXELS: Final = 64_000_000


class NoPageError(UnmaskError):
    """This installation was made without the page for the browser."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class LocalSite:
    """What was written.

    Attributes:
        folder: the site.
        files: names of its files and their sizes in bytes.
        model: name and version of the detector.
        bundle_sha256: hash of the detector.
    """

    folder: Path
    files: dict[str, int]
    model: str
    bundle_sha256: str


def export_site(folder: Path, bundle: Bundle) -> LocalSite:
    """Write the site.

    Args:
        folder: made if it is not there; must be empty.
        bundle: the detector. Its graph is copied as it is.

    Raises:
        UsageError: ``folder_not_empty``, ``cannot_write``; ``not_in_browser``: the detector abstains by a rule that
            takes Pillow's JPEG encoder.
        NoPageError: ``no_page``: this installation was made without the page.
    """
    if not (BUILT / "index.html").is_file():
        raise NoPageError(
            "no_page", "The page was not built for the browser, which takes Node: npm --prefix web run build"
        )
    rule = bundle.info.abstention
    if rule is not None and (rule.reencoded is not None or rule.resized is not None):
        raise UsageError(
            "not_in_browser",
            f"{bundle.name} judges changed copies of an image to abstain, which the page in the browser cannot do.",
        )
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError("folder_not_empty", f"{folder} is not empty; use another folder.")
    content = {
        path.relative_to(BUILT).as_posix(): path.read_bytes()
        for path in sorted(BUILT.rglob("*"))
        # Hosts compress by themselves.
        if path.is_file() and path.suffix not in (".gz", ".br")
    }
    content["detector/facts.json"] = _facts(bundle).encode()
    content["detector/model.onnx"] = bundle.files["model.onnx"]
    content["detector/face_finder.onnx"] = (files("unmask.assets") / "face_finder.onnx").read_bytes()
    content["service-worker.js"] = _service_worker(content).encode()
    out = OutputFolder(folder)
    for name, data in content.items():
        out.write(name, data)
    return LocalSite(folder, {name: len(data) for name, data in content.items()}, bundle.name, bundle.sha256)


def _facts(bundle: Bundle) -> str:
    """The detector as ``GET /v1/model`` of the service describes it."""
    info = bundle.info
    return Model(
        model=bundle.name,
        bundle_sha256=bundle.sha256,
        threshold=info.threshold.fake_probability,
        threshold_name=info.threshold.name,
        false_positive_budget=info.threshold.false_positive_budget,
        thresholds=list(info.thresholds),
        uncertain=info.uncertain,
        bundle={"questions": [], "abstention": None, **info.model_dump(mode="json")},
        limits=ServiceLimits(
            max_body_bytes=_MAX_BYTES,
            max_images=1,
            max_pixels=_MAX_PIXELS,
            deadline_s=0,
            keeps_history=False,
            keeps_images=False,
            keep_days=0,
            token_required=False,
        ),
    ).model_dump_json()


def _service_worker(content: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, data in content.items():
        digest.update(f"{name} {len(data)} ".encode() + hashlib.sha256(data).digest())
    found = _POLICY.search(content["index.html"].decode())
    policy = found["policy"].replace("&#39;", "'") if found else "default-src 'self'"
    names = ["./", *content]
    return (
        (files("unmask.serve") / "service_worker.js")
        .read_text(encoding="utf-8")
        .replace("VERSION", digest.hexdigest()[:16], 1)
        .replace("FILE_NAMES", json.dumps(names), 1)
        .replace('"POLICY"', json.dumps(policy), 1)
    )
