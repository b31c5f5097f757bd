"""The whole explanation: what it says agrees with the verdict, its pages need nothing else, and bad input is told."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from unmask.bundle.schema import OutOfDistribution
from unmask.cli import app
from unmask.detect.detector import load
from unmask.detect.overlay import draw_evidence
from unmask.errors import ImageError, UsageError
from unmask.evaluation.map_study import study
from unmask.explain.explainer import Explainer, Explanation, explain
from unmask.explain.faithfulness import Curves, Depth, Faithfulness
from unmask.explain.page import folder_name, render_html
from unmask.explain.places import PLACES

HOSTILE = "<img src=x onerror=alert(1)> {{7*7}} .png"


@pytest.fixture(scope="module")
def portrait(astronaut: Image.Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "portrait.jpg"
    astronaut.save(path, quality=90)
    return path


@pytest.fixture(scope="module")
def explanation(tiny_bundle: Path, portrait: Path) -> Explanation:
    return explain(str(portrait), load(tiny_bundle), faithfulness="full")


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attrs for tag, attrs in self.tags if tag == name]


def test_it_explains_the_verdict_that_detect_gives(explanation: Explanation, tiny_bundle: Path, portrait: Path) -> None:
    verdict = load(tiny_bundle).detect(str(portrait))
    ours, theirs = explanation.verdict.to_json(), verdict.to_json()
    assert {**ours, "ms": 0} == {**theirs, "ms": 0}
    np.testing.assert_array_equal(explanation.verdict.regions[0].evidence, verdict.regions[0].evidence)
    assert explanation.facts["fake_probability"] == verdict.fake_probability
    assert verdict.verdict == "UNCERTAIN"
    assert explanation.text.startswith("Uncertain: the probability that this image is fake is 55.1 %.")
    assert "One face was found" in explanation.text


def test_the_close_up_is_covered_by_its_evidence(explanation: Explanation) -> None:
    """Whatever the size of the image: the box of the region is the border of the close-up."""
    drawn = np.asarray(explanation.closeup_overlay)
    assert explanation.closeup.size == explanation.closeup_overlay.size != explanation.size
    assert (drawn[100:, [0, -1]] == 255).all()
    assert (drawn[-1] == 255).all()


def test_odd_files_are_noted(tiny_bundle: Path, portrait: Path) -> None:
    """An EXIF block that is cut short: the pixels are read all the same, and verdict and report say so."""
    image = Image.open(portrait)
    saved = io.BytesIO()
    image.save(saved, "JPEG", exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff")
    detector = load(tiny_bundle)
    found = Explainer(detector).explain(saved.getvalue(), faithfulness=False, forensics=False)
    assert found.verdict.notes == detector.detect(saved.getvalue()).notes != ()
    assert found.verdict.notes[0] in render_html(found)


def test_a_map_that_adds_up_agrees_with_occlusion(explanation: Explanation) -> None:
    """The tiny detector's logit is its mean grey: blurring a cell changes little else."""
    assert explanation.method == "class_activation"
    assert explanation.faithfulness is not None
    assert explanation.faithfulness.agreement is not None
    # It has no weights that could be drawn anew.
    assert explanation.faithfulness.redrawn is None


def test_the_shipped_detectors_map_beats_chance_and_noise(astronaut: Image.Image) -> None:
    # At the size of most training images; the map of the full portrait gains less.
    checked = explain(astronaut.resize((256, 256)), load(), forensics=False, faithfulness="full").faithfulness
    assert checked is not None
    assert checked.redrawn_gain is not None
    assert checked.gain > 0.05 > abs(checked.redrawn_gain)
    assert checked.beaten == 8


def worse_than_chance(*_: object, **__: object) -> Faithfulness:
    """A check in which every random order is better than the map."""
    ours, random = Curves((0.9, 0.9), (0.1, 0.9)), Curves((0.9, 0.1), (0.9, 0.9))
    return Faithfulness(1, (0.0, 1.0), ours, (random,) * 8, None, None, None)


