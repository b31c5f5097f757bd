"""What ``import unmask`` offers: names, short reprs, notebooks, tables, copies and pickles."""

from __future__ import annotations

import copy
import csv
import io
import json
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import unmask
from unmask.bundle.bundle import Bundle
from unmask.detect.detector import Detector, load
from unmask.detect.frame import COLUMNS, Frame, detect_frame
from unmask.detect.verdict import Novelty, RegionVerdict, Verdict
from unmask.errors import BundleError, ImageError, MissingExtraError, UsageError
from unmask.evaluation.scores import Scores
from unmask.imaging.decode import DecodeLimits, ImageSource
from unmask.imaging.faces import Face
from unmask.imaging.provenance import Provenance
from unmask.imaging.session import single_thread_session
from unmask.install import install_line
from unmask.lazy import lazy_names

NAMES = [
    "Bundle",
    "Detector",
    "Explainer",
    "FaceClassifier",
    "ImageError",
    "Manifest",
    "Recipe",
    "UnmaskError",
    "Verdict",
    "detect_frame",
    "load",
]


@pytest.fixture(scope="module")
def detector(tiny_bundle: Path) -> Detector:
    return load(tiny_bundle)


def plain(grey: int) -> Image.Image:
    return Image.new("RGB", (64, 64), (grey, grey, grey))


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


# --- names -------------------------------------------------------------------------------------------------


def test_dir_lists_the_public_names() -> None:
    assert dir(unmask) == NAMES
    assert sorted([*NAMES, "__version__"]) == sorted(unmask.__all__)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "FaceClassifier"])
def test_every_name_is_there(name: str) -> None:
    assert getattr(unmask, name).__name__ == name
    assert getattr(unmask, name).__module__.startswith("unmask.")


def test_other_names_are_no_attributes() -> None:
    with pytest.raises(AttributeError, match="module 'unmask' has no attribute 'Detektor'"):
        unmask.Detektor  # noqa: B018
    assert not hasattr(unmask, "Detektor")


def test_import_loads_next_to_nothing() -> None:
    """Neither importing the packages nor listing their names imports what the names need."""
    code = (
        "import sys, unmask, unmask.data, unmask.data.audit, unmask.data.fetch\n"
        "dir(unmask), dir(unmask.data), dir(unmask.data.audit), dir(unmask.data.fetch)\n"
        "print(*sorted(name for name in sys.modules if name.startswith('unmask')))\n"
        "print(*{'numpy', 'PIL', 'pydantic', 'onnxruntime', 'torch', 'sklearn'} & {*sys.modules})"
    )
    packages = ["unmask", "unmask.data", "unmask.data.audit", "unmask.data.fetch", "unmask.lazy", "unmask.version"]
    assert run_python(code).split() == packages


def test_the_packages_of_data_export_their_functions() -> None:
    from unmask.data import Splitter
    from unmask.data.audit import Audit, audit
    from unmask.data.fetch import FetchPolicy, FetchReport, fetch

    found = [Splitter, Audit, audit, FetchPolicy, FetchReport, fetch]
    assert [item.__name__ for item in found] == ["Splitter", "Audit", "audit", "FetchPolicy", "FetchReport", "fetch"]


def test_a_missing_extra_is_said_with_the_pip_command() -> None:
    get, names = lazy_names("package", {"Thing": "no_such_module", "Other": "no_such_module"}, {"Thing": "train"})
    with pytest.raises(MissingExtraError, match=re.escape(install_line("train"))):
        get("Thing")
    with pytest.raises(ModuleNotFoundError):  # a name without an extra: the installation is broken
        get("Other")
    assert names() == ["Other", "Thing"]


# --- reprs -------------------------------------------------------------------------------------------------

FACE = Face((10.4, 20.0, 110.4, 121.0), 0.934, ((1.0, 2.0),) * 6)
REGION = RegionVerdict(FACE, (0.0, 10.0, 120.0, 130.0), 0.97249, np.zeros((5, 5), np.float32))
WHOLE = RegionVerdict(None, (0.0, 0.0, 640.0, 480.0), 0.5, np.zeros((5, 5), np.float32))


