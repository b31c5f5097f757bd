"""Class folders as a table of images."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from unmask.data.tables import Row, is_table
from unmask.data.translation import listed, options_for
from unmask.errors import ManifestError
from unmask.imaging.find import PassedOver, is_image
from unmask.text import quote

CLASS_FOLDERS: Final = frozenset({"real", "fake"})
FOLDER_COLUMNS: Final = ("path", "label", "source")
_MOST_NAMED: Final = 5


@dataclass
class OutsideClasses(PassedOver):
    """What class folders hold besides images with a label.

    Attributes:
        unlabelled: number of images with no class folder above them, by the folder that holds them: its path below the
            root, '' for the root itself.
    """

    unlabelled: Counter[str] = field(default_factory=Counter)

    def __bool__(self) -> bool:
        return super().__bool__() or bool(self.unlabelled)

    def __str__(self) -> str:
        parts = []
        if self.unlabelled:
            count = self.unlabelled.total()
            most = self.unlabelled.most_common(_MOST_NAMED)
            places = [f"{quote(name) if name else 'the folder itself'} ({n:,})" for name, n in most]
            if len(self.unlabelled) > _MOST_NAMED:
                places.append("and others")
            images = "1 image" if count == 1 else f"{count:,} images"
            parts.append(
                f"left out {images} outside class folders, in {', '.join(places)}; "
                "--real-label and --fake-label name further class folders"
            )
        if super().__bool__():
            parts.append(super().__str__())
        return "; ".join(parts)


@dataclass(frozen=True)
class FolderTable:
    """Images below class folders, searched on every pass, in sorted order folder by folder.

    Attributes:
        root: the folder to search.
        classes: names of class folders, in lower case.
        columns: path, label (the name of the class folder, in lower case) and source.
    """

    root: Path
    classes: frozenset[str] = CLASS_FOLDERS
    columns: tuple[str, ...] = FOLDER_COLUMNS

    @property
    def name(self) -> str:
        """The root folder."""
        return str(self.root)

    def passed_over(self) -> OutsideClasses:
        """Count what the folders hold besides images with a label."""
        found = OutsideClasses()
        for parents, _ in _walk(self.root, found):
            if not self._depths(parents):
                found.unlabelled["/".join(parents)] += 1
        return found

    def rows(self) -> Iterator[Row]:
        """Walk the images that have a class folder above them."""
        line = 0
        for parents, name in _walk(self.root):
            if depths := self._depths(parents):
                line += 1
                nearest = depths[-1]
                source = "/".join(parents[:nearest] + parents[nearest + 1 :])
                yield line, ("/".join((*parents, name)), parents[nearest].lower(), source)

    def _depths(self, parents: tuple[str, ...]) -> list[int]:
        return [depth for depth, parent in enumerate(parents) if parent.lower() in self.classes]


def no_class(table: FolderTable) -> ManifestError:
    """Why class folders hold no image, and what was found instead."""
    root = table.root
    folders = sorted({name for _, names, _ in os.walk(root) for name in names if not name.startswith(".")})
    if not table.classes.isdisjoint(map(str.lower, folders)):
        return ManifestError("empty_manifest", f"{root}: its class folders contain no image")
    text = f"{root}: contains no folder named {' or '.join(sorted(table.classes, reverse=True))}"
    lists = sorted(path.name for path in root.iterdir() if is_table(path))
    if lists:
        text += f"; it holds the table {quote(lists[0])}: give that file instead of the folder"
    elif folders:
        text += f"; it holds the folders {listed(folders)}: {options_for(folders, folders=True)}"
    return ManifestError("no_class_folders", text)


def _walk(root: Path, passed_over: PassedOver | None = None) -> Iterator[tuple[tuple[str, ...], str]]:
    """Images below a folder as (names of the folders between root and image, file name)."""
    pending = _entries(root, ())
    while pending:
        parents, name, is_folder = pending.pop()
        if is_folder:
            pending += _entries(root, (*parents, name))
        elif is_image(str(root.joinpath(*parents, name))):
            yield parents, name
        elif passed_over is not None:
            passed_over.files += 1


def _entries(root: Path, parents: tuple[str, ...]) -> list[tuple[tuple[str, ...], str, bool]]:
    """The entries of a folder as (names of the folders down to it, name, whether a folder), last name first."""
    folder = root.joinpath(*parents)
    try:
        with os.scandir(folder) as entries:
            shown = [entry for entry in entries if not entry.name.startswith(".")]
            links = sorted(entry.name for entry in shown if entry.is_symlink() and entry.is_dir())
            found = [(parents, entry.name, entry.is_dir()) for entry in shown]
    except OSError as error:
        raise ManifestError("unreadable_manifest", f"{folder}: cannot be read: {error.strerror}") from error
    if links:
        # Followed, links between folders can make endless or exponentially many paths; skipped silently, a whole
        # class could be missing.
        link = folder / links[0]
        code = "linked_folder" if link.resolve().is_relative_to(root.resolve()) else "path_escapes_root"
        raise ManifestError(code, f"{link}: is a link to a folder; list its files in a CSV file instead")
    return sorted(found, reverse=True)
