"""Hints that other processes have appended to logs, and what they say on topics, over one pub/sub connection.

Laws:
- A hint says where to look, never what is there; its receiver reads the log. So a lost hint loses no data.
- After each new subscription, also after a reconnect, the run's head is read, so that appends made before the
  subscription took effect aren't missed.
- One connection serves all watched runs. On a Cluster it may be to any node, because nodes forward messages to all; if
  the node is away, another one is used. A head that can't be read is read again later, and delays no other.
- The module survives any error and goes on.

Source: `docs/architecture.md`, "On many nodes".
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import structlog
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from interlock.aio.tasks import end
from interlock.log.port import Hint, LogUnavailable

logger = structlog.get_logger(__name__)

_SILENCE_SECONDS = 5.0
"""A connection that is silent for this long is pinged; one that is silent for twice as long counts as dead."""

_TOGETHER_SECONDS = 0.05
"""How long subscription changes are collected: many runs are then subscribed at once, and brief ones not at all."""

_RECONNECT_SECONDS = (0.05, 0.5)

_GONE = (RedisError, OSError, LogUnavailable, RuntimeError, AttributeError)
"""The errors of a lost connection. uvloop raises RuntimeError when it writes to one; redis-py raises AttributeError,
because its connection then has neither a reader nor a writer."""

_AGAIN_SECONDS = 0.5
"""The delay before heads that couldn't be read are read again."""

_GROUP = 256


T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class _Ear:
    """A listener of a topic."""

    heard: Callable[[str], None]
    begun: Callable[[], None]


class Hints:
    """Calls the hints of watched runs while `run` is running.

    Args:
        connect: creates a subscription on a new connection.
        look: returns (epoch, next index) of each run's head, or None for a run without one; it leaves out runs that
            can't be reached.
        prefix: the prefix of keys and channels.

    Attributes:
        every: the channel that announces that a run needs an owner.
        grown: the prefix, before the run's id, of the channel for a log's growth. Messages are `<epoch>-<next index>`.
        said: the prefix, before its name, of the channel of a topic. Messages are texts.
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
        self.said = f"{prefix}:said:"
        self._hints: dict[str, list[Hint]] = {}
        self._ears: dict[str, list[_Ear]] = {}
        self._ready: list[Callable[[], None]] = []
        self._subscribed: set[str] = set()
        self._changed: dict[str, None] = {}
        self._woken = asyncio.Event()
        self._unseen: dict[str, None] = {}
        self._heard: set[str] = set()
        self._to_see = asyncio.Event()

    def watch(self, run_id: str, hint: Hint) -> Callable[[], None]:
        """Call `hint` whenever the run's log may have grown, until the returned function is called."""
        return self._add(self._hints, run_id, hint, self.grown)

    def hear(self, topic: str, heard: Callable[[str], None], begun: Callable[[], None]) -> Callable[[], None]:
        """Call `begun` whenever the topic is subscribed, and `heard` with each text on it, until the returned function
        is called."""
        return self._add(self._ears, topic, _Ear(heard, begun), self.said)

    def _add(self, those: dict[str, list[T]], name: str, one: T, prefix: str) -> Callable[[], None]:
        listeners = those.setdefault(name, [])
        listeners.append(one)
        if len(listeners) == 1:
            self._change(prefix + name)

        def remove() -> None:
            listeners.remove(one)
            if not listeners and those.get(name) is listeners:
                del those[name]
                self._change(prefix + name)

        return remove

    def on_ready(self, call: Callable[[], None]) -> None:
        """Call `call` whenever a process announces that a run needs an owner."""
        self._ready.append(call)

    def _change(self, channel: str) -> None:
        self._changed[channel] = None
        self._woken.set()

    async def run(self) -> None:
        """Keep a subscription open, forever."""
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
        self._changed = dict.fromkeys(self._channels())
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
                begun = [each for each in changed if self._is_wanted(each) and each not in self._subscribed]
                ended = [each for each in changed if not self._is_wanted(each) and each in self._subscribed]
                self._subscribed.update(begun)
                self._subscribed.difference_update(ended)
                if begun:
                    await subscription.subscribe(*begun)
                if ended:
                    await subscription.unsubscribe(*ended)

    def _channels(self) -> Iterator[str]:
        yield from (self.grown + run_id for run_id in self._hints)
        yield from (self.said + topic for topic in self._ears)

    def _is_wanted(self, channel: str) -> bool:
        run_id = channel.removeprefix(self.grown)
        return run_id in self._hints if run_id != channel else channel.removeprefix(self.said) in self._ears

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
        run_id, topic = channel.removeprefix(self.grown), channel.removeprefix(self.said)
        if topic != channel:
            self._take_word(kind, topic, data)
        elif kind == "subscribe" and run_id != channel:
            self._unseen[run_id] = None
            self._to_see.set()
        elif kind == "message" and run_id != channel:
            epoch, _, next_index = data.partition(b"-")
            self._heard.add(run_id)
            self._tell(run_id, int(epoch), int(next_index))
        elif kind == "message":
            for call in self._ready:
                call()

    def _take_word(self, kind: str, topic: str, data: Any) -> None:
        for ear in list(self._ears.get(topic, ())):
            if kind == "subscribe":
                ear.begun()
            elif kind == "message":
                ear.heard(data.decode())

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
        """Read the heads of these runs and hint at them, except for runs that got a message meanwhile.

        Returns the runs that couldn't be reached.
        """
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
    """Remove and return the first ones, up to `_GROUP`."""
    taken = list(islice(waiting, _GROUP))
    for each in taken:
        del waiting[each]
    return taken
