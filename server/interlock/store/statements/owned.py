"""Rows that belong to a user: those they own, and those in their namespaces, each found by an index of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, and_, text

APART = 64
"""The most lookups by namespace: for each one, no more rows are read than the page has."""


def owned(
    table: Table,
    owner: Column[str],
    elsewhere: str,
    *,
    account: Any,
    user_id: Any,
    home: Any,
    namespaces: Iterable[Any],
) -> Iterator[ColumnElement[bool]]:
    """Yield conditions, one of which holds for each row that belongs to the user. Values may also be parameters.

    Args:
        table: has an `account` and a `namespace`.
        owner: the column with a row's owner.
        elsewhere: the condition of the index of rows outside their owner's own namespace.
        user_id: the owner of the rows; None selects only by namespace.
        home: the owner's own namespace, unless it is one of these: see `home_beside`.
        namespaces: lists of names: see `parted`.
    """
    of_account = table.c.account == account
    if user_id is not None:
        yield and_(of_account, owner == user_id, text(elsewhere))
    if home is not None:
        yield and_(of_account, table.c.namespace == home, owner == user_id)
    for some in namespaces:
        yield and_(of_account, table.c.namespace.in_(some))


def home_beside(user_id: str | None, namespaces: frozenset[str]) -> str | None:
    """The namespace of a user's rows that the index of rows elsewhere leaves out; None if it is selected anyway."""
    home = f"user_{user_id}"
    return None if user_id is None or home in namespaces else home


def parted(namespaces: frozenset[str]) -> Sequence[list[str]]:
    """Split the names into at most `APART` lists: one name each, if there are no more."""
    names = sorted(namespaces)
    return [names[first::APART] for first in range(min(APART, len(names)))]
