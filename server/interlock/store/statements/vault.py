"""The items of accounts that are kept sealed."""

from __future__ import annotations

from sqlalchemy import BigInteger, Text, bindparam, delete, select, text, tuple_, update

from interlock.store.tables import vault_items, vault_revisions

from .parameters import AT_MOST, OF_ACCOUNT

_ITEM = ("account", "kind", "namespace", "name", "sealed", "facts", "created_at", "updated_at", "updated_by")
_NUMBERS = ("created_at", "updated_at")
_PLACE = tuple_(vault_items.c.account, vault_items.c.kind, vault_items.c.namespace, vault_items.c.name)
_IS_ITEM = (
    (vault_items.c.account == OF_ACCOUNT)
    & (vault_items.c.kind == bindparam("of_kind", type_=Text))
    & (vault_items.c.namespace == bindparam("of_namespace", type_=Text))
    & (vault_items.c.name == bindparam("of_name", type_=Text))
)

REVISION = select(vault_revisions.c.revision).where(vault_revisions.c.account == OF_ACCOUNT)
ITEMS = (
    select(vault_items)
    .where(vault_items.c.account == OF_ACCOUNT)
    .order_by(vault_items.c.kind, vault_items.c.namespace, vault_items.c.name)
)

# Also the lock: who holds this row writes the account's items, and the next one finds a higher revision.
NEXT_REVISION = text(
    "INSERT INTO vault_revisions (account, revision) VALUES (:of_account, 1)"
    " ON CONFLICT (account) DO UPDATE SET revision = vault_revisions.revision + 1"
    " WHERE vault_revisions.revision = :known_revision RETURNING revision"
).bindparams(OF_ACCOUNT, bindparam("known_revision", type_=BigInteger))
ANY_NEXT_REVISION = text(
    "INSERT INTO vault_revisions (account, revision) VALUES (:of_account, 1)"
    " ON CONFLICT (account) DO UPDATE SET revision = vault_revisions.revision + 1 RETURNING revision"
).bindparams(OF_ACCOUNT)

PUT = text(
    f"INSERT INTO vault_items ({', '.join(_ITEM)}) VALUES ({', '.join(f':{each}' for each in _ITEM)})"  # noqa: S608
    " ON CONFLICT (account, kind, namespace, name) DO UPDATE SET sealed = excluded.sealed, facts = excluded.facts,"
    " updated_at = excluded.updated_at, updated_by = excluded.updated_by"
).bindparams(*(bindparam(each, type_=BigInteger if each in _NUMBERS else Text) for each in _ITEM))
DELETE = delete(vault_items).where(_IS_ITEM).returning(vault_items.c.name)

SEALED = (
    select(vault_items)
    .where(
        vault_items.c.sealed != "",
        tuple_(*(bindparam(f"after_{each}", type_=Text) for each in ("account", "kind", "namespace", "name"))) < _PLACE,
    )
    .order_by(vault_items.c.account, vault_items.c.kind, vault_items.c.namespace, vault_items.c.name)
    .limit(AT_MOST)
)
RESEAL = (
    update(vault_items)
    .where(_IS_ITEM, vault_items.c.sealed == bindparam("was_sealed", type_=Text))
    .values(sealed=bindparam("new_sealed", type_=Text))
    .returning(vault_items.c.name)
)
