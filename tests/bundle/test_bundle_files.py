"""Reading bundles: what round-trips, and everything that must be refused with one clear error."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unmask.bundle import bundle as bundle_module
from unmask.bundle.bundle import CONTENT, DEFAULT_BUNDLE, GOLDEN, INFO, MODEL, SUMS, Bundle
from unmask.bundle.golden import GoldenCase, golden_pixels
from unmask.detect.detector import Detector
from unmask.errors import BundleError, UnmaskError

MakeGraph = Callable[..., bytes]
MakeBundle = Callable[..., Bundle]


@pytest.fixture
def folder(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the tiny bundle to break."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


def zipped(folder: Path, target: Path, top: str = "", method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(target, "w", method) as archive:
        for name in (*CONTENT, SUMS):
            archive.write(folder / name, top + name)
    return target


def rehash(folder: Path) -> None:
    """Give the files as they now are their right hashes, as someone who means harm would."""
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in CONTENT]
    (folder / SUMS).write_text("".join(lines))


def change_json(folder: Path, name: str, change: Callable[[Any], object]) -> None:
    content = json.loads((folder / name).read_text())
    change(content)
    (folder / name).write_text(json.dumps(content))
    rehash(folder)


def refused(path: Path | str, verify: bool = False) -> BundleError:
    with pytest.raises(BundleError) as caught:
        bundle = Bundle.open(path)
        if verify:
            bundle.verify()
    assert caught.value.exit_code == 3
    return caught.value


# --- what is right -----------------------------------------------------------------------------------------


def test_what_was_written_is_read(make_bundle: MakeBundle, make_graph: MakeGraph, tmp_path: Path) -> None:
    written = make_bundle(tmp_path / "b", name="round-trip", version=7)
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == sorted([*CONTENT, SUMS])  # no leftovers
    read = Bundle.open(tmp_path / "b")
    assert read == written
    assert (read.info.name, read.info.version, read.info.threshold.name) == ("round-trip", 7, "fpr_5")
    assert read.model == make_graph()
    assert json.loads((tmp_path / "b" / INFO).read_text())["main_face"] == 0.4
    assert read.sha256 == hashlib.sha256((tmp_path / "b" / SUMS).read_bytes()).hexdigest()
    assert [case.seed for case in read.golden] == [0, 1]


def test_the_same_content_gives_the_same_bytes(make_bundle: MakeBundle, tmp_path: Path) -> None:
    assert make_bundle(tmp_path / "a").sha256 == make_bundle(tmp_path / "b").sha256
    for name in (*CONTENT, SUMS):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("top", ["", "tiny-v1/"], ids=["files at the top", "in one folder"])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def test_a_zip_is_the_same_bundle(top: str, method: int, tiny_bundle: Path, tmp_path: Path) -> None:
    archive = zipped(tiny_bundle, tmp_path / "b.zip", top, method)
    assert Bundle.open(archive) == Bundle.open(tiny_bundle)
    assert Bundle.open(str(archive)).verify()["cases"] == 2


def test_sums_are_what_sha256sum_writes(tiny_bundle: Path) -> None:
    lines = (tiny_bundle / SUMS).read_text().splitlines()
    assert all(re.fullmatch(r"[0-9a-f]{64}  [A-Za-z.]+", line) for line in lines)


def test_verify_replays_the_golden_cases(tiny_bundle: Path) -> None:
    assert Bundle.open(tiny_bundle).verify() == {"cases": 2, "largest_difference": 0.0}


def test_golden_images_are_pinned() -> None:
    """They are drawn anew on every machine, so a change would fail every bundle that was ever shipped."""
    pixels = golden_pixels(3, 192)
    assert (pixels.shape, pixels.dtype) == ((192, 192, 3), np.uint8)
    assert hashlib.sha256(pixels.tobytes()).hexdigest()[:32] == "2ed2c2e43f115602b5ad40ae94a0e2ac"
    assert (golden_pixels(4, 192) != pixels).any()


# --- files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONTENT)
def test_a_changed_byte_is_a_wrong_hash(name: str, folder: Path) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    error = refused(folder)
    assert error.code == "wrong_hash"
    assert name in error.message


@pytest.mark.parametrize("name", CONTENT)
def test_a_file_without_a_hash_is_a_wrong_hash(name: str, folder: Path) -> None:
    lines = (folder / SUMS).read_text().splitlines(keepends=True)
    (folder / SUMS).write_text("".join(line for line in lines if name not in line))
    assert refused(folder).code == "wrong_hash"


@pytest.mark.parametrize("name", [*CONTENT, SUMS])
@pytest.mark.parametrize("as_zip", [False, True], ids=["folder", "zip"])
def test_a_missing_file(name: str, as_zip: bool, folder: Path, tmp_path: Path) -> None:
    path = folder
    if as_zip:
        path = tmp_path / "b.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for other in {*CONTENT, SUMS} - {name}:
                archive.write(folder / other, other)
    else:
        (folder / name).unlink()
    error = refused(path)
    assert error.code == "broken_bundle"
    assert name in error.message


@pytest.mark.parametrize("name", [*CONTENT, SUMS])
def test_a_file_over_its_limit(name: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bundle_module.MOST_BYTES, name, (folder / name).stat().st_size)
    Bundle.open(folder)  # just small enough
    monkeypatch.setitem(bundle_module.MOST_BYTES, name, (folder / name).stat().st_size - 1)
    for path in (folder, zipped(folder, tmp_path / "b.zip")):
        error = refused(path)
        assert error.code == "broken_bundle"
        assert "larger than" in error.message


@pytest.mark.parametrize("name", CONTENT)
@pytest.mark.parametrize("kind", ["folder", "fifo"])
def test_something_else_than_a_file(name: str, kind: str, folder: Path) -> None:
    """A FIFO must be refused unopened: opening it would wait for a writer for ever."""
    (folder / name).unlink()
    if kind == "folder":
        (folder / name).mkdir()
    else:
        os.mkfifo(folder / name)
    assert refused(folder).code == "broken_bundle"


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        pytest.param(lambda path: None, "no_bundle", id="nothing there"),
        pytest.param(lambda path: path.mkdir(), "broken_bundle", id="an empty folder"),
        pytest.param(lambda path: path.write_bytes(b""), "broken_bundle", id="an empty file"),
        pytest.param(lambda path: path.write_text("a bundle, honestly"), "broken_bundle", id="text"),
        pytest.param(lambda path: zipfile.ZipFile(path, "w").close(), "broken_bundle", id="an empty zip"),
        pytest.param(lambda path: os.mkfifo(path), "no_bundle", id="a FIFO"),
        pytest.param(lambda path: path.symlink_to(path.name), "no_bundle", id="a link to itself"),
    ],
)
def test_what_is_no_bundle(make: Callable[[Path], object], expected: str, tmp_path: Path) -> None:
    make(tmp_path / "x.zip")
    error = refused(tmp_path / "x.zip")
    assert error.code == expected
    assert "x.zip" in error.message


def test_a_name_longer_than_any_file_has(tmp_path: Path) -> None:
    assert refused(str(tmp_path / ("x" * 5000))).code == "no_bundle"


@pytest.mark.parametrize(
    "sums",
    [
        pytest.param(b"no two blanks\n", id="words"),
        pytest.param(b"\xff\xfe\0", id="bytes"),
        pytest.param(b"", id="empty"),
    ],
)
def test_malformed_sums(sums: bytes, folder: Path) -> None:
    (folder / SUMS).write_bytes(sums)
    assert refused(folder).code in ("broken_bundle", "wrong_hash")


# --- zips --------------------------------------------------------------------------------------------------


def test_a_file_twice_in_a_zip(tiny_bundle: Path, tmp_path: Path) -> None:
    """Which of the two is meant? Programs differ, and that is how checks are got around."""
    path = zipped(tiny_bundle, tmp_path / "b.zip")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(MODEL, b"another")
    assert refused(path).code == "broken_bundle"


def test_a_file_at_the_top_and_in_a_folder_of_a_zip(tiny_bundle: Path, tmp_path: Path) -> None:
    path = zipped(tiny_bundle, tmp_path / "b.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"other/{INFO}", b"{}")
    assert refused(path).code == "broken_bundle"


@pytest.mark.parametrize("name", [*CONTENT, SUMS])
def test_an_encrypted_member(name: str, tiny_bundle: Path, tmp_path: Path) -> None:
    """The flag in both of the member's headers says encrypted; a password is never asked for."""
    path = zipped(tiny_bundle, tmp_path / "b.zip")
    data = bytearray(path.read_bytes())
    for mark, flags, name_at in ((b"PK\3\4", 6, 30), (b"PK\1\2", 8, 46)):
        at = -1
        while (at := data.find(mark, at + 1)) >= 0:
            if data[at + name_at : at + name_at + len(name)] == name.encode():
                data[at + flags] |= 1
    path.write_bytes(data)
    assert refused(path).code == "broken_bundle"


