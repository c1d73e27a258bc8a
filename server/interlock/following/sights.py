"""To whom requirements were sent, and who has seen them: once for each person and requirement.

Laws:
- Nothing that is sent waits for this: to note is to put into a set, which is bounded; what is beyond isn't noted. It
  is written together.
- What somebody says that they have seen is written before they are told so, unless the operator wants none of that.
- What is written is written again at most once per process, and the first time stays.
- Noted is who may decide, not everybody who may look. A server that dies forgets the last second.

Source: `docs/audit.md`, "What is in it".
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Final, Protocol

from interlock.store.port import Sight, StoreUnavailable

MAX_WAITING: Final = 10_000
"""How many deliveries may wait to be written."""

MAX_KNOWN: Final = 50_000
"""How many are known to be written, so that they aren't written again."""

_AT_ONCE: Final = 500

Key = tuple[str, str, str]


class Kept(Protocol):
    """The part of the store that is needed."""

    async def saw(self, sights: Sequence[Sight]) -> None: ...
    async def seen(self, run_id: str, requirement_id: str, user_id: str, at: int) -> None: ...


class Sights:
    """The deliveries of this process, and what people say that they have seen.

    Args:
        clock: the time by the store's clock, in milliseconds since 1970.
        notes_seen: whether it is kept what people have seen.
    """

    def __init__(self, store: Kept, clock: Callable[[], int], *, notes_seen: bool = True) -> None:
        self._store = store
        self._clock = clock
        self._notes_seen = notes_seen
        self._seen: OrderedDict[Key, None] = OrderedDict()
        self._waiting: dict[Key, int] = {}
        self._known: OrderedDict[Key, None] = OrderedDict()

    def delivered(self, run_id: str, requirement_id: str, user_id: str) -> None:
        """Note that a requirement was sent to somebody."""
        key = run_id, requirement_id, user_id
        if key not in self._known and key not in self._waiting and len(self._waiting) < MAX_WAITING:
            self._waiting[key] = self._clock()

    async def seen(self, run_id: str, requirement_id: str, user_id: str) -> None:
        """Write that somebody has seen a requirement.

        Raises:
            StoreUnavailable: it isn't written.
        """
        key = run_id, requirement_id, user_id
        if self._notes_seen and key not in self._seen:
            await self._store.seen(*key, self._clock())
            _remember(self._seen, [key])

    async def run(self, every: float) -> None:
        """Write what was noted, every `every` seconds, forever."""
        while True:
            await asyncio.sleep(every)
            await self.write()

    async def write(self) -> None:
        """Write what was noted; if the store is away, it waits."""
        while self._waiting:
            some = dict(islice(self._waiting.items(), _AT_ONCE))
            try:
                await self._store.saw([Sight(*key, delivered_at=at) for key, at in some.items()])
            except StoreUnavailable:
                return
            self._forget(some)

    def _forget(self, written: Mapping[Key, int]) -> None:
        for key in written:
            del self._waiting[key]
        _remember(self._known, written)


def _remember(known: OrderedDict[Key, None], written: Iterable[Key]) -> None:
    for key in written:
        known[key] = None
    while len(known) > MAX_KNOWN:
        known.popitem(last=False)
