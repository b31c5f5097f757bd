"""Exporting the page as a static site."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from unmask.bundle.bundle import Bundle
from unmask.bundle.schema import Abstention
from unmask.errors import UnmaskError, UsageError
from unmask.serve import local_site
from unmask.serve.local_site import export_site

INDEX = (
    '<!doctype html><head><meta http-equiv="Content-Security-Policy" '
    'content="default-src &#39;none&#39;; connect-src &#39;self&#39;"></head>'
)


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page as Node would have built it."""
    folder = tmp_path / "built"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(INDEX)
    (folder / "index.html.gz").write_bytes(b"packed")
    (folder / "assets" / "worker-1.js").write_text("1")
    monkeypatch.setattr(local_site, "BUILT", folder)
    return folder


def test_the_site_holds_page_detector_and_service_worker(built: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = Bundle.open(tiny_bundle)
    site = export_site(tmp_path / "site", bundle)
    written = {path.relative_to(site.folder).as_posix() for path in site.folder.rglob("*") if path.is_file()}
    detector = {f"detector/{name}" for name in ("facts.json", "model.onnx", "face_finder.onnx")}
    assert written == {"index.html", "assets/worker-1.js", "service-worker.js", *detector} == set(site.files)
    assert (site.folder / "detector/model.onnx").read_bytes() == (tiny_bundle / "model.onnx").read_bytes()
    facts = json.loads((site.folder / "detector/facts.json").read_text())
    assert facts["threshold"] == bundle.info.threshold.fake_probability
    assert facts["bundle"]["calibration"] == bundle.info.calibration.model_dump(mode="json")
    assert facts["limits"]["keeps_history"] is False
    worker = (site.folder / "service-worker.js").read_text()
    for name in written - {"service-worker.js"}:
        assert f'"{name}"' in worker
    # The policy of the page, as a header: it must reach the page's workers.
    assert "\"default-src 'none'; connect-src 'self'\"" in worker


def test_another_detector_makes_another_version(built: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = Bundle.open(tiny_bundle)
    other = replace(bundle, files={**bundle.files, "model.onnx": b"other"})
    names = []
    for place, each in enumerate((bundle, bundle, other)):
        export_site(tmp_path / str(place), each)
        worker = (tmp_path / str(place) / "service-worker.js").read_text()
        names.append(next(line for line in worker.splitlines() if line.startswith("const CACHE")))
    assert names[0] == names[1] != names[2]


def test_what_cannot_be_exported_is_refused(built: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = Bundle.open(tiny_bundle)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        export_site(tmp_path / "full", bundle)
    info = bundle.info.model_copy(update={"abstention": Abstention(reencoded=75)})
    with pytest.raises(UsageError) as refused:
        export_site(tmp_path / "site", replace(bundle, info=info))
    assert refused.value.code == "not_in_browser"
    (built / "index.html").unlink()
    with pytest.raises(UnmaskError) as missing:
        export_site(tmp_path / "site", bundle)
    assert (missing.value.code, missing.value.exit_code) == ("no_page", 3)
    assert not (tmp_path / "site").exists()


def test_exporting_needs_no_service() -> None:
    code = (
        "import sys, unmask.serve.local_site; print([m for m in ('fastapi', 'starlette', 'torch') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