@pytest.mark.parametrize("method", ["deflated", "bzip2", "lzma"])
def test_damaged_compressed_data(method: str, tiny_bundle: Path, tmp_path: Path) -> None:
    number = {"deflated": zipfile.ZIP_DEFLATED, "bzip2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}[method]
    path = zipped(tiny_bundle, tmp_path / "b.zip", method=number)
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(SUMS)
        start, size = info.header_offset + 30 + len(SUMS), info.compress_size
    data = bytearray(path.read_bytes())
    whole, outcomes = Bundle.open(tiny_bundle), set()
    for at in range(start, start + size, 3):  # whatever the damage: the right content or one clear error
        broken = bytearray(data)
        broken[at] ^= 0xFF
        path.write_bytes(broken)
        try:
            assert Bundle.open(path) == whole  # a byte of padding
        except BundleError as error:
            outcomes.add(error.code)
    assert outcomes == {"broken_bundle"}


def test_an_unknown_compression(tiny_bundle: Path, tmp_path: Path) -> None:
    path = zipped(tiny_bundle, tmp_path / "b.zip", method=zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    at = -1
    while (at := data.find(b"PK\1\2", at + 1)) >= 0:
        data[at + 10] = 77
    at = -1
    while (at := data.find(b"PK\3\4", at + 1)) >= 0:
        data[at + 8] = 77
    path.write_bytes(data)
    assert refused(path).code == "broken_bundle"


def test_a_zip_cut_short(tiny_bundle: Path, tmp_path: Path) -> None:
    whole = zipped(tiny_bundle, tmp_path / "b.zip").read_bytes()
    for share in (0.1, 0.5, 0.9, 0.99):
        (tmp_path / "b.zip").write_bytes(whole[: int(len(whole) * share)])
        assert refused(tmp_path / "b.zip").code == "broken_bundle"


def test_a_zip_bomb_is_not_inflated(tiny_bundle: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(SUMS, bytes(20_000_000))
    error = refused(tmp_path / "b.zip")
    assert error.code == "broken_bundle"
    assert "larger than 65,536 bytes" in error.message


# --- bundle.json and golden.json, with right hashes ---------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b'{"schema_version": 1, "name": "ti', "broken_bundle", id="cut short"),
        pytest.param(b"", "broken_bundle", id="empty"),
        pytest.param(b"\xff\xfe\xfd", "broken_bundle", id="no text"),
        pytest.param(b"[]", "unknown_schema", id="a list"),
        pytest.param(b"{}", "unknown_schema", id="no version"),
        pytest.param(b'{"schema_version": 2, "anything": "goes"}', "unknown_schema", id="a later version"),
        pytest.param(b'{"schema_version": "1"}', "unknown_schema", id="a version in words"),
        pytest.param(b'{"schema_version": 1}', "broken_bundle", id="nothing else"),
        pytest.param(b"[" * 100_000, "broken_bundle", id="nested without end"),
    ],
)
def test_malformed_info(content: bytes, expected: str, folder: Path) -> None:
    (folder / INFO).write_bytes(content)
    rehash(folder)
    error = refused(folder)
    assert error.code == expected
    assert INFO in error.message


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda info: info.update(default_threshold="fpr_9"), id="no such default threshold"),
        pytest.param(lambda info: info.update(thresholds=[]), id="no threshold"),
        pytest.param(lambda info: info.update(name="../../etc"), id="a name that is a path"),
        pytest.param(lambda info: info.update(surprise=1), id="an unknown key"),
        pytest.param(lambda info: info["calibration"].update(slope=0), id="a slope of nothing"),
        pytest.param(lambda info: info["calibration"].update(slope=-1.0), id="a slope that swaps real and fake"),
        pytest.param(lambda info: info["calibration"].update(bias=float("nan")), id="a bias that is no number"),
        pytest.param(lambda info: info["calibration"].update(slope=float("inf")), id="a slope without end"),
        pytest.param(lambda info: info["thresholds"][0].update(fake_probability=1.1), id="a threshold over 1"),
        pytest.param(lambda info: info["preprocessing"].update(size=100_000), id="a size that needs 30 GB"),
        pytest.param(lambda info: info["preprocessing"].update(resample="magic"), id="an unknown filter"),
        pytest.param(lambda info: info["preprocessing"]["faces"].update(max_faces=0), id="no face allowed"),
        pytest.param(lambda info: info.update(main_face=1.01), id="a main face larger than the largest"),
        pytest.param(lambda info: info.update(main_face=-0.1), id="a main face smaller than none"),
        pytest.param(lambda info: info.update(main_face=float("nan")), id="a main face that is no number"),
        pytest.param(lambda info: info["preprocessing"]["faces"].update(paddings=[float("nan")]), id="a NaN padding"),
        pytest.param(lambda info: info["preprocessing"]["faces"].update(paddings=[-0.5]), id="a negative padding"),
        pytest.param(lambda info: info["preprocessing"]["faces"].update(paddings=[0] * 100_000), id="many paddings"),
        pytest.param(lambda info: info["preprocessing"]["faces"].update(max_faces=10**9), id="a billion faces"),
        pytest.param(lambda info: info["calibration"].update(slope=1e300), id="a slope that overflows"),
        pytest.param(lambda info: info["calibration"].update(bias=-1e300), id="a bias that overflows"),
        pytest.param(lambda info: info["calibration"].update(provenance="x" * 100_000), id="a long text"),
        pytest.param(lambda info: info.update(thresholds=info["thresholds"] * 100), id="many thresholds"),
        pytest.param(lambda info: info.update(version=10**30), id="a long version"),
        pytest.param(lambda info: info.update(name="x" * 10_000), id="a long name"),
        pytest.param(lambda info: info.update(default_threshold="\x1b" * 50_000), id="a long reference"),
        pytest.param(lambda info: info["card"].update(metrics={"auc": float("inf")}), id="an infinite metric"),
        pytest.param(lambda info: info["card"].update(recipe={"seed": float("nan")}), id="a NaN in the recipe"),
        pytest.param(
            lambda info: info["card"].update(packages=dict.fromkeys(map(str, range(5000)), "")), id="packages"
        ),
    ],
)
def test_info_that_makes_no_sense(change: Callable[[Any], object], folder: Path) -> None:
    change_json(folder, INFO, change)
    error = refused(folder)
    assert error.code == "broken_bundle"
    assert INFO in error.message
    assert len(error.message) < 320 + len(str(folder))
    assert error.message.isprintable()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(lambda cases: cases[0].update(logit=cases[0]["logit"] + 0.01), "golden_mismatch", id="a logit"),
        pytest.param(lambda cases: cases[1].update(evidence_mean=9.0), "golden_mismatch", id="an evidence mean"),
        pytest.param(lambda cases: cases[0].update(logit=float("nan")), "broken_bundle", id="NaN"),
        pytest.param(lambda cases: cases[0].update(evidence_mean=float("inf")), "broken_bundle", id="infinity"),
        pytest.param(lambda cases: cases[0].update(seed=99), "golden_mismatch", id="another image"),
        pytest.param(lambda cases: cases.clear(), "golden_mismatch", id="no case at all"),
        pytest.param(lambda cases: cases[0].update(seed=-1), "broken_bundle", id="a negative seed"),
        pytest.param(lambda cases: cases[0].update(seed=10**3999), "broken_bundle", id="a seed of 4,000 digits"),
        pytest.param(lambda cases: cases[0].update(logit=1e300), "broken_bundle", id="a logit out of range"),
        pytest.param(lambda cases: cases.extend(cases[:1] * 300), "broken_bundle", id="many cases"),
        pytest.param(lambda cases: cases[0].pop("logit"), "broken_bundle", id="a missing key"),
        pytest.param(lambda cases: cases[0].update(extra=1), "broken_bundle", id="an unknown key"),
    ],
)
def test_golden_cases_that_differ(change: Callable[[Any], object], expected: str, folder: Path) -> None:
    change_json(folder, GOLDEN, change)
    assert refused(folder, verify=True).code == expected


