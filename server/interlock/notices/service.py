"""The notices of one server: who is told of a pause is found out, and each is told by a listener of their channel.

Laws:
- A pause becomes one message in the outbox for each person and channel, so that each is told by itself, and again by
  itself. The same pause makes the same messages.
- A channel has a listener of its own, which is told of a few at a time: one that is slow delays no other.
- What couldn't be sent is sent again, later and later, for a day. Then a line in the log says so, and it is counted.
- Whoever isn't to be told any more by then, isn't: the requirement, the group, the channel and the address are looked
  at anew.
- Lines in the log name the channel, never a URL or an address.

Source: `docs/notices.md`.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import structlog

from interlock.aio.threads import in_thread
from interlock.notices.recipients import Known, address_now, named_by, recipients
from interlock.notices.words import Pause, Words
from interlock.outgoing.channels import Channel, Channels
from interlock.outgoing.letters import Letter, NotSent
from interlock.outgoing.notifier import check
from interlock.store.ports.outbox import Outbox, Patience
from interlock.telemetry.counters import Counters

logger = structlog.get_logger(__name__)

NOTICE: Final = "notice"
"""The topic of pauses that people are to be told of; with a colon and a channel's name, that of what it is to send."""

AT_ONCE: Final = 4
"""How many notices a channel sends at a time."""

TEST_SECONDS: Final = 20.0
"""How long whoever sends a test waits for it."""

PATIENCE: Final = Patience(least_ms=30_000, most_ms=3_600_000, over_ms=24 * 3_600_000)
SPREADING: Final = Patience(least_ms=5_000, most_ms=60_000, over_ms=24 * 3_600_000)


class Store(Known, Outbox, Protocol):
    """The ports that are used here."""


class Sender(Protocol):
    """Sends letters."""

    async def send(self, channel: Channel, address: str, letter: Letter) -> None:
        """As `Notifier.send`."""


@dataclass(frozen=True, slots=True)
class Tried:
    """How a test went by a channel; `trouble` is None if it was sent."""

    channel: str
    trouble: str | None


class Notices:
    """Tells people.

    Args:
        templates: the folder of the operator's templates.
        strike: strikes secrets out of texts.
        clock: returns the time in milliseconds since 1970.
        home: the URL at which people reach this server.
    """

    def __init__(
        self,
        store: Store,
        channels: Channels,
        sender: Sender,
        *,
        templates: Path | None,
        strike: Callable[[str], str],
        clock: Callable[[], int],
        counters: Counters,
        home: str,
    ) -> None:
        self._store = store
        self.channels = channels
        self._sender = sender
        self._templates, self._strike = templates, strike
        self._words: Words | None = None
        self._writing = asyncio.Lock()
        self._clock = clock
        self.counters = counters
        self._home = home

    def listeners(self) -> Sequence[Spreading | Telling]:
        """What is to be told of pauses; nothing if there are no channels."""
        if not self.channels:
            return ()
        return [Spreading(self), *(Telling(self, each) for each in self.channels.values())]

    async def check(self) -> None:
        """Say in the log which channels can't be used."""
        for each in self.channels.values():
            try:
                await check(each)
            except NotSent as error:
                logger.error("notifier_unusable", channel=each.name, why=str(error))

    async def read_templates(self) -> None:
        """Read the templates.

        Raises:
            SettingsError: one of the operator's can't be used.
        """
        await self._written()

    # ── Pauses ──────────────────────────────────────────────────────────────────────────────────────────

    async def spread(self, pause: Pause, to: str = "") -> None:
        """Leave a message for each who is to be told, and each channel.

        Args:
            to: the only one who is to be told, or `group:NAME`; empty for all who are asked.
        """
        by_channel: dict[str, list[str]] = {}
        about = f"{pause.requirement['id']}#{pause.again}" if pause.again else f"{pause.requirement['id']}"
        for each in await recipients(self._store, self.channels, pause, [to] if to else named_by(pause)):
            by_channel.setdefault(each.channel, []).append(f"{about} {each.user_id}")
        for name, subjects in by_channel.items():
            await self._store.leave_messages(topic_of(name), pause.run_id, subjects)

    async def tell(self, channel: Channel, pause: Pause, user_id: str) -> None:
        """Tell somebody of a pause, or a room.

        Raises:
            NotSent: it is to be tried again.
        """
        address = ""
        if channel.is_personal:
            found = await address_now(self._store, channel, pause, user_id)
            if found is None or not _is_address(channel, found):
                return
            address = found
        await self._sender.send(channel, address, (await self._written()).about(pause))
        self.counters.notices["sent"] += 1

    async def _written(self) -> Words:
        async with self._writing:
            if self._words is None:
                self._words = await in_thread(lambda _: Words(self._templates, self._strike), None)
            words: Words = self._words
            return words

    # ── Addresses ───────────────────────────────────────────────────────────────────────────────────────

    def offered(self, account: str) -> Sequence[Channel]:
        """The channels for which people of an account may give addresses, in the order of their names."""
        return sorted((each for each in self._personal(account).values()), key=lambda each: each.name)

    def _personal(self, account: str) -> Mapping[str, Channel]:
        return {name: each for name, each in self.channels.items() if each.is_personal and each.is_of(account)}

    async def addresses(self, account: str, user_id: str) -> Mapping[str, str]:
        """The addresses of somebody, by the names of the channels that there are."""
        kept = (await self._store.notice_addresses(account, [user_id])).get(user_id, {})
        offered = self._personal(account)
        return {name: address for name, address in kept.items() if name in offered}

    async def change_addresses(self, account: str, user_id: str, wanted: Mapping[str, str], *, by: str) -> None:
        """Make these all the addresses of somebody.

        Raises:
            BadAddress: one can't be used.
        """
        offered = self._personal(account)
        for name, address in wanted.items():
            if name not in offered:
                there = ", ".join(sorted(offered)) or "none here"
                raise BadAddress(name, f"is no channel for addresses; there are: {there}")
            try:
                offered[name].checked(address)
            except ValueError as error:
                raise BadAddress(name, str(error)) from None
        await self._store.keep_notice_addresses(account, user_id, wanted, by=by, at=self._clock())

    async def test(self, account: str, user_id: str) -> Sequence[Tried]:
        """Send somebody a test by each channel for which they have an address."""
        addresses, words = await self.addresses(account, user_id), await self._written()
        letter = words.test(f"test {uuid.uuid4().hex}", f"{self._home.rstrip('/')}/")
        return await asyncio.gather(*(self._try(name, address, letter) for name, address in sorted(addresses.items())))

    async def _try(self, name: str, address: str, letter: Letter) -> Tried:
        try:
            async with asyncio.timeout(TEST_SECONDS):
                await self._sender.send(self.channels[name], address, letter)
        except (NotSent, TimeoutError) as error:
            return Tried(name, str(error) or "it took too long")
        return Tried(name, None)


