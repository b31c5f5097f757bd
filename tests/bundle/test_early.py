"""Graphs of the package opened by a thread: used once, by the one who asks for the same bytes, errors and all."""

from __future__ import annotations

import gc
import threading
from importlib.resources import files

import numpy as np
import pytest

from unmask.bundle import early
from unmask.bundle.bundle import Bundle, ask_graph
from unmask.bundle.session import checked_session
from unmask.cli.lazy import imports
from unmask.errors import BundleError
from unmask.imaging import session

FINDER = (files("unmask.assets") / "face_finder.onnx").read_bytes()


@pytest.fixture(autouse=True)
def _nothing_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_begun", [])


def test_a_session_is_given_once_and_for_the_same_graph() -> None:
    session.open_early(FINDER, session.session_options())
    ((_, begun),) = session._begun
    other = FINDER + b"\x7a\x02\x0a\x00"
    assert session._take(other) is None
    copy = bytes(bytearray(FINDER))  # the same bytes, another object
    assert session.open_session(copy, session.session_options()) is begun.result()
    assert session._begun == []
    assert session.open_session(copy, session.session_options()) is not begun.result()


def test_an_error_is_raised_where_the_session_is_asked_for() -> None:
    session.open_early(b"no graph", session.session_options())
    with pytest.raises(BundleError) as raised:
        session.open_session(b"no graph", session.session_options())
    assert raised.value.code == "bad_model"


def test_the_shipped_graphs_give_the_same_bits_and_are_checked_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Bundle.open().model
    pixels = np.random.default_rng(0).integers(0, 256, (1, 160, 160, 3), np.uint8)
    expected = ask_graph(checked_session(model), pixels)
    monkeypatch.setattr(early.os, "cpu_count", lambda: 2)
    early.open_shipped_early()
    for thread in threading.enumerate():
        if thread.name == "unmask-early":
            thread.join()
    assert [begun for begun, _ in session._begun] == [model, FINDER]
    checked: list[bytes] = []
    monkeypatch.setattr("unmask.bundle.session.check_graph", checked.append)
    found = ask_graph(checked_session(model), pixels)
    assert checked == [model]
    assert len(session._begun) == 1
    np.testing.assert_array_equal(found.logit, expected.logit)
    np.testing.assert_array_equal(found.evidence, expected.evidence)


def test_one_cpu_opens_nothing_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early.os, "cpu_count", lambda: 1)
    early.open_shipped_early()
    assert not any(thread.name == "unmask-early" for thread in threading.enumerate())


def test_garbage_is_collected_again_after_imports_even_after_an_error() -> None:
    with pytest.raises(ImportError), imports():
        assert not gc.isenabled()
        raise ImportError
    assert gc.isenabled()
