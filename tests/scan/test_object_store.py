"""S3 for real, against moto's server on loopback: paging, throttling, failures, missing and cut-off objects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.scan.object_store import Store, serve
from tests.scan.scanning import make_image

from unmask.imaging.find import PassedOver
from unmask.imaging.limits import default_limits
from unmask.scan import stores
from unmask.scan.items import Item
from unmask.scan.reading import Reader
from unmask.scan.sources import list_items

pytest.importorskip("moto.moto_server.werkzeug_app")
pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """A server with one bucket ``photos``."""
    with pytest.MonkeyPatch.context() as patch, serve(patch) as server:
        stores._store.cache_clear()
        # The store's pauses between attempts double, up to seconds.
        patch.setattr(stores, "_ATTEMPTS", 4)
        bucket().create_bucket(Bucket="photos")
        yield server
    stores._store.cache_clear()


@pytest.fixture(autouse=True)
def _well_behaved(store: Store) -> None:
    """Every test begins with a server that does what it should."""
    for kept in (store.failures, store.broken, store.cut, store.asked, store.listings):
        kept.clear()


def bucket() -> Any:
    import os

    import boto3

    return boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])


def put(key: str, data: bytes) -> str:
    bucket().put_object(Bucket="photos", Key=key, Body=data)
    return f"s3://photos/{key}"


def read(url: str) -> bytes:
    with Reader(default_limits()) as reader:
        return reader.read(Item(path=url, uri=url, unit=url, kind="object"))


def error_of(url: str) -> str:
    from unmask.errors import ImageError

    with pytest.raises(ImageError) as raised:
        read(url)
    return raised.value.code


def test_images_below_a_prefix_are_listed_and_read(store: Store, tmp_path: Path) -> None:
    data = make_image(tmp_path / "a.png", 90)
    urls = [put(key, data) for key in ("list/a.png", "list/deep/er/b.PNG", "list/ä +%.png")]
    put("list/notes.txt", b"")
    put("other/c.png", data)
    passed_over = PassedOver()
    items = list(list_items(["s3://photos/list"], passed_over))
    assert sorted(item.uri for item in items) == sorted(urls)
    assert passed_over.files == 1
    assert {read(item.uri) for item in items} == {data}
    # A glob, and a single object.
    assert [item.uri for item in list_items(["s3://photos/list/deep/*/*.PNG"], passed_over)] == [urls[1]]
    assert [item.uri for item in list_items([urls[0]], passed_over)] == [urls[0]]


def _fill(keys: int) -> None:
    """Objects put into moto's memory, without a request for each."""
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    for number in range(keys):
        backend.put_object("photos", f"many/{number:06d}.jpg", b"")


@pytest.mark.parametrize("keys", [2_500, pytest.param(20_000, marks=pytest.mark.nightly)])
def test_a_long_listing_comes_in_pages(store: Store, keys: int) -> None:
    _fill(keys)
    found = [item.uri for item in list_items(["s3://photos/many"], PassedOver())]
    assert sorted(found) == [f"s3://photos/many/{number:06d}.jpg" for number in range(keys)]
    # A page of S3 has 1,000 keys, and all but the first name where they begin.
    pages = [query for query in store.listings if "many" in query and "max-keys=1&" not in f"{query}&"]
    assert len(pages) >= keys // 1000
    assert sum("continuation-token" in query for query in pages) >= keys // 1000 - 1


def test_a_store_that_says_slow_down_is_asked_again(store: Store) -> None:
    url = put("slow/a.jpg", b"content")
    store.failures["slow/a.jpg"] = [503, 500, 503]
    assert read(url) == b"content"
    assert not store.failures["slow/a.jpg"]


def test_a_listing_that_fails_at_first_is_whole(store: Store) -> None:
    url = put("again/a.jpg", b"content")
    store.failures["?"] = [503, 500]
    assert [item.uri for item in list_items(["s3://photos/again"], PassedOver())] == [url]


def test_what_cannot_be_had_is_an_error_of_its_own(store: Store) -> None:
    assert error_of("s3://photos/no/such.jpg") == "not_found"
    assert error_of("s3://nowhere/such.jpg") == "not_found"
    assert error_of(put("empty.jpg", b"")) == "empty"
    url = put("cut.jpg", b"x" * 100_000)
    store.cut.add("cut.jpg")
    assert error_of(url) in ("truncated", "read_error")


@pytest.mark.nightly
def test_a_store_that_fails_for_ever_is_recorded(store: Store) -> None:
    url = put("broken.jpg", b"content")
    store.broken.add("broken.jpg")
    assert error_of(url) == "read_error"
    # Asked more than once, but not for ever.
    assert 3 <= store.asked["HEAD broken.jpg"] + store.asked["GET broken.jpg"] < 30


def test_file_urls_are_a_store_too(tmp_path: Path) -> None:
    data = make_image(tmp_path / "deep" / "a.png", 90)
    url = (tmp_path / "deep" / "a.png").as_uri()
    assert [item.uri for item in list_items([tmp_path.as_uri()], PassedOver())] == [url]
    assert read(url) == data
    assert error_of((tmp_path / "b.png").as_uri()) == "not_found"