def verdict(*regions: RegionVerdict, **changes: Any) -> Verdict:
    content: dict[str, Any] = {
        "path": "a.jpg",
        "verdict": "FAKE",
        "fake_probability": 0.97249,
        "result": "FAKE",
        "regions": regions,
        "provenance": Provenance("none", ()),
        "model": "tiny@1",
        "bundle_sha256": "0" * 64,
        "ms": 31.41,
        "size": (640, 480),
    }
    return Verdict(**(content | changes))


UNREADABLE = verdict(
    verdict=None, fake_probability=None, result=None, error=ImageError("truncated", "It ends <early>."), size=None
)


@pytest.mark.parametrize(
    ("thing", "expected"),
    [
        pytest.param(lambda _: FACE, "<Face 100 x 101 at (10, 20), score 0.93>", id="a face: its box"),
        pytest.param(
            lambda _: REGION,
            "<RegionVerdict face 100 x 101 at (10, 20), fake_probability 0.972>",
            id="a region that is a face: the face's box, not the crop's",
        ),
        pytest.param(
            lambda _: WHOLE,
            "<RegionVerdict whole image 640 x 480 at (0, 0), fake_probability 0.500>",
            id="a region that is the whole image",
        ),
        pytest.param(
            lambda _: verdict(REGION), "<Verdict FAKE, fake_probability 0.972, 1 face, 'a.jpg'>", id="a verdict"
        ),
        pytest.param(
            lambda _: verdict(REGION, REGION, path=None, verdict="UNCERTAIN"),
            "<Verdict UNCERTAIN, fake_probability 0.972, 2 faces>",
            id="two faces in an image in memory",
        ),
        pytest.param(
            lambda _: verdict(WHOLE, verdict="NO_FACE", provenance=Provenance("none", ("software:Flux",))),
            "<Verdict NO_FACE, generator, 'a.jpg'>",
            id="no face: no number; and a mark",
        ),
        pytest.param(lambda _: UNREADABLE, "<Verdict error truncated, 'a.jpg'>", id="an unreadable image"),
        pytest.param(
            lambda detector: detector.bundle, r"<Bundle tiny@1, sha256 [0-9a-f]{12}>", id="a bundle: no bytes of files"
        ),
        pytest.param(lambda detector: detector, "<Detector tiny@1, threshold 0.500>", id="a detector"),
        pytest.param(lambda detector: detector.bundle.info, "<BundleInfo tiny@1>", id="a bundle's description"),
        pytest.param(lambda detector: unmask.Explainer(detector), "<Explainer tiny@1>", id="an explainer"),
        pytest.param(
            lambda detector: unmask.Explainer(detector).explain(plain(200), forensics=False),
            r"<Explanation NO_FACE, \d{1,2} sentences, no views>",
            id="an explanation: no pixels, no sentences",
        ),
        pytest.param(
            lambda _: Scores.from_rows(["path", "label", "fake_probability"], [(2, ["a.jpg", "fake", "0.5"])], "s.csv"),
            "<Scores s.csv: s, 1 images, 1 fake>",
            id="a table of scores",
        ),
        pytest.param(lambda detector: detector.prepare(plain(1)), "<Prepared None, regions 1>", id="no pixels either"),
        pytest.param(
            lambda _: unmask.Recipe.load("s4-mobilenet"), "<Recipe s4-mobilenet, mobilenet_v1>", id="a recipe"
        ),
        pytest.param(
            lambda _: unmask.Recipe.load("unmask-default"),
            "<Recipe unmask-default, ensemble of 3>",
            id="a recipe of an ensemble",
        ),
        pytest.param(
            lambda _: Frame([]), "<Frame 0 images, 0 FAKE, 0 not readable>", id="a table of verdicts without a row"
        ),
    ],
)
def test_reprs_are_short(thing: Callable[[Detector], object], expected: str, detector: Detector) -> None:
    shown = repr(thing(detector))
    assert re.fullmatch(expected if "{1" in expected else re.escape(expected), shown), shown


