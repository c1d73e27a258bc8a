"""What is somebody's: what they own, and what is in their namespaces, each by an index of its own."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Column, ColumnElement, Table, and_, text

APART = 64
"""In how many parts namespaces are looked up at most: of each, no more rows are read than the page has."""


def owned(
    table: Table,
    owner: Column[str],
    elsewhere: str,
    *,
    account: str,
    user_id: str | None,
    namespaces: frozenset[str],
) -> Iterator[ColumnElement[bool]]:
    """The conditions of which one holds for each row that is theirs: as few as there are, and none twice if it may be.

    Args:
        table: has an `account` and a `namespace`.
        owner: the column that says whose a row is.
        elsewhere: the condition of the index of those that aren't in their owner's own namespace.
        user_id: whose rows; None asks for the namespaces only.
    """
    of_account = table.c.account == account
    if user_id is not None:
        home = f"user_{user_id}"
        yield and_(of_account, owner == user_id, text(elsewhere))
        if home not in namespaces:
            yield and_(of_account, table.c.namespace == home, owner == user_id)
    names = sorted(namespaces)
    for first in range(min(APART, len(names))):
        yield and_(of_account, table.c.namespace.in_(names[first::APART]))
