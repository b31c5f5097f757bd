"""The queue: bounded, dropped, batched, finished; with the real detector of a tiny graph."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.serve.conftest import make_image

from unmask.detect.detector import Detector, Prepared, load
from unmask.detect.verdict import Verdict
from unmask.serve.engine import Engine, Judged
from unmask.serve.limits import until
from unmask.serve.metrics import Metrics
from unmask.serve.problems import Problem


class Gated(Detector):
    """A detector that waits at a gate before it prepares, and counts the sizes of its runs."""

    def __init__(self, detector: Detector) -> None:
        super().__init__(detector.bundle)
        self.gate = threading.Event()
        self.arrived = threading.Semaphore(0)
        self.runs: list[int] = []

    def prepare(self, source: object) -> Prepared:
        self.arrived.release()
        assert self.gate.wait(20)
        return super().prepare(source)  # type: ignore[arg-type]

    def judge(self, images: Sequence[Prepared]) -> list[Verdict]:
        self.runs.append(len(images))
        return super().judge(images)


@pytest.fixture
def gated(tiny_bundle: Path) -> Iterator[Gated]:
    detector = Gated(load(tiny_bundle))
    yield detector
    detector.gate.set()


def test_verdicts_are_those_of_the_detector_at_every_size_of_batch(tiny_bundle: Path) -> None:
    detector = load(tiny_bundle)
    greys = list(range(100, 160, 3))
    expected = [detector.detect(make_image(grey)).fake_probability for grey in greys]
    for batch in (1, 3, 8):
        engine = Engine(detector, workers=2, batch=batch, capacity=64, metrics=Metrics())

        async def ask(engine: Engine = engine) -> list[Judged]:
            return await engine.judge([make_image(grey) for grey in greys])

        judged = asyncio.run(ask())
        engine.close()
        assert [item.verdict.fake_probability for item in judged] == expected
        assert {item.thumbnail for item in judged} == {None}
        assert engine.in_queue == 0


def test_batches_form_while_images_wait(gated: Gated) -> None:
    engine = Engine(gated, workers=1, batch=4, capacity=64, metrics=Metrics())

    async def ask() -> None:
        gated.gate.set()
        await engine.judge([make_image(grey) for grey in range(100, 110)])

    asyncio.run(ask())
    engine.close()
    assert gated.runs == [4, 4, 2]


def test_a_full_queue_turns_away_and_says_when_to_come_again(gated: Gated) -> None:
    engine = Engine(gated, workers=1, capacity=2, metrics=Metrics())

    async def ask() -> None:
        first = asyncio.create_task(engine.judge([make_image(), make_image()]))
        await asyncio.to_thread(gated.arrived.acquire)
        with pytest.raises(Problem) as caught:
            await engine.judge([make_image()])
        assert (caught.value.status_code, caught.value.code) == (429, "busy")
        assert int((caught.value.headers or {})["Retry-After"]) >= 1
        gated.gate.set()
        assert len(await first) == 2
        assert len(await engine.judge([make_image()])) == 1

    asyncio.run(ask())
    engine.close()


def test_what_nobody_waits_for_is_dropped(gated: Gated) -> None:
    engine = Engine(gated, workers=1, capacity=8, metrics=Metrics())

    async def ask() -> None:
        begun = asyncio.create_task(engine.judge([make_image()]))
        await asyncio.to_thread(gated.arrived.acquire)
        waiting = asyncio.create_task(engine.judge([make_image()] * 3))
        await asyncio.sleep(0)
        assert engine.in_queue == 4
        waiting.cancel()
        begun.cancel()
        await asyncio.gather(waiting, begun, return_exceptions=True)
        assert engine.in_queue == 1  # the one that is being prepared
        gated.gate.set()

    asyncio.run(ask())
    engine.close()
    assert engine.in_queue == 0
    assert gated.runs == []


def test_a_deadline_is_a_problem_and_drops_what_waits(gated: Gated) -> None:
    engine = Engine(gated, workers=1, capacity=8, metrics=Metrics())

    async def ask() -> None:
        with pytest.raises(Problem) as caught:
            async with until(asyncio.get_running_loop().time() + 0.05):
                await engine.judge([make_image()] * 2)
        assert caught.value.status_code == 504
        assert engine.in_queue == 1
        gated.gate.set()

    asyncio.run(ask())
    engine.close()
    assert engine.in_queue == 0


def test_closing_finishes_what_is_inside(gated: Gated) -> None:
    engine = Engine(gated, workers=2, capacity=8, metrics=Metrics())

    async def ask() -> list[Judged]:
        asked = asyncio.create_task(engine.judge([make_image(grey) for grey in (1, 2, 3, 4, 5)]))
        await asyncio.to_thread(gated.arrived.acquire)
        closing = asyncio.create_task(asyncio.to_thread(engine.close))
        gated.gate.set()
        await closing
        with pytest.raises(Problem):
            await engine.judge([make_image()])
        return await asked

    assert len(asyncio.run(ask())) == 5


def test_a_fault_of_the_detector_reaches_who_waits(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = load(tiny_bundle)
    engine = Engine(detector, workers=1, capacity=8, metrics=Metrics())

    async def ask() -> None:
        for step in ("prepare", "judge"):
            with monkeypatch.context() as patched:
                patched.setattr(detector, step, lambda _: 1 / 0)
                with pytest.raises(ZeroDivisionError):
                    await engine.judge([make_image()])
        assert len(await engine.judge([make_image()])) == 1

    asyncio.run(ask())
    engine.close()
    assert engine.in_queue == 0