def test_a_difference_within_the_tolerance(folder: Path) -> None:
    change_json(folder, GOLDEN, lambda cases: cases[0].update(logit=cases[0]["logit"] + 0.0009))
    assert Bundle.open(folder).verify()["largest_difference"] == pytest.approx(0.0009)


def test_a_long_seed_is_not_echoed(folder: Path) -> None:
    change_json(folder, GOLDEN, lambda cases: cases[0].update(seed=10**3999))
    assert len(refused(folder).message) < 200 + len(str(folder))


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([10**400, -(10**400), "x" * 20_000, "\x1b[2J", [0] * 20_000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=120, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_info_is_accepted_or_one_error(data: st.DataObject, tiny_bundle: Path) -> None:
    """One place of the description, at any depth, holds something else: never another exception, never slow."""
    content = json.loads((tiny_bundle / INFO).read_text())
    place = content
    while True:
        at = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        below = place[at]
        if not isinstance(below, dict | list) or not below or data.draw(st.booleans()):
            break
        place = below
    place[at] = data.draw(_JSON)
    files = {name: (tiny_bundle / name).read_bytes() for name in CONTENT} | {INFO: json.dumps(content).encode()}
    files[SUMS] = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in CONTENT).encode()
    try:
        Detector(Bundle._from(bundle_module._MemoryFolder(files), "b")).detect(np.zeros((40, 40, 3), np.uint8))
    except BundleError as error:
        assert error.code in ("broken_bundle", "unknown_schema", "bad_model")
        assert len(error.message) < 320 and error.message.isprintable()


def test_truncated_golden(folder: Path) -> None:
    (folder / GOLDEN).write_bytes((folder / GOLDEN).read_bytes()[:-10])
    rehash(folder)
    assert refused(folder).code == "broken_bundle"


# --- graphs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"pixels_name": "image"}, id="another input"),
        pytest.param({"pixels_type": "FLOAT"}, id="an input of floats"),
        pytest.param({"outputs": ("score", "evidence")}, id="another output"),
        pytest.param({"outputs": ("logit", "heat")}, id="no evidence"),
    ],
)
def test_graphs_that_are_no_detector(
    changes: dict[str, Any], make_bundle: MakeBundle, make_graph: MakeGraph, tmp_path: Path
) -> None:
    golden = (GoldenCase(seed=0, logit=0.0, evidence_mean=0.0),)
    bundle = make_bundle(tmp_path / "b", model=make_graph(**changes), golden=golden)
    with pytest.raises(BundleError) as caught:
        bundle.session()
    assert caught.value.code == "bad_model"
    assert "not a detector" in caught.value.message