def test_a_manifest_says_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("path,label\na.png,real\n")
    assert repr(unmask.Manifest.open(tmp_path / "a.csv")) == f"<Manifest {tmp_path / 'a.csv'}>"


# --- verdicts ----------------------------------------------------------------------------------------------


def test_to_dict_is_the_json(detector: Detector, astronaut: Image.Image) -> None:
    found = detector.detect(astronaut)
    assert found.to_dict() == found.to_json()
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False)) == found.to_dict()


def test_a_notebook_shows_no_number_without_a_face() -> None:
    html = verdict(WHOLE, verdict="NO_FACE")._repr_html_()
    assert "No face" in html
    assert "%" not in html


def images_in(html: str) -> list[Image.Image]:
    import base64

    found = re.findall(r'src="data:image/jpeg;base64,([A-Za-z0-9+/=]+)"', html)
    return [Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB") for data in found]


def test_a_notebook_shows_the_image_while_its_file_is_the_same(
    detector: Detector, astronaut: Image.Image, tmp_path: Path
) -> None:
    path = tmp_path / "astronaut.png"
    wide = Image.new("RGB", (1024, 512), (0, 128, 0))
    wide.paste(astronaut, (0, 0))
    wide.save(path)
    found = detector.detect(path)
    assert (found.size, len(found.sha256 or "")) == ((1024, 512), 64)

    def shown() -> Image.Image:
        (image,) = images_in(found._repr_html_())
        assert image.size == (480, 240)
        return image

    red, green, blue = shown().getpixel((450, 120))  # type: ignore[misc]
    assert green > 100 > max(red, blue)
    # The box is 1 px wide and white: its left edge lies at 173 of 1,024 pixels, that is at 81 of 480.
    assert (
        min(shown().crop((79, 50, 84, 60)).convert("L").getdata())
        < 200
        < max(shown().crop((79, 50, 84, 60)).convert("L").getdata())
    )
    Image.new("RGB", (1024, 512), (200, 0, 0)).save(path)  # another image by now: only the boxes, on grey
    assert all(abs(level - 170) < 5 for level in shown().getpixel((450, 120)))  # type: ignore[union-attr]
    path.unlink()
    assert all(abs(level - 170) < 5 for level in shown().getpixel((450, 120)))  # type: ignore[union-attr]


def test_a_notebook_shows_boxes_of_an_image_in_memory(detector: Detector, astronaut: Image.Image) -> None:
    (image,) = images_in(detector.detect(astronaut)._repr_html_())
    assert image.size == (480, 480)
    assert len(set(image.convert("L").getdata())) > 2


HOSTILE = '<script>alert("1")</script>\udcff.jpg'


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        pytest.param(verdict(REGION), ["Fake", "97.2 % probability of fake", "a.jpg", "tiny@1"], id="fake"),
        pytest.param(
            verdict(REGION, verdict="REAL", result="REAL", fake_probability=0.1),
            ["No sign of manipulation", "10.0 % probability of fake"],
            id="real",
        ),
        pytest.param(
            verdict(REGION, verdict="UNCERTAIN", fake_probability=0.5),
            ["Uncertain", "50.0 % probability of fake"],
            id="uncertain",
        ),
        pytest.param(
            verdict(WHOLE, path=HOSTILE),
            [r"&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;\udcff.jpg"],
            id="a hostile path that is no Unicode",
        ),
        pytest.param(
            verdict(
                REGION,
                provenance=Provenance("present", ("png:<b>", "software:Flux")),
                novelty=Novelty(2.0, 1.0),
                notes=("<Odd>.",),
            ),
            ["The file names Flux as its software.", "unlike this image", "&lt;Odd&gt;."],
            id="marks, unlike training, and a note",
        ),
        pytest.param(UNREADABLE, ["not readable", "It ends &lt;early&gt;."], id="an unreadable image"),
        pytest.param(verdict(WHOLE, size=(1, 30_000)), ["Fake"], id="a strip"),
        pytest.param(verdict(REGION, size=(32_768, 32_768)), ["Fake"], id="larger than any image that is read"),
        pytest.param(Frame([]), ["<th>path</th>", "0 rows"], id="a table without rows"),
        pytest.param(
            Frame([dict.fromkeys(COLUMNS, "<i>")] * 25), ["&lt;i&gt;", "25 rows, the first 20 shown"], id="a long table"
        ),
    ],
)
def test_html_is_escaped_small_and_inactive(shown: Verdict | Frame, expected: list[str]) -> None:
    html = shown._repr_html_()
    for text in expected:
        assert text in html
    assert html.encode()  # valid UTF-8
    assert len(html) < 100_000
    rest = re.sub(r'src="data:image/jpeg;base64,[A-Za-z0-9+/=]+"', "", html)
    assert not re.search(r"<(script|i|b|iframe|object|svg|link|style)\b|\son\w+=|javascript:|https?:|src=", rest)


