"""HTTP calls of workflows to servers of a test (`foreign`), and what comes of them."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.support.foreign import foreign

from interlock.addresses import Allowed
from interlock.engine.work.http_call import HttpCalls
from interlock.outgoing.guarded import GuardedTransport
from interlock.secrets.fence import Asker, Secret
from interlock.telemetry.counters import Counters
from interlock.workflow.activities import HttpCall, LogicError, Returned
from interlock_protocol.codec import event_body
from interlock_protocol.types import JsonValue

NOW = 1_800_000_000.0
SECRETS = {"KEY": "s3cret/key+of=8", "PASSWORD": "pass:word&x", "OTHER": "never-used-secret"}
LIMIT = 20.0
"""For calls that aren't about it: more than any takes."""

TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Quick to make: nothing here is encrypted."""


def call(url: str, method: str = "GET", body: JsonValue = None, **more: Any) -> HttpCall:
    asker = Asker("default", "user_ada", "pay")
    given: dict[str, Any] = {"headers": {}, "asker": asker, "time_limit": LIMIT, "idempotency_key": "inst:s:1"}
    return HttpCall(method=method, url=url, body=body, **(given | more))


class Calls(HttpCalls):
    """Requests with secrets that may go anywhere, where nothing else is said."""

    async def run(self, call: HttpCall, secrets: Mapping[str, str | Secret], **more: Any) -> Returned:
        fenced = {name: Secret(name, each) if isinstance(each, str) else each for name, each in secrets.items()}
        return await super().run(call, fenced, **more)


@asynccontextmanager
async def calling(*allowed: str, counters: Counters | None = None) -> AsyncIterator[Calls]:
    transport = GuardedTransport(Allowed(allowed or ("127.0.0.1",)), ssl_context=TRUSTS_NOBODY)
    calls = Calls(transport=transport, counters=counters, clock=lambda: NOW)
    try:
        yield calls
    finally:
        await calls.aclose()


async def answered(answer: Any, method: str = "GET", **more: Any) -> dict[str, Any]:
    """What comes of an answer."""
    async with foreign(answer) as server, calling() as calls:
        returned = await calls.run(call(f"http://127.0.0.1:{server.port}/", method, **more), SECRETS)
    assert isinstance(returned.value, dict)
    event_body({"event": "StepCompleted", "content": returned.value})  # the log can carry it
    return returned.value


async def failure(answer: Any, method: str = "GET", **more: Any) -> LogicError:
    """How a call with this answer fails."""
    async with foreign(answer) as server, calling() as calls:
        with pytest.raises(LogicError) as failed:
            await calls.run(call(f"http://127.0.0.1:{server.port}/", method, **more), SECRETS)
    assert f"{method} 127.0.0.1:{server.port}" in str(failed.value)
    return failed.value


def chunked(content: bytes, size: int, headers: bytes = b"") -> bytes:
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(content[at : at + size]), content[at : at + size]) for at in range(0, len(content), size)
    )
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + headers + b"\r\n" + chunks + b"0\r\n\r\n"
