"""What needs no token (`matrix.py` has all of it) is bounded for each address."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from tests.identity.conftest import WORKFLOWS
from tests.support.live import PATIENCE, Live, live_server


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_server(WORKFLOWS, data_dir=tmp_path_factory.mktemp("strict"), limit_sign_ins="5/minute") as server:
        yield server


async def test_address_may_only_so_often_whatever_it_asks_for(strict: Live) -> None:
    async with httpx.AsyncClient(base_url=strict.http_url, timeout=PATIENCE) as client:
        requests = [
            ("POST", "/login", {"username": "x", "password": "y"}),
            ("POST", "/oauth/token", {"grant_type": "client_credentials", "client_id": "x", "client_secret": "y"}),
            ("POST", "/oauth/revoke", {"token": "x"}),
        ]
        statuses = [(await client.request(m, path, json=body)).status_code for m, path, body in requests * 2]
        assert statuses == [401, 401, 200, 401, 401, 429]
        for method, path, body in requests:
            refused = await client.request(method, path, json=body)
            assert (refused.status_code, refused.json()["error"]) == (429, "slow_down")
            assert int(refused.headers["retry-after"]) >= 1
        session = await client.post("/session", json=requests[0][2], headers={"Origin": strict.http_url})
        assert session.status_code == 429
        assert [(await client.get("/oauth/jwks")).status_code for _ in range(6)] == [200] * 5 + [429]
