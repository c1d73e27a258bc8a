"""Requests to `/api/v1` of a live server, each answer held against its OpenAPI document."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import httpx
from jsonschema import Draft202012Validator
from tests.support.live import ALICE, PATIENCE, Live, Message

from interlock.http.v1.app import whole
from interlock.http.v1.callers import OLD_HEADERS
from interlock.http.v1.frame import PREFIX


class Api:
    """A client of one user."""

    def __init__(self, live: Live, token: str | None) -> None:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self.client = httpx.AsyncClient(base_url=live.http_url + PREFIX, headers=headers, timeout=PATIENCE)

    async def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, **query: Any
    ) -> httpx.Response:
        """A request and its whole answer."""
        given = {} if body is None else {"json": body}
        response = await self.client.request(method, path, headers=headers, params=query or None, **given)
        check(response)
        return response

    async def get(self, path: str, **query: Any) -> Any:
        """The data of an answer that isn't an error."""
        return data_of(await self.ask("GET", path, **query), 200)

    async def post(self, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        """The data of an answer with this status."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return data_of(await self.ask("POST", path, body, named), status)

    async def refused(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
        """The status and code of an error."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response = await self.ask(method, path, body, named)
        return response.status_code, error_of(response)["code"]

    async def create(self, name: str, given: Any = None, **fields: Any) -> Any:
        """A new instance, once it halts or has ended."""
        return await self.post(f"/workflows/{name}/instances", {"input": given or {}, **fields}, 201)

    async def resume(self, instance: Message, given: Any = None, **fields: Any) -> Any:
        """The instance after this input."""
        return await self.post(f"/workflows/instances/{instance['id']}/resume", {"input": given or {}, **fields})


@asynccontextmanager
async def api(live: Live, token: str | None = ALICE) -> AsyncIterator[Api]:
    """A client, for as long as the block lasts."""
    made = Api(live, token)
    async with made.client:
        yield made


def data_of(response: httpx.Response, status: int) -> Any:
    """The data of an answer with this status."""
    assert response.status_code == status, response.text
    body = response.json()
    assert list(body) == ["data"]
    return body["data"]


def error_of(response: httpx.Response) -> Message:
    """The error that a request was answered with."""
    body = response.json()
    assert list(body) == ["error"], response.text
    error: Message = body["error"]
    assert list(error) == ["code", "message", "details", "request_id"]
    assert error["request_id"]
    return error


def check(response: httpx.Response) -> None:
    """What is answered is what the document says of this route and status, headers too."""
    assert response.headers["X-Request-Id"]
    operation = _operation(response.request.method.lower(), response.request.url.path.removeprefix(PREFIX))
    if operation is None:
        return
    answers = operation["responses"]
    assert str(response.status_code) in answers, f"{response.status_code} isn't documented: {response.text}"
    assert all(int(response.headers[name]) >= 0 for name in OLD_HEADERS)
    assert all(response.headers[name].startswith('"') for name in ("RateLimit", "RateLimit-Policy"))
    content = answers[str(response.status_code)].get("content")
    if content is None:
        assert not response.content
        return
    schema = content["application/json"]["schema"]
    Draft202012Validator({**schema, "components": _document()["components"]}).validate(response.json())
    if response.status_code >= 400:
        code = response.json()["error"]["code"]
        assert f"`{code}`" in answers[str(response.status_code)]["description"], response.text


@cache
def _document() -> dict[str, Any]:
    return whole()


def _operation(method: str, path: str) -> dict[str, Any] | None:
    parts = path.split("/")
    for template, item in _document()["paths"].items():
        wanted = template.split("/")
        if len(wanted) == len(parts) and all(a == b or a.startswith("{") for a, b in zip(wanted, parts, strict=True)):
            return item.get(method)  # type: ignore[no-any-return]
    return None
