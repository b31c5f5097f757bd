"""``unmask data audit`` as a command: outputs, exit codes, and nothing written elsewhere."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from unmask.cli.data import audit as data_audit
from unmask.data.audit.duplicates import DEFAULT_MAX_DISTANCE
from unmask.errors import ManifestError, MissingExtraError, UsageError

pytest.importorskip("sklearn")

MakeSet = Callable[..., Any]

app = typer.Typer(rich_markup_mode=None)
app.command("audit")(data_audit.audit)


@app.callback()
def _root() -> None:
    pass


def run(*arguments: object, ok: bool = True) -> Result:
    result = CliRunner().invoke(app, ["audit", *map(str, arguments)])
    if ok and isinstance(result.exception, Exception) and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def written(made: Any) -> Path:
    made.manifest.write(made.folder / "manifest.csv")
    return Path(made.folder / "manifest.csv")


def faulty(made: Any) -> Path:
    at = next(at for at in made.of("real") if made.rows[at].split == "train")
    made.add(made.images[at].resize((80, 80)), "real", "other", "test")
    return written(made)


def test_help_has_an_example() -> None:
    result = run("--help")
    assert result.exit_code == 0 and "unmask data audit faces.csv" in result.output


def test_the_default_distance_is_the_library_s() -> None:
    assert inspect.signature(data_audit.audit).parameters["max_distance"].default == DEFAULT_MAX_DISTANCE


def test_a_clean_set_passes_at_the_strictest(make_set: MakeSet) -> None:
    result = run(written(make_set(40)), "--fail-on", "info")
    assert result.exit_code == 0
    assert "No findings." in result.output
    assert "file-facts" in result.output


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ((), 0),  # findings alone do not fail
        (("--fail-on", "error"), 4),
        (("--fail-on", "info"), 4),
        (("--fail-on", "never"), 2),
        (("--max-distance", "0", "--fail-on", "info"), 0),  # near is then only equal
    ],
)
def test_exit_codes(make_set: MakeSet, options: tuple[str, ...], code: int) -> None:
    assert run(faulty(make_set(24)), "--no-probes", *options).exit_code == code


def test_information_does_not_fail_on_warning(make_set: MakeSet) -> None:
    made = make_set(24)
    made.add(made.images[0].resize((80, 80)), made.rows[0].label, made.rows[0].group, made.rows[0].split)
    manifest = written(made)
    assert run(manifest, "--no-probes", "--fail-on", "warning").exit_code == 0
    assert run(manifest, "--no-probes", "--fail-on", "info").exit_code == 4


def test_images_that_cannot_be_read_give_1_and_fail_on_goes_before(make_set: MakeSet) -> None:
    made = make_set(24)
    (made.folder / made.rows[0].path).write_bytes(b"?")
    manifest = written(made)
    assert run(manifest, "--no-probes").exit_code == 1
    assert run(manifest, "--no-probes", "--fail-on", "error").exit_code == 4


def test_json_is_one_object_on_standard_output(make_set: MakeSet) -> None:
    result = run(faulty(make_set(24)), "--json", "--seed", 3)
    report = json.loads(result.stdout)
    assert report["seed"] == 3 and report["counts"]["images"] == 25
    (finding,) = [item for item in report["findings"] if item["code"] == "near-duplicate-across-splits"]
    assert finding["severity"] == "error" and finding["advice"] and len(finding["items"][0]) == 2


def test_out_and_clusters_write_what_they_say_and_nothing_else(make_set: MakeSet, tmp_path: Path) -> None:
    manifest = faulty(make_set(24))
    before = {path: path.stat().st_mtime_ns for path in manifest.parent.rglob("*")}
    out, clusters = tmp_path / "new" / "report", tmp_path / "c.csv"
    assert run(manifest, "--no-probes", "--out", out, "--clusters", clusters, "--no-thumbnails").exit_code == 0
    assert sorted(path.name for path in out.iterdir()) == ["audit.html", "audit.json", "facts.jsonl"]
    assert "data:image" not in (out / "audit.html").read_text(encoding="utf-8")
    assert clusters.read_text(encoding="utf-8").splitlines()[0] == "path,cluster"
    assert {path: path.stat().st_mtime_ns for path in manifest.parent.rglob("*")} == before


def test_control_characters_and_markup_stay_text(make_set: MakeSet) -> None:
    made = make_set(24)
    for at in made.of("real"):
        made.change(at, source="[red]\x1b[2Jevil[/red]")
    output = run(written(made), "--no-probes").output
    assert "\x1b[2J" not in output and "[red]\\x1b[2Jevil[/red]" in output


def test_folders_of_classes_are_a_manifest_too(make_set: MakeSet, tmp_path: Path) -> None:
    made = make_set(24)
    for at, row in enumerate(made.rows):
        (tmp_path / "by" / row.label).mkdir(parents=True, exist_ok=True)
        (made.folder / row.path).rename(tmp_path / "by" / row.label / f"{at}.jpg")
    assert json.loads(run(tmp_path / "by", "--no-probes", "--json").stdout)["counts"]["images"] == 24


def test_wrong_calls_are_told_before_any_work(
    make_set: MakeSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = written(make_set(4))
    with pytest.raises(UsageError, match=r"\.csv or \.parquet"):
        run(manifest, "--clusters", tmp_path / "c.txt")
    with pytest.raises(ManifestError):
        run(tmp_path / "none.csv")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="--no-probes"):
        run(manifest)
    assert run(manifest, "--no-probes", "--out", tmp_path / "out").exit_code == 0
