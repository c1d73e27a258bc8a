"""The reasons for closing a connection, in bands, so that a client decides from the number alone.

Laws:
- 4000-4499 are final: reconnecting in the same way can't succeed. So is 1009, from either side, because the client
  would send the same oversized message again.
- 4500-4999, and every code outside both bands, mean: reconnect, with backoff.
"""

from __future__ import annotations

from enum import IntEnum


class CloseCode(IntEnum):
    """The close codes of `docs/protocol.md`, and those of RFC 6455 that the server sends itself."""

    NORMAL = 1000
    GOING_AWAY = 1001
    MESSAGE_TOO_BIG = 1009
    NOT_THIS_PROTOCOL = 4400
    ORIGIN_REFUSED = 4403
    AUTH_TIMEOUT = 4501
    SHUTTING_DOWN = 4503
    NOT_READING = 4508
    TOO_MANY_CONNECTIONS = 4509
    TOO_FAST = 4529

    @property
    def reason(self) -> str:
        """A sentence short enough for a close frame (123 bytes)."""
        return _REASONS[self]


_REASONS = {
    CloseCode.NORMAL: "done",
    CloseCode.GOING_AWAY: "going away",
    CloseCode.MESSAGE_TOO_BIG: "the frame is far over max_message_bytes",
    CloseCode.NOT_THIS_PROTOCOL: "too many bad frames in a row: this doesn't speak the Interlock protocol",
    CloseCode.ORIGIN_REFUSED: "this origin isn't allowed; see INTERLOCK_ALLOWED_ORIGINS",
    CloseCode.AUTH_TIMEOUT: "not authenticated in time; send authenticate first",
    CloseCode.SHUTTING_DOWN: "the server is shutting down; reconnect",
    CloseCode.NOT_READING: "control messages aren't being read; reconnect",
    CloseCode.TOO_MANY_CONNECTIONS: "too many connections; reconnect later",
    CloseCode.TOO_FAST: "too many messages; reconnect later",
}


def may_reconnect(code: int) -> bool:
    """Return True if a client should reconnect after `code`: any code outside the final band, except 1009."""
    return not 4000 <= code <= 4499 and code != CloseCode.MESSAGE_TOO_BIG
