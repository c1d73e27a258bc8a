"""A client of state machines that knows what is printed of the API, and nothing else: paths, bodies, and what is read
from answers. A caller gets `("ok", data)` or `("error", error)`, and chooses by the shape of the data.

Law: nothing here is a convenience of ours: no header but the token's, no field that isn't needed.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeAlias
from urllib.parse import urlencode

import httpx

Outcome: TypeAlias = tuple[Literal["ok", "error"], Any]


class Workflows:
    """The calls, each one request."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def _get(self, path: str) -> Outcome:
        return _read(await self._http.get(path))

    async def _post(self, path: str, body: Any) -> Outcome:
        headers = {"Content-Type": "application/json"}
        return _read(await self._http.post(path, content=json.dumps(body), headers=headers))

    async def _post_nothing(self, path: str) -> Outcome:
        return _read(await self._http.post(path))

    # ── Definitions ─────────────────────────────────────────────────────────────────────────────────────

    async def create_workflow(self, definition: Any) -> Outcome:
        return await self._post("/workflows", definition)

    async def validate_workflow(self, definition: Any) -> Outcome:
        return await self._post("/workflows/validate", definition)

    async def list_workflows(self) -> Outcome:
        return _within(await self._get("/workflows"), "workflows")

    async def list_versions(self, name: str) -> Outcome:
        return _within(await self._get(f"/workflows/{name}/versions"), "versions")

    async def publish_version(self, name: str, version_id: str) -> Outcome:
        return await self._post(f"/workflows/{name}/versions/{version_id}/publish", {})

    async def publish_version_without_a_body(self, name: str, version_id: str) -> Outcome:
        return await self._post_nothing(f"/workflows/{name}/versions/{version_id}/publish")

    # ── Instances ───────────────────────────────────────────────────────────────────────────────────────

    async def create_instance(self, name: str, user_id: str, given: Any) -> Outcome:
        return await self._post(f"/workflows/{name}/instances", {"namespace": f"user_{user_id}", "input": given})

    async def get_instance(self, instance_id: str) -> Outcome:
        return await self._get(f"/workflows/instances/{instance_id}")

    async def list_instances(self, **filters: str) -> Outcome:
        named = {"namespace" if key == "user_id" else key: value for key, value in filters.items()}
        if "namespace" in named:
            named["namespace"] = f"user_{named['namespace']}"
        query = f"?{urlencode(named)}" if named else ""
        return _within(await self._get(f"/workflows/instances{query}"), "instances")

    async def resume_instance(self, instance_id: str, given: Any) -> Outcome:
        return await self._post(f"/workflows/instances/{instance_id}/resume", {"input": given})

    async def cancel_instance(self, instance_id: str) -> Outcome:
        return await self._post(f"/workflows/instances/{instance_id}/cancel", {})

    async def cancel_instance_without_a_body(self, instance_id: str) -> Outcome:
        return await self._post_nothing(f"/workflows/instances/{instance_id}/cancel")

    async def list_threads(self, instance_id: str) -> Outcome:
        return _within(await self._get(f"/workflows/instances/{instance_id}/threads"), "threads")

    async def resume_thread(self, instance_id: str, thread_id: str, given: Any) -> Outcome:
        return await self._post(f"/workflows/instances/{instance_id}/threads/{thread_id}/resume", {"input": given})

    async def history(self, instance_id: str, **query: str) -> Outcome:
        asked = f"?{urlencode(query)}" if query else ""
        return await self._get(f"/workflows/instances/{instance_id}/history{asked}")

    async def event(self, instance_id: str, event_id: str) -> Outcome:
        return await self._get(f"/workflows/instances/{instance_id}/events/{event_id}?include_data=true")

    # ── Waiting ─────────────────────────────────────────────────────────────────────────────────────────

    async def wait_for_completion(self, instance_id: str, *, timeout: float = 10.0, poll: float = 0.05) -> Outcome:
        """Poll until an instance has ended or halts; any status that isn't named here is a fault of the server."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            match await self.get_instance(instance_id):
                case ("ok", {"status": "completed" | "halted"} as instance):
                    return "ok", instance
                case ("ok", {"status": "failed", "error": error}):
                    return "error", ("workflow_failed", error)
                case ("ok", {"status": "cancelled"}):
                    return "error", "cancelled"
                case ("ok", {"status": "running"}):
                    await asyncio.sleep(poll)
                case ("error", _) as refused:
                    return refused
                case other:
                    raise AssertionError(f"no case fits {other}")
        return "error", "timeout"


def _read(response: httpx.Response) -> Outcome:
    body: Mapping[str, Any] = response.json()
    if response.is_success:
        return "ok", body["data"]
    error = body["error"]
    assert set(error) == {"code", "message", "details", "request_id"}
    return "error", {"status": response.status_code, **error}


def _within(outcome: Outcome, key: str) -> Outcome:
    match outcome:
        case ("ok", {**data}) if key in data:
            return "ok", data[key]
        case error:
            return error


@asynccontextmanager
async def workflows_of(url: str, token: str) -> AsyncIterator[Workflows]:
    """A client of the server at `url`, for as long as the block lasts."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=f"{url}/api/v1", headers=headers, timeout=40) as http:
        yield Workflows(http)
