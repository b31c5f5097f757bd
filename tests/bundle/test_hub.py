"""Bundles pushed to and pulled from a hub on loopback, by the hub's own client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("huggingface_hub")

import huggingface_hub
import huggingface_hub.constants
from tests.bundle.hub_server import TOKEN, Hub, running_hub
from typer.testing import CliRunner

import unmask as library
from unmask.bundle.bundle import CONTENT, SUMS, Bundle
from unmask.bundle.hub import HubAddress, hub_address, is_hub_address
from unmask.bundle.published import pull_bundle, push_bundle
from unmask.cli import app
from unmask.errors import BundleError, MissingExtraError, UsageError

CARD = "---\nlicense: apache-2.0\n---\n# Mine\n"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub without repositories, an empty cache and a token that the hub knows."""
    with running_hub() as server:
        point_at(server.address, monkeypatch)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield server


def point_at(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
    monkeypatch.setattr(
        huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"
    )


@pytest.fixture
def bundle(whole_image_bundle: Path) -> Bundle:
    return Bundle.open(whole_image_bundle)


@pytest.mark.parametrize(
    ("text", "repo", "revision"),
    [
        ("hf://owner/name", "owner/name", None),
        ("hf://owner/name@main", "owner/name", "main"),
        ("hf://owner/name@refs/pr/1", "owner/name", "refs/pr/1"),
        ("hf://owner/na.me-1_2@" + "a" * 40, "owner/na.me-1_2", "a" * 40),
        # what pathlib leaves of an address, here and on Windows
        (Path("hf://owner/name@v2"), "owner/name", "v2"),
        ("hf:\\owner\\name", "owner/name", None),
    ],
)
def test_an_address_is_read(text: str | Path, repo: str, revision: str | None) -> None:
    assert is_hub_address(text)
    assert hub_address(text) == HubAddress(repo, revision)
    assert hub_address(str(hub_address(text))) == HubAddress(repo, revision)


@pytest.mark.parametrize(
    "text",
    [
        "hf://",
        "hf://name",
        "hf://a/b/c",
        "hf://a/b@",
        "hf://a/..",
        "hf://../a",
        "hf://a/b@../c",
        "hf://a/b c",
        "hf:///a/b",
    ],
)
def test_no_address(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        Bundle.open(text)
    assert raised.value.code == "bad_address"


def test_other_paths_are_no_addresses() -> None:
    assert not any(map(is_hub_address, ("mine/bundle", "accurate", "hf/owner/name", "https://x/y", Path("hf"))))


def test_what_is_pushed_is_what_is_pulled(hub: Hub, bundle: Bundle) -> None:
    made = push_bundle(bundle, "hf://me/mine", CARD, private=True)
    repository = hub.repositories["me/mine"]
    assert repository.private and made.revision == repository.names["main"]
    assert repository.commits[str(made.revision)].keys() >= {*CONTENT, SUMS, "README.md"}
    assert repository.commits[str(made.revision)]["README.md"].decode() == CARD
    assert ("PUT", f"/objects/{hub_hash(bundle)}") in hub.asked  # the graph, by LFS
    found, pinned = pull_bundle("hf://me/mine")
    assert (found.sha256, found.files) == (bundle.sha256, bundle.files)
    assert pinned == made


def hub_hash(bundle: Bundle) -> str:
    import hashlib

    return hashlib.sha256(bundle.model).hexdigest()


def test_only_a_bundles_own_files_are_downloaded(hub: Hub, bundle: Bundle) -> None:
    other = {"weights.pkl": b"x", "folder/model.onnx": b"x", "README.md": b"x", "../golden.json": b"x"}
    commit = hub.commit("me/mine", {**bundle.files, **other})
    assert library.load("hf://me/mine").bundle.sha256 == bundle.sha256
    got = {path.rpartition("/resolve/")[2] for method, path in hub.asked if method == "GET" and "/resolve/" in path}
    assert got == {f"{commit}/{name}" for name in bundle.files}


def test_a_commit_that_is_here_needs_no_network(hub: Hub, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = hub.commit("me/mine", dict(bundle.files))
    _, pinned = pull_bundle("hf://me/mine@main")
    hub.asked.clear()
    assert Bundle.open(str(pinned)).sha256 == bundle.sha256
    assert hub.asked == []
    # A branch is asked for again, and is taken as it was if nobody answers.
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert pull_bundle("hf://me/mine@main")[1].revision == commit
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    point_at("http://127.0.0.1:1", monkeypatch)
    assert pull_bundle("hf://me/mine")[1].revision == commit
    for address in ("hf://me/another", f"hf://me/mine@{'0' * 40}"):
        with pytest.raises(BundleError, match="the hub cannot be reached") as raised:
            pull_bundle(address)
        assert raised.value.code == "no_bundle"


def test_a_branch_that_moves_is_followed_and_a_commit_stays(hub: Hub, bundle: Bundle) -> None:
    first = hub.commit("me/mine", dict(bundle.files))
    assert pull_bundle("hf://me/mine")[1].revision == first
    second = hub.commit("me/mine", {"README.md": b"new"})
    assert pull_bundle("hf://me/mine")[1].revision == second
    assert pull_bundle(f"hf://me/mine@{first}")[1].revision == first


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        # not a bundle at all
        ({"SHA256SUMS": None}, "no_bundle", "it has no SHA256SUMS"),
        # a file that was changed after the bundle was made
        ({"golden.json": b"[]"}, "wrong_hash", "golden.json"),
        # larger than any bundle's, said before it is downloaded
        ({"golden.json": bytes((4 << 20) + 1)}, "broken_bundle", "larger than 4,194,304 bytes"),
    ],
)
def test_what_is_no_bundle_is_refused(
    change: dict[str, bytes | None], code: str, said: str, hub: Hub, bundle: Bundle
) -> None:
    files = {name: data for name, data in {**bundle.files, **change}.items() if data is not None}
    hub.commit("me/mine", files)
    with pytest.raises(BundleError, match=said) as raised:
        Bundle.open("hf://me/mine")
    assert raised.value.code == code
    if code != "wrong_hash":
        assert not [path for method, path in hub.asked if method == "GET" and "/resolve/" in path]


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        # no size at all, and one far below that of what is sent
        (None, "does not say how large"),
        (10, "larger than 4,194,304 bytes"),
    ],
)
def test_a_size_that_the_hub_does_not_tell_truly(listed: int | None, said: str, hub: Hub, bundle: Bundle) -> None:
    hub.commit("me/mine", {**bundle.files, "golden.json": bytes((4 << 20) + 1)})
    hub.told["golden.json"] = listed
    with pytest.raises(BundleError, match=said):
        Bundle.open("hf://me/mine")
    assert not [path for method, path in hub.asked if method == "GET" and path.endswith("/golden.json")]


