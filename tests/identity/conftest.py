"""A server with a directory, and people in it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx
import pytest
from tests.http.workflows import workflows
from tests.support.api_v1 import Api, api
from tests.support.live import PATIENCE, TOKENS, Live, Message, live_server

from interlock import StepInput, Workflow

FREE = {
    "limit_reads": "100000/minute",
    "limit_writes": "100000/minute",
    "limit_creations": "100000/minute",
    "limit_sign_ins": "100000/minute",
}


async def hold(_: StepInput) -> str:
    await asyncio.sleep(60)
    return "held"


WORKFLOWS = [*workflows, Workflow("held", steps=[hold])]
EVERY = [
    *TOKENS,
    {"token": "token-manager", "user_id": "manager", "scopes": ["users:manage", "workflows:read"], "groups": ["ops"]},
    {"token": "token-far", "user_id": "root", "scopes": ["admin"], "account": "acme"},
]
ROOT, MANAGER, FAR = "token-root", "token-manager", "token-far"
PASSWORD = "correct horse battery"
ALL = ["workflows:execute", "workflows:decide", "workflows:read"]

_numbers = count(1)


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("live")
    with live_server(WORKFLOWS, data_dir=folder, tokens=json.dumps(EVERY), **FREE) as server:
        yield server


@dataclass
class Person:
    """Somebody who was just added."""

    id: str
    username: str
    password: str = PASSWORD


def new_name() -> str:
    """A user name, or a group's, that nobody has."""
    return f"name-{next(_numbers)}"


async def add(live: Live, token: str = ROOT, **fields: Any) -> Person:
    """A new person."""
    username = fields.pop("username", new_name())
    async with api(live, token) as admin:
        made = await admin.post("/users", {"username": username, "password": PASSWORD, "scopes": ALL, **fields}, 201)
    return Person(made["id"], username)


async def ask(live: Live, path: str, *, as_form: bool = False, **fields: Any) -> httpx.Response:
    """A request without a token."""
    async with httpx.AsyncClient(base_url=live.http_url, timeout=PATIENCE) as client:
        return await (client.post(path, data=fields) if as_form else client.post(path, json=fields))


async def sign_in(live: Live, person: Person) -> Message:
    """The answer to `POST /login`."""
    answer = await ask(live, "/login", username=person.username, password=person.password)
    assert answer.status_code == 200, answer.text
    found: Message = answer.json()
    return found


@asynccontextmanager
async def admin(live: Live) -> AsyncIterator[Api]:
    """An admin's client."""
    async with api(live, ROOT) as client:
        yield client


async def status_of(live: Live, token: str) -> int:
    """The status that a request with this token gets."""
    async with httpx.AsyncClient(base_url=live.http_url, timeout=PATIENCE) as client:
        return (await client.get("/runs", headers={"Authorization": f"Bearer {token}"})).status_code
