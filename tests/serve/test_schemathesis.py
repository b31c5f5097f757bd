"""Requests made from the API's own description, against the real application: no 5xx, nothing undescribed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

schemathesis = pytest.importorskip("schemathesis")

from tests.serve.conftest import Server, Start, make_image  # noqa: E402


@pytest.fixture(scope="module")
def service(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    store: Path = tmp_path_factory.mktemp("schemathesis") / "store"
    with start("--store", str(store), "--keep-images", "--rate", "0") as running:
        with running.client() as client:  # so that there is something to find
            for grey in (10, 250):
                answer = client.post("/predict", files={"image": ("a.png", make_image(grey))})
                assert answer.status_code == 200
                _KNOWN.append(answer.json()["id"])
        yield running


_IMAGES = [make_image(10), make_image(200, kind="JPEG"), make_image(100, kind="WEBP")[:-20], make_image(side=4)]
_KNOWN = ["00000000-0000-0000-0000-000000000000"]  # and the records that the service has by then
schemathesis.openapi.format("uuid", st.integers(0, 2).map(lambda index: _KNOWN[index % len(_KNOWN)]))
schemathesis.openapi.format("binary", st.binary(max_size=200) | st.sampled_from(_IMAGES))

# The running service's own description is the same: test_api.py compares them.
schema = schemathesis.openapi.from_path(Path(__file__).resolve().parents[2] / "docs" / "openapi.json")


@schema.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_request_gets_a_described_answer(case: object, service: Server) -> None:
    checks = schemathesis.checks
    found = case.call(base_url=service.url)  # type: ignore[attr-defined]
    case.validate_response(  # type: ignore[attr-defined]
        found,
        checks=[
            checks.not_a_server_error,
            checks.status_code_conformance,
            checks.content_type_conformance,
            checks.response_schema_conformance,
        ],
    )
