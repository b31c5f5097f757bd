"""Who may use the service, and what browsers are told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.serve.conftest import Server, Start, make_image

from unmask.errors import UsageError
from unmask.serve.access import check_exposure, hash_of, new_token
from unmask.serve.limits import RateLimiter
from unmask.serve.settings import Settings
from unmask.serve.uploads import shown_name

TOKEN, HASH = new_token()
ORIGIN = "https://desk.example.org"


@pytest.fixture(scope="module")
def guarded(start: Start) -> Iterator[Server]:
    """A service with a token, one allowed origin, and five requests at once."""
    flags = ["--token-hashes", HASH, "--token-hashes", hash_of("another"), "--cors", ORIGIN]
    with start(*flags, "--burst", "1000", UNMASK_RATE="1000") as running:
        yield running


def test_tokens_are_long_and_their_hashes_fit_the_settings() -> None:
    assert new_token() != new_token()
    assert len(TOKEN) > 43
    assert Settings(token_hashes=(HASH,)).token_hashes == (hash_of(TOKEN),)
    assert TOKEN not in HASH


@pytest.mark.parametrize(
    ("header", "status"),
    [
        pytest.param(None, 401, id="no token"),
        pytest.param("Bearer wrong", 401, id="wrong token"),
        pytest.param(f"Basic {TOKEN}", 401, id="another scheme"),
        pytest.param(f"Bearer {HASH}", 401, id="the hash is no token"),
        pytest.param(f"Bearer {TOKEN}", 200, id="the token"),
        pytest.param("bearer another", 200, id="another one, the scheme in lower case"),
    ],
)
def test_bearer_tokens(header: str | None, status: int, guarded: Server) -> None:
    headers = {"Authorization": header} if header else {}
    with guarded.client(headers=headers) as client:
        answer = client.post("/predict", files={"image": ("a.png", make_image())})
        assert answer.status_code == status
        assert client.get("/v1/history").status_code == status
        assert client.get("/metrics").status_code == status
        # What says nothing of any image is open: the page asks for the token.
        assert [client.get(path).status_code for path in ("/", "/health", "/docs")] == [200, 200, 200]
    if status == 401:
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["code"] == "unauthorized"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 200, id="no browser"),
        pytest.param({"Sec-Fetch-Site": "same-origin"}, 200, id="the page itself"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, 403, id="another site"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, 403, id="another host of the site"),
        pytest.param({"Origin": "https://evil.example"}, 403, id="another origin, an old browser"),
        pytest.param({"Origin": "null"}, 403, id="a sandboxed frame"),
        pytest.param({"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"}, 200, id="an origin that was named"),
    ],
)
def test_pages_of_other_sites_cannot_post(headers: dict[str, str], status: int, guarded: Server) -> None:
    with guarded.client(headers={"Authorization": f"Bearer {TOKEN}", **headers}) as client:
        answer = client.post("/predict", files={"image": ("a.png", make_image())})
    assert answer.status_code == status


def test_cors_is_for_the_named_origin_only(guarded: Server) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    with guarded.client() as client:
        allowed = client.options("/predict", headers={"Origin": ORIGIN, **asked})
        refused = client.options("/predict", headers={"Origin": "https://evil.example", **asked})
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize(
    ("host", "status"),
    [
        pytest.param("localhost", 200, id="by name"),
        pytest.param("127.0.0.1:1", 200, id="another port, through a tunnel"),
        pytest.param("[::1]:80", 200, id="IPv6"),
        pytest.param("LOCALHOST:80", 200, id="in capitals"),
        pytest.param("evil.example", 421, id="a name that was pointed here"),
        pytest.param("evil.example:80", 421, id="with a port"),
        pytest.param("localhost.evil.example", 421, id="a name that begins well"),
    ],
)
def test_loopback_answers_to_its_own_names_only(host: str, status: int, guarded: Server) -> None:
    with guarded.client() as client:
        assert client.get("/health", headers={"Host": host}).status_code == status


def test_every_answer_has_the_headers_that_keep_browsers_safe(guarded: Server) -> None:
    with guarded.client() as client:
        for answer in (client.get("/"), client.get("/nothing"), client.post("/predict"), client.get("/health")):
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"
            assert "server" not in answer.headers


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        pytest.param({}, False, id="loopback"),
        pytest.param({"host": "localhost"}, False, id="loopback by name"),
        pytest.param({"host": "127.8.9.1"}, False, id="all of 127/8 is loopback"),
        pytest.param({"host": "::1"}, False, id="loopback, IPv6"),
        pytest.param({"host": "0.0.0.0"}, True, id="everywhere"),
        pytest.param({"host": "::"}, True, id="everywhere, IPv6"),
        pytest.param({"host": "example.org"}, True, id="a name"),
        pytest.param({"host": "0.0.0.0", "token_hashes": (HASH,)}, False, id="everywhere with a token"),
        pytest.param({"host": "0.0.0.0", "without_token": True}, False, id="everywhere, asked for"),
    ],
)
def test_beyond_loopback_needs_a_token_or_a_word(changes: dict[str, object], refused: bool) -> None:
    settings = Settings(**changes)  # type: ignore[arg-type]
    if not refused:
        check_exposure(settings)
        return
    with pytest.raises(UsageError) as caught:
        check_exposure(settings)
    assert caught.value.code == "open_service"


def test_a_client_that_asks_too_often_is_told_when_to_come_again(start: Start) -> None:
    with start("--no-store", "--rate", "0.01", "--burst", "3") as running, running.client() as client:
        statuses = [client.get("/v1/model").status_code for _ in range(5)]
        answer = client.get("/v1/model")
        assert client.get("/health").status_code == 200
    assert statuses == [200, 200, 200, 429, 429]
    assert answer.json()["code"] == "too_many_requests"
    assert 50 < int(answer.headers["retry-after"]) <= 100


def test_clients_have_buckets_of_their_own_and_ipv6_one_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("unmask.serve.limits.time.monotonic", lambda: now)
    limiter = RateLimiter(rate=2, burst=2)
    assert [limiter.wait("10.0.0.1") for _ in range(3)] == [0, 0, 0.5]
    assert limiter.wait("10.0.0.2") == 0
    now = 0.5
    assert [limiter.wait("10.0.0.1") for _ in range(2)] == [0, 0.5]
    assert [limiter.wait(f"2001:db8::{part}") for part in "123"] == [0, 0, 0.5]
    assert limiter.wait("2001:db8:0:1::1") == 0
    assert all(limiter.wait(f"10.{number >> 8}.{number & 255}.9") == 0 for number in range(20_000))
    assert len(limiter._buckets) == 10_000
    assert RateLimiter(0, 1).wait("10.0.0.1") == 0


@given(st.text())
def test_a_shown_name_is_one_harmless_line(name: str) -> None:
    shown = shown_name(name)
    assert len(shown) <= 255
    assert not set(shown) & {"/", "\\", "\0", "\n", "\r", "\u202e"}
    assert shown_name(shown) == shown


@pytest.mark.parametrize(
    ("flags", "statuses"), [([], [200, 429, 429]), (["--trusted-proxies", "127.0.0.1"], [200] * 3)]
)
def test_only_a_trusted_proxy_says_who_the_client_is(flags: list[str], statuses: list[int], start: Start) -> None:
    with start("--no-store", "--rate", "0.01", "--burst", "1", *flags) as running, running.client() as client:
        found = [client.get("/v1/model", headers={"X-Forwarded-For": f"10.0.0.{n}"}).status_code for n in range(3)]
    assert found == statuses
