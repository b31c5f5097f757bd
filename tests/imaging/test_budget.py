"""The memory that threads share while they decode."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from unmask.imaging.budget import MemoryBudget

MIB = 2**20


def test_no_more_than_the_total_is_held_at_once() -> None:
    budget = MemoryBudget(200 * MIB)
    turn = threading.Lock()
    held = most = 0

    def work(size: int) -> None:
        nonlocal held, most
        with budget.held(size * MIB):
            with turn:
                held += min(size, 200)
                most = max(most, held)
            threading.Event().wait(0.001)
            with turn:
                held -= min(size, 200)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(work, [50, 120, 199, 40, 64, 500, 90] * 12))
    assert held == 0
    assert 100 <= most <= 200


def test_small_images_do_not_wait() -> None:
    budget = MemoryBudget(40 * MIB)
    with budget.held(40 * MIB), budget.held(31 * MIB):
        pass


def test_an_image_larger_than_everything_is_let_in_alone() -> None:
    budget = MemoryBudget(64 * MIB)
    with budget.held(10**12):
        pass
    with budget.held(64 * MIB):
        pass


def test_first_come_first_served() -> None:
    """A large image is not overtaken for ever by smaller ones that would fit before it."""
    budget = MemoryBudget(100 * MIB)
    order: list[str] = []
    inside, go = threading.Event(), threading.Event()

    def first() -> None:
        with budget.held(60 * MIB):
            inside.set()
            go.wait(10)

    def then(name: str, size: int) -> None:
        with budget.held(size * MIB):
            order.append(name)

    threads = [threading.Thread(target=first)]
    threads[0].start()
    inside.wait(10)
    for count, (name, size) in enumerate([("large", 90), ("small", 35)], 1):
        threads.append(threading.Thread(target=then, args=(name, size)))
        threads[-1].start()
        while len(budget._waiting) < count:
            pass
    assert order == []
    go.set()
    for thread in threads:
        thread.join(10)
    assert order == ["large", "small"]


def test_a_failure_gives_the_memory_back() -> None:
    budget = MemoryBudget(64 * MIB)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), budget.held(64 * MIB):
            _ = 1 / 0
    with budget.held(64 * MIB):
        pass
