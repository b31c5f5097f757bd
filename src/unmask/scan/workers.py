"""Worker processes that judge items: one that crashes or hangs is replaced, and no item is lost."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, Self

from unmask.errors import BundleError, ImageError, UnmaskError, UsageError
from unmask.parallel import end_process
from unmask.scan.items import Item
from unmask.scan.judge import JudgeSettings
from unmask.scan.rows import Row, facts_of_error
from unmask.scan.worker import receive, send

CRASHED: Final = "worker_crashed"
TIMED_OUT: Final = "timed_out"
# Seconds in which a worker must have loaded its bundle, on a machine under any load.
_START: Final = 300.0
# There are as many workers as there is work for.
_THREADS: Final = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


class Worker:
    """One worker process, started on first use. A context manager; to be used by one thread at a time.

    Args:
        settings: of the judging.
        model_name: name and version of the bundle, for the rows of images that end their worker.
    """

    def __init__(self, settings: JudgeSettings, model_name: str) -> None:
        self._settings, self._model = settings, model_name
        self._process: subprocess.Popen[bytes] | None = None
        self._timed_out = False
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def rows(self, items: Sequence[Item], progress: Callable[[], None] = lambda: None) -> list[Row]:
        """The rows of items, in their order.

        An item during which the worker ends or takes too long is tried once more, alone in a new worker. If that ends,
        too, its row has the error ``worker_crashed`` or ``timed_out``.

        Args:
            items: to be judged.
            progress: called after each.

        Raises:
            BundleError: the worker cannot load the bundle.
            UsageError: ``no_worker``, no worker can be started.
        """
        found: list[Row] = []
        while len(found) < len(items):
            before = len(found)
            self._judge(items[before:], found, progress)
            if len(found) < len(items):
                suspect = items[len(found)]
                self.close_process()
                alone: list[Row] = []
                self._judge([suspect], alone, progress)
                if not alone:
                    alone.append(self._lost(suspect))
                    progress()
                found += alone
                self.close_process()
        return found

    def close(self) -> None:
        """End the process, whatever it does."""
        self._closed = True
        self.close_process()

    def close_process(self) -> None:
        """End the process; the next items get a new one."""
        process, self._process = self._process, None
        if process is not None:
            end_process(process)

    def _judge(self, items: Sequence[Item], found: list[Row], progress: Callable[[], None]) -> None:
        """Append the rows of items until the process ends or takes too long."""
        process = self._started()
        assert process.stdin is not None and process.stdout is not None
        self._timed_out = False
        try:
            send(process.stdin, {"items": [item.to_json() for item in items]})
            for _ in items:
                message = self._message(process, self._settings.timeout)
                if message is None:
                    # A worker whose parent could not stop it ends itself by the clock of its CPU time.
                    self._timed_out |= process.wait() == -getattr(signal, "SIGPROF", 0)
                    return
                found.append(message["row"])
                progress()
        except (OSError, ValueError, KeyError):
            return

    def _started(self) -> subprocess.Popen[bytes]:
        if self._closed:
            raise UsageError("no_worker", "The scan was stopped.")
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.close_process()
        for _ in range(2):
            # Standard error goes nowhere: native libraries write there about damaged files.
            process = self._process = subprocess.Popen(
                [sys.executable, "-m", "unmask.scan.worker", json.dumps(self._settings.to_json())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=os.environ | _THREADS,
            )
            try:
                message = self._message(process, _START)
            except (OSError, ValueError):
                message = None
            if message is not None and "fatal" in message:
                self.close_process()
                raise _error(*message["fatal"])
            if message is not None:
                return process
            self.close_process()
        raise UsageError("no_worker", "A worker process could not be started; is there enough memory?")

    def _message(self, process: subprocess.Popen[bytes], seconds: float) -> dict[str, Any] | None:
        """The next message of a process, which is killed if none comes in time."""
        assert process.stdout is not None

        def stop() -> None:
            self._timed_out = True
            process.kill()

        clock = threading.Timer(seconds, stop)
        clock.daemon = True
        clock.start()
        try:
            return receive(process.stdout)
        finally:
            clock.cancel()

    def _lost(self, item: Item) -> Row:
        if self._timed_out:
            text = f"Judging the image took more than {self._settings.timeout:g} s, twice; its worker was stopped."
            error = ImageError(TIMED_OUT, text)
        else:
            error = ImageError(CRASHED, "Judging the image ended its worker process, twice.")
        return {
            "path": item.path,
            **facts_of_error(error),
            "model": self._model,
            "bundle_sha256": self._settings.bundle_sha256,
            "threshold": self._settings.threshold,
            "ms": 0.0,
        }


class Workers:
    """Several workers for any number of threads. A context manager.

    Args:
        settings: as of :class:`Worker`.
        model_name: the same.
        count: worker processes.
    """

    def __init__(self, settings: JudgeSettings, model_name: str, count: int) -> None:
        self._all = [Worker(settings, model_name) for _ in range(count)]
        self._idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        for worker in self._all:
            self._idle.put(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all workers, whatever they do."""
        for worker in self._all:
            worker.close()

    def rows(self, items: Sequence[Item]) -> list[Row]:
        """As :meth:`Worker.rows`; waits for a worker to be free."""
        worker = self._idle.get()
        try:
            return worker.rows(items)
        finally:
            self._idle.put(worker)


def _error(code: str, message: str, exit_code: int) -> UnmaskError:
    return BundleError(code, message) if exit_code == BundleError.exit_code else UsageError(code, message)
