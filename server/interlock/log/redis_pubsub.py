"""What other processes did: hints that logs have grown, on one connection of pub/sub.

Laws:
- A hint says where to look, never what is there; whoever gets one reads the log. So a lost hint loses nothing.
- A subscription that is new, or new again after a reconnect, is followed by a look at the head: what was appended
  before it began to count isn't missed.
- One connection, however many runs are watched. On a Cluster any node will do: it hands on to all. While that one is
  away, it is another; a head that can't be looked at is looked at again, and holds up no other.
- Whatever goes wrong, it goes on.

Source: `docs/architecture.md`, "On many nodes".
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice
from typing import Any

import structlog
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from interlock.aio.tasks import end
from interlock.log.port import Hint, LogUnavailable

logger = structlog.get_logger(__name__)

_SILENCE_SECONDS = 5.0
"""A connection on which nothing is heard for so long is asked for a sign of life; after twice that it is dead."""

_TOGETHER_SECONDS = 0.05
"""How long changes wait for others: many runs are subscribed to at once, and brief ones not at all."""

_RECONNECT_SECONDS = (0.05, 0.5)

_GONE = (RedisError, OSError, LogUnavailable, RuntimeError, AttributeError)
"""What a connection that is gone comes to: RuntimeError is uvloop's word for it, when it is written to, AttributeError
redis-py's, whose connection has neither a reader nor a writer by then."""

_AGAIN_SECONDS = 0.5
"""How long heads that couldn't be looked at are left alone."""

_GROUP = 256


class Hints:
    """Calls hints of watched runs, for as long as `run` runs.

    Args:
        connect: a subscription of its own on a new connection.
        look: (epoch, next index) of the heads of these runs, or None without one, as far as they can be reached.
        prefix: what keys and channels begin with.

    Attributes:
        every: the channel on which it is said that a run needs an owner.
        grown: what the channel of a run's growth begins with, before the run's id. Messages are `<epoch>-<next index>`.
    """

    def __init__(
        self,
        connect: Callable[[], PubSub],
        look: Callable[[Sequence[str]], Awaitable[Mapping[str, tuple[int, int] | None]]],
        prefix: str,
    ) -> None:
        self._connect = connect
        self._look = look
        self.every = f"{prefix}:nodes"
        self.grown = f"{prefix}:grown:"
        self._hints: dict[str, list[Hint]] = {}
        self._ready: list[Callable[[], None]] = []
        self._subscribed: set[str] = set()
        self._changed: dict[str, None] = {}
        self._woken = asyncio.Event()
        self._unseen: dict[str, None] = {}
        self._heard: set[str] = set()
        self._to_see = asyncio.Event()

    def watch(self, run_id: str, hint: Hint) -> Callable[[], None]:
        """Call `hint` whenever the run's log may have grown; the returned function ends it."""
        hints = self._hints.setdefault(run_id, [])
        hints.append(hint)
        if len(hints) == 1:
            self._change(run_id)

        def unwatch() -> None:
            hints.remove(hint)
            if not hints and self._hints.get(run_id) is hints:
                del self._hints[run_id]
                self._change(run_id)

        return unwatch

    def on_ready(self, call: Callable[[], None]) -> None:
        """Call it whenever some process says that a run needs an owner."""
        self._ready.append(call)

    def _change(self, run_id: str) -> None:
        self._changed[run_id] = None
        self._woken.set()

    async def run(self) -> None:
        """Keep a subscription, for ever."""
        while True:
            try:
                async with self._connect() as subscription:
                    await self._use(subscription)
            except _GONE as error:
                logger.info("news_interrupted", why=str(error))
            except Exception:
                logger.exception("news_failed")
            await asyncio.sleep(random.SystemRandom().uniform(*_RECONNECT_SECONDS))

    async def _use(self, subscription: PubSub) -> None:
        self._subscribed.clear()
        self._changed = dict.fromkeys(self._hints)
        await subscription.subscribe(self.every)
        self._woken.set()
        parts = [self._keep_subscribed(subscription), self._hear(subscription), self._see()]
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()
        finally:
            await end(tasks)

    async def _keep_subscribed(self, subscription: PubSub) -> None:
        while True:
            await self._woken.wait()
            await asyncio.sleep(_TOGETHER_SECONDS)
            self._woken.clear()
            while self._changed:
                changed = _some(self._changed)
                begun = [run_id for run_id in changed if run_id in self._hints and run_id not in self._subscribed]
                ended = [run_id for run_id in changed if run_id not in self._hints and run_id in self._subscribed]
                self._subscribed.update(begun)
                self._subscribed.difference_update(ended)
                if begun:
                    await subscription.subscribe(*(self.grown + run_id for run_id in begun))
                if ended:
                    await subscription.unsubscribe(*(self.grown + run_id for run_id in ended))

    async def _hear(self, subscription: PubSub) -> None:
        silent = 0
        while True:
            message = await subscription.get_message(timeout=_SILENCE_SECONDS)
            if message is not None:
                silent = 0
                if message["channel"] is not None:
                    self._take(message["type"], message["channel"].decode(), message["data"])
                continue
            silent += 1
            if silent > 1:
                raise ConnectionError("Redis is silent")
            await subscription.ping()

    def _take(self, kind: str, channel: str, data: Any) -> None:
        run_id = channel.removeprefix(self.grown)
        if kind == "subscribe" and run_id != channel:
            self._unseen[run_id] = None
            self._to_see.set()
        elif kind == "message" and run_id != channel:
            epoch, _, next_index = data.partition(b"-")
            self._heard.add(run_id)
            self._tell(run_id, int(epoch), int(next_index))
        elif kind == "message":
            for call in self._ready:
                call()

    async def _see(self) -> None:
        while True:
            await self._to_see.wait()
            self._to_see.clear()
            later: dict[str, None] = {}
            while self._unseen:
                later |= dict.fromkeys(await self._look_at(_some(self._unseen)))
            if later:
                self._unseen |= later
                asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._to_see.set)

    async def _look_at(self, run_ids: Sequence[str]) -> list[str]:
        """Hint at where these are, unless more was heard of them meanwhile; returns those that couldn't be reached."""
        self._heard.clear()
        try:
            places = await self._look(run_ids)
        except LogUnavailable:
            places = {}
        for run_id, place in places.items():
            if place is not None and run_id not in self._heard:
                self._tell(run_id, *place)
        return [run_id for run_id in run_ids if run_id in self._hints and run_id not in places]

    def _tell(self, run_id: str, epoch: int, next_index: int) -> None:
        for hint in list(self._hints.get(run_id, ())):
            hint(epoch, next_index)


def _some(waiting: dict[str, None]) -> list[str]:
    """The first of them, which are taken out."""
    taken = list(islice(waiting, _GROUP))
    for each in taken:
        del waiting[each]
    return taken
