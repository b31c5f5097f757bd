"""The images and clips on a command line: files, folders, globs, and a list on standard input."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator

from unmask.imaging.find import PassedOver, is_image
from unmask.imaging.video.facts import is_clip
from unmask.imaging.video.frames import has_video


def expand(arguments: Iterable[str], passed_over: PassedOver, *, recursive: bool, clips: bool = False) -> Iterator[str]:
    """List the images that arguments name, in the given order, and sorted within a folder or glob.

    Args:
        arguments: paths; ``-`` reads one path per line from standard input, with its blanks. A folder stands for the
            images in it, known by their content. A name that exists is never read as a glob.
        passed_over: what folders hold besides is counted there.
        recursive: whether subfolders are searched, too.
        clips: whether folders stand for the clips in them, too.

    Yields:
        Each path as it was given; for a folder, joined to it. A path that does not exist is passed on, so that its
        error appears at its place in the output.
    """
    for argument in arguments:
        if argument == "-":
            # As bytes: names need not be valid text, and only a line feed (or CR LF) ends one.
            lines = (line.removesuffix(b"\n").removesuffix(b"\r") for line in sys.stdin.buffer)
            yield from (os.fsdecode(line) for line in lines if line)
        elif os.path.isdir(argument):  # noqa: PTH112 - Path.is_dir raises for a name that is too long
            yield from _in_folder(argument, passed_over, recursive=recursive, clips=clips)
        elif glob.has_magic(argument) and not os.path.lexists(argument):
            for found in sorted(glob.glob(argument, recursive=recursive)) or [argument]:  # noqa: PTH207 - keeps the spelling given
                if not os.path.isdir(found):  # noqa: PTH112
                    yield found
        else:
            yield argument


def files_in(folder: str, passed_over: PassedOver, *, recursive: bool) -> Iterator[tuple[str, bool]]:
    """List the files in a folder, sorted, without hidden ones and what is in hidden folders.

    Args:
        folder: its path; those of the files are joined to it.
        passed_over: subfolders that are not searched are counted there.
        recursive: whether subfolders are searched, too.

    Yields:
        Path of each file with ``True``, and of each folder that cannot be listed with ``False``.
    """
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError:  # no permission, or gone
        yield folder, False
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if not entry.is_dir(follow_symlinks=False):
            yield entry.path, True
        elif recursive:
            yield from files_in(entry.path, passed_over, recursive=True)
        else:
            passed_over.subfolders += 1


def is_wanted(path: str, passed_over: PassedOver, *, clips: bool) -> bool:
    """Whether a file in a folder is judged; what is not is counted.

    Args:
        path: of the file.
        passed_over: where it is counted.
        clips: whether clips are wanted, too.
    """
    if is_image(path):
        return True
    if clips and is_clip(path):
        if has_video():
            return True
        passed_over.clips += 1
    else:
        passed_over.files += 1
    return False


def _in_folder(folder: str, passed_over: PassedOver, *, recursive: bool, clips: bool) -> Iterator[str]:
    for path, is_file in files_in(folder, passed_over, recursive=recursive):
        # The error of a folder that cannot be listed appears at its place in the output.
        if not is_file or is_wanted(path, passed_over, clips=clips):
            yield path
