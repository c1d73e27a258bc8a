"""The people behind names: who is in a group, and who stands behind an account.

Laws:
- A person is in a group by the directory, or by the server's settings. Whom an identity provider's tokens place in it
  isn't known before they come, and isn't looked up.
- Whoever is disabled isn't found. Somebody whom the directory doesn't know is taken at their word: groups, and reviews,
  may name people who are no users here.

Source: `docs/approvals.md`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from interlock.auth.principal import GROUP_PREFIX, Principal
from interlock.store.port import StoreUnavailable
from interlock.store.ports.directory import DirectoryStore, Member
from interlock.workflow.program import Roll, RollCall

RETRY_SECONDS: Final = 0.5
PAGE: Final = 1000

Groups: TypeAlias = Mapping[tuple[str, str], frozenset[str]]
"""The user ids in each group of each account."""


def groups_of(principals: Iterable[Principal]) -> Groups:
    """The groups that these are in."""
    found: dict[tuple[str, str], frozenset[str]] = {}
    for each in principals:
        for group in each.groups:
            found[each.account, group] = found.get((each.account, group), frozenset()) | {each.user_id}
    return found


class People:
    """The people of all accounts.

    Args:
        configured: the groups of the server's settings.
    """

    def __init__(self, store: DirectoryStore, configured: Groups) -> None:
        self._store = store
        self._configured = configured

    async def roll(self, call: RollCall) -> Roll:
        """Look up who is asked. While the store is away, this waits: that must not fail the run."""
        while True:
            with contextlib.suppress(StoreUnavailable):
                people = {name: await self._behind_name(call.account, name) for name in dict.fromkeys(call.names)}
                starters = set() if call.starter is None else await self.behind(call.account, call.starter)
                return Roll(people, frozenset(starters))
            await asyncio.sleep(RETRY_SECONDS)

    async def behind(self, account: str, user_id: str) -> frozenset[str]:
        """Everybody who stands behind an account: the user, and whoever made it if it is a program's, and so on.

        Raises:
            StoreUnavailable: that can't be looked up now.
        """
        found, next_id = {user_id}, user_id
        while True:
            member = await self._store.member(account, next_id)
            if member is None or member.kind != "service" or member.created_by in found:
                return frozenset(found)
            next_id = member.created_by
            found.add(next_id)

    async def names(self, account: str, user_id: str) -> frozenset[str]:
        """Every name by which a requirement may name somebody who isn't here to say it; none if they are disabled.

        Raises:
            StoreUnavailable: that can't be looked up now.
        """
        member = await self._store.member(account, user_id)
        if member is not None and member.disabled_at is not None:
            return frozenset()
        configured = {group for (of, group), ids in self._configured.items() if of == account and user_id in ids}
        groups = configured | (frozenset() if member is None else member.groups)
        return frozenset({user_id, *(GROUP_PREFIX + group for group in groups)})

    async def _behind_name(self, account: str, name: str) -> tuple[str, ...]:
        if name.startswith(GROUP_PREFIX):
            return await self._in_group(account, name.removeprefix(GROUP_PREFIX))
        return await self._enabled(account, [name])

    async def _in_group(self, account: str, group: str) -> tuple[str, ...]:
        configured = await self._enabled(account, sorted(self._configured.get((account, group), ())))
        known = [each.user_id for each in await self._members(account, group) if each.disabled_at is None]
        return tuple(dict.fromkeys((*configured, *sorted(known))))

    async def _members(self, account: str, group: str) -> list[Member]:
        members: list[Member] = []
        cursor: str | None = None
        while True:
            page = await self._store.members_of_group(account, group, limit=PAGE, cursor=cursor)
            members += () if page is None else page.members
            cursor = None if page is None else page.next_cursor
            if cursor is None:
                return members

    async def _enabled(self, account: str, ids: Iterable[str]) -> tuple[str, ...]:
        found = [(id_, await self._store.member(account, id_)) for id_ in ids]
        return tuple(id_ for id_, member in found if member is None or member.disabled_at is None)
