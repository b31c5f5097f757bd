"""Images from the URLs of a manifest, into one folder, with a result for every row.

The folder holds ``manifest.csv`` (every row of the input with its result), ``ok.csv`` (the rows that have an image),
``fetch-journal.jsonl`` (for a later run to resume from) and the images. A row's image is stored under its own ``path``
where it has a usable one, else under its content's hash. The folder stays consistent if the run is killed: files appear
whole or not at all, and each image that the journal lists is checked by its hash.

The network part needs the ``fetch`` extra (httpx2), which is imported by :func:`fetch` and not by this module.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import importlib.util
import os
import re
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from unmask.data.fetch.body import ImageBody
from unmask.data.fetch.journal import FetchLog, Record
from unmask.data.fetch.policy import FORMAT_SUFFIXES, FetchError, FetchPolicy
from unmask.data.fetch.result import FetchReport, Results, check_free, key_of
from unmask.data.manifest import Manifest
from unmask.data.rows import ManifestRow
from unmask.errors import ManifestError, MissingExtraError, UsageError
from unmask.files import RootFolder
from unmask.imaging.decode_pool import DecodePool
from unmask.imaging.find import IMAGE_SUFFIXES
from unmask.imaging.limits import default_limits
from unmask.progress import progress_bar
from unmask.text import quote

if TYPE_CHECKING:
    from unmask.data.fetch.http import Client

__all__ = ["FetchPolicy", "FetchReport", "fetch"]

_T = TypeVar("_T")

_WORK_FOLDER: Final = ".unmask-fetch"
# Rows under way at once: enough that a slow host does not delay the others, and few in memory.
_WINDOW: Final = 512
_MAX_PATH_BYTES: Final = 1024
_MAX_NAME_BYTES: Final = 255
_READ_BYTES: Final = 2**20
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
# Errors caused by a path in the manifest; any other error in writing is the disk's.
_BAD_PATH_ERRORS: Final = {
    getattr(errno, name) for name in ("EEXIST", "ENOTDIR", "EISDIR", "ENOTEMPTY", "ENAMETOOLONG", "EINVAL")
}


def fetch(
    manifest: Manifest,
    out: str | os.PathLike[str],
    policy: FetchPolicy = FetchPolicy(),
    *,
    retry_failed: bool = False,
    show_progress: bool | None = None,
) -> FetchReport:
    """Fetch the images of a manifest's rows into a folder; resume where an earlier run stopped.

    Rows that an earlier run fetched are not requested again as long as their file is intact, by its SHA-256. An
    interrupt (Ctrl-C) still writes the result manifest, with ``pending`` rows, before it is raised again.

    Args:
        manifest: with a column ``url``; ``path`` and ``sha256`` are used where present.
        out: the folder, created if necessary; nothing is written outside it.
        policy: limits and politeness.
        retry_failed: whether rows that failed in an earlier run are tried again.
        show_progress: whether to show a progress bar; by default where standard error is a terminal.

    Raises:
        ManifestError: a bad row (nothing has been fetched then), ``missing_column`` or ``empty_manifest``.
        UsageError: ``folder_in_use``, ``bad_journal``, or ``would_overwrite``, the folder holds a manifest.csv or
            ok.csv that was not written by a fetch.
        UsageError: ``write_failed``, the folder is full or closed to writing.
        MissingExtraError: httpx2 is not installed.
        RuntimeError: called from a running event loop.
    """
    if any(importlib.util.find_spec(name) is None for name in ("httpx2", "httpcore2", "anyio")):
        raise MissingExtraError("fetch", "Fetching images")
    if "url" not in manifest.columns:
        raise ManifestError("missing_column", f"{manifest.name}: there is no column url")
    rows = sum(1 for _ in manifest)
    if not rows:
        raise ManifestError("empty_manifest", f"{manifest.name}: there are no rows")
    try:
        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        run = _Run(manifest, folder.resolve(), policy, retry_failed)
        try:
            with progress_bar("Fetching", rows, show=show_progress) as step:
                asyncio.run(run.fetch_all(step))
        except KeyboardInterrupt:
            run.write_results()
            raise
        else:
            return run.write_results()
        finally:
            run.close()
    except OSError as error:
        raise UsageError("write_failed", f"{out}: cannot be written: {error.strerror or error}") from error
    except UsageError as error:
        if error.code != "cannot_write":
            raise
        raise UsageError("write_failed", error.message) from error


class _Run:
    """One run over a manifest into a folder, which is locked until closed."""

    def __init__(self, manifest: Manifest, folder: Path, policy: FetchPolicy, retry_failed: bool) -> None:
        self._manifest = manifest
        self._folder = folder
        self._policy = policy
        self._retry_failed = retry_failed
        self._started = time.monotonic()
        self._root = RootFolder(folder)
        self._begun: set[bytes] = set()
        self._claimed: dict[str, str] = {}
        self._claimed_folders: set[str] = set()
        self._fetched = self._kept = self._bytes = 0
        self._work = folder / _WORK_FOLDER
        self._journal = FetchLog(folder)
        try:
            check_free(folder, self._journal)
            self._journal.begin()
            # Left by a killed run; the lock ensures that no other run is using it.
            shutil.rmtree(self._work, ignore_errors=True)
            self._work.mkdir()
        except BaseException:
            self._journal.close()
            raise
        # Decoding and hashing would block every connection if done in the event loop's thread.
        self._workers = min(4, os.cpu_count() or 1)
        self._threads = ThreadPoolExecutor(self._workers)
        self._pool: DecodePool | None = None

    def close(self) -> None:
        """Release the folder."""
        self._threads.shutdown()
        if self._pool is not None:
            self._pool.close()
        shutil.rmtree(self._work, ignore_errors=True)
        self._journal.close()

    def _decoder(self) -> Callable[[bytes], object]:
        """Decodes in child processes, which are started when the first image is there."""
        if self._pool is None:
            self._pool = DecodePool(self._workers, replace(default_limits(), max_bytes=self._policy.max_bytes))
        return self._pool.decode

    def write_results(self) -> FetchReport:
        """Write the tables from the journal."""
        results = Results(self._manifest, self._folder, self._journal)
        seconds = time.monotonic() - self._started
        return results.write(fetched=self._fetched, kept=self._kept, bytes_fetched=self._bytes, seconds=seconds)

    async def fetch_all(self, step: Callable[[], None]) -> None:
        """Fetch every row; ``step`` is called after each.

        Raises:
            OSError: the folder is full or closed to writing.
        """
        from unmask.data.fetch.http import Client

        window = asyncio.Semaphore(_WINDOW)

        async def settle(client: Client, row: ManifestRow, key: str, path: str) -> None:
            try:
                await self._settle(client, row, key, path)
            finally:
                window.release()
                step()

        try:
            async with Client(self._policy) as client, asyncio.TaskGroup() as group:
                for row in self._manifest:
                    key = key_of(row)
                    if not row.url or bytes.fromhex(key) in self._begun:
                        step()
                        continue
                    self._begun.add(bytes.fromhex(key))
                    # Here, in the manifest's order, so that of two rows with the same path always the same one gets it.
                    path = self._own_path(row, key)
                    await window.acquire()
                    group.create_task(settle(client, row, key, path))
        except BaseExceptionGroup as group_error:
            failure: BaseException = group_error
            while isinstance(failure, BaseExceptionGroup):
                failure = failure.exceptions[0]
            raise failure from None

    async def _settle(self, client: Client, row: ManifestRow, key: str, path: str) -> None:
        """Fetch one row unless an earlier run has; the result is in the journal afterwards."""
        known = self._journal.get(key)
        if known and known.status != "ok" and not self._retry_failed:
            self._kept += 1
            return
        if known and known.status == "ok" and await self._in_thread(lambda: self._intact(known)):
            self._kept += 1
            return
        sha256 = row.extra.get("sha256", "").strip().lower()
        # The checksum of an earlier run must match too: a link whose content changed is reported.
        expected = sha256 or (known.expected or known.sha256 if known else "")
        body = ImageBody(self._work / key, self._policy)
        url = row.url
        try:
            if sha256 and not _SHA256.fullmatch(sha256):
                raise FetchError("refused", "the row's sha256 is not 64 hexadecimal digits")
            if path and (self._folder / path).exists() and not self._journal.wrote(path):
                raise FetchError("refused", "a file that was not written by a fetch exists already")
            url = await client.fetch(row.url, body)
            if expected and body.sha256 != expected:
                text = f"the bytes have the SHA-256 {body.sha256}, not {expected}"
                raise FetchError("changed", text, http_status=200, sha256=body.sha256)
            if self._policy.decode:
                decoder = self._decoder()
                await self._in_thread(lambda: body.check(decoder))
            self._store(body, row, key, path, url, sha256)
        except FetchError as error:
            self._journal.add(
                Record(
                    key=key,
                    url="" if "@" in row.url else row.url,
                    status=error.status,
                    fetched_at=_now(),
                    http_status=error.http_status,
                    sha256=error.sha256,
                    expected=expected,
                    error=error.message,
                )
            )
        finally:
            body.close()
            body.path.unlink(missing_ok=True)

    def _store(self, body: ImageBody, row: ManifestRow, key: str, path: str, url: str, expected: str) -> None:
        """Note the image in the journal, then put it in its place; for the order see :meth:`FetchLog.wrote`."""
        name = path or f"images/{body.sha256[:2]}/{body.sha256}{FORMAT_SUFFIXES[body.format]}"
        target = self._folder / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_dir():
                raise IsADirectoryError(errno.EISDIR, "is a folder")
        except OSError as error:
            if error.errno not in _BAD_PATH_ERRORS:
                raise
            text = f"no file can be created at {quote(name)}: {error.strerror}"
            raise FetchError("refused", text) from None
        self._journal.add(
            Record(
                key=key,
                url=row.url,
                final_url=url,
                status="ok",
                fetched_at=_now(),
                http_status=200,
                sha256=body.sha256,
                expected=expected,
                size=body.count,
                path=name,
            )
        )
        body.path.replace(target)
        self._fetched += 1
        self._bytes += body.count

    def _own_path(self, row: ManifestRow, key: str) -> str:
        """The row's own path for its image, relative to the folder with '/'; '' if it has none or an unusable one.

        Unusable are paths that lead out of the folder, hidden names, our own files, names without an image suffix, and
        paths that another row has already, as its file or as a folder above it. Case does not count, since some file
        systems ignore it.
        """
        real = self._root.locate(row.path) if row.path else None
        if real is None:
            return ""
        path = Path(real).relative_to(self._folder)
        if path.suffix.lower() not in IMAGE_SUFFIXES or len(os.fsencode(path)) > _MAX_PATH_BYTES:
            return ""
        if any(part.startswith(".") or len(os.fsencode(part)) > _MAX_NAME_BYTES for part in path.parts):
            return ""
        if path.parts[0] == "images" and len(path.parts) == 3 and _SHA256.fullmatch(path.stem):
            return ""  # looks like a name by content hash, and might not be one
        claim, *folders = (part.as_posix().casefold() for part in (path, *path.parents[:-1]))
        if claim in self._claimed_folders or any(folder in self._claimed for folder in folders):
            return ""
        if self._claimed.setdefault(claim, key) != key:
            return ""
        self._claimed_folders.update(folders)
        return path.as_posix()

    def _intact(self, record: Record) -> bool:
        """Whether a recorded image is still there, byte for byte; a path that leads out of the folder never is."""
        real = self._root_of(record.path)
        if real is None or not real.is_file() or real.stat().st_size != record.size:
            return False
        sha = hashlib.sha256()
        with real.open("rb") as file:
            while chunk := file.read(_READ_BYTES):
                sha.update(chunk)
        return sha.hexdigest() == record.sha256

    def _root_of(self, path: str) -> Path | None:
        # A new root each time: the shared one keeps folders in a dictionary, and this runs in threads.
        real = RootFolder(self._folder).locate(path) if path else None
        return Path(real) if real else None

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