@pytest.mark.parametrize("model", [b"", b"not a graph", b"\x80\x04K*."], ids=["empty", "text", "a pickle"])
def test_bytes_that_are_no_graph(model: bytes, make_bundle: MakeBundle, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "b", model=model, golden=())
    with pytest.raises(BundleError) as caught:
        bundle.session()
    assert caught.value.code == "bad_model"


def test_a_graph_of_another_size(make_bundle: MakeBundle, make_graph: MakeGraph, tmp_path: Path) -> None:
    """The graph takes 64 px, where the description promises 32."""
    golden = (GoldenCase(seed=0, logit=0.0, evidence_mean=0.0),)
    bundle = make_bundle(tmp_path / "b", model=make_graph(size=64), golden=golden)
    with pytest.raises(BundleError) as caught:
        bundle.verify()
    assert caught.value.code == "bad_model"


@pytest.mark.parametrize("offset", [float("nan"), float("inf")])
def test_a_graph_that_answers_with_no_number(
    offset: float, make_bundle: MakeBundle, make_graph: MakeGraph, tmp_path: Path
) -> None:
    """Must never become a verdict: NaN is below every threshold, so the image would be called real."""
    golden = (GoldenCase(seed=0, logit=0.0, evidence_mean=0.0),)
    bundle = make_bundle(tmp_path / "b", model=make_graph(offset=offset), golden=golden)
    for call in (bundle.verify, lambda: Detector(bundle).detect(np.zeros((64, 64, 3), np.uint8))):
        with pytest.raises(BundleError) as caught:
            call()
        assert caught.value.code == "bad_model"


