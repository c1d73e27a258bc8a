"""Managing the secrets that are stored: what people and programs with the scope `secrets:manage` do.

Laws:
- No value comes back out of here.
- Whoever changes where a secret may go has to know its value: it is part of every change.
- What a change doesn't name stays as it is, so that a new value never opens a fence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from interlock.secrets.environment import EnvironmentSecrets
from interlock.secrets.every import fence_in
from interlock.secrets.fence import ANY, Secret
from interlock.secrets.kept import Keeper
from interlock.store.ports.vault import VaultItem
from interlock_protocol.types import JsonObject


@dataclass(frozen=True, slots=True)
class ListedSecret:
    """A secret as lists show it. `item` is None for one in the environment."""

    secret: Secret
    item: VaultItem | None


class StoredSecrets:
    """The secrets that are stored, and the names of those in the environment."""

    def __init__(self, keeper: Keeper, environment: EnvironmentSecrets) -> None:
        self._keeper = keeper
        self._environment = environment

    async def listed(self, account: str, namespace: str = "") -> Sequence[ListedSecret]:
        """Return an account's secrets in one namespace, or those for its whole account, in the order of their names."""
        kept = (await self._keeper.of(account)).of("secret")
        stored = {
            each.item.name: ListedSecret(Secret(each.item.name, None, fence_in(each.item.facts)), each.item)
            for each in kept
            if each.item.namespace == namespace
        }
        around = {} if namespace else self._environment.of(account)
        found = {name: ListedSecret(secret, None) for name, secret in around.items()} | stored
        return [found[name] for name in sorted(found)]

    async def put(
        self, account: str, namespace: str, name: str, value: str, given: Mapping[str, Any], *, by: str, at: int
    ) -> ListedSecret:
        """Store a secret, or replace it.

        Args:
            given: what its fence is to be, as far as that changes: `hosts`, `workflows`, `script`.
            by: the user who does this.
            at: the time, in milliseconds since 1970.

        Raises:
            SettingsError: there is no key to seal it with.
            TooMany: the account has as many as it may.
        """

        def made(known: VaultItem | None) -> VaultItem:
            facts = {**_FACTS, **({} if known is None else known.facts), **given}
            return VaultItem(account, "secret", namespace, name, "", facts, at, at, by)

        item = await self._keeper.put((account, "secret", namespace, name), made, value)
        return ListedSecret(Secret(name, None, fence_in(item.facts)), item)

    async def delete(self, account: str, namespace: str, name: str) -> bool:
        """Delete a secret; return whether there was one."""
        return await self._keeper.delete((account, "secret", namespace, name))

    async def rotate(self) -> int:
        """As `Keeper.rotate`."""
        return await self._keeper.rotate()


_FACTS: Final[JsonObject] = {"hosts": [ANY], "workflows": [ANY], "script": False}
"""What a new secret's fence is where nothing is said."""
