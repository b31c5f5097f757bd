"""Run folders listed and compared, by folders whose numbers are known."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from unmask.bundle.bundle import Bundle
from unmask.cli import app
from unmask.errors import UsageError
from unmask.recipes import Recipe
from unmask.training.runs import differing, find_runs, read_run, write_page

HISTORY = """epoch,phase,train_loss,train_accuracy,val_loss,val_accuracy,val_f1,val_auc,seconds
0,1,0.7,0.5,0.69,0.5,0.5,0.610000,10.5
1,1,0.6,0.6,0.61,0.6,0.6,0.750000,20.0
2,1,0.5,0.7,0.60,0.6,0.6,0.750000,30.0
"""


def make_run(folder: Path, manifest: str = "m" * 64, history: str = HISTORY, **changes: object) -> Path:
    recipe = Recipe.model_validate({"name": "mine", "summary": str(folder), **changes})
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(recipe.to_yaml())
    (folder / "run.json").write_text(json.dumps({"recipe": recipe.digest(), "manifest": manifest, "start": ""}))
    if history:
        (folder / "history.csv").write_text(history)
    return folder


def test_a_run_is_read(tmp_path: Path, whole_image_bundle: Path) -> None:
    path = make_run(tmp_path / "a", seed=3)
    run = read_run(path)
    assert (run.recipe, run.epochs, run.seconds) == ("mine", 3, 60.5)
    # The earlier of two equal epochs, as the checkpoint of the best one is.
    assert (run.best_epoch, run.val_auc, run.val_loss) == (2, 0.75, 0.61)
    assert run.curve == ((1, 0.61), (2, 0.75), (3, 0.75))
    assert (run.bundle_sha256, run.validation_images) == ("", None)
    (path / "bundle").symlink_to(whole_image_bundle, target_is_directory=True)
    assert read_run(path).bundle_sha256 == Bundle.open(whole_image_bundle).sha256
    (tmp_path / "a" / "history.csv").unlink()
    begun = read_run(path)
    assert (begun.epochs, begun.best_epoch, begun.val_loss, begun.curve) == (0, None, None, ())


def test_runs_are_found_below_a_folder_and_members_are_not(tmp_path: Path) -> None:
    first, second = make_run(tmp_path / "runs" / "b" / "x"), make_run(tmp_path / "runs" / "a")
    make_run(first / "members" / "one")
    make_run(tmp_path / "runs" / "1" / "2" / "3" / "4")
    assert find_runs([tmp_path / "runs"]) == [second, first]
    assert find_runs([second, tmp_path / "runs"]) == [second, first]
    for nothing in (tmp_path / "none", first / "members" / "one" / "deeper"):
        with pytest.raises(UsageError) as raised:
            find_runs([nothing])
        assert raised.value.code == "no_run"


def test_only_settings_that_differ_are_shown(tmp_path: Path) -> None:
    runs = [
        read_run(make_run(tmp_path / "a", schedule={"epochs": 3})),
        read_run(make_run(tmp_path / "b", schedule={"epochs": 5}, classifier={"estimator": "naive_bayes"})),
    ]
    found = differing(runs)
    assert found["schedule.epochs"] == [3, 5]
    assert found["classifier.estimator"] == [None, "naive_bayes"]
    assert not {"name", "summary", "seed", "schedule.batch_size"} & found.keys()


def test_the_commands(tmp_path: Path) -> None:
    first, second = make_run(tmp_path / "a"), make_run(tmp_path / "b", manifest="n" * 64, seed=2)
    listed = CliRunner().invoke(app, ["runs", "list", str(tmp_path)])
    assert listed.exit_code == 0, listed.output
    assert [line.split()[0] for line in listed.stdout.splitlines()[1:]] == [str(first), str(second)]
    assert "0.7500" in listed.stdout and "1 min 00 s" in listed.stdout
    as_json = CliRunner().invoke(app, ["runs", "list", str(tmp_path), "--json"])
    assert [json.loads(line)["val_auc"] for line in as_json.stdout.splitlines()] == [0.75, 0.75]
    page = tmp_path / "page.html"
    compared = CliRunner().invoke(app, ["runs", "compare", str(first), str(second), "--html", str(page)])
    assert compared.exit_code == 0, compared.output
    assert re.search(r"^seed +1 +2$", compared.stdout, re.MULTILINE)
    assert "different manifests" in compared.stdout
    one = CliRunner().invoke(app, ["runs", "compare", str(first)])
    assert isinstance(one.exception, UsageError) and one.exception.code == "too_few_runs"


def test_the_page_draws_each_run(tmp_path: Path) -> None:
    low = HISTORY.replace("0.610000", "0.500000")
    runs = [read_run(make_run(tmp_path / "a")), read_run(make_run(tmp_path / "b<i>", history=low))]
    write_page(runs, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "b&lt;i&gt;" in page and "b<i>" not in page
    # From 0.5 to 1 in 200 units: 0.61 lies 0.22 of the way up, and 0.75 half of it.
    paths = re.findall(r'<path class="curve run-\d of-\d" d="([^"]+)"', page)
    assert paths == ["M0.0 156.0L100.0 100.0L200.0 100.0", "M0.0 200.0L100.0 100.0L200.0 100.0"]
    assert "http" not in page.split("<body")[1]
