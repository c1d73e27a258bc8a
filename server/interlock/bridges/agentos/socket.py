"""One WebSocket of an AgentOS client: translates its frames to and from the server's own socket.

Laws:
- The server's socket doesn't know of the bridge: it is given another `receive` and another `send`.
- A frame that is invalid, or exceeds a limit for this client in its present state, is passed on unchanged: the server
  refuses it like any other.
- Frames are sent one by one, each after the client has taken the last one: unread events stay in the log.
- In the open mode, the bridge authenticates for the client, which is told that no authentication is needed.

Source: `docs/agentos.md`, "The WebSocket".
"""

from __future__ import annotations

from collections import deque
from collections.abc import MutableMapping
from typing import Any

from pydantic_core import from_json
from starlette.types import ASGIApp

from interlock.bridges.agentos import actions, events
from interlock.bridges.agentos.history import Reader
from interlock.bridges.agentos.outputs import place_of
from interlock.engine.commands.runs import Runs
from interlock.log.port import LogUnavailable
from interlock.socket.connection import Receive, Scope, Send
from interlock.socket.transport import FRAMES
from interlock.store.port import StoreUnavailable
from interlock_protocol.codec import JSON
from interlock_protocol.connection import size_of
from interlock_protocol.errors import Refusal
from interlock_protocol.limits import (
    MAX_CLIENT_DEPTH,
    MAX_UNAUTHENTICATED_BYTES,
    MAX_UNAUTHENTICATED_DEPTH,
    MAX_VALUES,
)

SUBPROTOCOL = "agentos.v1"
"""The subprotocol that a client of AgentOS may offer."""

Message = MutableMapping[str, Any]


class Conversation:
    """One connection.

    Args:
        token: in the open mode, the token to authenticate the client with.
        limit: the largest frame that is parsed, in bytes.
    """

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, runs: Runs, *, token: str | None, limit: int
    ) -> None:
        self._offered = SUBPROTOCOL in scope.get("subprotocols", ())
        self._scope = {**scope, "subprotocols": [], "extensions": _without_pages(scope)}
        self._receive = receive
        self._send = send
        self._runs = runs
        self._log = Reader(runs)
        self._token = token
        self._limit = limit
        self._is_known = token is not None
        self._first: deque[Message] = deque()
        self._is_announced = token is None

    async def serve(self, app: ASGIApp) -> None:
        """Serve the client by the server's own socket, until it closes."""
        await app(self._scope, self.receive, self.send)

    # ── From the client ─────────────────────────────────────────────────────────────────────────────────

    async def receive(self) -> Message:
        """The next message for the server to read."""
        if self._first:
            return self._first.popleft()
        message = await self._receive()
        text = message.get("text")
        if message["type"] == "websocket.connect" and self._token is not None:
            self._first.append(_frame({"action": "authenticate", "token": self._token}))
        action = None if text is None else self._read(text)
        return message if action is None else _frame(await self._own(action))

    def _read(self, text: str) -> dict[str, Any] | None:
        """Parse a frame; return None if the server wouldn't."""
        limit, depth = self._limit, MAX_CLIENT_DEPTH
        if not self._is_known:
            limit, depth = min(limit, MAX_UNAUTHENTICATED_BYTES), MAX_UNAUTHENTICATED_DEPTH
        try:
            return None if size_of(text) > limit else JSON.decode(text, max_depth=depth, max_values=MAX_VALUES)
        except Refusal:
            return None

    async def _own(self, action: dict[str, Any]) -> dict[str, Any]:
        if action.get("action") == "authenticate" and self._token is not None:
            return {**action, "token": self._token}  # if no authentication is needed, any token is accepted
        if action.get("action") == "reconnect" and await self._is_over(action.get("run_id")):
            return actions.own(actions.without_index(action))
        return actions.own(action)

    async def _is_over(self, run_id: Any) -> bool:
        """Return True if this is a finished run. The server checks whether it may be read."""
        if not isinstance(run_id, str) or not run_id or not self._is_known or "\0" in run_id:
            return False
        try:
            return (await self._runs.head(run_id)).status.is_final
        except (LogUnavailable, StoreUnavailable, Refusal):
            return False

    # ── To the client ───────────────────────────────────────────────────────────────────────────────────

    async def send(self, message: Message) -> None:
        """Translate and send a message of the server."""
        if message["type"] == "websocket.accept" and self._offered:
            message = {**message, "subprotocol": SUBPROTOCOL}
        text = message.get("text")
        if text is None:
            await self._send(message)
            return
        said: dict[str, Any] = from_json(text)
        if said["event"] == "auth_required":
            self._is_known = False  # its token has expired, if it had one
        if said["event"] == "authenticated":
            self._is_known = True
            if not self._is_announced:
                self._is_announced = True
                return  # it was the bridge that authenticated
        if said["event"] == "connected" and self._token is not None:
            said |= {"requires_auth": False, "message": "Connected."}
        await self._send({"type": "websocket.send", "text": JSON.encode(await self._translated(said))})

    async def _translated(self, said: dict[str, Any]) -> dict[str, Any]:
        if not events.repeats(said):
            return events.translated(said)
        return events.translated(said, await self._log.until(said["run_id"], place_of(said) + 1))


def _frame(action: dict[str, Any]) -> Message:
    return {"type": "websocket.receive", "text": JSON.encode(action)}


def _without_pages(scope: Scope) -> dict[str, Any]:
    """The extensions of the connection, except whole pages of encoded frames: each frame has to be translated."""
    return {name: value for name, value in (scope.get("extensions") or {}).items() if name != FRAMES}
