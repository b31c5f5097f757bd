"""What is kept: through kills, by several instances, and no longer than it should be."""

from __future__ import annotations

import base64
import io
import json
import os
import pwd
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import numpy as np
import numpy.typing as npt
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from sqlalchemy import MetaData, Table, Uuid, column, create_engine, insert, inspect, table, text
from tests.serve.conftest import Start, make_image

from unmask.detect.detector import Detector, load
from unmask.detect.verdict import RegionVerdict, Verdict
from unmask.serve.clip_store import ClipQuery, ClipRecord, ClipStore
from unmask.serve.database import metadata, open_database
from unmask.serve.evidence import from_text, overlays, to_text
from unmask.serve.images import ImageFolder, thumbnail
from unmask.serve.problems import Problem
from unmask.serve.rows import cursor_of, parse_cursor
from unmask.serve.schemas import Evidence, Feedback, VerdictFields
from unmask.serve.store import Query, Record, Retention, Store
from unmask.serve.stored import complete

DAY = 86_400_000


@pytest.fixture(scope="module")
def detector(whole_image_bundle: Path) -> Detector:
    return load(whole_image_bundle)


def record(detector: Detector, grey: int, *, days_ago: float = 0, name: str = "a.png") -> Record:
    data = make_image(grey)
    moment = time.time_ns() // 1_000_000 - round(days_ago * DAY)
    return Record(f"{grey:064x}", name, detector.detect(data), data, time_ms=moment)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("??/*")}


# --- retention ---------------------------------------------------------------------------------------------


def test_records_go_by_age(detector: Detector) -> None:
    store = Store("sqlite://", retention=Retention(days=7))
    old, new = record(detector, 1, days_ago=7.01), record(detector, 2, days_ago=6.99)
    store.add([old, new])
    assert store.apply_retention() == 1
    assert [row["id"] for row in store.page(Query(), None, 10)[0]] == [new.id]
    with pytest.raises(Problem):
        store.get(old.id)


def test_records_go_by_number_the_oldest_first(detector: Detector) -> None:
    store = Store("sqlite://", retention=Retention(records=3))
    records = [record(detector, grey, days_ago=grey) for grey in range(1, 8)]
    random.Random(0).shuffle(records)
    store.add(records)
    assert store.apply_retention() == 4
    assert store.apply_retention() == 0
    assert [row["filename"] and row["sha256"][-1] for row in store.page(Query(), None, 10)[0]] == ["1", "2", "3"]


def test_images_go_by_size_and_their_files_with_them(detector: Detector, tmp_path: Path) -> None:
    size = len(make_image(5))
    store = Store("sqlite://", ImageFolder(tmp_path), Retention(image_bytes=2 * size))
    store.add([record(detector, grey, days_ago=grey) for grey in (1, 2, 2, 3, 4)])
    assert len(names(tmp_path)) == 4
    assert store.apply_retention() == 2
    # The two newest images fit; one of them has two records, which count once.
    assert names(tmp_path) == {f"{grey:064x}.png" for grey in (1, 2)}
    assert len(store.page(Query(), None, 10)[0]) == 3


def test_files_that_a_kill_left_are_swept_and_others_left_alone(detector: Detector, tmp_path: Path) -> None:
    store = Store("sqlite://", folder := ImageFolder(tmp_path))
    kept = record(detector, 9)
    store.add([kept])
    folder.write(f"{10:064x}", make_image(10))
    (tmp_path / "00" / "notes.txt").write_text("mine")
    assert store.sweep() == 1
    assert names(tmp_path) == {f"{9:064x}.png", "notes.txt"}
    assert store.image(store.get(kept.id)) == kept.data


@pytest.mark.parametrize("name", ["../../etc/passwd", "ab/../../x.png", "/etc/passwd", "ab/" + "a" * 64 + ".html"])
def test_no_name_leads_out_of_the_folder_of_images(name: str, tmp_path: Path) -> None:
    folder = ImageFolder(tmp_path)
    for method in (folder.read, folder.remove):
        with pytest.raises(ValueError, match="not the name"):
            method(name)


# --- evidence and thumbnails -------------------------------------------------------------------------------


def region(evidence: npt.NDArray[np.float32], probability: float = 0.9) -> RegionVerdict:
    return RegionVerdict(None, (0.04, 0.0, 64.06, 64.0), probability, evidence)


def verdict_of(*regions: RegionVerdict, word: Any = "FAKE") -> Verdict:
    return Verdict(None, word, 0.9, "FAKE", regions, None, "m@1", "0", 1.0)


def pixels_of(evidence: Evidence) -> npt.NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(evidence.png.partition(",")[2]))))


