"""The one client of `/api/v1`: `httpx`, connections that stay open, each answer's `data`, nothing more."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from tests.bench.client import BenchError
from tests.bench.systems import System

PATIENCE = 60.0
HALTED, COMPLETED = "halted", "completed"

Data = dict[str, Any]


class Rest:
    """A client with a token."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def get(self, path: str, **query: str | int) -> Data:
        return _data(await self._client.get(path, params=query))

    async def post(self, path: str, body: Data) -> Data:
        return _data(await self._client.post(path, json=body))

    async def publish(self, definition: Data) -> None:
        """Store a definition as a new version of its name, or of a new name, and publish it."""
        version = await self.post("/workflows", definition)
        await self.post(f"/workflows/{definition['name']}/versions/{version['version_id']}/publish", {})

    async def create(self, name: str, given: Data, status: str, **fields: str) -> Data:
        """A new instance, once it has this status."""
        return _in(status, await self.post(f"/workflows/{name}/instances", {"input": given, **fields}))

    async def resume(self, instance: Data, given: Data, status: str) -> Data:
        """An instance after this input, once it has this status."""
        return _in(status, await self.post(f"/workflows/instances/{instance['id']}/resume", {"input": given}))


@asynccontextmanager
async def rest(system: System, connections: int = 1) -> AsyncIterator[Rest]:
    headers = {"Authorization": f"Bearer {system.token}"}
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    url = f"http://127.0.0.1:{system.port}/api/v1"
    # With `trust_env` it would look for a proxy in the environment; there is none on loopback.
    async with httpx.AsyncClient(
        base_url=url, headers=headers, limits=limits, timeout=PATIENCE, trust_env=False
    ) as client:
        yield Rest(client)


def _data(response: httpx.Response) -> Data:
    if response.is_error:
        raise BenchError(f"instead of doing its work it said {response.status_code} {response.text[:500]}")
    data: Data = response.json()["data"]
    return data


def _in(status: str, instance: Data) -> Data:
    if instance["status"] != status:
        raise BenchError(f"an instance is {instance['status']} where it should be {status}")
    return instance
