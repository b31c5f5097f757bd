"""Bundles got from a hub and put there."""

from __future__ import annotations

import os

from unmask.bundle.bundle import CONTENT, MOST_BYTES, SUMS, Bundle
from unmask.bundle.hub import HubAddress, fetch, hub_address, push


def pull_bundle(address: str | os.PathLike[str]) -> tuple[Bundle, HubAddress]:
    """A bundle of a hub, and its address with the commit.

    Raises:
        UsageError: ``bad_address``.
        MissingExtraError: the extra ``hub`` is not installed.
        BundleError: as of :func:`unmask.bundle.hub.fetch` and :meth:`Bundle.open`.
    """
    copy = fetch(hub_address(address), MOST_BYTES, (*CONTENT, SUMS))
    return Bundle.open(copy.folder), copy.address


def push_bundle(
    bundle: Bundle, address: str | os.PathLike[str], card: str, message: str = "", *, private: bool = False
) -> HubAddress:
    """Put a bundle on a hub.

    Args:
        bundle: its files are written as they are.
        address: ``hf://owner/name``, with a branch if it is not the main one.
        card: the text of the repository's page.
        message: of the commit; by default the bundle's name and hash.
        private: if the repository is made: whether others cannot see it.

    Returns:
        The address with the new commit.

    Raises:
        UsageError: ``bad_address``.
        MissingExtraError: the extra ``hub`` is not installed.
        BundleError: ``cannot_push``.
    """
    said = message or f"{bundle.name}, sha256 {bundle.sha256}"
    return push(hub_address(address), bundle.files, card, said, private=private)
