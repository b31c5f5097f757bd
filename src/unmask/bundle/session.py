"""Sessions of graphs that are not trusted: checked, and bounded in time and memory.

A graph runs in a thread of its own, which the caller waits for no longer than the deadline. ONNX Runtime can be told to
stop, but does so only between two operators; if one operator takes too long, its thread is left to itself.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from queue import SimpleQueue
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from unmask.bundle.graph_check import check_graph
from unmask.errors import BundleError
from unmask.imaging.session import open_session, session_options
from unmask.text import quote

LOAD_SECONDS: Final = 60.0
"""Most seconds for ONNX Runtime to load a graph."""
RUN_SECONDS: Final = 30.0
"""Most seconds for a run on one image."""
RUN_SECONDS_PER_IMAGE: Final = 2.0
"""Further seconds for each further image of a run."""
STOP_SECONDS: Final = 5.0
"""Most seconds to wait for a graph to stop."""
MIN_MEMORY: Final = 4 << 30
"""Bytes that all graphs of the process may take at once: this, or half of the machine's memory if that is more."""

_T = TypeVar("_T")


class GraphSession:
    """An ONNX Runtime session whose runs have a deadline.

    Args:
        session: the session of ONNX Runtime.
        shared_memory: whether its memory is that which all graphs share.
    """

    def __init__(self, session: Any, *, shared_memory: bool = False) -> None:
        self._session = session
        self._shared_memory = shared_memory
        self.inputs: tuple[tuple[str, str], ...] = tuple((item.name, item.type) for item in session.get_inputs())
        self.outputs: tuple[str, ...] = tuple(item.name for item in session.get_outputs())

    def get_outputs(self) -> Any:
        """The outputs, as ONNX Runtime describes them."""
        return self._session.get_outputs()

    def run(self, names: Sequence[str] | None, feeds: dict[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """The outputs of these names.

        Raises:
            BundleError: ``graph_deadline``, the run takes more than 30 s, and 2 s for each image after the first;
                ``graph_memory``, it takes more memory than all graphs may have; ``bad_model``, it fails.
        """
        options = ort.RunOptions()
        options.log_severity_level = 4
        if self._shared_memory:
            # Gives back what the run took; else the memory of the largest run ever would be kept.
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        images = max((len(array) for array in feeds.values() if np.ndim(array)), default=1)
        seconds = RUN_SECONDS + RUN_SECONDS_PER_IMAGE * max(0, images - 1)

        def stop() -> None:
            options.terminate = True

        try:
            found: list[npt.NDArray[Any]] = within(
                seconds, lambda: self._session.run(names, feeds, options), stop, "A run of the model"
            )
        except BundleError:
            raise
        except Exception as error:  # ONNX Runtime raises a family of its own without a common base
            said = str(error)
            if "Available memory of" in said or "bad_alloc" in said:
                raise BundleError("graph_memory", "The model needs more memory than there is for it.") from None
            raise BundleError("bad_model", f"The model cannot be run: {_reason(said)}") from error
        return found


def checked_session(model: bytes) -> GraphSession:
    """A session of a graph that is not trusted.

    Args:
        model: an ONNX file.

    Raises:
        BundleError: ``bad_model``, :func:`check_graph` or ONNX Runtime refuses it; ``graph_deadline``, it takes more
            than 60 s to load.
    """
    check_graph(model)
    options = checked_options()
    session = within(
        LOAD_SECONDS,
        lambda: open_session(model, options),
        lambda: options.set_load_cancellation_flag(True),
        "Loading the model",
    )
    return GraphSession(session, shared_memory=_limit_memory())


def checked_options() -> Any:
    """The options of a session of a graph that is not trusted."""
    options = session_options()
    if _limit_memory():
        options.add_session_config_entry("session.use_env_allocators", "1")
    return options


def within(seconds: float, work: Callable[[], _T], stop: Callable[[], None], what: str) -> _T:
    """Run something in another thread, and wait for it no longer than a deadline and 5 s to stop it.

    Args:
        seconds: the deadline.
        work: what to run.
        stop: asks it to stop; called at the deadline.
        what: its name, for the message.

    Raises:
        BundleError: ``graph_deadline``.
    """
    worker: _Worker | None = getattr(_LOCAL, "worker", None)
    if worker is None or not worker.thread.is_alive():  # a forked process has none of its parent's threads
        worker = _LOCAL.worker = _Worker()
    job = _Job(work)
    worker.jobs.put(job)
    try:
        finished = job.done.wait(seconds)
    except BaseException:  # such as Ctrl-C: the thread is not to be used while it is at work
        del _LOCAL.worker
        stop()
        raise
    if not finished:
        del _LOCAL.worker
        stop()
        # Left running while the program ends, it could make it crash.
        job.done.wait(STOP_SECONDS)
        raise BundleError("graph_deadline", f"{what} took more than {seconds:g} s and was stopped.")
    if job.error is not None:
        raise job.error
    return job.result  # type: ignore[no-any-return]


class _Job:
    """Work and its result."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        self.done = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None


class _Worker:
    """A thread that does one job after another until the object is gone."""

    def __init__(self) -> None:
        self.jobs: SimpleQueue[_Job | None] = SimpleQueue()
        # A daemon: a graph that hangs must not keep the program from ending.
        self.thread = threading.Thread(target=_work, args=(self.jobs,), name="unmask-graph", daemon=True)
        self.thread.start()

    def __del__(self) -> None:
        self.jobs.put(None)


_LOCAL = threading.local()


def _work(jobs: SimpleQueue[_Job | None]) -> None:
    while (job := jobs.get()) is not None:
        try:
            job.result = job.work()
        except BaseException as error:
            job.error = error
        job.done.set()
        del job  # it holds the images and results of the caller


def _limit_memory() -> bool:
    """Make the memory that graphs share, once; returns whether there is any."""
    with _MEMORY_LOCK:  # two threads may open their first graphs at once
        return _shared_memory()


_MEMORY_LOCK = threading.Lock()


@cache
def _shared_memory() -> bool:
    with suppress(Exception):  # the program has made one of its own, or this build of ONNX Runtime cannot
        memory = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
        settings = {
            "max_mem": max(MIN_MEMORY, _machine_memory() // 2),
            "arena_extend_strategy": 1,  # as much as asked for, not the next power of two
            "initial_chunk_size_bytes": 1 << 20,
            "max_dead_bytes_per_chunk": 1 << 20,
        }
        ort.create_and_register_allocator(memory, ort.OrtArenaCfg(settings))
        return True
    return False


def _machine_memory() -> int:
    """Bytes of memory of the machine; 0 where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 0


def _reason(said: str) -> str:
    """What ONNX Runtime says, without its code."""
    return quote(said.rpartition("] : ")[2].strip())
