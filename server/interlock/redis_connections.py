"""Connections to Redis whose timeouts are about Redis.

Laws:
- A reply that has arrived is read, however late this process comes to that: see `aio/timeouts.py`.
- What times out is what the client's own options say, `socket_connect_timeout` and `socket_timeout`, and it raises
  what the client raises.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, TypeVar

from redis.asyncio import Connection, Redis, RedisCluster, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import TimeoutError as RedisTimeout

from interlock.aio.timeouts import AnsweredWithin

C = TypeVar("C", bound="Redis | RedisCluster")


def patient(client: C) -> C:
    """Have a client that wasn't used yet make such connections, and return it."""
    if isinstance(client, Redis):
        pool = client.connection_pool
        pool.connection_class = _PATIENT[pool.connection_class]
        return client
    options: dict[str, Any] = client.get_connection_kwargs()
    options["connection_class"] = kind = _PATIENT[options["connection_class"]]  # of the masters that it will find
    nodes: Iterable[Any] = client.nodes_manager.startup_nodes.values()
    for node in nodes:
        node.connection_class = kind
    return client


class _Patient(AbstractConnection):
    """What times out in a connection, timed anew."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._seconds, self.socket_timeout = self.socket_timeout, None

    async def _connect(self) -> None:
        seconds, self.socket_connect_timeout = self.socket_connect_timeout, None
        try:
            async with AnsweredWithin(seconds):
                await super()._connect()  # type: ignore[safe-super, no-untyped-call]
        finally:
            self.socket_connect_timeout = seconds

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        try:
            async with AnsweredWithin(self._seconds):
                await super().send_packed_command(command, check_health)
        except TimeoutError:
            raise RedisTimeout("Timeout writing to socket") from None

    async def read_response(
        self,
        disable_decoding: bool = False,
        timeout: float | None = None,
        *,
        disconnect_on_error: bool = True,
        push_request: bool | None = False,
    ) -> Any:
        how: dict[str, Any] = {"disconnect_on_error": disconnect_on_error, "push_request": push_request}
        if timeout is not None:  # the caller's own, at the end of which there need be nothing
            return await super().read_response(disable_decoding, timeout, **how)
        try:
            async with AnsweredWithin(self._seconds):
                return await super().read_response(disable_decoding, math.inf, **how)
        except TimeoutError:
            raise RedisTimeout(f"Timeout reading from {self._host_error()}") from None


class _Tcp(_Patient, Connection):
    pass


class _Tls(_Patient, SSLConnection):
    pass


class _Unix(_Patient, UnixDomainSocketConnection):
    pass


_PATIENT: dict[type[AbstractConnection], type[_Patient]] = {
    Connection: _Tcp,
    SSLConnection: _Tls,
    UnixDomainSocketConnection: _Unix,
}
