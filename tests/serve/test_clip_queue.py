"""The queue, the records and the files of clips, with a stand-in for the detector."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from unmask.errors import UnmaskError
from unmask.serve.clip_files import ClipFolder, WaitingFolder, ending_of
from unmask.serve.clip_queue import ClipQueue
from unmask.serve.clip_records import ClipRecords
from unmask.serve.clip_store import ClipQuery, ClipRecord, ClipStore
from unmask.serve.database import open_database
from unmask.serve.metrics import Metrics
from unmask.serve.problems import Problem
from unmask.serve.schemas import Feedback
from unmask.serve.settings import Settings
from unmask.serve.store import Retention

VERDICT = {"kind": "video", "verdict": "FAKE", "fake_probability": 0.9, "error": None}


class Judge:
    """Judges two frames of each clip; waits before the second for a sign if asked to."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.half = threading.Event()
        self.go = threading.Event()
        self.go.set()

    def __call__(self, path: Path, frames: int, progress: Callable[[int, int], None]) -> dict[str, Any]:
        self.seen.append(path.read_text())
        progress(1, 2)
        self.half.set()
        assert self.go.wait(10)
        if path.read_text() == "broken":
            raise UnmaskError("corrupt", "The clip is damaged.")
        progress(2, 2)
        return VERDICT