def test_stored_evidence_draws_the_same_overlays() -> None:
    random_maps = np.random.default_rng(0).normal(0, 4, (2, 7, 5)).astype(np.float32)
    verdict = verdict_of(*(region(evidence) for evidence in random_maps))
    stored = to_text(verdict)
    assert stored is not None
    for drawn, again in zip(overlays(verdict), from_text(stored), strict=True):
        assert again.box == pytest.approx(drawn.box, abs=0.05)
        opacity = [pixels_of(item)[..., 3].astype(int) for item in (drawn, again)]
        assert np.abs(opacity[0] - opacity[1]).max() <= 1


@pytest.mark.parametrize(
    "verdict",
    [
        pytest.param(verdict_of(region(np.ones((1, 1), np.float32))), id="one number is no map"),
        pytest.param(verdict_of(region(np.ones((4, 4), np.float32)), word="NO_FACE"), id="no face"),
    ],
)
def test_where_there_is_no_evidence_none_is_stored(verdict: Verdict) -> None:
    assert to_text(verdict) is None
    assert overlays(verdict) == []


def test_stored_evidence_is_bounded() -> None:
    big = np.random.default_rng(0).normal(0, 4, (224, 100)).astype(np.float32)
    stored = to_text(verdict_of(*[region(big)] * 40))
    assert stored is not None and len(stored) < 120_000
    assert len(json.loads(stored)) == 16
    # The mean of the map, which is the logit, stays.
    assert np.mean(json.loads(stored)[0]["map"]) == pytest.approx(float(big.mean()), abs=0.01)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        pytest.param((64, 48), (64, 48), id="small ones are not enlarged"),
        pytest.param((1600, 800), (160, 80), id="wide"),
        pytest.param((700, 1400), (80, 160), id="upright"),
        pytest.param((5000, 20), (160, 1), id="a strip"),
    ],
)
def test_thumbnails_are_small(size: tuple[int, int], expected: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    data = thumbnail(Image.fromarray(noise))
    assert len(data) <= 12_000
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.size) == ("JPEG", expected)


def test_thumbnails_are_kept_with_images_only(detector: Detector, tmp_path: Path) -> None:
    kept = replace(record(detector, 250), thumbnail=b"small")
    for images, expected in ((ImageFolder(tmp_path), b"small"), (None, None)):
        store = Store("sqlite://", images)
        store.add([kept])
        row = store.get(kept.id)
        assert row["thumbnail"] == expected
        assert row["image_bytes"] == (None if images is None else len(kept.data) + 5)
        assert row["evidence"] == to_text(kept.verdict)
        assert "evidence" not in store.page(Query(), None, 1)[0][0]


# --- table and cursor --------------------------------------------------------------------------------------