# --- tables ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def frame(whole_image_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Frame:
    """A fake image with a mark, a missing one, and one in memory that is real."""
    path = tmp_path_factory.mktemp("images") / "=white.png"
    notes = PngInfo()
    notes.add_text("Software", "Midjourney")
    plain(255).save(path, pnginfo=notes)
    return detect_frame([path, "nowhere.jpg", plain(0)], whole_image_bundle)


def test_a_row_per_image(frame: Frame) -> None:
    assert frame.columns == COLUMNS
    assert [tuple(row) for row in frame] == [COLUMNS] * 3
    assert frame["verdict"] == ["FAKE", None, "REAL"]
    assert frame["result"] == ["FAKE", None, "REAL"]
    assert frame["confidence"] == [pytest.approx(99.96), None, pytest.approx(99.97)]
    assert frame["uncertain"] == [False, False, False]
    assert frame["marks"] == ["The file names Midjourney as its software.", "", ""]
    assert [value and len(value) for value in frame["sha256"]] == [64, None, None]
    assert frame["error"] == [None, "not_found", None]
    assert frame["message"][1] == "There is no such file."
    assert frame["faces"] == [0, 0, 0]
    assert frame["c2pa"] == ["none", None, None]
    assert frame["generator_tags"] == ["software:Midjourney", None, None]
    assert frame["notes"] == ["", "", ""]
    assert [path and Path(path).name for path in frame["path"]] == ["=white.png", "nowhere.jpg", None]
    fake, missing, real = frame["fake_probability"]  # logits of 127 / 16 and -8
    assert (fake, missing, real) == (pytest.approx(0.999643, abs=1e-6), None, pytest.approx(0.000335, abs=1e-6))
    assert repr(frame) == "<Frame 3 images, 1 FAKE, 1 not readable>"


def test_a_frame_is_a_sequence(frame: Frame) -> None:
    assert len(frame) == 3
    assert frame[-1]["result"] == "REAL"
    assert frame[1:]["result"] == [None, "REAL"]
    assert frame[:2] == Frame(list(frame)[:2]) != frame
    with pytest.raises(KeyError, match="verdikt"):
        frame["verdikt"]
    with pytest.raises(IndexError):
        frame[3]


