"""Object stores by URL: s3, gs, file and others of pyarrow and fsspec, with the credentials of their conventions."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, Final

from unmask.errors import ImageError, UsageError
from unmask.imaging.find import IMAGE_SUFFIXES
from unmask.imaging.limits import DecodeLimits
from unmask.scan.extra import pyarrow

_URL = re.compile(r"([a-z][a-z0-9+.-]{0,31})://", re.IGNORECASE)
_WEB = frozenset({"http", "https", "ftp"})
# Which a row of a table may name: others, such as sftp, would let a table connect this machine to any host.
_IN_TABLES = frozenset({"s3", "gs", "gcs", "abfs", "abfss", "az", "hdfs", "file"})
_ATTEMPTS: Final = 8
_MAGIC = re.compile(r"[*?[]")


def scheme_of(text: str) -> str | None:
    """The scheme of a URL, in lower case; ``None`` for a path."""
    found = _URL.match(text)
    return found[1].lower() if found else None


def is_web(scheme: str) -> bool:
    """Whether a scheme is that of a web server, which is no object store: ``unmask data fetch`` reads from those."""
    return scheme in _WEB


def is_known(scheme: str) -> bool:
    """Whether a scheme is that of an object store which tables may name; on a command line others may stand, too."""
    return scheme in _IN_TABLES


def open_store(url: str) -> tuple[Any, str]:
    """The file system of a URL and the path in it, by pyarrow or else by fsspec.

    Raises:
        UsageError: ``bad_store``, no such store, or its package is missing.
        MissingExtraError: the extra ``scale`` is not installed.
    """
    scheme = scheme_of(url) or "file"
    bare = url[len(scheme) + 3 :]
    if scheme == "file":
        return _store(scheme, "")[0], f"/{bare.partition('/')[2]}"
    bucket = bare.partition("/")[0]
    if "?" in bucket or "#" in bucket:  # pyarrow would take options from there, such as another endpoint
        raise UsageError("bad_store", f"{url}: is no URL of an object")
    system, prefix = _store(scheme, bucket)
    return system, prefix + bare


@lru_cache(maxsize=64)
def _store(scheme: str, bucket: str) -> tuple[Any, str]:
    pyarrow()
    from pyarrow import fs

    try:
        if scheme == "file":
            return fs.LocalFileSystem(), ""
        if scheme == "s3":
            return _s3(bucket), ""
        return fs.FileSystem.from_uri(f"{scheme}://{bucket}")[0], ""
    except Exception as failed:
        try:
            import fsspec

            return fs.PyFileSystem(fs.FSSpecHandler(fsspec.filesystem(scheme))), ""
        except Exception:
            raise UsageError("bad_store", f"{scheme}://{bucket}: cannot be opened: {failed}") from failed


def _s3(bucket: str) -> Any:
    """The file system of a bucket. Keys and profiles are found as by every AWS program; pyarrow ignores the endpoint.

    ``AWS_ENDPOINT_URL`` names a store that is not Amazon's, ``AWS_NO_SIGN_REQUEST=YES`` reads a public bucket without
    credentials.
    """
    from pyarrow import fs

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not (region or endpoint):
        region = fs.resolve_s3_region(bucket)
    return fs.S3FileSystem(
        region=region,
        endpoint_override=endpoint,
        anonymous=os.environ.get("AWS_NO_SIGN_REQUEST", "").upper() in ("YES", "TRUE", "1"),
        # A store that is asked by many machines says "slow down", each time twice as long.
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
        connect_timeout=10,
        request_timeout=60,
    )


def list_objects(url: str) -> Iterator[str]:
    """The URLs of the objects below a prefix, or that match a glob, as the store lists them.

    Raises:
        UsageError: ``bad_store``, ``not_listed``.
    """
    from pyarrow import fs

    pattern = url if _MAGIC.search(url) else None
    base = url
    if pattern is not None:
        base = url[: _MAGIC.search(url).start()].rpartition("/")[0]  # type: ignore[union-attr]
    system, path = open_store(base)
    lead = base[: len(base) - len(path)] if base.endswith(path) else f"{scheme_of(base)}://"
    try:
        found = system.get_file_info([path])[0]
        if found.type == fs.FileType.File:
            yield base
            return
        waiting = [path]
        while waiting:
            for entry in system.get_file_info(fs.FileSelector(waiting.pop(), allow_not_found=True)):
                if entry.type == fs.FileType.Directory:
                    waiting.append(entry.path)
                elif pattern is None or fnmatch.fnmatchcase(lead + entry.path, pattern):
                    yield lead + entry.path
    except OSError as error:
        raise UsageError("not_listed", f"{url}: cannot be listed: {error}") from error


def is_image_name(url: str) -> bool:
    """Whether an object is an image, by its suffix: its content is not asked for."""
    return PurePosixPath(url).suffix.lower() in IMAGE_SUFFIXES


def read_object(url: str, limits: DecodeLimits) -> bytes:
    """The bytes of an object.

    Raises:
        ImageError: ``not_found``, ``permission_denied``, ``read_error``, ``truncated``, ``empty``, ``file_too_large``.
    """
    try:
        system, path = open_store(url)
        with system.open_input_file(path) as file:
            size = file.size()
            if size > limits.max_bytes:
                raise too_large(size, limits)
            data = bytes(file.read(size))
    except ImageError:
        raise
    except Exception as error:
        raise read_failure(error) from None
    if len(data) < size:
        raise ImageError("truncated", f"The store gave {len(data):,} of {size:,} bytes.")
    if not data:
        raise ImageError("empty", "The image file is empty.")
    return data


def open_object(url: str) -> Any:
    """An object as a file that can seek: a pyarrow ``NativeFile``; errors are those of the store."""
    system, path = open_store(url)
    return system.open_input_file(path)


def too_large(size: int, limits: DecodeLimits) -> ImageError:
    """The error for bytes beyond ``limits.max_bytes``."""
    most = f"{limits.max_bytes:,}"
    return ImageError("file_too_large", f"The image has {size:,} bytes; at most {most} are read.")


def read_failure(error: Exception) -> ImageError:
    """Say in our terms why a store or a container failed."""
    if isinstance(error, FileNotFoundError):
        return ImageError("not_found", "There is no such object.")
    if isinstance(error, PermissionError):
        return ImageError("permission_denied", "The object may not be read (permission denied).")
    if isinstance(error, UsageError):
        return ImageError("read_error", error.message)
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return ImageError("read_error", f"The object could not be read ({reason}).")
