"""The API of a real service, over HTTP."""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.util
import io
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from tests.serve.conftest import Server, Start, make_image, wait_until

from unmask.data.manifest import Manifest
from unmask.detect.detector import load

ROOT = Path(__file__).resolve().parents[2]


def problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """The body of an answer that must be a problem."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    body: dict[str, Any] = answer.json()
    assert (body["status"], body["code"]) == (status, code)
    assert body["title"] and body["detail"] and body["instance"].startswith("urn:uuid:")
    return body


def send(client: httpx2.Client, *data: bytes, evidence: bool = False) -> list[dict[str, Any]]:
    files = [("images", (f"{index}.png", item)) for index, item in enumerate(data)]
    answer = client.post("/v1/detect", files=files, params={"evidence": evidence})
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def make_marked(grey: int) -> bytes:
    """An image whose file names Midjourney."""
    out, notes = io.BytesIO(), PngInfo()
    notes.add_text("Software", "Midjourney")
    Image.new("RGB", (64, 64), (grey, grey, grey)).save(out, "PNG", pnginfo=notes)
    return out.getvalue()


MARK = {"kind": "generator", "text": "The file names Midjourney as its software."}


# --- verdicts ------------------------------------------------------------------------------------------------


def test_predict_answers_what_the_command_says(client: httpx2.Client, tiny_bundle: Path) -> None:
    data = make_image(200)
    answer = client.post("/predict", files={"image": ("C:\\folder\\../a\u202eb.png", data)}).json()
    expected = load(tiny_bundle).detect(data).to_json()
    assert {**{key: answer[key] for key in expected}, "ms": 0} == {**expected, "ms": 0}
    assert (answer["result"], answer["filename"]) == ("FAKE", "ab.png")
    # A logit of 4.5 on an image without a face: the contract of result and confidence stays, the verdict says more.
    assert answer["confidence"] == pytest.approx(98.9)
    assert (answer["verdict"], answer["uncertain"], answer["marks"]) == ("NO_FACE", True, [])
    assert answer["sha256"] == hashlib.sha256(data).hexdigest()


def test_verdicts_of_the_shipped_detector_are_those_of_the_command(start: Start, astronaut: Image.Image) -> None:
    images = []
    for turn, kind in enumerate(("JPEG", "PNG", "WEBP")):
        out = io.BytesIO()
        astronaut.rotate(3 * turn).resize((256, 256)).save(out, kind)
        images.append(out.getvalue())
    direct = [load().detect(data).to_json() for data in images]
    with start("--no-store", model=None) as running, running.client() as client:
        served = send(client, *images)
    for one, other in zip(served, direct, strict=True):
        assert {**{key: one[key] for key in other}, "ms": 0} == {**other, "ms": 0}
        assert one["id"] is None


def test_several_images_keep_their_order_and_errors(client: httpx2.Client) -> None:
    results = send(client, make_image(40), b"not an image", make_image(220))
    assert [item["result"] for item in results] == ["REAL", None, "FAKE"]
    assert [item["filename"] for item in results] == ["0.png", "1.png", "2.png"]
    assert results[1]["error"]["code"] == "unsupported_format"
    assert results[1]["id"] is None
    assert all(results[index]["id"] for index in (0, 2))


@pytest.fixture(scope="module")
def whole(start: Start, whole_image_bundle: Path) -> Iterator[httpx2.Client]:
    """A client of a service that judges whole images and keeps verdicts alone, in memory."""
    with start("--store", "memory", model=whole_image_bundle) as running, running.client() as opened:
        yield opened


def test_evidence_is_an_overlay_of_the_region(whole: httpx2.Client) -> None:
    (found,) = send(whole, make_image(250, side=80), evidence=True)
    kept = whole.get(f"/v1/history/{found['id']}").json()
    whole.delete(f"/v1/history/{found['id']}")
    (overlay,) = found["evidence"]
    assert overlay["box"] == [0, 0, 80, 80]
    assert kept["evidence"] == found["evidence"]
    assert (kept["image"], kept["thumbnail"]) == (None, None)  # only the verdict is kept
    head, _, data = overlay["png"].partition(",")
    assert head == "data:image/png;base64"
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    # Even evidence for fake: orange everywhere, neither clear nor opaque.
    assert image.shape == (256, 256, 4)
    assert (image[..., :3] == (230, 97, 1)).all()
    assert 0 < image[..., 3].min() == image[..., 3].max() < 255


def test_evidence_is_of_faces(client: httpx2.Client, astronaut: Image.Image) -> None:
    out = io.BytesIO()
    astronaut.save(out, "PNG")
    for data, count in ((out.getvalue(), 1), (make_image(250), 0)):
        (found,) = send(client, data, evidence=True)
        assert len(found["evidence"]) == len(found["faces"]) == count
        assert send(client, data)[0]["evidence"] is None
        kept = client.get(f"/v1/history/{found['id']}").json()["evidence"]
        assert (kept is None) == (count == 0)
        assert kept is None or kept[0]["box"] == pytest.approx(found["evidence"][0]["box"], abs=0.05)


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "unsupported_format", id="not an image"),
        pytest.param(make_image()[:-30], 422, "truncated", id="half an image"),
        pytest.param(make_image(side=8), 422, "too_small", id="too small"),
        pytest.param(make_image(side=1001), 422, "too_many_pixels", id="over a megapixel"),
        pytest.param(b"", 422, "empty", id="no bytes"),
        pytest.param(b"x" * (4 << 20), 413, "body_too_large", id="over four MiB with its form"),
    ],
)
def test_an_image_that_cannot_be_judged(data: bytes, status: int, code: str, client: httpx2.Client) -> None:
    problem(client.post("/predict", files={"image": ("a.png", data)}), status, code)
    problem(client.post("/v1/detect", files={"images": ("a.png", data)}), status, code)


def test_requests_that_are_no_forms_of_images(client: httpx2.Client) -> None:
    problem(client.post("/predict", json={"image": "x"}), 415, "not_multipart")
    problem(client.post("/predict"), 415, "not_multipart")
    problem(client.post("/predict", files={"other": ("a.png", make_image())}), 422, "no_picture")
    # A part of the field without a file's name is the image all the same.
    unnamed = b'--x\r\nContent-Disposition: form-data; name="image"\r\n\r\n' + make_image() + b"\r\n--x--\r\n"
    kind = "multipart/form-data; boundary=x"
    assert client.post("/predict", content=unnamed, headers={"Content-Type": kind}).json()["filename"] == ""
    text = unnamed.replace(make_image(), b"text")
    problem(client.post("/predict", content=text, headers={"Content-Type": kind}), 415, "unsupported_format")
    for charset in ("undefined", "no-such-charset", "utf-8"):
        answer = client.post("/predict", content=unnamed, headers={"Content-Type": f"{kind}; charset={charset}"})
        assert answer.status_code in (200, 400), charset
    boundary = {"Content-Type": "multipart/form-data; boundary=x"}
    problem(client.post("/predict", content=b"broken", headers=boundary), 400, "bad_multipart")
    problem(client.post("/predict", content=b"", headers={"Content-Type": "multipart/form-data"}), 400, "bad_multipart")
    many = [("images", (f"{index}.png", make_image())) for index in range(5)]
    problem(client.post("/v1/detect", files=many), 422, "too_many_pictures")


def test_a_body_of_unknown_length_is_limited_while_it_is_read(client: httpx2.Client) -> None:
    def endless() -> Any:
        yield b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
        for _ in range(5):
            yield b"x" * (1 << 20)

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    problem(client.post("/predict", content=endless(), headers=headers), 413, "body_too_large")


# --- errors of any kind, model, pages --------------------------------------------------------------------------


def test_every_error_is_a_problem(client: httpx2.Client) -> None:
    problem(client.get("/nothing"), 404, "not_found")
    problem(client.put("/predict"), 405, "method_not_allowed")
    body = problem(client.get("/v1/history", params={"limit": 0}), 422, "invalid_request")
    assert body["errors"][0]["where"] == ["query", "limit"]
    problem(client.get("/v1/history/7"), 422, "invalid_request")
    problem(client.get(f"/v1/history/{uuid4()}"), 404, "not_found")
    problem(client.get("/v1/history", params={"cursor": "x"}), 422, "bad_cursor")
    problem(client.post(f"/v1/history/{uuid4()}/feedback", content=b"{"), 422, "invalid_request")


def test_model_and_health(client: httpx2.Client, tiny_bundle: Path) -> None:
    health = client.get("/health").json()
    assert (health["status"], health["model"], health["store"], health["waiting"]) == ("ok", "tiny@1", "sqlite", 0)
    model = client.get("/v1/model").json()
    assert (model["threshold"], model["threshold_name"], model["false_positive_budget"]) == (0.5, "fpr_5", 0.05)
    assert [item["name"] for item in model["thresholds"]] == ["fpr_1", "fpr_5"]
    assert model["bundle_sha256"] == hashlib.sha256((tiny_bundle / "SHA256SUMS").read_bytes()).hexdigest()
    assert model["limits"]["max_body_bytes"] == 4 << 20
    assert model["limits"]["keeps_images"] is True


def test_metrics_count_images_and_routes(client: httpx2.Client) -> None:
    def count(name: str) -> float:
        lines = client.get("/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    fakes = count('unmask_pictures_total{outcome="FAKE"}')
    send(client, make_image(255))
    assert count('unmask_pictures_total{outcome="FAKE"}') == fakes + 1
    no_face, marked = count('unmask_verdicts_total{verdict="NO_FACE"}'), count("unmask_pictures_marked_total ")
    send(client, make_marked(255))
    assert count('unmask_verdicts_total{verdict="NO_FACE"}') == no_face + 1
    assert count("unmask_pictures_marked_total ") == marked + 1
    client.get(f"/v1/history/{uuid4()}")
    assert count('unmask_requests_total{method="GET",route="/v1/history/{id}",status="404"}') >= 1


def test_docs_are_a_page_with_the_script_of_its_form_alone(client: httpx2.Client) -> None:
    answer = client.get("/docs")
    assert answer.status_code == 200
    assert "POST /v1/detect" in answer.text
    assert answer.text.count("<script") == 1
    code = answer.text.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    allowed = answer.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", f"script-src 'sha256-{digest}'"} <= {
        *allowed
    }
    assert "http://" not in answer.text and "https://" not in answer.text.replace("https://json-schema.org", "")


def test_the_page_or_how_to_build_it(client: httpx2.Client) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'unsafe" not in policy


def test_the_description_of_the_api_is_the_one_in_the_docs() -> None:
    path = ROOT / "tools" / "openapi.py"
    spec = importlib.util.spec_from_file_location("openapi_tool", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.description() == module.TARGET.read_text(encoding="utf-8"), "run python tools/openapi.py"


# --- history -----------------------------------------------------------------------------------------------


def test_a_verdict_is_kept_found_judged_and_deleted(client: httpx2.Client) -> None:
    data = make_image(17)
    answer = client.post("/predict", files={"image": ("Zebra 100%.png", data)}).json()
    record = client.get(f"/v1/history/{answer['id']}").json()
    assert record["sha256"] == hashlib.sha256(data).hexdigest()
    assert record["verdict"]["fake_probability"] == answer["fake_probability"]
    assert record["feedback"] is None
    # Found by part of its name in any case, where % is a character; by its hash; not by another word.
    for query, hits in (("zebra 100%", 1), ("zebra%100", 0), (record["sha256"][:12], 1)):
        assert len(client.get("/v1/history", params={"query": query}).json()["items"]) == hits
    assert client.get("/v1/history", params={"query": "zebra", "result": "FAKE"}).json()["items"] == []
    judged = client.post(f"/v1/history/{answer['id']}/feedback", json={"verdict": "unsure", "note": "blurred"})
    assert (judged.json()["feedback"]["verdict"], judged.json()["feedback"]["note"]) == ("unsure", "blurred")
    assert len(client.get("/v1/history", params={"query": "BLUR", "feedback": "unsure"}).json()["items"]) == 1
    kept = client.get(record["image"])
    assert (kept.content, kept.headers["content-type"]) == (data, "image/png")
    assert client.delete(f"/v1/history/{answer['id']}").status_code == 204
    problem(client.get(f"/v1/history/{answer['id']}"), 404, "not_found")
    problem(client.delete(f"/v1/history/{answer['id']}"), 404, "not_found")


def test_the_history_knows_verdicts_and_marks(whole: httpx2.Client) -> None:
    def found(**query: object) -> list[str]:
        items = whole.get("/v1/history", params={"limit": 200, **query}).json()["items"]  # type: ignore[dict-item]
        return [item["filename"] for item in items]

    send(whole, make_image(20), make_image(128), make_image(230), make_marked(20))
    items = whole.get("/v1/history").json()["items"]
    assert {item["filename"]: item["verdict"] for item in items} == {
        "0.png": "REAL", "1.png": "UNCERTAIN", "2.png": "FAKE", "3.png": "REAL",
    }  # fmt: skip
    assert {item["filename"]: item["marks"] for item in items if item["marks"]} == {"3.png": [MARK]}
    assert found(verdict="UNCERTAIN") == ["1.png"]
    assert sorted(found(verdict="REAL")) == ["0.png", "3.png"]
    assert found(verdict="REAL", marked=True) == found(marked=True) == ["3.png"]
    assert sorted(found(result="REAL", marked=False)) == ["0.png"]
    assert found(verdict="NO_FACE") == []
    rows = list(csv.DictReader(io.StringIO(whole.get("/v1/export", params={"rows": "all"}).text)))
    assert {row["filename"]: (row["verdict"], row["marks"], row["notes"]) for row in rows} == {
        "0.png": ("REAL", "", ""),
        "1.png": ("UNCERTAIN", "", ""),
        "2.png": ("FAKE", "", ""),
        "3.png": ("REAL", MARK["text"], ""),
    }
    # Right or wrong on UNCERTAIN does not say what the image is.
    doubted = next(item["id"] for item in items if item["filename"] == "1.png")
    whole.post(f"/v1/history/{doubted}/feedback", json={"verdict": "wrong"})
    assert len(whole.get("/v1/export").text.splitlines()) == 1
    problem(whole.get("/v1/history", params={"verdict": "MAYBE"}), 422, "invalid_request")


def test_kept_images_have_thumbnails(client: httpx2.Client) -> None:
    identifier = send(client, make_image(33, side=400))[0]["id"]
    shown = next(item for item in client.get("/v1/history").json()["items"] if item["id"] == identifier)
    record = client.get(f"/v1/history/{identifier}").json()
    assert shown["thumbnail"] == record["thumbnail"]
    assert record["verdict"]["verdict"] == shown["verdict"] == "NO_FACE"
    head, _, data = shown["thumbnail"].partition(",")
    assert head == "data:image/jpeg;base64"
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert image.size == (160, 160)
    assert np.abs(np.asarray(image).astype(int) - 33).max() <= 2


def test_pages_of_the_history_cover_it_once_newest_first(client: httpx2.Client) -> None:
    sent = [send(client, make_image(grey))[0]["id"] for grey in range(30, 37)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        parameters = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        page = client.get("/v1/history", params=parameters).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
        if len(seen) == 3:
            late = send(client, make_image(90))[0]["id"]  # what comes in meanwhile moves no page
    assert late not in seen
    assert seen[:7] == sent[::-1]
    assert len(seen) == len(set(seen))


def test_export_is_a_manifest(start: Start, whole_image_bundle: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    flags = ("--store", str(store), "--keep-images")
    with start(*flags, model=whole_image_bundle) as running, running.client() as client:
        real, fake, doubted, unsaid = send(client, make_image(20), make_image(230), make_image(100), make_image(150))
        again = send(client, make_image(20))[0]
        for item, verdict in ((real, "right"), (fake, "wrong"), (doubted, "unsure"), (again, "wrong")):
            said = client.post(f"/v1/history/{item['id']}/feedback", json={"verdict": verdict, "note": "=1+1"})
            assert said.status_code == 200
        text = client.get("/v1/export").text
        everything = list(csv.DictReader(io.StringIO(client.get("/v1/export", params={"rows": "all"}).text)))
    table = store / "images" / "feedback.csv"
    table.write_text(text)
    manifest = Manifest.open(table)
    assert manifest.validate() == 2
    rows = {row.extra["sha256"]: row for row in manifest}
    # The same bytes were judged twice: the later word counts. Called FAKE and wrong is real.
    assert {row.label for row in rows.values()} == {"fake", "real"}
    assert rows[hashlib.sha256(make_image(20)).hexdigest()].label == "fake"
    assert rows[hashlib.sha256(make_image(230)).hexdigest()].label == "real"
    assert all(row.group == row.extra["sha256"] and row.extra["note"] == "'=1+1" for row in rows.values())
    assert ",'=1+1," in text and ",=1+1" not in text  # a spreadsheet would run it
    assert len(everything) == 5
    assert {row["id"]: row["label"] for row in everything}[unsaid["id"]] == ""


def test_an_image_stays_while_a_record_has_it(client: httpx2.Client) -> None:
    first, second = send(client, make_image(77)), send(client, make_image(77))
    client.delete(f"/v1/history/{first[0]['id']}")
    image = f"/v1/history/{second[0]['id']}/image"
    assert client.get(image).content == make_image(77)


def test_without_a_store_nothing_is_kept(start: Start) -> None:
    with start("--no-store") as running, running.client() as client:
        assert send(client, make_image())[0]["id"] is None
        problem(client.get("/v1/history"), 404, "no_history")
        problem(client.get("/v1/export"), 404, "no_history")
        assert client.get("/health").json()["store"] == "none"


def test_a_history_in_memory_ends_with_the_service(start: Start, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    with start() as running, running.client() as client:
        identifier = send(client, make_image())[0]["id"]
        assert client.get("/v1/history").json()["items"][0]["id"] == identifier
    assert list(tmp_path.iterdir()) == []


# --- clients that misbehave --------------------------------------------------------------------------------


def test_an_upload_that_stops_half_way_leaves_nothing(server: Server, client: httpx2.Client) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    before = len(client.get("/v1/history", params={"limit": 200}).json()["items"])
    for _ in range(5):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(
                b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n"
                b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
            )
    wait_until(lambda: "unmask_requests_in_progress 1.0" in client.get("/metrics").text)
    assert len(client.get("/v1/history", params={"limit": 200}).json()["items"]) == before
    assert "Traceback" not in server.log.read_text()


def test_a_slow_upload_is_told_so(start: Start) -> None:
    with start("--no-store", "--deadline", "0.5") as running:
        host, port = running.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(
                b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n"
                b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
            )
            answer = b""
            while b"upload_too_slow" not in answer and (more := connection.recv(65536)):
                answer += more
    assert b" 408 " in answer.splitlines()[0]
    assert b"upload_too_slow" in answer


def test_uploads_together_have_a_limit_too(start: Start) -> None:
    with (
        start("--no-store", "--rate", "0", "--max-body-mib", "1", "--max-waiting-mib", "1") as running,
        running.client() as client,
    ):
        files = {"image": ("a.png", b"x" * 300_000)}
        assert client.post("/predict", files=files).status_code == 415
        host, port = running.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"
            head += b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\nContent-Disposition: form-data; "
            connection.sendall(head + b'name="image"; filename="a"\r\n\r\n' + b"x" * 900_000)
            wait_until(lambda: "unmask_body_bytes 9" in client.get("/metrics").text)
            problem(client.post("/predict", files=files), 429, "too_much_waiting")
        # Its room is free again once it has gone.
        wait_until(lambda: client.post("/predict", files=files).status_code == 415)


def test_the_log_names_no_file_no_query_and_no_id(start: Start) -> None:
    with start("--store", "memory") as running, running.client() as client:
        identifier = client.post("/predict", files={"image": ("confidential.png", make_image())}).json()["id"]
        client.get("/v1/history", params={"query": "confidential"})
        client.get(f"/v1/history/{identifier}")
        running.stop()
        text = running.log.read_text()
    assert "POST /predict 200" in text
    assert "GET /v1/history/{id} 200" in text
    assert "confidential" not in text
    assert identifier not in text


def test_openapi_names_every_error_as_a_problem(client: httpx2.Client) -> None:
    schema = client.get("/openapi.json").json()
    assert schema == json.loads((ROOT / "docs" / "openapi.json").read_text())
    for path, methods in schema["paths"].items():
        for method, call in methods.items():
            errors = {status: answer for status, answer in call["responses"].items() if int(status) >= 400}
            assert {"401", "403", "422", "429", "500"} <= errors.keys(), (path, method)
            assert all("application/problem+json" in answer["content"] for answer in errors.values())


def test_images_of_a_client_that_has_gone_are_dropped(start: Start) -> None:
    with start("--store", "memory", "--workers", "1") as running, running.client() as client:
        files = [("images", (f"{grey}.png", make_image(grey, side=1200))) for grey in range(16)]
        request = client.build_request("POST", "/v1/detect", files=files)
        body = request.read()
        head = f"POST /v1/detect HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        head += f"Content-Type: {request.headers['content-type']}\r\n\r\n"
        host, port = running.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(head.encode() + body)
            wait_until(lambda: client.get("/health").json()["waiting"] > 0)
        wait_until(lambda: client.get("/health").json()["waiting"] == 0)
        counts = dict(line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines() if line[0] != "#")
        assert float(counts["unmask_pictures_dropped_total"]) >= 8
        assert client.get("/v1/history").json()["items"] == []
        assert "Traceback" not in running.log.read_text()