def test_a_frame_as_csv(frame: Frame, tmp_path: Path) -> None:
    text = frame.to_csv(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == text
    header, *rows = csv.reader(io.StringIO(text))
    assert tuple(header) == COLUMNS
    assert [row[1] for row in rows] == ["FAKE", "", "REAL"]
    with pytest.raises(UsageError) as caught:
        frame.to_csv(tmp_path / "no" / "folder.csv")
    assert caught.value.code == "cannot_write"


def test_csv_cells_are_no_formulas(tiny_bundle: Path) -> None:
    table = detect_frame(["=1+1.jpg", "-a.jpg", "a\udcff=.jpg"], tiny_bundle)
    rows = [row["path"] for row in csv.DictReader(io.StringIO(table.to_csv()))]
    assert rows == ["'=1+1.jpg", "'-a.jpg", r"a\udcff=.jpg"]


def test_a_frame_becomes_a_pandas_table(frame: Frame) -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(frame)
    assert tuple(table.columns) == COLUMNS
    assert table["result"].fillna("").tolist() == ["FAKE", "", "REAL"]
    assert table["fake_probability"].notna().tolist() == [True, False, True]
    assert pandas.DataFrame(frame.to_dict()).equals(table)
    assert tuple(pandas.DataFrame(frame[:0].to_dict()).columns) == COLUMNS


def test_a_frame_becomes_an_arrow_table(frame: Frame) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table(frame.to_dict())
    assert table.column("fake_probability").type == pyarrow.float64()
    assert table.to_pylist() == list(frame)


def test_the_detector_of_a_frame(tiny_bundle: Path, detector: Detector) -> None:
    """A path, a detector with its own threshold, or one with another; the shipped one by default."""
    grey = plain(144)  # a probability of 0.731
    assert detect_frame([grey], tiny_bundle)["result"] == ["FAKE"]
    assert detect_frame([grey], tiny_bundle, threshold="fpr_1")["result"] == ["REAL"]
    assert detect_frame([grey], load(tiny_bundle, 0.9))["result"] == ["REAL"]
    strict = Detector(detector.bundle, 0.9, DecodeLimits(max_pixels=100))
    assert detect_frame([grey], strict, threshold=0.5)["error"] == ["too_many_pixels"]
    assert detect_frame([])["result"] == []


@pytest.mark.parametrize(
    "single",
    [
        pytest.param("a.jpg", id="a string, which would be read letter by letter"),
        pytest.param(b"\xff\xd8", id="the bytes of a file"),
        pytest.param(Path("a.jpg"), id="a path"),
        pytest.param(plain(1), id="a Pillow image"),
    ],
)
@pytest.mark.parametrize(
    "call", [Detector.detect_many, lambda d, source: detect_frame(source, d)], ids=["many", "frame"]
)
def test_a_single_image_is_no_list(call: Callable[..., object], single: ImageSource, detector: Detector) -> None:
    """The error comes at the call: a generator's would come when somebody asks for its first verdict."""
    with pytest.raises(UsageError, match="Pass a list of images") as caught:
        call(detector, single)
    assert (caught.value.code, caught.value.exit_code) == ("not_a_list", 2)


# --- copies and pickles ------------------------------------------------------------------------------------

COPIES: list[Any] = [
    pytest.param(copy.copy, id="copy"),
    pytest.param(copy.deepcopy, id="deepcopy"),
    pytest.param(lambda thing: pickle.loads(pickle.dumps(thing)), id="pickle"),
    pytest.param(lambda thing: pickle.loads(pickle.dumps(thing, 2)), id="an old pickle protocol"),
]


@pytest.mark.parametrize("again", COPIES)
def test_a_detector_can_be_copied(again: Callable[[Any], Any], tiny_bundle: Path, astronaut: Image.Image) -> None:
    detector = Detector(Bundle.open(tiny_bundle), "fpr_1", DecodeLimits(max_pixels=300_000))
    other = again(detector)
    assert other is not detector
    assert (other.threshold, other.limits, other.bundle) == (0.9, detector.limits, detector.bundle)
    one, two = detector.detect(astronaut), other.detect(astronaut)
    assert one.to_dict() | {"ms": 0} == two.to_dict() | {"ms": 0}
    assert one.regions[0].evidence.tobytes() == two.regions[0].evidence.tobytes()


@pytest.mark.parametrize("again", COPIES)
def test_a_bundle_changed_in_memory_stays_changed(again: Callable[[Any], Any], tiny_bundle: Path) -> None:
    from dataclasses import replace

    bundle = Bundle.open(tiny_bundle)
    changed = replace(bundle, info=bundle.info.model_copy(update={"version": 9}))
    assert again(changed).name == "tiny@9"


def test_a_pickle_outlives_its_folder(tiny_bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bundle, tmp_path / "gone")
    data = pickle.dumps(load(tmp_path / "gone"))
    shutil.rmtree(tmp_path / "gone")
    assert pickle.loads(data).detect(plain(144)).result == "FAKE"
    assert b"InferenceSession" not in data


@pytest.mark.parametrize("name", ["model.onnx", "bundle.json", "golden.json", "SHA256SUMS"])
def test_the_hashes_of_a_pickle_are_checked(name: str, tiny_bundle: Path) -> None:
    restore, (content, *rest) = Bundle.open(tiny_bundle).__reduce__()
    assert restore(content, *rest) == Bundle.open(tiny_bundle)
    spoilt = content | {name: content[name][:-1] + bytes([content[name][-1] ^ 1])}
    with pytest.raises(BundleError) as caught:
        restore(spoilt, *rest)
    assert caught.value.code == "wrong_hash"
    with pytest.raises(BundleError):
        restore({key: data for key, data in content.items() if key != name}, *rest)


def test_another_bundle_in_a_pickle_is_a_wrong_hash(make_bundle: Callable[..., Bundle], tmp_path: Path) -> None:
    one, two = make_bundle(tmp_path / "a", version=1), make_bundle(tmp_path / "b", version=2)
    restore, (_, sha256, info) = one.__reduce__()
    with pytest.raises(BundleError) as caught:
        restore(dict(two.files), sha256, info)
    assert caught.value.code == "wrong_hash"


@pytest.mark.parametrize("again", COPIES)
@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ImageError("truncated", "It ends early."), id="a code and a message"),
        pytest.param(MissingExtraError("train", "Training"), id="other arguments"),
    ],
)
def test_errors_can_be_copied(error: Any, again: Callable[[Any], Any]) -> None:
    """A worker process hands its error over as a pickle; one that cannot be read again would hang the caller."""
    other = again(error)
    assert type(other) is type(error)
    assert (str(other), vars(other)) == (str(error), vars(error))


