"""Bundles on Hugging Face's hub, or on a server that speaks its protocol (``HF_ENDPOINT``). Needs the extra ``hub``.

An address is ``hf://owner/name`` or ``hf://owner/name@revision``: a branch, a tag or, best, a commit. Whatever it names
is resolved to a commit first, and all files are of that commit. A commit that was fetched once is read from the cache
of ``huggingface_hub``, without a network; tokens, proxies and the cache's place are by that package's own conventions
(``HF_TOKEN``, ``HF_HOME``, ``HF_HUB_OFFLINE``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from unmask.errors import BundleError, MissingExtraError, UsageError
from unmask.text import printable, shorten

PREFIX: Final = "hf://"
CARD: Final = "README.md"
_ADDRESS: Final = re.compile(r"hf:/{1,2}(?P<repo>[\w.-]{1,96}/[\w.-]{1,96})(?:@(?P<revision>[\w./-]{1,200}))?")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class HubAddress:
    """Where a bundle lies on the hub.

    Attributes:
        repo: ``owner/name``.
        revision: a branch, a tag or a commit; ``None``: the newest commit of the main branch.
    """

    repo: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{PREFIX}{self.repo}{f'@{self.revision}' if self.revision else ''}"

    def at(self, commit: str) -> HubAddress:
        """The same bundle at a commit."""
        return HubAddress(self.repo, commit)


@dataclass(frozen=True, slots=True)
class HubCopy:
    """A bundle that was fetched.

    Attributes:
        folder: with the bundle's files, in the hub's cache.
        address: with the commit.
    """

    folder: Path
    address: HubAddress


def is_hub_address(path: str | os.PathLike[str]) -> bool:
    """Whether a path is meant for the hub; a ``Path`` has lost one of the two slashes."""
    return os.fspath(path).replace("\\", "/").startswith("hf:/")


def hub_address(path: str | os.PathLike[str]) -> HubAddress:
    """Read an address.

    Raises:
        UsageError: ``bad_address``.
    """
    found = _ADDRESS.fullmatch(os.fspath(path).replace("\\", "/"))
    if found is None or ".." in found[0]:
        raise UsageError(
            "bad_address", f"{printable(os.fspath(path))} is no address such as {PREFIX}owner/name@revision."
        )
    return HubAddress(found["repo"], found["revision"])


def fetch(address: HubAddress, most_bytes: Mapping[str, int], needed: tuple[str, ...]) -> HubCopy:
    """The files of a bundle, downloaded if the cache does not have them.

    Only a bundle's own files are downloaded, whatever else the repository holds, and only once the hub has said that
    none of them is too large. Their hashes are checked by whoever opens the bundle.

    Args:
        address: of the bundle.
        most_bytes: the names of a bundle's files, and the most bytes of each.
        needed: those that every bundle has, the one that completes it last.

    Raises:
        MissingExtraError: the extra ``hub`` is not installed.
        BundleError: ``no_bundle``: there is no such repository, revision or bundle, or no network and nothing in the
            cache; ``broken_bundle``: a file is too large.
    """
    hub = _hub()
    if address.revision and _COMMIT.fullmatch(address.revision):
        kept = hub.try_to_load_from_cache(address.repo, needed[-1], revision=address.revision)
        if isinstance(kept, str):
            return HubCopy(Path(kept).parent, address)
    with _errors(address):
        try:
            found = hub.HfApi().model_info(
                address.repo, revision=address.revision, files_metadata=True, timeout=_TIMEOUT_S
            )
        except hub.errors.HfHubHTTPError:
            raise  # somebody answered
        except (hub.errors.OfflineModeIsEnabled, hub.errors.HTTPError, OSError):
            return _from_cache(hub, address, needed)
        sizes = {file.rfilename: file.size for file in found.siblings or ()}
        if missing := [name for name in needed if name not in sizes]:
            raise BundleError("no_bundle", f"{address} holds no bundle: it has no {missing[0]}.")
        pinned = address.at(str(found.sha))
        if not _COMMIT.fullmatch(str(found.sha)):
            raise BundleError("broken_bundle", f"{address}: the hub names no commit.")
        names = [name for name in sizes if name in most_bytes]
        for name in names:
            if sizes[name] is None:
                raise BundleError("broken_bundle", f"{pinned}: the hub does not say how large {name} is.")
            # A listing may be wrong: what is about to be sent says its own size.
            sent = hub.get_hf_file_metadata(hub.hf_hub_url(address.repo, name, revision=found.sha)).size
            if not 0 <= max(sizes[name], sent or 0) <= most_bytes[name]:
                raise BundleError("broken_bundle", f"{pinned}: {name} is larger than {most_bytes[name]:,} bytes.")
        # The last one says that the others are there.
        for name in sorted(names, key=lambda name: name == needed[-1]):
            path = hub.hf_hub_download(address.repo, name, revision=found.sha)
        if pinned != address:  # so that the cache knows the branch, too
            hub.hf_hub_download(address.repo, needed[-1], revision=address.revision)
    return HubCopy(Path(path).parent, pinned)


def push(
    address: HubAddress, files: Mapping[str, bytes], card: str, message: str, *, private: bool = False
) -> HubAddress:
    """Write a bundle and its card in one commit; the repository is made if it is not there.

    Args:
        address: the branch is the revision, by default the main one.
        files: of the bundle, by name.
        card: text of ``README.md``.
        message: first line of the commit.
        private: of a repository that is made: whether others cannot see it.

    Returns:
        The address with the new commit.

    Raises:
        MissingExtraError: the extra ``hub`` is not installed.
        BundleError: ``cannot_push``: the hub cannot be reached, or refuses.
    """
    hub = _hub()
    content = {**files, CARD: card.encode()}
    operations = [hub.CommitOperationAdd(name, data) for name, data in content.items()]
    with _errors(address, "cannot_push"):
        api = hub.HfApi()
        api.create_repo(address.repo, private=private, exist_ok=True)
        made = api.create_commit(address.repo, operations, commit_message=message, revision=address.revision)
    return address.at(str(made.oid))


def _from_cache(hub: Any, address: HubAddress, needed: tuple[str, ...]) -> HubCopy:
    """What the cache has of a branch or tag, as it was when it was last fetched."""
    kept = hub.try_to_load_from_cache(address.repo, needed[-1], revision=address.revision)
    if not isinstance(kept, str):
        raise BundleError("no_bundle", f"{address} is not in the cache, and the hub cannot be reached.")
    folder = Path(kept).parent
    return HubCopy(folder, address.at(folder.name))


def _hub() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingExtraError("hub", f"A detector at {PREFIX}") from error
    return huggingface_hub


@contextmanager
def _errors(address: HubAddress, code: str = "no_bundle") -> Iterator[None]:
    """Say in one line what the hub's client says in many."""
    hub = _hub()
    try:
        yield
    except hub.errors.RepositoryNotFoundError:
        text = f"There is no {address} on the hub, or this token may not see it (hf auth login, or HF_TOKEN)."
        raise BundleError(code, text) from None
    except hub.errors.RevisionNotFoundError:
        raise BundleError(code, f"{PREFIX}{address.repo} has no revision {address.revision}.") from None
    except (hub.errors.HTTPError, OSError, ValueError) as error:  # offline and bad names are among these
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise BundleError(code, f"{address}: {shorten(said[0])}") from error
