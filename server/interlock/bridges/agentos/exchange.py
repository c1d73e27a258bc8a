"""One request: the server's own routes carry it out, and the answer is translated.

Laws:
- A stream is translated event by event, as it arrives. Any other answer is one JSON object, and is read whole.
- The status is the server's, and an error keeps its own fields besides AgentOS's `detail`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from pydantic_core import from_json, to_json
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Translate = Callable[[Any], Awaitable[Any]]

STREAM = b"text/event-stream"
_LENGTH = b"content-length"


@dataclass(slots=True)
class Answer:
    """An answer that was read whole: its status, and its JSON (None if it has none)."""

    status: int = 500
    content: Any = None
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)

    @property
    def is_fine(self) -> bool:
        return self.status < 400

    async def send(self, send: Send) -> None:
        """Send it to the client."""
        body = b"" if self.content is None and self.status == 204 else to_json(_with_detail(self.content, self.status))
        kept = [(name, value) for name, value in self.headers if name.lower() not in (_LENGTH, b"content-type")]
        headers = [*kept, (b"content-type", b"application/json"), (_LENGTH, str(len(body)).encode())]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _with_detail(content: Any, status: int) -> Any:
    if status < 400 or not isinstance(content, dict) or "error" not in content:
        return content
    return {**content, "detail": content["error"]}


def asking(scope: Scope, path: str, *, method: str | None = None, query: bytes | None = None) -> Scope:
    """The scope of the request for the server's own routes."""
    root: str = scope.get("root_path", "")
    asked = {**scope, "path": root + path, "raw_path": quote(root + path).encode()}
    if method is not None:
        asked["method"] = method
    if query is not None:
        asked["query_string"] = query
    return asked


async def nothing() -> Message:
    """The body of a request without one."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def read(app: ASGIApp, scope: Scope, receive: Receive = nothing) -> Answer:
    """Read the server's answer to a request."""
    answer, body = Answer(), bytearray()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status, answer.headers = message["status"], list(message["headers"])
        else:
            body.extend(message.get("body", b""))

    await app(scope, receive, send)
    answer.content = from_json(bytes(body)) if body else None
    return answer


class Translating:
    """The `send` of a request whose answer is translated: an object by `whole`, or a stream event by event.

    Args:
        whole: translates the content of an answer that isn't an error.
        each: translates one event.
    """

    def __init__(self, send: Send, whole: Translate, each: Translate) -> None:
        self._send = send
        self._whole = whole
        self._each = each
        self._answer = Answer()
        self._is_stream = False
        self._body = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._answer = Answer(message["status"], None, list(message["headers"]))
            self._is_stream = any(value.startswith(STREAM) for _, value in message["headers"])
            if self._is_stream:
                await self._send(message)
            return
        self._body.extend(message.get("body", b""))
        has_more = message.get("more_body", False)
        if self._is_stream:
            await self._send({**message, "body": await self._translated()})
        elif not has_more:
            self._answer.content = from_json(bytes(self._body)) if self._body else None
            if self._answer.is_fine and self._answer.content is not None:
                self._answer.content = await self._whole(self._answer.content)
            await self._answer.send(self._send)

    async def _translated(self) -> bytes:
        """Translate the complete events received so far."""
        *whole, rest = bytes(self._body).split(b"\n\n")
        self._body = bytearray(rest)
        return b"".join([await self._event(each) for each in whole])

    async def _event(self, frame: bytes) -> bytes:
        lines, data = [], None
        for line in frame.split(b"\n"):
            if line.startswith(b"data: "):
                data = await self._each(from_json(line[6:]))
            elif not line.startswith(b"event: "):
                lines.append(line)  # the id, and comments before the event
        if data is not None:
            lines += [b"event: " + str(data["event"]).encode(), b"data: " + to_json(data)]
        return b"\n".join(lines) + b"\n\n"


def header(scope: Scope | Mapping[str, Any], name: bytes) -> str | None:
    """A header of a request; None if there is none."""
    found = next((value for key, value in scope["headers"] if key.lower() == name), None)
    return None if found is None else str(found.decode("latin-1"))
