"""A stream ticket goes with its person: whoever is disabled is let in by no ticket of theirs, and told nothing more."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import jwt
import pytest
from tests.identity.conftest import add, admin, new_name, sign_in
from tests.support.live import JWT_SECRET, PATIENCE, Live


async def by_password(live: Live) -> tuple[str, str]:
    person = await add(live)
    return person.id, str((await sign_in(live, person))["token"])


async def by_issuer(live: Live) -> tuple[str, str]:
    """Somebody whom an identity provider's tokens stand for."""
    subject = new_name()
    async with admin(live) as root:
        fields = {"username": subject, "issuer": "https://id.example", "subject": subject, "scopes": []}
        user_id = (await root.post("/users", fields, 201))["id"]
    claims = {
        "sub": subject,
        "iss": "https://id.example",
        "exp": datetime.now(UTC) + timedelta(hours=1),
        "scope": "workflows:execute",
    }
    return str(user_id), jwt.encode(claims, JWT_SECRET, "HS256")


@pytest.mark.parametrize("somebody", [by_password, by_issuer])
async def test_ticket_ends_with_its_person_and_so_does_its_stream(live: Live, somebody: object) -> None:
    assert callable(somebody)
    user_id, token = await somebody(live)
    async with httpx.AsyncClient(base_url=live.http_url, timeout=PATIENCE) as client:
        headers = {"Authorization": f"Bearer {token}"}
        run = (await client.post("/workflows/confirm/runs", json={"stream": False}, headers=headers)).json()
        path = f"/workflows/confirm/runs/{run['run_id']}/resume"
        ticket = (await client.post("/stream-tickets", json={"path": path}, headers=headers)).json()["ticket"]
        place = {"last_event_index": run["as_of"], "epoch": run["epoch"]}
        async with client.stream("GET", path, params={"ticket": ticket, **place}) as stream:
            assert stream.status_code == 200
            lines = stream.aiter_lines()
            while "subscribed" not in await anext(lines):
                continue
            async with admin(live) as root:
                await root.ask("PATCH", f"/users/{user_id}", {"disabled": True})
            async with asyncio.timeout(PATIENCE):
                async for _ in lines:
                    continue
        assert (await client.get(path, params={"ticket": ticket})).status_code == 401