def better_than_chance(*_: object, **__: object) -> Faithfulness:
    """A check in which the map is better than every random order."""
    ours, random = Curves((0.9, 0.1), (0.9, 0.9)), Curves((0.9, 0.9), (0.1, 0.9))
    return Faithfulness(1, (0.0, 1.0), ours, (random,) * 8, None, None, None)


@pytest.mark.parametrize(
    ("check", "depth", "reliable", "words"),
    [
        # passed: the place is named
        (better_than_chance, "quick", True, "passed its check"),
        # failed
        (worse_than_chance, "quick", False, "not reliable for this image"),
        # not made
        (better_than_chance, "none", None, "was not checked for this image"),
    ],
)
def test_no_place_is_named_and_the_map_is_muted_unless_it_passed_its_check(
    check: Callable[..., Faithfulness],
    depth: Depth,
    reliable: bool | None,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    tiny_bundle: Path,
    astronaut: Image.Image,
) -> None:
    monkeypatch.setattr("unmask.explain.explainer.check", check)
    found = explain(astronaut, load(tiny_bundle), forensics=False, faithfulness=depth)
    assert found.reliable is reliable
    content = found.to_json()
    assert content["evidence"]["reliable"] is reliable
    assert words in found.text
    assert any(place in found.text for place in PLACES) is bool(reliable)
    assert bool(content["evidence"]["places"]) is bool(found.places) is bool(reliable)
    assert ("place" in {sentence.rule for sentence in found.reasons}) is bool(reliable)
    drawn = draw_evidence(astronaut, found.verdict, 1024, muted=not reliable)
    assert found.overlay.tobytes() == drawn.tobytes()


def test_a_map_by_the_quick_check_is_as_reliable_as_by_the_full_one(
    explanation: Explanation, tiny_bundle: Path, portrait: Path
) -> None:
    quick, full = explain(str(portrait), load(tiny_bundle), forensics=False).faithfulness, explanation.faithfulness
    assert quick is not None
    assert full is not None
    assert (quick.map, quick.random, quick.reliable) == (full.map, full.random, full.reliable)
    assert quick.agreement is None


def test_without_a_face_there_is_no_map_no_place_and_no_probability(tiny_bundle: Path) -> None:
    image = Image.new("RGB", (80, 60), (200, 200, 200))
    found = explain(image, load(tiny_bundle), forensics=False)
    assert found.verdict.verdict == "NO_FACE"
    assert found.reliable is found.faithfulness is None
    assert found.text.startswith("No face was found.")
    assert "%" not in found.text
    assert "map" not in found.text
    content = found.to_json()
    assert content["evidence"]["regions"] == content["evidence"]["places"] == []
    assert content["evidence"]["deciding_region"] is None
    assert found.overlay.tobytes() == image.tobytes()
    assert [sentence.rule for sentence in found.reasons] == ["verdict"]


def test_reasons_in_the_json_are_sentences(explanation: Explanation) -> None:
    content = explanation.to_json()
    assert 1 <= len(content["reasons"]) <= 3
    assert all(each in content["sentences"] for each in content["reasons"])
    assert content["reasons"][0]["rule"] == "verdict"


def test_json_is_plain_and_repeatable(explanation: Explanation, tiny_bundle: Path, portrait: Path) -> None:
    content = json.loads(json.dumps(explanation.to_json(), allow_nan=False))
    again = explain(portrait.read_bytes(), load(tiny_bundle), faithfulness=True).to_json()
    assert again["verdict"]["path"] is None
    for each in (content["verdict"], again["verdict"]):
        del each["ms"], each["path"]
    assert json.loads(json.dumps(again)) == content
    assert content["evidence"]["regions"][0]["map"] == pytest.approx(
        np.round(explanation.verdict.regions[0].evidence.astype(float), 4)
    )
    assert {view["name"] for view in content["forensics"]} >= {"ela", "noise"}


def test_an_image_in_memory_has_no_file_to_speak_of(tiny_bundle: Path, astronaut: Image.Image) -> None:
    found = explain(astronaut, load(tiny_bundle), forensics=False, faithfulness=False)
    assert found.metadata is found.credentials is found.faithfulness is found.views is None
    assert "file" not in found.text
    assert "from memory" in render_html(found)


