"""The deliveries of one subscription on this node, as long as there are any: taken, attempted, reported.

Laws:
- How many attempts a receiver gets at a time grows with what it acknowledges and shrinks with what it doesn't; each
  always may have one, and of what all may have beyond that (`Room`), none takes more than half of what is left. So a
  receiver that hangs holds up nobody else, and what is in memory for it is little.
- An attempt begins only while the hold on its delivery outlasts it: nobody else attempts it meanwhile.
- What was taken and can't be attempted now is given back at once, for another node or a later time.
- A receiver that rests gets one probe at a time, from all nodes together.
- A change of a subscription, and of what its creator may read, counts for attempts that begin a second later.
- Nothing is sent of a run that the creator may not read: who counts is the creator that the subscription had when it
  had the address and the secret that are used.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from interlock.aio.wakeup import Wakeup
from interlock.auth import AuthUnavailable, InvalidToken, Principal, Verb, may
from interlock.errors import SettingsError
from interlock.outgoing.posting import Poster
from interlock.secrets.port import SecretUnreadable
from interlock.store.port import StoreUnavailable
from interlock.store.ports.webhooks import (
    Attempt,
    DeliveryStatus,
    Due,
    Subscription,
    SubscriptionStatus,
    Tried,
    Webhooks,
)
from interlock.telemetry.counters import Counters
from interlock.webhooks.events import TEST_EVENT
from interlock.webhooks.keys import SigningKeys
from interlock.webhooks.schedule import Health, Schedule, is_success
from interlock.webhooks.sending import Sender
from interlock_protocol.limits import MIB
from interlock_protocol.types import JsonObject

logger = structlog.get_logger(__name__)

HOLD_MS: Final = 75_000
"""How long a delivery that was taken is this node's: two attempts, and the time to report."""

MARGIN_MS: Final = 5_000
"""How much longer than an attempt may take its delivery has to be held when it begins."""

WIDEST: Final = 64
"""How many attempts a receiver that acknowledges them gets at a time."""

LANE_BYTES: Final = 4 * MIB
"""How much of a subscription's data is taken at a time, about; one delivery at least."""

FRESH_SECONDS: Final = 1.0
"""How long what was read of a subscription counts."""

AGAIN_SECONDS: Final = 1.0
"""How long a lane waits for what isn't there at the moment."""

UNREADABLE_MS: Final = 60_000
"""How long a delivery waits whose secret can't be opened."""


