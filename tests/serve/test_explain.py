"""Explanations over HTTP, beside those of the library."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.serve.conftest import Start, make_image

from unmask.detect.detector import load
from unmask.explain.explainer import explain
from unmask.explain.page import render_html
from unmask.serve import explain_queue as explaining
from unmask.serve.explain_queue import ExplainQueue
from unmask.serve.problems import Problem


def test_an_explanation_is_that_of_the_library_with_its_images(
    start: Start, tiny_bundle: Path, astronaut: Image.Image
) -> None:
    out = io.BytesIO()
    astronaut.resize((160, 160)).save(out, "JPEG", quality=90)
    with start(model=tiny_bundle) as running, running.client() as client:
        answer = client.post("/v1/explain", files={"image": ("a.jpg", out.getvalue())})
        broken = client.post("/v1/explain", files={"image": ("a.jpg", out.getvalue()[:-500])})
        assert client.get("/v1/history").json()["items"] == []
    served: dict[str, Any] = answer.json()
    own = explain(out.getvalue(), load(tiny_bundle), faithfulness="quick")
    expected = json.loads(json.dumps(own.to_json()))
    for view, shown in zip(served["forensics"], own.views or (), strict=True):
        sent = view.pop("picture")
        assert (sent is None) == (shown.image is None)
        if shown.image is not None:
            assert _size(sent) == shown.image.size
    assert _size(served.pop("picture")) == _size(served.pop("overlay")) == (160, 160)
    for content in (served, expected):
        content["verdict"].pop("ms")
    assert served == expected
    assert (broken.status_code, broken.json()["code"]) == (422, "truncated")


def test_a_report_is_that_of_the_library_under_a_strict_policy(
    start: Start, tiny_bundle: Path, astronaut: Image.Image
) -> None:
    """Whatever the sender calls the image: its name is text in the page and no part of the headers."""
    out = io.BytesIO()
    astronaut.resize((160, 160)).save(out, "JPEG", quality=90)
    name = 'a";<script>alert(1)</script>\u202e.jpg'
    with start(model=tiny_bundle, SOURCE_DATE_EPOCH="1764331509") as running, running.client() as client:
        answer = client.post("/v1/report", files={"image": (name, out.getvalue())})
        broken = client.post("/v1/report", files={"image": ("a.jpg", out.getvalue()[:-500])})
        assert client.get("/v1/history").json()["items"] == []
    own = explain(out.getvalue(), load(tiny_bundle), faithfulness="quick")
    time = datetime(2025, 11, 28, 12, 5, 9, tzinfo=UTC)
    assert answer.text == render_html(own, time, name="script>.jpg")
    digest = hashlib.sha256(out.getvalue()).hexdigest()
    assert answer.headers["content-disposition"] == f'attachment; filename="unmask-report-{digest[:12]}.html"'
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    rules = dict(rule.strip().split(" ", 1) for rule in answer.headers["content-security-policy"].split(";"))
    script = answer.text.rpartition("<script>")[2].partition("</script>")[0]
    hashed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert rules == {
        "default-src": "'none'", "img-src": "data:", "style-src": "'unsafe-inline'", "base-uri": "'none'",
        "form-action": "'none'", "script-src": f"'sha256-{hashed}'", "frame-ancestors": "'none'",
        "sandbox": "allow-scripts allow-modals allow-popups allow-popups-to-escape-sandbox",
    }  # fmt: skip
    assert (broken.status_code, broken.json()["code"]) == (422, "truncated")


def test_too_many_explanations_are_turned_away(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    made = explaining.Explainer.explain

    def slow(*args: Any, **options: Any) -> Any:
        assert gate.wait(20)
        return made(*args, **options)

    monkeypatch.setattr(explaining.Explainer, "explain", slow)
    service = ExplainQueue(load(tiny_bundle), capacity=2)

    async def ask() -> None:
        tasks = [asyncio.create_task(service.explain(make_image(), faithfulness=False)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Problem) as caught:
            await service.explain(make_image(), faithfulness=False)
        assert caught.value.status_code == 429
        tasks[1].cancel()  # it waits, so its place is free at once
        await asyncio.sleep(0.01)
        third = asyncio.create_task(service.explain(make_image(), faithfulness=False))
        gate.set()
        assert (await tasks[0])["verdict"]["result"] == (await third)["verdict"]["result"]

    asyncio.run(ask())
    service.close()


def _size(uri: str) -> tuple[int, int]:
    head, _, data = uri.partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data))).size