def test_a_detector_without_a_map_is_explained_by_occlusion(
    make_bundle: Callable[..., Any], make_graph: Callable[..., bytes], tmp_path: Path, astronaut: Image.Image
) -> None:
    make_bundle(tmp_path / "b", model=make_graph(grid=1), evidence="none")
    steps: list[int] = []
    explainer = Explainer(load(tmp_path / "b"))
    found = explainer.explain(astronaut, forensics=False, advance=lambda: steps.append(1))
    assert found.method == "occlusion"
    assert found.verdict.regions[0].evidence.shape == (6, 6)
    assert found.faithfulness is not None
    assert found.faithfulness.agreement is None
    assert "a cell is blurred" in render_html(found)
    assert 0 < len(steps) <= explainer.steps()


def test_an_image_unlike_training_is_told(
    make_bundle: Callable[..., Any], make_graph: Callable[..., bytes], tmp_path: Path
) -> None:
    onnx = pytest.importorskip("onnx")
    # The tiny detector again, its distance the logit plus 8: 0 for black, almost 16 for white.
    model = onnx.load_model_from_string(make_graph())
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(8), "eight"))
    model.graph.node.append(onnx.helper.make_node("Add", ["logit", "eight"], ["distance"]))
    model.graph.output.append(onnx.helper.make_tensor_value_info("distance", onnx.TensorProto.FLOAT, ["n"]))
    limits = OutOfDistribution(threshold=5.0, quantile=0.99, pictures=100, training_pictures=1000)
    make_bundle(tmp_path / "b", model=model.SerializeToString(), out_of_distribution=limits)
    far = explain(Image.new("RGB", (64, 64), (255,) * 3), load(tmp_path / "b"), forensics=False)
    near = explain(Image.new("RGB", (64, 64), (0,) * 3), load(tmp_path / "b"), forensics=False)
    assert far.verdict.novelty is not None
    assert near.verdict.novelty is not None
    assert (far.verdict.novelty.out_of_distribution, near.verdict.novelty.out_of_distribution) == (True, False)
    assert "unlike the training images" in far.text
    assert "unlike the training images" not in near.text


def test_what_cannot_be_read_is_told(tiny_bundle: Path) -> None:
    with pytest.raises(ImageError):
        explain(b"no image", load(tiny_bundle))


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["explain", *map(str, arguments)])


def check_maps(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["check-maps", *map(str, arguments)])


def test_many_images_have_an_index(tiny_bundle: Path, portrait: Path, tmp_path: Path) -> None:
    hostile = tmp_path / HOSTILE
    Image.new("RGB", (40, 40), (10, 200, 30)).save(hostile)
    out = tmp_path / "out"
    result = run(portrait, hostile, tmp_path / "gone.jpg", "--out", out, "--model", tiny_bundle, "--no-forensics")
    assert result.exit_code == 1
    assert "gone.jpg: There is no such file." in result.stderr
    index = (out / "index.html").read_text()
    links = [str(link["href"]) for link in Page(index).all("a")]
    assert len(links) == 2
    from urllib.parse import unquote

    for link, path in zip(links, (portrait, hostile), strict=True):
        assert unquote(link) == f"{folder_name(str(path))}/report.html"
        report = out / unquote(link)
        assert report.is_file()
        assert json.loads((report.parent / "explanation.json").read_text())["verdict"]["path"] == str(path)
        assert Image.open(report.parent / "evidence.png").size
    assert "onerror" not in {name for _, attrs in Page(index).tags for name in attrs}
    assert "gone.jpg: Unreadable. There is no such file." in index


def test_one_page_of_one_image(tiny_bundle: Path, portrait: Path, tmp_path: Path) -> None:
    page = tmp_path / "new" / "page.html"
    assert run(portrait, "--html", page, "--model", tiny_bundle).exit_code == 0
    assert page.read_text().startswith("<!doctype html>")
    assert list(tmp_path.iterdir()) == [page.parent]
    result = run(portrait, "--json", "--model", tiny_bundle, "--no-forensics", "--check", "none")
    told = json.loads(result.stdout)
    assert (told["verdict"]["path"], told["evidence"]["faithfulness"]) == (str(portrait), None)