def test_migrations_make_the_table_that_the_code_uses(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.sqlite3'}"
    for _ in range(2):  # the second time there is nothing to do
        engine = open_database(url)
        with engine.begin() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
            assert {index["name"] for index in inspect(connection).get_indexes("verdicts")} == {
                "verdicts_by_time",
                "verdicts_by_sha256",
            }
        engine.dispose()


# A record of the first version: what was stored, and the word and the marks that follow from it.
OLD = [
    pytest.param({"result": "REAL", "fake_probability": 0.05}, "REAL", [], id="real"),
    pytest.param({"result": "FAKE", "fake_probability": 0.95}, "FAKE", [], id="fake"),
    pytest.param(
        {"result": "REAL", "fake_probability": 0.682, "confidence": 31.8, "uncertain": True},
        "UNCERTAIN",
        [],
        id="below the threshold and improbable: confidence is 50 now",
    ),
    pytest.param(
        {"result": "REAL", "fake_probability": 0.15, "uncertain": True, "face_found": False},
        "NO_FACE",
        [],
        id="no face",
    ),
    pytest.param(
        {"result": "REAL", "fake_probability": 0.05, "face_found": False}, "REAL", [], id="a bundle that seeks no faces"
    ),
    pytest.param(
        {"result": "REAL", "fake_probability": 0.05, "provenance": {"c2pa": "none", "generator_tags": ["png:prompt"]}},
        "REAL",
        ["settings"],
        id="settings of a generator",
    ),
    pytest.param({"result": "REAL", "fake_probability": 0.05, "provenance": None}, "REAL", [], id="no provenance"),
]


def old_row(content: dict[str, Any]) -> dict[str, Any]:
    verdict: dict[str, Any] = {
        "path": None,
        "confidence": 95.0,
        "uncertain": False,
        "faces": [],
        "face_found": True,
        "out_of_distribution": None,
        "notes": ["Odd."],
        "provenance": {"c2pa": "none", "generator_tags": []},
        "model": "tiny@1",
        "bundle_sha256": "0" * 64,
        "ms": 1.0,
        "error": None,
        **content,
    }
    same = {name: verdict[name] for name in ("result", "fake_probability", "uncertain", "model")}
    row = {"id": uuid4(), "time_ms": 1_700_000_000_000, "sha256": "ab" * 32, "filename": "old.png"}
    return {**row, **same, "verdict": json.dumps(verdict)}


def store_of_old(url: str, contents: list[dict[str, Any]]) -> tuple[Store, list[dict[str, Any]]]:
    """A database of the first version with records in it, opened by this one."""
    engine = create_engine(url)
    config = Config()
    config.set_main_option("script_location", "unmask.serve:migrations")
    rows = [old_row(content) for content in contents]
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        old = Table("verdicts", MetaData(), autoload_with=connection)
        assert "word" not in old.c
        typed = table("verdicts", column("id", Uuid), *(column(name) for name in rows[0] if name != "id"))
        connection.execute(insert(typed), rows)
    engine.dispose()
    return Store(url), rows


@pytest.mark.parametrize(("content", "word", "marks"), OLD)
def test_an_old_record_has_the_fields_of_today(content: dict[str, Any], word: str, marks: list[str]) -> None:
    verdict = VerdictFields(**complete(old_row(content)["verdict"]))
    assert verdict.verdict == word
    assert [mark.kind for mark in verdict.marks] == marks
    assert verdict.confidence == max(50, content.get("confidence", 95))
    assert verdict.notes == ["Odd."]
    assert verdict.uncertain == content.get("uncertain", False)


def check_old_records(url: str) -> None:
    store, rows = store_of_old(url, [item.values[0] for item in OLD])
    try:
        for row, (_, word, marks) in zip(rows, [item.values for item in OLD], strict=True):
            found = store.get(row["id"])
            assert (found["word"], found["marked"]) == (word, bool(marks))
            assert found["evidence"] is found["thumbnail"] is None
            assert found["verdict"] == row["verdict"]
        for word in ("FAKE", "REAL", "UNCERTAIN", "NO_FACE"):
            expected = {row["id"] for row, item in zip(rows, OLD, strict=True) if item.values[1] == word}
            assert {row["id"] for row in store.page(Query(verdict=word), None, 10)[0]} == expected
        assert [row["id"] for row in store.page(Query(marked=True), None, 10)[0]] == [rows[5]["id"]]
        assert len(store.page(Query(marked=False), None, 10)[0]) == len(OLD) - 1
    finally:
        store.close()


def test_a_history_of_the_first_version_is_migrated(tmp_path: Path) -> None:
    check_old_records(f"sqlite:///{tmp_path / 'old.sqlite3'}")


def test_many_old_records_are_all_migrated(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.sqlite3'}"
    store, _ = store_of_old(url, [{"result": "FAKE", "fake_probability": 0.9}] * 2500)
    with sqlite3.connect(tmp_path / "old.sqlite3") as database:
        assert database.execute("SELECT word, count(*) FROM verdicts GROUP BY word").fetchall() == [("FAKE", 2500)]
    store.close()


@given(st.text(max_size=60))
def test_a_cursor_is_one_that_was_given_or_a_problem(cursor: str) -> None:
    try:
        moment, identifier = parse_cursor(cursor)
    except Problem as problem:
        assert problem.code == "bad_cursor"
    else:
        assert parse_cursor(cursor_of({"time_ms": moment, "id": identifier})) == (moment, identifier)  # type: ignore[arg-type]


@given(st.text(alphabet="ab%_\\'\"", max_size=6), st.text(alphabet="ab%_\\'\"", max_size=3))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_search_finds_exactly_the_names_that_hold_the_text(detector: Detector, name: str, text: str) -> None:
    store = Store("sqlite://")
    store.add([record(detector, 3, name=name)])
    found = store.page(Query(text=text), None, 10)[0]
    assert bool(found) == (text.lower() in name.lower() or f"{3:064x}".startswith(text.lower()))
    store.close()


# --- kill -9 -----------------------------------------------------------------------------------------------


def send_until_it_dies(url: str, acknowledged: list[str], index: int) -> None:
    grey = 100 + index
    with httpx2.Client(base_url=url, timeout=30) as client:
        while True:
            try:
                answer = client.post("/predict", files={"image": (f"{index}.png", make_image(grey))})
            except httpx2.TransportError:
                return
            assert answer.status_code == 200
            acknowledged.append(answer.json()["id"])


def test_a_kill_loses_no_record_that_was_acknowledged(start: Start, tmp_path: Path) -> None:
    store = tmp_path / "store"
    acknowledged: list[str] = []
    for turn in range(2):
        with start("--store", str(store), "--keep-images", "--rate", "0") as running:
            before = len(acknowledged)
            arguments = [(running.url, acknowledged, index) for index in range(4)]
            threads = [threading.Thread(target=send_until_it_dies, args=one) for one in arguments]
            for thread in threads:
                thread.start()
            while len(acknowledged) < before + 20 + 7 * turn:
                time.sleep(0.005)
            running.stop(signal.SIGKILL)
            for thread in threads:
                thread.join()
    with start("--store", str(store), "--keep-images", "--rate", "0") as running, running.client() as client:
        for identifier in acknowledged:
            found = client.get(f"/v1/history/{identifier}")
            assert found.status_code == 200
            assert client.get(found.json()["image"]).status_code == 200
    with sqlite3.connect(store / "unmask.sqlite3") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert len(acknowledged) == len(set(acknowledged)) >= 2 * 20


def test_a_stop_finishes_what_is_under_way(start: Start, tmp_path: Path) -> None:
    store = tmp_path / "store"
    answers: list[httpx2.Response] = []

    def ask(url: str) -> None:
        files = [("images", (f"{grey}.png", make_image(grey, side=900))) for grey in range(16)]
        answers.append(httpx2.post(f"{url}/v1/detect", files=files, timeout=60))

    with start("--store", str(store)) as running:
        thread = threading.Thread(target=ask, args=(running.url,))
        thread.start()
        with running.client() as client:
            while client.get("/health").json()["waiting"] == 0 and thread.is_alive():
                time.sleep(0.001)
        assert running.stop(signal.SIGTERM) == 0
        thread.join()
    assert answers[0].status_code == 200
    with sqlite3.connect(store / "unmask.sqlite3") as database:
        assert database.execute("SELECT count(*) FROM verdicts").fetchone() == (16,)


# --- PostgreSQL --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an empty database on a server of the test's own."""
    pytest.importorskip("psycopg")
    found = [shutil.which("initdb"), *sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))]
    programs = [Path(path).parent for path in found if path]
    if not programs:
        pytest.skip("PostgreSQL's server is not installed")
    # Its server refuses to run as root.
    user = None
    if os.getuid() == 0:
        known = {entry.pw_name for entry in pwd.getpwall()} & {"postgres", "nobody"}
        if not known:
            pytest.skip("PostgreSQL does not run as root, and there is no other user")
        user = pwd.getpwnam(max(known)).pw_name
    # A folder that another user can reach: pytest's own are for one user only.
    folder = Path(tempfile.mkdtemp(prefix="unmask-postgresql-"))
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"
    try:
        subprocess.run(
            [programs[-1] / "initdb", "-D", data, "-U", "unmask", "-A", "trust", "--no-sync", "-E", "UTF8"],
            check=True, capture_output=True, user=user, cwd=folder,
        )  # fmt: skip
        server = subprocess.Popen(
            [programs[-1] / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", folder],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=user, cwd=folder,
        )  # fmt: skip
        try:
            ready = [programs[-1] / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
            for _ in range(300):
                if subprocess.run(ready, check=False).returncode == 0:
                    break
                time.sleep(0.1)
            yield f"postgresql://unmask@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_two_instances_on_one_postgresql_agree(
    start: Start, whole_image_bundle: Path, postgresql: str, tmp_path: Path
) -> None:
    flags = ["--store", postgresql, "--keep-images", "--images", str(tmp_path / "images"), "--rate", "0"]
    both = (start(*flags, model=whole_image_bundle) for _ in range(2))
    with next(both) as one, next(both) as two, one.client() as first, two.client() as second:
        assert first.get("/health").json()["store"] == "postgresql"
        sent: list[str] = []

        def fill(client: httpx2.Client, begin: int) -> None:
            for grey in range(begin, begin + 15):
                answer = client.post("/predict", files={"image": ("a.png", make_image(grey))})
                assert answer.status_code == 200
                sent.append(answer.json()["id"])

        threads = [threading.Thread(target=fill, args=item) for item in ((first, 10), (second, 10), (first, 200))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        pages = [client.get("/v1/history", params={"limit": 100}).json()["items"] for client in (first, second)]
        assert pages[0] == pages[1]
        assert {item["id"] for item in pages[0]} == set(sent)
        assert len(sent) == 45
        # What one is told the other knows; what one deletes is gone for the other, the image once both records are.
        # FAKE or REAL, since right or wrong on UNCERTAIN makes no label.
        certain = [item["sha256"] for item in pages[0] if item["verdict"] != "UNCERTAIN"]
        twice, _ = Counter(certain).most_common(1)[0]
        judged, twin = (item["id"] for item in pages[0] if item["sha256"] == twice)
        first.post(f"/v1/history/{judged}/feedback", json={"verdict": "wrong"})
        assert second.get(f"/v1/history/{judged}").json()["feedback"]["verdict"] == "wrong"
        assert len(second.get("/v1/export").text.splitlines()) == 2
        assert second.delete(f"/v1/history/{judged}").status_code == 204
        assert first.get(f"/v1/history/{judged}").status_code == 404
        assert first.get(f"/v1/history/{twin}/image").status_code == 200
        files = len(names(tmp_path / "images"))
        first.delete(f"/v1/history/{twin}")
        assert len(names(tmp_path / "images")) == files - 1


def test_a_history_of_the_first_version_in_postgresql_is_migrated(postgresql: str) -> None:
    url = postgresql.replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CREATE DATABASE old"))
    engine.dispose()
    check_old_records(url.removesuffix("postgres") + "old")


def test_postgresql_holds_what_sqlite_holds(postgresql: str, detector: Detector) -> None:
    url = postgresql.replace("postgresql://", "postgresql+psycopg://")
    records = [record(detector, grey, days_ago=grey / 10, name=f"{grey}%_\\.png") for grey in range(1, 6)]
    answers = []
    for store in (Store("sqlite://"), Store(url)):
        for row in store.page(Query(), None, 100)[0]:
            store.remove(row["id"])
        store.add(records)
        assert store.get(records[4].id)["evidence"] == to_text(records[4].verdict)
        assert bytes(store.get(records[4].id)["thumbnail"] or b"") == b""
        store.give_feedback(records[0].id, Feedback(verdict="right", note="déjà vu"))
        rows, cursor = store.page(Query(text="%_\\."), None, 3)
        more, end = store.page(Query(text="%_\\."), cursor, 3)
        skipped = ("feedback_ms",)
        answers.append([{key: row[key] for key in row if key not in skipped} for row in [*rows, *more]])
        assert end is None
        assert [row["id"] for row in store.labelled(None)] == [records[0].id]
        assert store.labelled(records[0].id) == []
        store.close()
    assert answers[0] == answers[1]
    assert len(answers[0]) == 5


def test_postgresql_holds_clips_as_sqlite_does(postgresql: str) -> None:
    url = postgresql.replace("postgresql://", "postgresql+psycopg://")
    records = [ClipRecord("0" * 64, f"{place}%.mp4", 5, 32, time_ms=place) for place in range(1, 5)]
    answers = []
    for engine in (open_database("sqlite://"), open_database(url)):
        store = ClipStore(engine)
        for each in records:
            store.add(each)
        done, cancelled, _silent, waiting = (each.id for each in records)
        assert store.begin(done)
        assert store.finish(done, {"verdict": "FAKE", "fake_probability": 0.9}, None)
        store.give_feedback(done, Feedback(verdict="right", note="déjà vu"))
        assert store.cancel(cancelled)["state"] == "cancelled"
        assert store.beat([cancelled, waiting]) == {waiting}
        assert store.interrupt(60, [done]) == 1
        rows, cursor = store.page(ClipQuery("%.mp4"), None, 3)
        more, end = store.page(ClipQuery("%.mp4"), cursor, 3)
        skipped = ("alive_ms", "ended_ms", "feedback_ms")
        answers.append([{key: row[key] for key in row if key not in skipped} for row in [*rows, *more]])
        assert end is None
        assert [row["state"] for row in [*rows, *more]] == ["waiting", "failed", "cancelled", "done"]
        assert store.apply_retention() == 0
        for each in records:
            store.remove(each.id)
        engine.dispose()
    assert answers[0] == answers[1]


def test_a_store_that_cannot_be_reached_is_one_line(tiny_bundle: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "unmask", "serve", "--port", "0", "--store", "postgresql://nobody@127.0.0.1:1/none"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("unmask: The history cannot be opened:")
    assert len(done.stderr.splitlines()) == 1


def test_a_store_that_fails_is_a_problem_and_no_verdict_is_acknowledged(start: Start, tmp_path: Path) -> None:
    with start("--store", str(tmp_path)) as running, running.client() as client:
        with sqlite3.connect(tmp_path / "unmask.sqlite3") as database:
            database.execute("DROP TABLE verdicts")
        for answer in (client.post("/predict", files={"image": ("a.png", make_image())}), client.get("/v1/history")):
            assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
            assert "verdicts" not in answer.text
        assert client.get("/health").status_code == 200
