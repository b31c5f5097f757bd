"""``unmask evaluate | compare | robustness | bench | bundle card`` as commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from unmask.bundle.bundle import Bundle
from unmask.cli import app
from unmask.errors import UnmaskError, UsageError
from unmask.imaging.preprocessing import Preprocessing

MakeBundle = Callable[..., Bundle]


@pytest.fixture(scope="module")
def bundle(make_bundle: MakeBundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Calls bright images fake; searches no faces."""
    folder = tmp_path_factory.mktemp("bundle") / "bright"
    make_bundle(folder, name="bright", preprocessing=Preprocessing(size=32, faces=None))
    return folder


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    draw = np.random.default_rng(0)
    lines = ["path,label,source,group,split,age"]
    for at in range(16):
        label = "fake" if at % 2 else "real"
        pixels = np.clip(draw.normal(140 if at % 2 else 115, 20) + draw.normal(0, 20, (40, 40, 3)), 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(root / f"{at}.png")
        lines.append(f"{at}.png,{label},s{at % 4},g{at // 2},{'test' if at < 12 else 'train'},{at % 3}")
    (root / "m.csv").write_text("\n".join(lines) + "\n")
    return root / "m.csv"


def run(*arguments: object, exit_code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == exit_code, result.output
    return result.stdout


def test_evaluate_scores_first(bundle: Path, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    text = run("evaluate", bundle, "--manifest", table, "--out", out, "--draws", 100, "--by", "age", "--thumbnails")
    assert text.startswith("bright@1, threshold 0.500\n") and "12 images (6 real, 6 fake)" in text
    assert {path.name for path in out.iterdir()} >= {"scores.csv", "result.json", "report.html", "report.md"}
    first = json.loads((out / "result.json").read_text())
    # The table alone gives the same figures.
    again = json.loads(
        run("evaluate", "--scores", out / "scores.csv", "--draws", 100, "--by", "age", "--json", exit_code=0)
    )
    for part in ("overall", "by", "curves", "mistakes", "by_group"):
        assert again[part] == first[part], part


def test_a_column_that_is_not_there_is_said_before_the_work(bundle: Path, table: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no column 'size'; there are path, label, source") as caught:
        run("evaluate", bundle, "--manifest", table, "--out", tmp_path / "out", "--by", "size")
    assert caught.value.code == "unknown_column" and not (tmp_path / "out" / "answers.jsonl").exists()


def test_scores_of_anyone(tmp_path: Path) -> None:
    (tmp_path / "theirs.csv").write_text("path,label,fake_probability\na,real,0.2\nb,fake,0.7\nc,fake,\n")
    result = json.loads(run("evaluate", "--scores", tmp_path / "theirs.csv", "--draws", 100, "--json", exit_code=1))
    assert result["overall"]["n"] == 3 and result["overall"]["failures"] == 1
    assert result["overall"]["metrics"]["recall_fake"]["value"] == 0.5


def test_only_some_rows(bundle: Path, table: Path) -> None:
    # Of the 12 test images a third has each age; values of one column add up, columns narrow each other.
    call = ("evaluate", bundle, "--manifest", table, "--draws", 100, "--json", "--where")
    assert json.loads(run(*call, "age=0"))["overall"]["n"] == 4
    assert json.loads(run(*call, "age=0", "--where", "age=1"))["overall"]["n"] == 8
    assert json.loads(run(*call, "age=0", "--where", "source=s0"))["overall"]["n"] == 1


def test_names_from_tables_cannot_command_the_terminal(tmp_path: Path) -> None:
    rows = "a,real,0.2,x\x1b[31m\nb,fake,0.7,[bold]\nc,fake,0.1,[bold]\nd,real,0.3,x\x1b[31m\n"
    for name in ("one", "t\x1b[31mwo"):
        (tmp_path / f"{name}.csv").write_text(f"path,label,fake_probability,source\n{rows}")
    text = run("evaluate", "--scores", tmp_path / "one.csv", "--draws", 100)
    assert "\x1b" not in text and r"x\x1b[31m" in text and "[bold]" in text
    text = run("compare", tmp_path / "one.csv", tmp_path / "t\x1b[31mwo.csv", "--draws", 100)
    assert "\x1b" not in text and r"t\x1b[31mwo" in text


def test_several_bundles_are_compared(bundle: Path, table: Path) -> None:
    arguments = ("evaluate", bundle, bundle, "--manifest", table, "--draws", 100)
    assert "12 images" in run(*arguments)
    found = json.loads(run(*arguments, "--json"))
    assert len(found["results"]) == 2 and found["comparison"]["pairs"][0]["accuracy"]["value"] == 0


def test_compare(bundle: Path, table: Path, tmp_path: Path) -> None:
    run("evaluate", bundle, "--manifest", table, "--out", tmp_path / "a", "--draws", 100)
    scores = tmp_path / "a" / "scores.csv"
    lines = scores.read_text().replace("bright@1", "other@1")
    (tmp_path / "b.csv").write_text(lines)
    text = run("compare", scores, tmp_path / "b.csv", "--draws", 100)
    assert "Not established that they differ" in text
    assert json.loads(run("compare", scores, tmp_path / "b.csv", "--draws", 100, "--json"))["n"] == 12


def test_robustness_and_bench_stand_in_the_report(bundle: Path, table: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    out = tmp_path / "out"
    text = run("robustness", bundle, "--manifest", table, "--out", out, "--grid", "brightness", "--draws", 100)
    assert "Worst tier: " in text and "Worst of the grid: brightness" in text
    names = {path.stem for path in (out / "scores").iterdir()}
    levels = {f"brightness-{level}" for level in ("0.3", "0.5", "0.7", "1.4", "2")}
    assert names == {"clean", "web", "hard", "face-128", "face-96", "face-64"} | levels
    bench = run("bench", bundle, "--out", out / "bench.json", "--calls", 20, "--batch", 2, "--price", 0.5)
    assert "at 0.5 per core-hour" in bench
    run("evaluate", bundle, "--manifest", table, "--out", out, "--draws", 100)
    page = (out / "report.html").read_text()
    assert "<h2>Robustness" in page and "<h2>Cost" in page
    results = [part for name in ("result", "robustness", "bench") for part in ("--results", out / f"{name}.json")]
    assert (
        run("bundle", "card", bundle, *results, "--out", tmp_path / "card.md") == f"Written to {tmp_path / 'card.md'}\n"
    )
    card = (tmp_path / "card.md").read_text()
    assert card.startswith("---\nlibrary_name: unmask\n") and "| brightness-0.3 |" in card and "parameters" in card
    assert run("bundle", "card", bundle, *results) == card


def test_robustness_of_several_and_a_sample(bundle: Path, table: Path, tmp_path: Path) -> None:
    arguments = ("robustness", bundle, bundle, "--manifest", table, "--tiers-only", "--limit", 5, "--seed", 3)
    found = json.loads(run(*arguments, "--out", tmp_path / "a", "--draws", 100, "--json"))
    assert [result["data"]["n"] for result in found["results"]] == [5, 5]
    names = [entry["name"] for entry in found["results"][0]["conditions"]]
    assert names == ["clean", "web", "hard", "face-128", "face-96", "face-64"]
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"robustness.jsonl", "1-bright", "2-bright"}
    assert not list((tmp_path / "a").rglob("*.png"))
    run(*arguments, "--out", tmp_path / "a", "--draws", 100, "--keep-images")
    assert len(list((tmp_path / "a" / "images").rglob("*.png"))) == 5 * 6


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("evaluate",), "bad_call"),
        (("evaluate", "--manifest", "TABLE", "--scores", "x.csv"), "bad_call"),
        (("evaluate", "--scores", "x.csv", "--split", "test"), "bad_call"),
        (("evaluate", "--manifest", "TABLE", "--split", "dev"), "no_pictures"),
        (("evaluate", "--manifest", "TABLE", "--where", "age"), "bad_call"),
        (("evaluate", "--manifest", "TABLE", "--where", "height=1"), "unknown_column"),
        (("evaluate", "--scores", "x.csv", "--where", "age=1"), "bad_call"),
        (("evaluate", "--manifest", "TABLE", "--bench", "x.json"), "bad_call"),
        (("evaluate", "--manifest", "TABLE", "--bench", "x.json", "--out", "OUT"), "bad_result"),
        (("robustness", "--manifest", "TABLE", "--out", "OUT", "--tiers-only", "--grid", "jpeg"), "bad_call"),
        (("robustness", "--manifest", "TABLE", "--out", "OUT", "--grid", "fog"), "unknown_condition"),
        (("robustness", "nowhere", "--manifest", "TABLE", "--out", "OUT"), "no_bundle"),
        (("bench", "--out", "OUT", "--images", "nowhere.jpg"), "no_pictures"),
        (("bench", "nowhere", "--out", "OUT"), "no_bundle"),
        (("bundle", "card", "--results", "nowhere.json"), "bad_result"),
    ],
)
def test_wrong_calls(arguments: tuple[str, ...], code: str, table: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    places = {"TABLE": str(table), "OUT": str(tmp_path / "out")}
    with pytest.raises(UnmaskError) as caught:
        run(*(places.get(argument, argument) for argument in arguments))
    assert caught.value.code == code
    assert not (tmp_path / "out").exists()
