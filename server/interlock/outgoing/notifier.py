"""Sends letters to channels: what `notices/` needs of the world outside.

Laws:
- Everything goes through the guard of outgoing connections.
- A try has a deadline.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import cache
from typing import TYPE_CHECKING, Final

import httpx

from interlock.addresses import Allowed
from interlock.aio.threads import in_thread
from interlock.outgoing.channels import Channel
from interlock.outgoing.guarded import GuardedTransport, Resolve
from interlock.outgoing.letters import Letter, NotSent, sentence_of
from interlock.outgoing.plugins import plugin_for, send_by

if TYPE_CHECKING:
    from interlock.outgoing.mail import MailServer

DEADLINE: Final = 30.0
"""How long a try may take, in seconds."""

_SOMEBODY: Final = {"email": "somebody@example.com", "slack": "U00000000", "ntfy": "somebody", "telegram": "100000000"}


class Notifier:
    """Sends letters.

    Args:
        allowed: the inner hosts that may be reached.
        resolve, ssl_context: as of `GuardedTransport`.
    """

    def __init__(
        self, allowed: Allowed, *, resolve: Resolve | None = None, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        self._trusted = ssl_context
        self._transport = GuardedTransport(allowed, resolve=resolve, ssl_context=ssl_context)

    async def send(self, channel: Channel, address: str, letter: Letter) -> None:
        """Send a letter to a person's address, or, of a channel that isn't personal, to the room.

        Raises:
            NotSent: it wasn't taken, as far as is known.
        """
        try:
            async with asyncio.timeout(DEADLINE):
                await self._send(channel, address, letter)
        except (httpx.HTTPError, TimeoutError, ValueError) as error:
            raise NotSent(sentence_of(error)) from None

    async def _send(self, channel: Channel, address: str, letter: Letter) -> None:
        if not channel.is_mail:
            await send_by(self._transport, channel, address, letter)
            return
        from interlock.outgoing.mail import message_of, send_mail  # only who writes e-mail waits for its libraries

        server, room = await in_thread(_server_of, channel)
        for each in [channel.checked(address)] if channel.is_personal else room:
            await send_mail(self._transport.guard, server, message_of(letter, server, each), [each], self._trusted)

    async def aclose(self) -> None:
        """Close what was opened."""
        await self._transport.aclose()


@cache
def _server_of(channel: Channel) -> tuple[MailServer, list[str]]:
    from interlock.outgoing.mail import server_in

    plugin = plugin_for(channel.to(_SOMEBODY["email"] if channel.is_personal else ""))
    return server_in(plugin)


async def check(channel: Channel) -> None:
    """Check that the library understands a channel's URL. Nothing is sent, and nobody asked.

    Raises:
        NotSent: it doesn't.
    """
    address = _SOMEBODY[channel.kind.name] if channel.is_personal else ""
    await in_thread(plugin_for, channel.to(address))