def test_verdicts_can_be_pickled(detector: Detector, astronaut: Image.Image) -> None:
    for found in (detector.detect(astronaut), detector.detect_or_error("nowhere.jpg")):
        other = pickle.loads(pickle.dumps(found))
        assert other.to_dict() == found.to_dict()


def test_joblib(detector: Detector, tmp_path: Path) -> None:
    joblib = pytest.importorskip("joblib")
    joblib.dump(detector, tmp_path / "detector.joblib")
    assert joblib.load(tmp_path / "detector.joblib").detect(plain(144)).result == "FAKE"
    jobs = [joblib.delayed(detector.detect_or_error)(source) for source in (plain(144), plain(112), "nowhere.jpg")]
    results = joblib.Parallel(n_jobs=2)(jobs)
    assert [found.result for found in results] == ["FAKE", "REAL", None]
    assert results[2].error.code == "not_found"


def test_an_explainer_can_be_pickled_after_its_work(detector: Detector, astronaut: Image.Image) -> None:
    explainer = unmask.Explainer(detector, seed=3)
    found = explainer.explain(astronaut, forensics=False, faithfulness="full")
    # What larger models leave behind: sessions, which have no pickle.
    explainer._redraws[0] = single_thread_session(detector.bundle.model)
    other = pickle.loads(pickle.dumps(explainer))
    again = other.explain(astronaut, forensics=False, faithfulness="full")
    assert (other.seed, again.sentences, again.faithfulness) == (3, found.sentences, found.faithfulness)
    copied = pickle.loads(pickle.dumps(found))
    assert (copied.sentences, copied.verdict.verdict) == (found.sentences, found.verdict.verdict)
    assert np.array_equal(np.asarray(copied.overlay), np.asarray(found.overlay))