class Desk:
    """A queue without a service around it."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.folder = folder
        self.judge = Judge()
        self.metrics = Metrics()
        self.records = ClipRecords(Settings(no_store=True), None)
        options: dict[str, Any] = {"capacity": 3, "workers": 1, "seconds": 10.0, "images_wait": lambda: False}
        self.queue = ClipQueue(self.judge, self.records, keep=False, metrics=self.metrics, **(options | changes))

    async def send(self, text: str = "clip") -> ClipRecord:
        record = ClipRecord("0" * 64, f"{text}.mp4", len(text), 32)
        path = self.folder / f"{record.id}.mp4"
        path.write_text(text)
        with self.queue.place():
            await self.queue.add(record, path)
        return record

    async def get(self, record: ClipRecord) -> Any:
        return await self.records.run(self.records.store.get, record.id)

    async def ended(self, *records: ClipRecord) -> list[str]:
        for record in records:
            while (job := self.queue.job(record.id)) is not None:
                await asyncio.wait_for(job.changed.wait(), 10)
        await asyncio.sleep(0.05)
        return [(await self.get(record))["state"] for record in records]


def run(folder: Path, story: Callable[[Desk], Coroutine[Any, Any, None]], **changes: Any) -> None:
    async def told() -> None:
        desk = Desk(folder, **changes)
        try:
            await story(desk)
        finally:
            desk.judge.go.set()
            await desk.queue.close(5)
            await desk.records.close()

    asyncio.run(told())


def count(metrics: Metrics, name: str) -> float:
    lines = metrics.text().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


# --- the queue ---------------------------------------------------------------------------------------------------


def test_clips_are_judged_in_their_order_and_their_files_deleted(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        records = [await desk.send(text) for text in ("first", "broken", "third")]
        assert await desk.ended(*records) == ["done", "failed", "done"]
        assert desk.judge.seen == ["first", "broken", "third"]
        first, broken = await desk.get(records[0]), await desk.get(records[1])
        assert (first["word"], first["fake_probability"]) == ("FAKE", 0.9)
        assert json.loads(first["verdict"]) == VERDICT
        assert json.loads(broken["error"]) == {"code": "corrupt", "message": "The clip is damaged."}
        assert first["ended_ms"] >= first["time_ms"]
        assert list(tmp_path.iterdir()) == []
        assert count(desk.metrics, 'unmask_clips_total{outcome="FAKE"}') == 2
        assert count(desk.metrics, 'unmask_clips_total{outcome="failed"}') == 1
        assert count(desk.metrics, "unmask_clip_frames_total") == 5
        assert count(desk.metrics, "unmask_clips_waiting") == 0

    run(tmp_path, story)


def test_a_full_queue_refuses_before_anything_is_sent(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        desk.judge.go.clear()
        records = [await desk.send() for _ in range(2)]
        with desk.queue.place():  # a clip that is being sent has its place, too
            with pytest.raises(Problem) as caught:
                await desk.send()
            assert (caught.value.status_code, caught.value.code) == (429, "busy")
            assert "Retry-After" in (caught.value.headers or {})
        job = desk.queue.job(records[1].id)
        assert job is not None and desk.queue.position(job) == 0
        assert count(desk.metrics, "unmask_clips_turned_away_total") == 1
        assert count(desk.metrics, "unmask_clips_waiting") == 2

    run(tmp_path, story)


def test_cancelling_drops_a_waiting_clip_and_stops_a_running_one(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        desk.judge.go.clear()
        running, waiting = await desk.send("running"), await desk.send("waiting")
        assert await asyncio.to_thread(desk.judge.half.wait, 5)
        for record in (waiting, running):
            assert (await desk.records.run(desk.records.store.cancel, record.id))["state"] == "cancelled"
            desk.queue.drop(record.id)
            assert desk.queue.job(record.id) is None
        desk.judge.go.set()
        last = await desk.send("last")
        assert await desk.ended(running, waiting, last) == ["cancelled", "cancelled", "done"]
        assert desk.judge.seen == ["running", "last"]
        assert list(tmp_path.iterdir()) == []
        # Cancelling what is finished changes nothing.
        assert (await desk.records.run(desk.records.store.cancel, last.id))["state"] == "done"

    run(tmp_path, story)


def test_stopping_does_not_wait_for_a_clip_and_says_what_became_of_it(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        desk.judge.go.clear()
        running, waiting = await desk.send(), await desk.send()
        assert await asyncio.to_thread(desk.judge.half.wait, 5)
        started = time.monotonic()
        await desk.queue.close(0.2)
        assert time.monotonic() - started < 1
        for record in (running, waiting):
            row = await desk.get(record)
            assert (row["state"], json.loads(row["error"])["code"]) == ("failed", "interrupted")
        with pytest.raises(Problem) as caught:
            await desk.send()
        assert caught.value.status_code == 503

    run(tmp_path, story)


def test_a_clip_that_takes_too_long_fails(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        record = await desk.send()
        assert await desk.ended(record) == ["failed"]
        assert json.loads((await desk.get(record))["error"])["code"] == "clip_stopped"

    run(tmp_path, story, seconds=0.0)


def test_frames_wait_for_images_but_not_for_ever(tmp_path: Path) -> None:
    waiting = threading.Event()
    waiting.set()

    async def story(desk: Desk) -> None:
        started = time.monotonic()
        record = await desk.send()
        await asyncio.sleep(0.2)
        assert not desk.judge.half.is_set()  # the first frame is judged; the next one waits
        waiting.clear()
        assert await desk.ended(record) == ["done"]
        assert time.monotonic() - started < 1
        waiting.set()
        started = time.monotonic()
        assert await desk.ended(await desk.send()) == ["done"]
        assert 1 <= time.monotonic() - started < 3  # half a second for each of two frames

    run(tmp_path, story, images_wait=waiting.is_set)


def test_another_instance_may_cancel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unmask.serve.clip_queue._BEAT_SECONDS", 0.05)

    async def story(desk: Desk) -> None:
        desk.judge.go.clear()
        record = await desk.send()
        assert await asyncio.to_thread(desk.judge.half.wait, 5)
        await desk.records.run(desk.records.store.cancel, record.id)  # in the table alone
        job = desk.queue.job(record.id)
        assert job is not None
        await asyncio.wait_for(job.changed.wait(), 5)
        assert desk.queue.job(record.id) is None and job.stop.is_set()

    run(tmp_path, story)


# --- records and files -------------------------------------------------------------------------------------------


def stored(store: ClipStore, folder: Path | None = None, *, content: str = "clip", days_ago: float = 0) -> ClipRecord:
    """A clip that was judged."""
    digest = f"{sum(content.encode()):064x}"
    moment = time.time_ns() // 1_000_000 - round(86_400_000 * days_ago)
    record = ClipRecord(digest, f"{content}.mp4", len(content), 32, time_ms=moment)
    store.add(record)
    source = None
    if folder is not None:
        source = folder / f"{uuid4()}.mp4"
        source.write_text(content)
    assert store.begin(record.id)
    assert store.finish(record.id, VERDICT, source)
    return record


def test_clips_of_an_instance_that_ended_are_interrupted() -> None:
    store = ClipStore(open_database("sqlite://"))
    done, waiting, running = stored(store), ClipRecord("1" * 64, "", 1, 32), ClipRecord("2" * 64, "", 1, 32)
    old = ClipRecord("3" * 64, "", 1, 32, time_ms=0)
    for record in (waiting, running, old):
        store.add(record)
    assert store.begin(running.id)
    assert store.interrupt(60, [running.id]) == 1  # only the one without a word for a minute
    assert store.beat([waiting.id, old.id]) == {waiting.id}
    assert store.interrupt(0) == 2
    assert [store.get(record.id)["state"] for record in (done, waiting, running, old)] == ["done", *["failed"] * 3]
    assert json.loads(store.get(waiting.id)["error"])["code"] == "interrupted"
    # A verdict that comes too late changes nothing.
    assert not store.finish(running.id, VERDICT, None)
    assert not store.begin(waiting.id)


def test_stored_clips_go_with_their_last_record_and_by_size(tmp_path: Path) -> None:
    folder = ClipFolder(tmp_path / "clips")
    store = ClipStore(open_database("sqlite://"), folder, Retention(image_bytes=7))
    first, again = (stored(store, tmp_path, content="same", days_ago=days) for days in (2, 1))
    path = store.file(first.id)
    assert path == store.file(again.id) and path.read_text() == "same"
    store.remove(first.id)
    assert path.is_file()
    assert store.apply_retention() == 0
    other = stored(store, tmp_path, content="other")
    assert store.apply_retention() == 1  # nine bytes are more than seven: the older one goes
    assert not path.exists()
    assert store.file(other.id).read_text() == "other"
    (tmp_path / "clips" / "aa").mkdir()
    orphan = tmp_path / "clips" / "aa" / f"{'a' * 64}.mp4"
    orphan.touch()
    assert store.sweep() == 1 and not orphan.exists()
    store.remove(other.id)
    with pytest.raises(Problem) as caught:
        store.file(other.id)
    assert caught.value.code == "not_found"


def test_clips_are_listed_searched_and_rated() -> None:
    store = ClipStore(open_database("sqlite://"))
    records = [stored(store, content=text, days_ago=5 - place) for place, text in enumerate("abcde")]
    waiting = ClipRecord("f" * 64, "late.mp4", 1, 32)
    store.add(waiting)
    page, cursor = store.page(ClipQuery(), None, 4)
    rest, end = store.page(ClipQuery(), cursor, 4)
    newest_first = [waiting.id, *(record.id for record in reversed(records))]
    assert [row["id"] for row in [*page, *rest]] == newest_first and end is None
    assert [row["id"] for row in store.page(ClipQuery("ATE."), None, 9)[0]] == [waiting.id]
    assert [row["id"] for row in store.page(ClipQuery("f" * 9), None, 9)[0]] == [waiting.id]
    assert len(store.page(ClipQuery(state="done", verdict="FAKE"), None, 9)[0]) == 5
    assert store.page(ClipQuery(verdict="REAL"), None, 9)[0] == []
    row = store.give_feedback(records[0].id, Feedback(verdict="right", note="seen"))
    assert (row["feedback"], row["note"]) == ("right", "seen")
    for identifier, status in ((waiting.id, 409), (uuid4(), 404)):
        with pytest.raises(Problem) as caught:
            store.give_feedback(identifier, Feedback(verdict="right"))
        assert caught.value.status_code == status


@pytest.mark.parametrize(
    ("filename", "ending"),
    [
        pytest.param("a.MP4", "mp4", id="upper case"),
        pytest.param("a.mp4/../../x", "clip", id="a path"),
        pytest.param("mkv", "mkv", id="nothing but an ending"),
        pytest.param("a.html", "clip", id="another kind"),
        pytest.param("", "clip", id="no name"),
    ],
)
def test_a_stored_name_has_a_known_ending(filename: str, ending: str) -> None:
    assert ending_of(filename) == ending


@pytest.mark.parametrize("name", ["../../etc/passwd", "ab/../../x.mp4", "/etc/passwd", "ab/" + "a" * 64 + ".html"])
def test_no_name_leads_out_of_the_folder_of_clips(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not the name"):
        ClipFolder(tmp_path).locate(name)


def test_the_waiting_clips_of_a_killed_process_are_deleted_and_those_of_others_stay(tmp_path: Path) -> None:
    left = tmp_path / "unmask-clips-dead"
    left.mkdir()
    (left / "a.mp4").write_text("private")
    first = WaitingFolder(tmp_path)
    second = WaitingFolder(tmp_path)
    assert not left.exists()
    first.file(uuid4(), "b.mov").write_text("waits")
    third = WaitingFolder(tmp_path)
    assert len(list(first.path.iterdir())) == 1
    for folder in (first, second, third):
        folder.close()
    assert list(tmp_path.iterdir()) == []
