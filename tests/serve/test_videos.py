"""The API for clips of a real service, over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from PIL import Image
from tests.serve.conftest import Server, Start, make_image, wait_until
from tests.serve.test_api import problem
from tests.video.clips import encode

from unmask.detect.detector import load
from unmask.serve.access import new_token
from unmask.serve.app import create_app
from unmask.serve.settings import Settings

pytest.importorskip("av", reason="the extra video is not installed")

from unmask.video.detector import ClipDetector

MIB = 2**20


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of 24 frames."""
    return encode(tmp_path_factory.mktemp("clip") / "a.mp4")


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A clip that takes the tiny detector seconds: 128 frames, in which it seeks faces."""
    return encode(tmp_path_factory.mktemp("clip") / "a.mp4", 128).read_bytes()


@pytest.fixture(scope="module")
def desk(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that stores clips, with small limits."""
    store = tmp_path_factory.mktemp("history") / "store"
    flags = ["--max-body-mib", "1", "--max-clip-mib", "2", "--max-clip-minutes", "1", "--clip-queue", "3"]
    with start("--store", str(store), "--keep-images", "--rate", "0", *flags) as running:
        yield running


@pytest.fixture
def client(desk: Server) -> Iterator[httpx2.Client]:
    with desk.client() as opened:
        yield opened


def send(client: httpx2.Client, data: bytes, name: str = "a.mp4", **options: Any) -> dict[str, Any]:
    answer = client.post("/v1/videos", files={"video": (name, data)}, params=options)
    assert answer.status_code == 202, answer.text
    body: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/v1/videos/{body['id']}"
    assert body["state"] in {"waiting", "running"} and body["verdict"] is None
    return body


def follow(client: httpx2.Client, identifier: str) -> list[dict[str, Any]]:
    """All states until the clip is finished."""
    with client.stream("GET", f"/v1/videos/{identifier}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = list(stream.iter_lines())
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


def plain(verdict: dict[str, Any]) -> dict[str, Any]:
    return {**verdict, "path": None, "ms": 0}


def test_a_clip_is_queued_followed_and_judged_as_by_the_command(
    client: httpx2.Client, path: Path, tiny_bundle: Path
) -> None:
    data = path.read_bytes()
    body = send(client, data, "C:\\folder\\../a\u202eb.mp4", frames=6)
    assert (body["filename"], body["bytes"], body["frames"]) == ("ab.mp4", len(data), 6)
    assert body["sha256"] == hashlib.sha256(data).hexdigest()
    states = follow(client, body["id"])
    done = states[-1]
    assert done["state"] == "done" and done["ended"] >= done["time"]
    progress = [item["progress"]["judged"] for item in states if item["progress"]]
    assert progress == sorted(progress)
    expected = ClipDetector(load(tiny_bundle), workers=1).detect(path, frames=6).to_json()
    assert plain(done["verdict"]) == plain(expected)
    assert (done["word"], done["fake_probability"]) == (expected["verdict"], expected["fake_probability"])
    assert client.get(f"/v1/videos/{body['id']}").json() == done
    assert follow(client, body["id"]) == [done]
    item = client.get("/v1/videos", params={"query": "ab.mp", "verdict": done["word"]}).json()["items"][0]
    assert item == {name: value for name, value in done.items() if name != "verdict"}

    # The clip is stored; players ask for parts of it.
    stored = client.get(done["clip"])
    assert (stored.content, stored.headers["content-type"]) == (data, "video/mp4")
    part = client.get(done["clip"], headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, data[10:20])

    rated = client.post(f"/v1/videos/{body['id']}/feedback", json={"verdict": "wrong", "note": "seen"}).json()
    assert (rated["feedback"]["verdict"], rated["feedback"]["note"]) == ("wrong", "seen")
    # A finished clip is not cancelled; deleting takes the file along.
    assert client.post(f"/v1/videos/{body['id']}/cancel").json()["state"] == "done"
    assert client.delete(f"/v1/videos/{body['id']}").status_code == 204
    for gone in ("", "/events", "/clip"):
        problem(client.get(f"/v1/videos/{body['id']}{gone}"), 404, "not_found")
    metrics = client.get("/metrics").text
    assert f'unmask_clips_total{{outcome="{done["word"]}"}} 1.0' in metrics
    assert "unmask_clip_frames_total 6.0" in metrics


def test_an_animation_is_a_clip_here(client: httpx2.Client) -> None:
    out = io.BytesIO()
    frames = [Image.new("RGB", (64, 64), (shade, shade, shade)) for shade in (10, 200, 90)]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=200)
    done = follow(client, send(client, out.getvalue(), "a.gif")["id"])[-1]
    assert (done["state"], done["verdict"]["frames_judged"]) == ("done", 3)
    assert client.get(done["clip"]).headers["content-type"] == "image/gif"