def test_a_bundle_cut_short_while_it_was_written(
    make_bundle: MakeBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer bundle is written over an older one, and killed before its last file."""
    make_bundle(tmp_path / "b", version=1)
    real_replace = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if target.name == SUMS:
            raise KeyboardInterrupt
        return real_replace(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        make_bundle(tmp_path / "b", version=2)
    assert refused(tmp_path / "b").code == "wrong_hash"


# --- the whole package -------------------------------------------------------------------------------------

SOURCES = sorted(Path(bundle_module.__file__).parents[1].rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(SOURCES[0].parent)))
def test_no_pickle_is_ever_loaded(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"^\s*(import|from) (pickle|cloudpickle|dill|joblib|shelve|marshal)\b", text, re.MULTILINE)
    assert "allow_pickle=True" not in text
    for call in re.findall(r"torch\.load\((?:[^()]|\([^()]*\))*\)", text):
        assert "weights_only=True" in call, call
    assert "weights_only=False" not in text


def test_errors_are_of_one_family() -> None:
    assert issubclass(BundleError, UnmaskError)


def test_what_ships_takes_at_most_20_mb() -> None:
    shipped = {path.name: path.read_bytes() for path in (files("unmask.assets") / DEFAULT_BUNDLE).iterdir()}
    assert shipped.keys() == {*CONTENT, SUMS}
    assert sum(len(content) for content in shipped.values()) <= 20_000_000
