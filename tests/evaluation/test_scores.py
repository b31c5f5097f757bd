"""The table of scores: what is refused, what comes back from a file, and scoring a manifest."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unmask.bundle.bundle import Bundle
from unmask.bundle.schema import Card
from unmask.data.manifest import Manifest
from unmask.detect.detector import Detector, load
from unmask.errors import UsageError
from unmask.evaluation.scores import NO_ANSWER, Scores, score_manifest

MakeScores = Callable[..., Scores]
MakeBundle = Callable[..., Bundle]

HEADER = "path,label,fake_probability"


def _open(folder: Path, *lines: str) -> Scores:
    table = folder / "scores.csv"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Scores.open(table)


def test_three_columns_are_enough(tmp_path: Path) -> None:
    scores = _open(tmp_path, HEADER, "a.jpg,real,0.25", "b.jpg, FAKE ,1", "c.jpg,fake,")
    assert scores.path == ("a.jpg", "b.jpg", "c.jpg")
    assert scores.is_fake.tolist() == [False, True, True]
    assert scores.fake_probability[:2].tolist() == [0.25, 1.0] and math.isnan(scores.fake_probability[2])
    # No answer is a failure, not a row to pass over.
    assert scores.error == ("", "", NO_ANSWER)
    assert (scores.threshold, scores.model) == (0.5, "scores")


@pytest.mark.parametrize(
    ("lines", "code", "said"),
    [
        # A needed column is missing.
        (["path,label", "a,real"], "missing_column", "fake_probability"),
        # Probabilities below 0, above 1, no number, infinite.
        ([HEADER, "a,real,-0.1"], "bad_probability", "row 2"),
        ([HEADER, "a,real,0.5", "b,real,1.01"], "bad_probability", "row 3"),
        ([HEADER, "a,real,high"], "bad_probability", "'high'"),
        # Beyond what rounding explains.
        ([HEADER, "a,real,1.00001"], "bad_probability", "row 2"),
        ([HEADER, "a,real,-0.00001"], "bad_probability", "row 2"),
        ([HEADER, "a,real,inf"], "bad_probability", "row 2"),
        # Unknown label; no path; the same path again, naming both rows; a cell too many.
        ([HEADER, "a,maybe,0.5"], "unknown_label", "row 2: the label 'maybe'"),
        ([HEADER, ",real,0.5"], "bad_row", "no path"),
        ([HEADER, "a,real,0.5", "b,real,0.5", "a,fake,0.5"], "duplicate_path", "row 4: 'a' is already in row 2"),
        ([HEADER, "a,real,0.5,7"], "bad_row", "4 cells"),
        # An answer and an error; two models; two thresholds; a threshold that is none.
        ([f"{HEADER},error", "a,real,0.5,truncated"], "bad_row", "both"),
        ([f"{HEADER},model", "a,real,0.5,x", "b,real,0.5,y"], "bad_model", "'x' and 'y'"),
        ([f"{HEADER},threshold", "a,real,0.5,0.5", "b,real,0.5,0.6"], "bad_threshold", "one for the whole table"),
        ([f"{HEADER},threshold", "a,real,0.5,1.5"], "bad_threshold", "0 to 1"),
        ([f"{HEADER},threshold", "a,real,0.5,x"], "bad_threshold", "'x'"),
        # Nothing but a header.
        ([HEADER], "empty_scores", "no rows"),
    ],
)
def test_what_is_refused(tmp_path: Path, lines: list[str], code: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        _open(tmp_path, *lines)
    assert caught.value.code == code


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.csv or \.parquet"):
        Scores.open(tmp_path / "scores.json")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_comes_back_to_the_last_bit(tmp_path: Path, suffix: str, make_scores: MakeScores) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    probability = [*np.random.default_rng(0).random(20), 0.1 + 0.2, 1e-300, math.nan]
    scores = make_scores(
        [at % 3 == 0 for at in range(23)],
        probability,
        threshold=1 / 3,
        source=["a", "b,\n"] * 11 + [""],
        age=["7"] * 23,
    )
    scores.write(tmp_path / f"s{suffix}")
    back = Scores.open(tmp_path / f"s{suffix}")
    assert np.array_equal(back.fake_probability, scores.fake_probability, equal_nan=True)
    assert (back.path, back.error, back.threshold, back.model) == (scores.path, scores.error, 1 / 3, "made")
    assert back.columns == scores.columns and back.is_fake.tolist() == scores.is_fake.tolist()
    assert back.digest() == scores.digest()


def test_groups_become_one_row_for_each_label(make_scores: MakeScores) -> None:
    scores = make_scores(
        # Two frames of video v; a real and a fake of person p; an image of its own; w, one frame of it failed; x, all.
        [True, True, False, True, False, True, True, False, False],
        [0.2, 0.6, 0.1, 0.9, 0.3, 0.8, math.nan, math.nan, math.nan],
        group=["v", "v", "p", "p", "", "w", "w", "x", "x"],
        source=["s", "t", "s", "s", "s", "s", "s", "s", "s"],
    )
    units = {
        (path, fake): (probability, error, source)
        for path, fake, probability, error, source in zip(
            scores.by_group().path,
            scores.by_group().is_fake.tolist(),
            scores.by_group().fake_probability.tolist(),
            scores.by_group().error,
            scores.by_group().column("source"),
            strict=True,
        )
    }
    assert units["0.png", True] == (0.4, "", "")  # sources differ
    assert units["2.png", False] == (0.1, "", "s") and units["3.png", True] == (0.9, "", "s")
    assert units["4.png", False] == (0.3, "", "s")
    assert units["5.png", True] == (0.8, "", "s")
    assert math.isnan(units["7.png", False][0]) and units["7.png", False][1] == "truncated"
    assert len(units) == 6


@pytest.fixture
def grey_images(tmp_path: Path) -> Path:
    """Four greys, one of them not to be read, with two sources; the tiny bundle knows them by brightness."""
    for name, grey in (("dark", 96), ("mid", 128), ("light", 160)):
        Image.new("RGB", (40, 40), (grey, grey, grey)).save(tmp_path / f"{name}.png")
    (tmp_path / "broken.png").write_bytes(b"no image")
    (tmp_path / "m.csv").write_text(
        "path,label,source,group,split,camera\n"
        "dark.png,real,known,g,test,x\nlight.png,fake,new,g,test,y\nbroken.png,fake,new,,test,y\nmid.png,real,,,test,x\n",
        encoding="utf-8",
    )
    return tmp_path


class _Counting(Detector):
    """Counts what it is asked."""

    asked: list[str]

    def detect_or_error(self, source):  # type: ignore[no-untyped-def]
        self.asked.append(Path(source).name)
        return super().detect_or_error(source)


def test_scoring_a_manifest(grey_images: Path, make_bundle: MakeBundle) -> None:
    bundle = make_bundle(grey_images / "b", card=Card(sources={"real": {"known": 3}}))
    detector = Detector(bundle, 0.7)
    scores = score_manifest(detector, Manifest.open(grey_images / "m.csv"))
    expected = [detector.detect(grey_images / name).fake_probability for name in ("dark.png", "light.png", "mid.png")]
    assert scores.fake_probability[[0, 1, 3]].tolist() == expected
    assert scores.error[:2] == ("", "") and scores.error[2]
    assert scores.column("seen") == ("true", "false", "false", "")
    assert scores.column("camera") == ("x", "y", "y", "x")
    assert scores.column("face_found") == ("false", "false", "", "false")
    assert (scores.threshold, scores.model) == (0.7, "tiny@1")


def test_a_stopped_run_goes_on(grey_images: Path, tiny_bundle: Path) -> None:
    manifest, store = Manifest.open(grey_images / "m.csv"), grey_images / "answers.jsonl"
    detector = _Counting(Bundle.open(tiny_bundle))
    detector.asked = []

    def stop_after_two() -> None:
        stop_after_two.left -= 1  # type: ignore[attr-defined]
        if not stop_after_two.left:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    stop_after_two.left = 2  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        score_manifest(detector, manifest, store, workers=1, progress=stop_after_two)
    detector.asked.clear()
    resumed = score_manifest(detector, manifest, store, workers=1)
    # The first two are known; what failed is tried again.
    assert detector.asked == ["broken.png", "mid.png"]
    fresh = score_manifest(load(tiny_bundle), manifest)
    assert resumed.digest() == fresh.digest() and resumed.columns == fresh.columns
    # Another image under the same name is judged anew.
    Image.new("RGB", (41, 41)).save(grey_images / "dark.png")
    detector.asked.clear()
    score_manifest(detector, manifest, store)
    assert sorted(detector.asked) == ["broken.png", "dark.png"]


def test_a_wrong_root_is_no_result(grey_images: Path, tiny_bundle: Path) -> None:
    manifest = Manifest.open(grey_images / "m.csv", root=grey_images.parent)
    with pytest.raises(UsageError, match="none of its 4 images"):
        score_manifest(load(tiny_bundle), manifest)


@pytest.mark.parametrize("cell", ["nan", "NaN", "", " ", "None", "null", "NA", "N/A", "<NA>"])
def test_a_missing_number_is_no_answer(tmp_path: Path, cell: str) -> None:
    scores = _open(tmp_path, HEADER, "a.jpg,real,0.5", f"b.jpg,fake,{cell}")
    assert scores.error == ("", NO_ANSWER) and math.isnan(scores.fake_probability[1])


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        # what single precision, or the sum of a softmax, makes of 1 and 0
        ("1.0000000001", 1.0),
        ("1.0000001192092896", 1.0),
        ("-1e-9", 0.0),
        # inside, nothing changes
        ("0.9999999999", 0.9999999999),
        # a decimal comma
        ('"0,25"', 0.25),
    ],
)
def test_rounding_is_taken_for_what_it_is(tmp_path: Path, cell: str, value: float) -> None:
    assert _open(tmp_path, HEADER, f"a.jpg,real,{cell}").fake_probability.tolist() == [value]


def test_foreign_labels_of_scores_are_listed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the column label holds '0', '1'; if '1' means fake, add --fake-label 1"):
        _open(tmp_path, HEADER, "a.jpg,0,0.5", "b.jpg,1,0.5")