def test_what_is_not_there_is_said(hub: Hub, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    made = push_bundle(bundle, "hf://me/mine", CARD, private=True)
    with pytest.raises(BundleError, match="no revision v9"):
        Bundle.open("hf://me/mine@v9")
    with pytest.raises(BundleError, match="There is no hf://me/other on the hub"):
        Bundle.open("hf://me/other")
    # A private one, and a push, without the token.
    monkeypatch.setenv("HF_TOKEN", "hf_" + "b" * 34)
    with pytest.raises(BundleError, match="this token may not see it"):
        Bundle.open("hf://me/mine")
    with pytest.raises(BundleError) as raised:
        push_bundle(bundle, "hf://me/mine", CARD)
    assert raised.value.code == "cannot_push"
    assert hub.repositories["me/mine"].names["main"] == made.revision


def test_the_commands(hub: Hub, whole_image_bundle: Path, bundle: Bundle, tmp_path: Path) -> None:
    def run(*words: object) -> str:
        done = CliRunner().invoke(app, ["bundle", *map(str, words)])
        assert done.exit_code == 0, done.output
        return done.stdout

    said = run("push", whole_image_bundle, "hf://me/mine", "--license", "apache-2.0")
    commit = hub.repositories["me/mine"].names["main"]
    assert f"--model hf://me/mine@{commit}" in said
    card = hub.repositories["me/mine"].commits[commit]["README.md"].decode()
    assert card.startswith("---\n") and "license: apache-2.0" in card
    assert json.loads(run("pull", "hf://me/mine@main", "--out", tmp_path / "copy", "--json")) == {
        "name": bundle.name,
        "address": f"hf://me/mine@{commit}",
        "sha256": bundle.sha256,
    }
    assert Bundle.open(tmp_path / "copy").sha256 == bundle.sha256
    assert json.loads(run("info", f"hf://me/mine@{commit}", "--json"))["sha256"] == bundle.sha256


def test_without_the_extra_the_line_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match="hub"):
        Bundle.open("hf://me/mine")