def test_clips_that_are_refused(client: httpx2.Client, path: Path) -> None:
    def post(data: bytes, **options: Any) -> httpx2.Response:
        return client.post("/v1/videos", files={"video": ("a.mp4", data)}, **options)

    data = path.read_bytes()
    problem(post(b"no clip at all"), 415, "unsupported_format")
    problem(post(make_image()), 415, "unsupported_format")
    problem(post(b""), 422, "empty")
    problem(post(data[:400]), 422, client.post("/v1/videos", files={"video": ("a.mp4", data[:400])}).json()["code"])
    problem(post(b"x" * (2 * MIB)), 413, "body_too_large")
    assert post(data, params={"frames": 0}).json()["code"] == "invalid_request"
    problem(post(data, params={"frames": 129}), 422, "too_many_frames")
    problem(client.post("/v1/videos", json={"video": "x"}), 415, "not_multipart")
    problem(client.post("/v1/videos", files={"image": ("a.mp4", data)}), 422, "no_clip_sent")
    two = [("video", ("a.mp4", data)), ("video", ("b.mp4", data))]
    problem(client.post("/v1/videos", files=two), 422, "too_many_clips")
    # More than an image may have, and less than a clip may.
    problem(client.post("/predict", files={"image": ("a.png", b"x" * (MIB + MIB // 2))}), 413, "body_too_large")
    problem(post(b"x" * (MIB + MIB // 2)), 415, "unsupported_format")
    for call in (client.get, client.delete):
        problem(call(f"/v1/videos/{uuid4()}"), 404, "not_found")
    problem(client.post(f"/v1/videos/{uuid4()}/cancel"), 404, "not_found")
    assert client.get("/v1/model").json()["limits"]["clips"] == {
        "max_bytes": 2 * MIB, "max_seconds": 60, "frames": 32, "max_frames": 128, "queue": 3,
    }  # fmt: skip


def test_an_upload_that_breaks_off_leaves_nothing(desk: Server) -> None:
    store = Path(desk.process.args[desk.process.args.index("--store") + 1])  # type: ignore[union-attr, index, call-overload]
    host, _, port = desk.url.removeprefix("http://").partition(":")
    head = (
        "POST /v1/videos HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        '--x\r\nContent-Disposition: form-data; name="video"; filename="a.mp4"\r\n\r\n'
    )

    def waiting() -> list[Path]:
        return list(store.glob("images/clips/unmask-clips-*/*"))

    for _ in range(4):  # one more than there are places
        with socket.create_connection((host, int(port))) as opened:
            opened.sendall(head.encode() + b"x" * 100_000)
            wait_until(lambda: len(waiting()) == 1)
        wait_until(lambda: waiting() == [])


def test_images_do_not_wait_for_clips_and_a_cancelled_clip_ends(client: httpx2.Client, long: bytes) -> None:
    first, second = (send(client, long, frames=128) for _ in range(2))
    wait_until(lambda: client.get(f"/v1/videos/{first['id']}").json()["state"] == "running")
    for _ in range(10):
        assert client.post("/predict", files={"image": ("a.png", make_image())}).status_code == 200
    # All of them, while the first clip was being judged and the second one waited.
    assert client.get(f"/v1/videos/{first['id']}").json()["state"] == "running"
    waiting = client.get(f"/v1/videos/{second['id']}").json()
    assert (waiting["state"], waiting["position"]) == ("waiting", 0)
    send(client, long)
    problem(client.post("/v1/videos", files={"video": ("a.mp4", long)}), 429, "busy")
    for item in client.get("/v1/videos").json()["items"]:
        if item["state"] in {"waiting", "running"}:
            cancelled = client.post(f"/v1/videos/{item['id']}/cancel").json()
            assert (cancelled["state"], cancelled["clip"]) == ("cancelled", None)
            assert follow(client, item["id"])[-1]["state"] == "cancelled"
    problem(client.post(f"/v1/videos/{first['id']}/feedback", json={"verdict": "right"}), 409, "no_verdict")
    # The next clip does not wait for what was cancelled.
    assert follow(client, send(client, long, frames=1)["id"])[-1]["state"] == "done"


def test_a_stop_and_a_kill_leave_clips_in_a_clear_state(start: Start, long: bytes, tmp_path: Path) -> None:
    flags = ("--store", str(tmp_path / "store"), "--clip-folder", str(tmp_path / "waiting"))
    sent: list[str] = []
    for number in (signal.SIGTERM, signal.SIGKILL):
        with start(*flags) as running, running.client() as client:
            for earlier in sent:
                found = client.get(f"/v1/videos/{earlier}").json()
                assert (found["state"], found["error"]["code"]) == ("failed", "interrupted")
            body = send(client, long, frames=128)
            sent.append(body["id"])
            wait_until(lambda: client.get(f"/v1/videos/{sent[-1]}").json()["state"] == "running")
            with contextlib.ExitStack() as open_streams:
                stream = open_streams.enter_context(client.stream("GET", f"/v1/videos/{body['id']}/events"))
                lines = stream.iter_lines()
                next(lines)
                stopped = time.monotonic()
                running.process.send_signal(number)
                if number == signal.SIGTERM:
                    # The stream ends with what became of the clip, and does not keep the service from ending.
                    last = [line for line in lines if line.startswith("data: ")][-1]
                    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "interrupted"
                running.process.wait(timeout=60)
                assert time.monotonic() - stopped < 20
    assert len(list((tmp_path / "waiting").glob("*/*"))) == 1  # the killed service could not delete its clip
    settings = Settings(store=str(tmp_path / "store"), clip_folder=tmp_path / "waiting")
    with in_process(settings, None) as call:
        assert call("GET", "/v1/videos").json()["items"] == []  # this one has a history of its own, in memory
    assert list((tmp_path / "waiting").iterdir()) == []


@contextlib.contextmanager
def in_process(settings: Settings, bundle: Path | None) -> Iterator[Any]:
    """Calls an application without a history in this process."""
    app = create_app(settings, load(bundle), None)

    with asyncio.Runner() as runner:
        context = app.router.lifespan_context(app)
        runner.run(context.__aenter__())
        transport = httpx2.ASGITransport(app=app)

        def call(method: str, path: str, **options: Any) -> httpx2.Response:
            async def sent() -> httpx2.Response:
                async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
                    return await client.request(method, path, **options)

            return runner.run(sent())

        try:
            yield call
        finally:
            runner.run(context.__aexit__(None, None, None))


def test_without_a_history_verdicts_wait_in_memory(tiny_bundle: Path, path: Path) -> None:
    with in_process(Settings(no_store=True, workers=1), tiny_bundle) as call:
        sent = call("POST", "/v1/videos", files={"video": ("a.mp4", path.read_bytes())}, params={"frames": 2})
        assert sent.status_code == 202, sent.text
        # The stream ends with the clip, so this waits for it.
        events = call("GET", f"/v1/videos/{sent.json()['id']}/events").text
        assert events.startswith("event: state\ndata: {")
        done = call("GET", f"/v1/videos/{sent.json()['id']}").json()
        assert (done["state"], done["clip"], done["verdict"]["frames_judged"]) == ("done", None, 2)


def test_a_service_without_clips_says_so(tiny_bundle: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with in_process(Settings(no_store=True, no_clips=True, workers=1), tiny_bundle) as call:
        problem(call("POST", "/v1/videos", files={"video": ("a.mp4", path.read_bytes())}), 404, "no_clips")
        assert call("GET", "/v1/model").json()["limits"]["clips"] is None
    monkeypatch.setattr("unmask.serve.clips.has_video", lambda: False)
    with in_process(Settings(no_store=True, workers=1), tiny_bundle) as call:
        body = problem(call("GET", "/v1/videos"), 404, "no_clips")
        assert "[serve,video]" in body["detail"]


def test_clips_need_the_token_as_images_do(tiny_bundle: Path, path: Path) -> None:
    token, digest = new_token()
    with in_process(Settings(no_store=True, workers=1, token_hashes=(digest,)), tiny_bundle) as call:
        for method, place in (
            ("POST", "/v1/videos"),
            ("GET", "/v1/videos"),
            ("GET", f"/v1/videos/{uuid4()}"),
            ("GET", f"/v1/videos/{uuid4()}/events"),
            ("GET", f"/v1/videos/{uuid4()}/clip"),
            ("POST", f"/v1/videos/{uuid4()}/cancel"),
            ("POST", f"/v1/videos/{uuid4()}/feedback"),
            ("DELETE", f"/v1/videos/{uuid4()}"),
        ):
            problem(call(method, place), 401, "unauthorized")
        assert call("GET", "/v1/videos", headers={"Authorization": f"Bearer {token}"}).status_code == 200
        foreign = {"Authorization": f"Bearer {token}", "Origin": "https://other.example"}
        problem(call("POST", "/v1/videos", headers=foreign), 403, "cross_origin")
