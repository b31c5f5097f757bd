"""``unmask scan``: the command, its folder, and what reads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.cli.detecting import Ran
from tests.scan.scanning import outcome

from unmask.detect.words import WORDS
from unmask.errors import ManifestError, UsageError
from unmask.scan.finish import render_page
from unmask.scan.merge import merge
from unmask.scan.start import start
from unmask.scan.status import status_of
from unmask.scan.summary import _Distinct, read_summary

parquet = pytest.importorskip("pyarrow.parquet")
Unmask = Callable[..., Ran]


def test_a_scan_says_what_detect_says_and_ends_whole(
    unmask: Unmask, photos: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "scan"
    ran = unmask("scan", photos, "--out", out, "--model", tiny_bundle, "--shard-size", "5", "--workers", "1", "--json")
    assert ran.code == 1  # one image cannot be read
    assert sorted(path.name for path in out.iterdir()) == ["scan.html", "scan.json", "summary.json", "verdicts"]
    rows, summary = outcome(out)
    told = {line["path"]: line for line in unmask("detect", photos, "--model", tiny_bundle, "--json").lines}
    assert {row["path"] for row in rows} == set(told) and len(rows) == len(told) == 12
    for row in rows:
        line = told[row["path"]]
        assert row["verdict"] == line["verdict"]
        assert row["fake_probability"] == pytest.approx(line["fake_probability"], abs=5e-7)
        assert row["error"] == (line["error"] and line["error"]["code"])
        assert line["sha256"] in (None, row["sha256"])
    printed = json.loads(ran.out)
    assert {name: value for name, value in printed.items() if name != "timing"} == summary
    assert read_summary(out) == printed
    assert summary["images"] == 12 and summary["errors"] == {"truncated": 1} and summary["with_marks"] == 1
    assert summary["verdicts"] == {word: sum(line["verdict"] == word for line in told.values()) for word in WORDS}
    # only one has a face, so it comes first; without one, those with marks do
    assert [Path(row["path"]).name for row in summary["most_suspicious"]][:2] == ["face.png", "marked.png"]
    assert printed["timing"]["runs"][0]["images"] == 12 and printed["timing"]["images_per_second"] > 0
    # --- again
    assert "already holds a scan" in unmask("scan", photos, "--out", out).err
    again = unmask("scan", "--out", out, "--resume", "--json")
    assert (again.code, json.loads(again.out)) == (1, printed)
    assert unmask("scan", "status", out).out == (
        "finished: 12 of 12 images, 3 of 3 shards, " + unmask("scan", "status", out).out.partition("shards, ")[2]
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--out", "scan"], "Give a source"),
        (["photos", "--out", "scan", "--engine", "spark"], "local, ray"),
        (["photos", "--out", "scan", "--part", "3"], "2/4"),
        (["photos", "--out", "scan", "--part", "5/4"], "1/4 to 4/4"),
        (["photos", "--out", "photos"], "not empty"),
        (["empty", "--out", "scan"], "No images"),
        (["photos", "--out", "scan", "--threshold", "2"], "threshold"),
        (["https://example.com/", "--out", "scan"], "data fetch"),
    ],
    ids=["no source", "engine", "part", "part beyond", "output in the source", "nothing", "threshold", "the web"],
)
def test_wrong_calls_leave_nothing_behind(
    unmask: Unmask, photos: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], text: str
) -> None:
    monkeypatch.chdir(photos.parent)
    Path("empty").mkdir()
    ran = unmask("scan", *arguments)
    assert ran.code == 2 and text in ran.err
    assert not (photos.parent / "scan" / "scan.json").exists() and not (photos / "verdicts").exists()
    assert len(list(photos.iterdir())) == 12


def test_resuming_another_scan_is_refused(photos: Path, tiny_bundle: Path, whole_image_bundle: Path) -> None:
    out = photos.parent / "scan"
    start(out, [str(photos)], model=tiny_bundle)
    assert len(start(out, [], resume=True).missing()) == 1
    calls: list[tuple[list[str], dict[str, Any]]] = [
        (["elsewhere"], {}),
        ([], {"model": whole_image_bundle}),
        ([], {"threshold": "0.3"}),
        ([], {"part": (1, 2)}),
    ]
    for sources, options in calls:
        with pytest.raises(UsageError) as caught:
            start(out, sources, resume=True, **options)
        assert caught.value.code == "other_scan"
    assert start(out, [str(photos)], resume=True, model=tiny_bundle, threshold="fpr_5").plan.images == 12
    assert status_of(out)["state"] == "stopped"


def test_a_page_escapes_what_files_say(scanned: Path) -> None:
    summary = read_summary(scanned)
    assert summary is not None
    summary["sources"] = ["<script>alert(1)</script>\x1b[2J"]
    summary["most_suspicious"][0]["path"] = "<img src=x onerror=alert(1)>"
    page = render_page(summary, {"<img src=x onerror=alert(1)>": "data:image/png;base64,AAAA"})
    assert "<script" not in page and "<img src=x" not in page and "\x1b" not in page
    assert "&lt;img src=x" in page and 'src="data:image/png;base64,AAAA"' in page
    assert (scanned / "scan.html").read_text().startswith("<!doctype html>")


def test_thumbnails_of_the_most_suspicious(unmask: Unmask, photos: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "scan"
    unmask("scan", photos, "--out", out, "--model", tiny_bundle, "--workers", "1", "--thumbnails")
    assert (out / "scan.html").read_text().count('<img src="data:image/jpeg;base64,') == 11


def test_distinct_hashes_are_counted_in_flat_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unmask.scan.summary._HELD", 64)
    random = np.random.default_rng(0)
    hashes = [f"{value:016x}{0:048x}" for value in random.integers(0, 2**63, 300, dtype=np.int64)]
    with _Distinct() as distinct:
        for sha256 in [*hashes, *hashes[:50]]:
            distinct.add(sha256)
        assert len(distinct._held) < 64
        assert distinct.count() == 300


@pytest.mark.nightly
@pytest.mark.shared
def test_the_shipped_detector_says_the_same(unmask: Unmask, shared_faces: Path, tmp_path: Path) -> None:
    folder = min(path for path in shared_faces.iterdir() if path.is_dir())
    out = tmp_path / "scan"
    unmask("scan", folder, "--out", out)
    told = {line["path"]: line for line in unmask("detect", folder, "--recursive", "--json").lines}
    rows = outcome(out)[0]
    assert len(rows) == len(told) > 50
    for row in rows:
        line = told[row["path"]]
        assert (row["verdict"], row["sha256"], row["notes"]) == (line["verdict"], line["sha256"], line["notes"])
        assert round(row["fake_probability"], 6) == line["fake_probability"]
        assert [face["box"] for face in row["faces"]] == [face["box"] for face in line["faces"]]


# --- parts and tables --------------------------------------------------------------------------------------


def test_parts_make_the_whole(
    unmask: Unmask, labelled: Path, scanned: Path, whole_image_bundle: Path, tmp_path: Path
) -> None:
    parts = [tmp_path / f"part{part}" for part in (1, 2)]
    for part, out in enumerate(parts, 1):
        ran = unmask(
            "scan", labelled, "--out", out, "--model", whole_image_bundle, "--shard-size", "10", "--workers", "1",
            "--part", f"{part}/2",
        )  # fmt: skip
        assert ran.code == part - 1 or ran.code == 1
    with pytest.raises(UsageError, match="parts of 2 are missing: 2"):
        merge(parts[:1], tmp_path / "whole")
    with pytest.raises(UsageError, match="twice"):
        merge([parts[0], parts[0]], tmp_path / "whole")
    with pytest.raises(UsageError) as caught:
        merge([parts[0], scanned], tmp_path / "whole")
    assert caught.value.code == "different_scans"
    ran = unmask("scan", "merge", *parts[::-1], "--out", tmp_path / "whole")
    assert (ran.code, ran.out) == (0, f"40 images in {tmp_path / 'whole'}\n")
    assert outcome(tmp_path / "whole") == outcome(scanned)
    assert status_of(tmp_path / "whole")["state"] == "finished"
    with pytest.raises(UsageError, match="already holds a scan"):
        merge(parts, tmp_path / "whole")
    # --- as one table
    assert merge(parts, tmp_path / "rows.parquet") == 40
    assert [row | {"ms": 0.0} for row in parquet.read_table(tmp_path / "rows.parquet").to_pylist()] == outcome(scanned)[
        0
    ]
    assert merge([scanned], tmp_path / "rows.csv") == 40
    assert (tmp_path / "rows.csv").read_text().startswith("path,label,source,group,age,sha256,verdict,")


def test_an_unfinished_scan_is_no_table(labelled: Path, whole_image_bundle: Path, tmp_path: Path) -> None:
    from unmask.data.manifest import Manifest

    start(tmp_path / "scan", [str(labelled)], model=whole_image_bundle)
    with pytest.raises(UsageError, match="shards are missing"):
        merge([tmp_path / "scan"], tmp_path / "rows.csv")
    with pytest.raises(ManifestError, match="not finished"):
        list(Manifest.open(tmp_path / "scan"))


# --- what reads a scan -------------------------------------------------------------------------------------


def test_evaluate_reads_a_scan(
    unmask: Unmask, labelled: Path, scanned: Path, whole_image_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unmask.detect.detector import Detector

    options = ["--json", "--by", "age", "--draws", "100"]
    judged = json.loads(unmask("evaluate", whole_image_bundle, "--manifest", labelled, *options).out)
    monkeypatch.setattr(Detector, "detect_or_error", lambda *_: pytest.fail("an image was judged again"))
    from_scan = unmask("evaluate", whole_image_bundle, "--manifest", scanned, *options)
    assert from_scan.code == 1  # one image could not be read
    table = unmask("evaluate", "--scores", scanned, *options)
    for found in (json.loads(from_scan.out), json.loads(table.out)):
        for part in ("overall", "by_group", "by", "by_face", "curves", "failures"):
            assert found[part] == judged[part], part


def test_calibrate_reads_a_scan(
    unmask: Unmask, labelled: Path, scanned: Path, whole_image_bundle: Path, tmp_path: Path
) -> None:
    pytest.importorskip("sklearn")
    results = []
    for source in (labelled, scanned):
        out = tmp_path / f"from-{source.name}"
        ran = unmask(
            "calibrate", whole_image_bundle, "--manifest", source, "--out", out, "--method", "platt", "--draws", "100",
            "--json",
        )  # fmt: skip
        assert ran.code == 1, ran.err
        results.append(json.loads((out / "bundle.json").read_text()))
        assert not (out / "answers.jsonl").exists()
    one, other = (result["calibration"] for result in results)
    # The logits come back from probabilities: to about 1e-7 of them.
    assert one["slope"] == pytest.approx(other["slope"], rel=1e-5)
    assert one["bias"] == pytest.approx(other["bias"], rel=1e-5, abs=1e-5)


def test_data_audit_reads_a_scan(unmask: Unmask, scanned: Path) -> None:
    ran = unmask("data", "audit", scanned, "--no-probes", "--json")
    assert ran.code == 1  # one image cannot be read
    found = json.loads(ran.out)
    assert found["counts"]["images"] == 40 and found["copies"]["exact_sets"] == 1
    assert "unreadable" in {finding["code"] for finding in found["findings"]}


def test_a_scan_without_labels_is_no_manifest(photos: Path, unmask: Unmask, tiny_bundle: Path, tmp_path: Path) -> None:
    unmask("scan", photos, "--out", tmp_path / "scan", "--model", tiny_bundle, "--workers", "1")
    ran = unmask("evaluate", "--manifest", tmp_path / "scan")
    assert ran.code == 2 and "no column label" in ran.err
