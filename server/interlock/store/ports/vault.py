"""What is kept sealed for an account: its secrets and integrations; and beside them what isn't secret, its providers.

Laws:
- Values come here sealed, and leave sealed: the store has no key, and no row has a value in clear.
- Each change of an account's items gives it a higher revision. Whoever has read the items of a revision has them all.
- An item is written only by whoever knows the account's latest revision, so that no two writers undo each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from interlock_protocol.types import JsonObject

ItemKind: TypeAlias = Literal["secret", "provider", "integration"]


@dataclass(frozen=True, slots=True)
class VaultItem:
    """One of them. Times are in milliseconds since 1970.

    Attributes:
        namespace: where it may be used; empty for everywhere in the account.
        sealed: its value; empty for what has none.
        facts: what of it may be seen by whoever manages it.
        updated_by: the user who wrote it last.
    """

    account: str
    kind: ItemKind
    namespace: str
    name: str
    sealed: str = field(repr=False)
    facts: JsonObject
    created_at: int
    updated_at: int
    updated_by: str

    @property
    def place(self) -> tuple[str, ItemKind, str, str]:
        """What tells it from all others."""
        return self.account, self.kind, self.namespace, self.name


class VaultItems(Protocol):
    """The items of all accounts."""

    async def vault_revision(self, account: str) -> int:
        """The revision of an account's items; 0 before the first."""

    async def vault_items(self, account: str) -> tuple[int, Sequence[VaultItem]]:
        """A revision, and the account's items by then or later, in the order of kinds, namespaces and names."""

    async def put_vault_item(self, item: VaultItem, revision: int) -> bool:
        """Store an item, or replace it, and keep when it was created.

        Args:
            revision: the latest of the account's that the caller has read.

        Returns:
            False if there is a later one; then nothing was changed.
        """

    async def delete_vault_item(self, account: str, kind: ItemKind, namespace: str, name: str) -> bool:
        """Delete an item; return whether there was one."""

    async def sealed_vault_items(
        self, after: tuple[str, str, str, str] = ("", "", "", ""), limit: int = 100
    ) -> Sequence[VaultItem]:
        """Items of all accounts that have a value, in the order of their places.

        Args:
            after: the place to continue after.
        """

    async def reseal_vault_item(self, item: VaultItem, sealed: str) -> bool:
        """Replace the sealed value of an item, if it is still the one that `item` has; return whether it was."""