class Room:
    """The attempts that subscriptions may have beyond the one that each may."""

    MOST: Final = 256

    def __init__(self) -> None:
        self.taken = 0

    def of(self, window: int, flying: int) -> int:
        """How many a subscription may have, given how many it would like to have, and has."""
        others = self.taken - max(flying - 1, 0)
        return min(window, 1 + max(self.MOST - others, 0) // 2)


@dataclass(slots=True)
class Line:
    """A way to a receiver, which outlives a lane by a little: its connections, and how many attempts it takes."""

    poster: Poster
    window: int = 1
    used_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Ports:
    """What lanes work with.

    Attributes:
        clock: returns the store's time, in milliseconds since 1970.
        standing: as `Directory.standing`.
        pace: counts an event of a subscription; None, or for how many seconds there is no room for it.
        report: takes what became of a delivery, to be written; the relay's own.
    """

    store: Webhooks
    clock: Callable[[], int]
    schedule: Schedule
    sender: Sender
    keys: SigningKeys
    standing: Callable[[JsonObject], Awaitable[Principal]]
    pace: Callable[[str], Awaitable[float | None]]
    counters: Counters
    room: Room
    report: Callable[[Lane, Tried], None] = lambda *_: None


@dataclass(frozen=True, slots=True)
class _About:
    """What `may` needs of a run."""

    account: str
    namespace: str
    user_id: str
    assignees: tuple[str, ...]


class Lane:
    """The deliveries of one subscription.

    Attributes:
        unwritten: how many results aren't written yet.
    """

    def __init__(self, subscription: Subscription, line: Line, ports: Ports) -> None:
        self.id = subscription.id
        self.unwritten = 0
        self._subscription = subscription
        self._read_at = _now()
        self._health = Health.of(subscription)
        self._line = line
        self._ports = ports
        self._creator: tuple[float, JsonObject, Principal | None] = (float("-inf"), {}, None)
        self._opened: tuple[object, Sequence[str], float] | None = None
        self._queue: deque[tuple[Due, int]] = deque()
        self._flying: set[asyncio.Task[None]] = set()
        self._has_more = True
        self._paused_until = float("-inf")
        self._is_over = False
        self._size = 1
        self._wakeup = Wakeup()

    @property
    def is_due(self) -> bool:
        """Whether it was told of something due after it had ended."""
        return self._has_more and not self._health.is_resting

    # ── From outside ────────────────────────────────────────────────────────────────────────────────────

    def look(self, subscription: Subscription) -> None:
        """Learn that there is something due, and what the subscription is by now."""
        self._learn(subscription)
        self._has_more = True
        self._wakeup.set()

    def written(self, results: int, *, moved: bool) -> None:
        """Learn that results were written; `moved` if that may have made other deliveries due."""
        self.unwritten -= results
        self._has_more |= moved
        self._wakeup.set()

    def end(self) -> None:
        """Begin no more attempts; `run` returns when those that are under way have ended."""
        self._is_over = True
        self._wakeup.set()

    def give_up(self) -> None:
        """End the attempts that are under way; they count for nothing, and are made again elsewhere or later."""
        for task in self._flying:
            task.cancel()

    async def run(self) -> None:
        """Deliver until there is nothing left to do."""
        try:
            while True:
                self._wakeup.clear()
                if not await self._went_on():
                    return
                await self._waited()
        finally:
            self._is_over = True
            self._give_back_all()
            self.give_up()
            self._line.used_at = _now()

    async def _went_on(self) -> bool:
        """Do what can be done now; return whether something is left."""
        if not self._is_over and not self._is_paused:
            try:
                await self._fill()
            except StoreUnavailable:
                self._pause(AGAIN_SECONDS)
        if self._is_over or self._is_paused:
            self._give_back_all()
        while self._queue and len(self._flying) < self._room and self.unwritten < 4 * WIDEST:
            self._begin(*self._queue.popleft())
        if self._flying or self._queue or self.unwritten:
            return True
        return not self._is_over and (self._has_more or self._is_paused)

    async def _waited(self) -> None:
        if not self._is_paused:
            await self._wakeup.wait()
            return
        waiting = asyncio.get_running_loop().call_at(self._paused_until, self._wakeup.set)
        try:
            await self._wakeup.wait()
        finally:
            waiting.cancel()

    # ── Taking ──────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _is_paused(self) -> bool:
        return _now() < self._paused_until

    @property
    def _room(self) -> int:
        return 1 if self._health.is_resting else self._ports.room.of(self._line.window, len(self._flying))

    async def _fill(self) -> None:
        """Take deliveries, if few are at hand."""
        room = self._room
        if not self._has_more or len(self._queue) > room // 2 or self._is_full:
            return
        if _now() - self._read_at >= FRESH_SECONDS:
            await self._refresh()
            if self._is_over:
                return
        now = self._ports.clock()
        if self._health.is_resting:
            if self._flying or not await self._ports.store.begin_probe(self.id, now, now + HOLD_MS):
                self._has_more = False
                return
            wanted = 1
        else:
            wanted = max(1, min(2 * room - len(self._queue), LANE_BYTES // self._size))
        taken = await self._ports.store.take_deliveries(self.id, now, HOLD_MS, wanted)
        self._has_more = len(taken) == wanted and not self._health.is_resting
        self._queue.extend((due, now + HOLD_MS) for due in taken)
        if taken:
            size = sum(len(due.data) for due in taken) // len(taken)
            self._size = max(1, (self._size + size) // 2)

    @property
    def _is_full(self) -> bool:
        return self.unwritten >= 4 * WIDEST

    async def _refresh(self) -> None:
        found = await self._ports.store.subscription(self._subscription.account, self.id)
        if found is None or found.status is not SubscriptionStatus.ACTIVE:
            self._is_over = True
        else:
            self._learn(found)

    def _learn(self, subscription: Subscription) -> None:
        if subscription.updated_at != self._subscription.updated_at:
            self._health = Health.of(subscription)
        self._subscription, self._read_at = subscription, _now()

    def _pause(self, seconds: float) -> None:
        self._paused_until = max(self._paused_until, _now() + seconds)

    def _give_back_all(self) -> None:
        while self._queue:
            self._give_back(self._queue.popleft()[0])

    def _give_back(self, due: Due, *, wait_ms: int = 0, attempt: Attempt | None = None) -> None:
        at = self._ports.clock() + wait_ms
        self._report(
            Tried(
                delivery_id=due.id,
                status=DeliveryStatus.PENDING,
                attempt=attempt,
                next_attempt_at=at,
                spends=False,
            )
        )

    # ── Attempting ──────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, due: Due, held_until: int) -> None:
        if held_until - self._ports.clock() < self._ports.sender.seconds * 1000 + MARGIN_MS:
            self._give_back(due)
            self._has_more = True
            return
        if self._flying:
            self._ports.room.taken += 1
        task = asyncio.create_task(self._attempt(due), name="webhook")
        self._flying.add(task)
        task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        if self._flying:
            self._ports.room.taken -= 1
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("webhook_failed", subscription_id=self.id, exc_info=error)
        self._wakeup.set()

    async def _attempt(self, due: Due) -> None:
        is_reported = False
        try:
            tried = await self._tried(due)
            is_reported = True
            if tried is None:
                self._give_back(due)
            else:
                self._report(tried)
        finally:
            if not is_reported:
                self._give_back(due, wait_ms=0 if self._is_over else UNREADABLE_MS)

    async def _tried(self, due: Due) -> Tried | None:
        """Attempt a delivery; None if that can't be done now."""
        subscription = self._subscription  # it may be another's a moment later
        try:
            if not await self._may_be_told(due, subscription.creator):
                return Tried(delivery_id=due.id, status=DeliveryStatus.DROPPED)
        except AuthUnavailable:
            self._pause(AGAIN_SECONDS)
            return None
        wait = await self._ports.pace(self.id)
        if wait is not None:
            self._pause(max(wait, 0.05))
            return None
        try:
            secrets = self._secrets(subscription)
        except (SettingsError, SecretUnreadable) as error:
            return self._unsigned(due, error)
        attempt = await self._ports.sender.attempt(self._line.poster, subscription.url, due, secrets)
        return self._judged(due, attempt)

    def _secrets(self, subscription: Subscription) -> Sequence[str]:
        """What signs now; opened once, until that changes."""
        now, sealed = self._ports.clock(), (subscription.secret, subscription.old_secret)
        if self._opened is None or self._opened[0] != sealed or now >= self._opened[2]:
            secrets, until = self._ports.keys.opened(subscription, now)
            self._opened = sealed, secrets, until
        return self._opened[1]

    async def _may_be_told(self, due: Due, facts: JsonObject) -> bool:
        if due.event == TEST_EVENT:
            return True
        read_at, known, creator = self._creator
        if known != facts or _now() - read_at >= FRESH_SECONDS:
            try:
                creator = await self._ports.standing(facts)
            except InvalidToken:
                creator = None
            self._creator = _now(), facts, creator
        if creator is None or due.user_id is None:
            return False
        return may(creator, Verb.READ, _About(due.account, due.namespace, due.user_id, due.assignees))

    def _unsigned(self, due: Due, error: Exception) -> Tried:
        logger.warning("webhook_secret_unreadable", subscription_id=self.id, reason=str(error))
        now = self._ports.clock()
        return Tried(
            delivery_id=due.id,
            status=DeliveryStatus.PENDING,
            attempt=Attempt(now, None, 0, "The secret that signs can't be opened with the keys that the server has."),
            next_attempt_at=now + UNREADABLE_MS,
            spends=False,
        )

    def _judged(self, due: Due, attempt: Attempt) -> Tried:
        before, line = self._health, self._line
        self._health = before.after(attempt)
        line.window = min(line.window + 1, WIDEST) if is_success(attempt) else max(line.window // 2, 1)
        tried = self._ports.schedule.tried(due, attempt, before, random.random())  # noqa: S311 - spreads retries
        if tried.disable is not None:
            logger.warning("webhook_disabled", subscription_id=self.id, because=tried.disable)
            self.end()
        elif self._health.is_resting:
            self.end()
        return tried

    def _report(self, tried: Tried) -> None:
        self.unwritten += 1
        self._ports.counters.webhook(tried.status.value, None if tried.attempt is None else tried.succeeded)
        self._ports.report(self, tried)


def _now() -> float:
    return asyncio.get_running_loop().time()