class BadAddress(ValueError):  # noqa: N818 - turned into an answer
    """An address can't be used; `channel` is its name."""

    def __init__(self, channel: str, sentence: str) -> None:
        super().__init__(sentence)
        self.channel = channel


def topic_of(channel: str) -> str:
    """The topic of what a channel is to send."""
    return f"{NOTICE}:{channel}"


def _is_address(channel: Channel, address: str) -> bool:
    try:
        channel.checked(address)
    except ValueError:  # the operator has made another kind of the channel since
        return False
    return True


class Spreading:
    """The listener that finds out who is to be told."""

    topic = NOTICE
    hears_all = True
    at_once = AT_ONCE
    patience = SPREADING

    def __init__(self, notices: Notices) -> None:
        self._notices = notices

    async def tell(self, notice: Pause, detail: str) -> None:
        """Leave the messages for all who are to be told."""
        await self._notices.spread(notice, detail)

    async def failed(self, notice: Pause, detail: str, error: Exception, *, is_last: bool) -> None:
        """Say so in the log."""
        about = {"run_id": notice.run_id, "requirement_id": notice.requirement["id"], "is_last": is_last}
        logger.error("notice_not_spread", **about, exc_info=error)
        self._notices.counters.notices["given_up" if is_last else "failed"] += 1


class Telling:
    """The listener that sends by one channel."""

    hears_all = False
    at_once = AT_ONCE
    patience = PATIENCE

    def __init__(self, notices: Notices, channel: Channel) -> None:
        self._notices = notices
        self._channel = channel
        self.topic = topic_of(channel.name)

    async def tell(self, notice: Pause, detail: str) -> None:
        """Tell the person whose id `detail` is, or the room."""
        await self._notices.tell(self._channel, notice, detail)

    async def failed(self, notice: Pause, detail: str, error: Exception, *, is_last: bool) -> None:
        """Say so in the log."""
        about = {
            "channel": self._channel.name,
            "run_id": notice.run_id,
            "requirement_id": notice.requirement["id"],
            "user_id": detail,
            "why": str(error) if isinstance(error, NotSent) else type(error).__name__,
        }
        self._notices.counters.notices["given_up" if is_last else "failed"] += 1
        if is_last:
            logger.error("notice_given_up", **about)
        else:
            logger.warning("notice_not_sent", **about, exc_info=None if isinstance(error, NotSent) else error)
