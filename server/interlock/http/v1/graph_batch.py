"""Many sessions by one request: a body a line in, an answer a line out, as they end.

Laws:
- Each line is a session of its own, with a key of its own: that of the request, and the number of the line.
- Only so many lines are under way at once; while they are, no more of the request is read.
- Each line counts as a session in the limits; one over them is refused, and the others aren't.
- What was read is run, also if the caller leaves; what wasn't isn't.

Source: `docs/graphs.md`, "Many at once".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from fastapi import Request
from fastapi.responses import StreamingResponse
from pydantic_core import from_json, to_json
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from interlock.aio.tasks import end
from interlock.http.sse import RunRequest, Streams
from interlock.http.v1.bodies import MAX_INPUT_BYTES
from interlock.http.v1.errors import ApiError, Code, refused
from interlock.http.v1.graph_work import MAX_WAIT, Sessions, as_executor
from interlock.http.v1.instance_work import Waiting
from interlock.ratelimit.limiter import Budget
from interlock.services import Services
from interlock_protocol.errors import Refusal
from interlock_protocol.types import JsonObject

NDJSON: Final = "application/x-ndjson"
MAX_LINES: Final = 10_000
AT_ONCE: Final = 16
"""How many lines are under way at once."""


class Batch:
    """One such request."""

    def __init__(self, services: Services, streams: Streams, sessions: Sessions, waiting: Waiting, name: str) -> None:
        self._services = services
        self._streams = streams
        self._sessions = sessions
        self._waiting = waiting
        self._name = name
        self._lines: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue(AT_ONCE)
        self._answers: asyncio.Queue[JsonObject | None] = asyncio.Queue()

    async def answers(self) -> AsyncIterator[bytes]:
        """Yield the answers, a line each, in the order in which they come."""
        tasks = [asyncio.create_task(self._read()), *(asyncio.create_task(self._work()) for _ in range(AT_ONCE))]
        left = AT_ONCE
        try:
            while left:
                told = await self._answers.get()
                if told is None:
                    left -= 1
                    continue
                yield to_json(told) + b"\n"
        finally:
            await end(tasks)

    async def _read(self) -> None:
        number = 0
        try:
            async for line in _lines_of(self._waiting.request):
                number += 1
                if number > MAX_LINES:
                    sentence = f"A batch has at most {MAX_LINES:,} lines; send the rest in another."
                    self._answers.put_nowait(_refusal(number, ApiError(Code.PAYLOAD_TOO_LARGE, sentence)))
                    break
                await self._lines.put((number, line))
        except ApiError as error:
            self._answers.put_nowait(_refusal(number + 1, error))
        except ClientDisconnect:
            pass  # what was read is run
        finally:
            for _ in range(AT_ONCE):
                await self._lines.put(None)

    async def _work(self) -> None:
        try:
            with self._streams.request(self._services, self._waiting.principal) as follows:
                while (taken := await self._lines.get()) is not None:
                    self._answers.put_nowait(await self._answered(follows, *taken))
        except Refusal as refusal:  # there is no room for another: the others do it
            if self._answers.empty() and self._lines.empty():
                self._answers.put_nowait(_refusal(0, refused(refusal)))
        finally:
            self._answers.put_nowait(None)

    async def _answered(self, follows: RunRequest, number: int, line: bytes) -> JsonObject:
        try:
            await self._spend(number)
            told, status = await self._sessions.of_line(follows, self._waiting, self._name, number, _values(line))
            return {"line": number, "status": status, "data": told}
        except ApiError as error:
            return _refusal(number, error)
        except Refusal as refusal:
            return _refusal(number, refused(refusal))

    async def _spend(self, number: int) -> None:
        """Count a line as a session; the first was counted with the request.

        Raises:
            Refusal: `rate_limited`.
        """
        if number == 1:
            return
        spent = await self._services.rate_limits.spend(Budget.SESSIONS, self._waiting.principal.person)
        if spent is not None and spent.refusal is not None:
            raise spent.refusal


class Lines(StreamingResponse):
    """An answer that is sent while the request is still read, so that nothing else may read there."""

    async def listen_for_disconnect(self, receive: Receive) -> None:
        await asyncio.Event().wait()


def batch_of(services: Services, streams: Streams, sessions: Sessions, waiting: Waiting, name: str) -> Lines:
    """Run a graph once for each line of a request."""
    principal = as_executor(waiting.principal)
    own = Waiting(waiting.request, principal, waiting.key, MAX_WAIT)
    return Lines(Batch(services, streams, sessions, own, name).answers(), media_type=NDJSON)


async def _lines_of(request: Request) -> AsyncIterator[bytes]:
    """Yield the lines of a body that have something on them.

    Raises:
        ApiError: one is too long.
    """
    rest = b""
    async for chunk in request.stream():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield line
        if len(rest) > MAX_INPUT_BYTES:
            raise ApiError(Code.PAYLOAD_TOO_LARGE, f"A line has at most {MAX_INPUT_BYTES:,} bytes.")
    if rest.strip():
        yield rest


def _values(line: bytes) -> JsonObject:
    try:
        values: Any = from_json(line)
    except ValueError:
        values = None
    if not isinstance(values, dict) or len(line) > MAX_INPUT_BYTES:
        raise ApiError(Code.INVALID_REQUEST, f"Each line is a JSON object of at most {MAX_INPUT_BYTES:,} bytes.")
    return values


def _refusal(number: int, error: ApiError) -> JsonObject:
    told: JsonObject = {"code": error.code.value, "message": error.message, "details": error.details}
    return {"line": number, "status": error.status, "error": told}