@pytest.mark.parametrize(
    "arguments",
    [
        # nothing to explain
        ["--out", "x"],
        # nowhere to put it
        ["a.jpg"],
        # two kinds of work
        ["a.jpg", "--manifest", "m.csv", "--json"],
        # two images in one page
        ["a.jpg", "b.jpg", "--html", "x.html"],
        # two detectors
        ["a.jpg", "--run", "r", "--model", "m", "--json"],
        # no such check
        ["a.jpg", "--check", "deep", "--json"],
        # a set has no page
        ["--manifest", "m.csv", "--html", "x.html"],
    ],
)
def test_wrong_calls(arguments: list[str]) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, UsageError)


def test_a_set_is_studied_and_goes_on(tiny_bundle: Path, portrait: Path, tmp_path: Path) -> None:
    rows = ["path,label,group,split"]
    for number, grey in enumerate((0, 60, 140, 250)):
        noise = np.random.default_rng(number).integers(0, 30, (48, 48, 3)) + min(grey, 220)
        Image.fromarray(noise.astype(np.uint8)).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,{'fake' if grey > 100 else 'real'},g{number // 2},test")
    (tmp_path / "m.csv").write_text("\n".join([*rows, "gone.png,real,g9,test", "0.png,real,g0,train"]) + "\n")
    out = tmp_path / "out"
    arguments = ("--manifest", tmp_path / "m.csv", "--split", "test", "--out", out, "--model", tiny_bundle)
    result = check_maps(*arguments)
    assert result.exit_code == 1  # one image is gone
    content = json.loads((out / "faithfulness.json").read_text())
    assert [failure["path"] for failure in content["failures"]] == ["gone.png"]
    images = content["images"]
    assert [each["path"] for each in images] == [f"{number}.png" for number in range(4)]
    everything = content["by_result"]["all"]
    assert everything["n"] == 4
    gain = everything["means"]["gain"]
    assert gain["value"] == pytest.approx(np.mean([each["gain"] for each in images]), abs=1e-6)
    assert gain["low"] <= gain["value"] <= gain["high"]
    assert everything["better_than_random"]["value"] == np.mean([each["gain"] > 0 for each in images])
    assert everything["means"]["redrawn_gain"] is None
    assert {each["result"] for each in images} == {"FAKE", "REAL"}
    # Again, from what was kept.
    kept = (out / "checks.jsonl").read_bytes()
    assert check_maps(*arguments).exit_code == 1
    assert (out / "checks.jsonl").read_bytes() == kept
    assert json.loads((out / "faithfulness.json").read_text()) == content
    drawn = check_maps(
        "--manifest", tmp_path / "m.csv", "--split", "train", "--limit", 1, "--json", "--model", tiny_bundle
    )
    assert json.loads(drawn.stdout)["by_result"]["all"]["n"] == 1


def test_a_set_of_which_nothing_can_be_read(tiny_bundle: Path, tmp_path: Path) -> None:
    from unmask.data.manifest import Manifest
    from unmask.data.rows import ManifestRow

    rows = [ManifestRow(path="gone.png", label="real")]
    with pytest.raises(UsageError, match="none of its images"):
        study(Explainer(load(tiny_bundle)), Manifest.from_rows(rows, tmp_path), rows)


def test_a_report_needs_no_torch(tiny_bundle: Path, portrait: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv[1:] = sys.argv[1:]; from unmask.cli import app; app(standalone_mode=False); "
        "print([name for name in ('torch', 'onnx', 'scipy', 'sklearn', 'pandas', 'matplotlib') if name in sys.modules])"
    )
    arguments = ["explain", str(portrait), "--out", str(tmp_path / "out"), "--model", str(tiny_bundle)]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert re.search(r"^\[\]$", done.stdout, re.M), done.stdout
