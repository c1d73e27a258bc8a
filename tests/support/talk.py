"""Real requests to a live server, each answer held against the OpenAPI document.

A stream is read by a library that isn't ours (`httpx_sse`), and kept as it came beside.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
from httpx_sse import EventSource, ServerSentEvent
from jsonschema import Draft202012Validator
from tests.support.live import ALICE, PATIENCE, Live, Message

from interlock.http.openapi import whole


@dataclass
class Stream:
    """An answer that is a stream of events.

    Attributes:
        frames: what was heard so far.
        comments: how many comments.
    """

    response: httpx.Response
    frames: list[ServerSentEvent] = field(default_factory=list)
    _iterator: AsyncIterator[ServerSentEvent] | None = None

    @property
    def messages(self) -> list[Message]:
        """The objects in `data`."""
        return [json.loads(each.data) for each in self.frames]

    async def next(self, seconds: float = PATIENCE) -> Message | None:
        """The next object; None at the end of the stream."""
        self._iterator = self._iterator or EventSource(self.response).aiter_sse()
        async with asyncio.timeout(seconds):
            frame = await anext(self._iterator, None)
        if frame is None:
            return None
        self.frames.append(frame)
        message: Message = json.loads(frame.data)
        assert frame.event == message["event"]
        return message

    async def until(self, name: str, seconds: float = PATIENCE) -> list[Message]:
        """What comes up to and including the first object of this name."""
        messages: list[Message] = []
        while not messages or messages[-1]["event"] != name:
            message = await self.next(seconds)
            assert message is not None, f"the stream ended before {name}: {[each.event for each in self.frames]}"
            messages.append(message)
        return messages

    async def rest(self, seconds: float = PATIENCE) -> list[Message]:
        """Everything to the end of the stream."""
        messages: list[Message] = []
        while (message := await self.next(seconds)) is not None:
            messages.append(message)
        return messages


class Http:
    """A client of one user."""

    def __init__(self, live: Live, token: str | None) -> None:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self.client = httpx.AsyncClient(base_url=live.http_url, headers=headers, timeout=PATIENCE)

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A request and its whole answer."""
        response = await self.client.request(method, path, **options)
        _check(response)
        return response

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.ask("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """A request with JSON."""
        return await self.ask("POST", path, **({} if body is None else {"json": body}), **options)

    @asynccontextmanager
    async def stream(self, method: str, path: str, **options: Any) -> AsyncIterator[Stream]:
        """A request whose answer is a stream, which is left with the block."""
        async with self.client.stream(method, path, **options) as response:
            if response.status_code != 200:
                await response.aread()
                _check(response)
                raise AssertionError(f"{response.status_code}: {response.text}")
            assert response.headers["content-type"].startswith("text/event-stream")
            assert response.headers["cache-control"] == "no-store"
            assert response.headers["x-accel-buffering"] == "no"
            yield Stream(response)

    async def events(self, method: str, path: str, **options: Any) -> list[Message]:
        """A stream, heard to its end."""
        async with self.stream(method, path, **options) as stream:
            return await stream.rest()

    async def start(self, workflow_id: str, message: Any = "", **fields: Any) -> list[Message]:
        """The events of a start, up to its pause or end."""
        return await self.events("POST", f"/workflows/{workflow_id}/runs", json={"message": message, **fields})

    async def go_on(self, output: Message, **decision: Any) -> list[Message]:
        """The events of a decision, alike for all that a `WorkflowRunOutput` asks, up to the next pause or end."""
        return await self.events("POST", f"{path_of(output)}/continue", json=decided(output, **decision))


@asynccontextmanager
async def http(live: Live, token: str | None = ALICE) -> AsyncIterator[Http]:
    """A client, for as long as the block lasts."""
    talk = Http(live, token)
    async with talk.client:
        yield talk


def path_of(event: Message) -> str:
    """Where the run of an event is."""
    return f"/workflows/{event['workflow_id']}/runs/{event['run_id']}"


def decided(output: Message, **decision: Any) -> Message:
    """The body of a decision that echoes all that is asked."""
    return {"step_requirements": [{**each, **decision} for each in output["step_requirements"]]}


@cache
def _document() -> dict[str, Any]:
    return whole()


def _check(response: httpx.Response) -> None:
    """What is answered is what the document says of this route and status."""
    operation = _operation(response.request.method.lower(), response.request.url.path)
    if operation is None:
        return
    answers = operation["responses"]
    assert str(response.status_code) in answers, f"{response.status_code} isn't documented: {response.text}"
    content = answers[str(response.status_code)].get("content")
    if content is None:
        assert not response.content
        return
    if "application/json" not in content:
        assert response.headers["content-type"].partition(";")[0] in content
        return
    schema = content["application/json"]["schema"]
    Draft202012Validator({**schema, "components": _document()["components"]}).validate(response.json())
    if response.json().get("event") == "error":
        assert f"`{response.json()['code']}`" in answers[str(response.status_code)]["description"], response.text


def _operation(method: str, path: str) -> dict[str, Any] | None:
    parts = path.split("/")
    for template, item in _document()["paths"].items():
        wanted = template.split("/")
        if len(wanted) == len(parts) and all(a == b or a.startswith("{") for a, b in zip(wanted, parts, strict=True)):
            return item.get(method)  # type: ignore[no-any-return]
    return None
