"""How a program gets a client: what it writes, and what that means."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Literal

from interlock_client.address import http_url, socket_url, token_in
from interlock_client.client import Client
from interlock_client.link import LinkOptions, Token
from interlock_protocol.codec import JSON, MSGPACK


def connect(
    url: str,
    *,
    token: Token | None = None,
    codec: Literal["json", "msgpack"] = "json",
    open_timeout: float = 10.0,
    heartbeat: float = 10.0,
    reconnect_timeout: float | None = None,
    max_buffered_events: int = 1000,
    max_buffered_bytes: int = 8 * 1024 * 1024,
    headers: Mapping[str, str] | None = None,
    ssl: ssl.SSLContext | None = None,
    on_disconnect: Callable[[str], object] | None = None,
    on_reconnect: Callable[[], object] | None = None,
) -> Client:
    """A client for `async with`, connected and authenticated inside of it.

    Args:
        url: `ws(s)://…`, `http(s)://…` or `host[:port]`; the path is added. The link that the server prints will do.
        token: the token, or a (coroutine) function that gets one: for each connection, and before one expires.
        open_timeout: how long one attempt to connect may take, authentication included.
        heartbeat: how often the server is pinged; as long without an answer, and the connection counts as lost.
        reconnect_timeout: how long a lost connection is tried to be had again; None is for ever.
        max_buffered_events, max_buffered_bytes: what is kept of each run for a program that is slow to take events.
        on_disconnect, on_reconnect: told when a connection is lost (and why), and when it is there again.

    Raises (on entering):
        ConnectionEnded: there is no connection; the first one is tried once.
        ProtocolMisuse: `url` isn't an address.
    """
    options = LinkOptions(
        url=socket_url(url),
        codec=MSGPACK if codec == "msgpack" else JSON,
        token=token if token is not None else token_in(url),
        open_timeout=open_timeout,
        heartbeat=heartbeat,
        reconnect_timeout=reconnect_timeout,
        headers=headers,
        ssl=ssl,
    )
    return Client(
        options,
        http=http_url(url),
        max_buffered_events=max_buffered_events,
        max_buffered_bytes=max_buffered_bytes,
        on_disconnect=on_disconnect,
        on_reconnect=on_reconnect,
    )
