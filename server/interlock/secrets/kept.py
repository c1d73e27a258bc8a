"""What is kept sealed for each account: opened, cached, and never older than a second.

Laws:
- What is cached counts for `FRESH_SECONDS` after the store was asked for its revision; then the revision is asked for
  again, and if it is another one, everything. So on every node a change counts after that time at the latest.
- What this process changes counts at once.
- An account is read once at a time, whoever asks meanwhile. A store that is away raises.
- A value is sealed for its place: moved to another account, namespace or name, it doesn't open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Final, TypeAlias

import structlog
from pydantic_core import to_json

from interlock.errors import SettingsError
from interlock.secrets.encodings import SHORTEST
from interlock.secrets.known import Known
from interlock.secrets.port import SecretUnreadable
from interlock.secrets.vault import KeyedVault
from interlock.store.ports.vault import ItemKind, VaultItem, VaultItems
from interlock_protocol.errors import InterlockError
from interlock_protocol.types import JsonValue

logger = structlog.get_logger(__name__)

FRESH_SECONDS: Final = 0.5
"""How long after the store was asked what is cached counts."""

MOST_ACCOUNTS: Final = 1_000
"""The items of how many accounts are cached."""

MOST_ITEMS: Final = 200
"""How many secrets, how many providers, and how many integrations an account may have."""


Place: TypeAlias = tuple[str, ItemKind, str, str]
"""Account, kind, namespace and name."""


class TooMany(InterlockError):  # noqa: N818 - a state of the world, not a programming error
    """The account has as many of these as it may."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An item with its value; None if it has none, or it can't be opened with the keys that the server has."""

    item: VaultItem
    value: JsonValue = field(repr=False)


@dataclass(frozen=True, slots=True)
class Kept:
    """What an account has at a revision, by kind, namespace and name."""

    revision: int
    items: Mapping[tuple[str, str, str], Opened]

    def of(self, kind: str) -> Sequence[Opened]:
        """Return the items of a kind, in the order of their namespaces and names."""
        return [each for each in self.items.values() if each.item.kind == kind]


class Keeper:
    """The items of all accounts.

    Args:
        vault: returns what seals and opens them; raises a `SettingsError` if there is no key.
        known: learns every value.
    """

    def __init__(self, store: VaultItems, vault: Callable[[], KeyedVault], known: Known | None = None) -> None:
        self._store = store
        self._vault = vault
        self._known = known or Known()
        self._kept: dict[str, tuple[float, Kept]] = {}
        self._reading: dict[str, asyncio.Task[Kept]] = {}

    async def of(self, account: str) -> Kept:
        """Return what an account has.

        Raises:
            StoreUnavailable: it isn't known, and can't be looked up now.
        """
        fresh_until, kept = self._kept.get(account, (0.0, None))
        if kept is not None and monotonic() < fresh_until:
            return kept
        reading = self._reading.get(account)
        if reading is None:
            reading = asyncio.create_task(self._read(account), name="read a vault")
            self._reading[account] = reading
            reading.add_done_callback(lambda task: self._was_read(account, task))
        return await asyncio.shield(reading)  # others may wait for it

    async def put(self, place: Place, make: Callable[[VaultItem | None], VaultItem], value: JsonValue) -> VaultItem:
        """Seal a value, and store an item with it.

        Args:
            make: returns the item, given the one that is there; called again if somebody else has changed something.
            value: None if it has none.

        Raises:
            SettingsError: there is no key to seal it with.
            TooMany: the account has as many as it may.
        """
        account, *which = place
        self._known.learn(texts_in(value))
        sealed = "" if value is None else self._vault().seal(value, _purpose(place))["value"]
        while True:
            self._forget(account)
            kept = await self.of(account)
            known = kept.items.get((which[0], which[1], which[2]))
            if known is None and len(kept.of(which[0])) >= MOST_ITEMS:
                raise TooMany(f"An account has at most {MOST_ITEMS} of these; delete one that isn't used any more.")
            made = replace(make(None if known is None else known.item), sealed=sealed)
            try:
                if await self._store.put_vault_item(made, kept.revision):
                    return made if known is None else replace(made, created_at=known.item.created_at)
            finally:
                self._forget(account)

    async def delete(self, place: Place) -> bool:
        """Delete an item; return whether there was one."""
        try:
            return await self._store.delete_vault_item(*place)
        finally:
            self._forget(place[0])

    async def rotate(self) -> int:
        """Seal whatever was sealed with an older key with the first one; return how many values that were.

        Raises:
            SettingsError: there is no key.
            SecretUnreadable: values were sealed with none of the keys; all others are sealed with the first one.
        """
        vault, count, unreadable = self._vault(), 0, list[SecretUnreadable]()
        after = ("", "", "", "")
        while found := await self._store.sealed_vault_items(after):
            for item in found:
                try:
                    sealed = vault.rotated(item.sealed)
                except SecretUnreadable as error:
                    logger.warning("secret_unreadable", kind=item.kind, name=item.name, reason=str(error))
                    unreadable.append(error)
                    continue
                if sealed != item.sealed:
                    count += await self._store.reseal_vault_item(item, sealed)
            after = found[-1].place
        if unreadable:
            raise unreadable[0]
        return count

    def _forget(self, account: str) -> None:
        """Whatever is read of an account by now doesn't count: it may be from before a change of this process."""
        self._kept.pop(account, None)
        self._reading.pop(account, None)

    def _was_read(self, account: str, task: asyncio.Task[Kept]) -> None:
        if self._reading.get(account) is task:
            del self._reading[account]
        if not task.cancelled():
            task.exception()  # retrieved, in case nobody waits any more

    async def _read(self, account: str) -> Kept:
        asked_at = monotonic()
        _, known = self._kept.get(account, (0.0, None))
        revision = await self._store.vault_revision(account)
        if known is None or known.revision != revision:
            revision, items = await self._store.vault_items(account)
            known = Kept(revision, {(each.kind, each.namespace, each.name): self._opened(each) for each in items})
        if self._reading.get(account) is asyncio.current_task():
            self._kept[account] = asked_at + FRESH_SECONDS, known
            while len(self._kept) > MOST_ACCOUNTS:
                del self._kept[next(iter(self._kept))]
        return known

    def _opened(self, item: VaultItem) -> Opened:
        if not item.sealed:
            return Opened(item, None)
        try:
            value = self._vault().opened(item.sealed, _purpose(item.place))
        except (SecretUnreadable, SettingsError) as error:
            logger.warning("secret_unreadable", kind=item.kind, name=item.name, reason=str(error))
            return Opened(item, None)
        self._known.learn(texts_in(value))
        return Opened(item, value)


def texts_in(value: JsonValue) -> Iterator[str]:
    """The texts in a value that are long enough to be told from others."""
    if isinstance(value, str) and len(value) >= SHORTEST:
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts_in(each)


def _purpose(place: Place) -> str:
    return to_json(place).decode()
