"""A connection that is closed while the time of its last words runs out: that is no error of the server's."""

from __future__ import annotations

import asyncio

from interlock.aio.wakeup import Wakeup
from interlock.socket.connection import Socket
from interlock_protocol.close_codes import CloseCode


async def test_close_at_the_moment_at_which_sending_runs_out_is_silent() -> None:
    """Both its own loop and whoever stops the server may close it, in the same turn of the event loop."""
    socket = object.__new__(Socket)
    socket._close_code, socket._awake = None, Wakeup()
    try:
        async with asyncio.timeout(None) as sending:
            socket._sending = sending
            sending.reschedule(asyncio.get_running_loop().time())
            await asyncio.sleep(60)
    except TimeoutError:
        assert sending.expired()
    socket.close(CloseCode.SHUTTING_DOWN)
    assert socket._close_code is CloseCode.SHUTTING_DOWN
