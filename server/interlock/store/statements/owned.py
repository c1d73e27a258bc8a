"""What is somebody's: what they own, and what is in their namespaces, each by an index of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, and_, text

APART = 64
"""In how many parts namespaces are looked up at most: of each, no more rows are read than the page has."""


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
    """The conditions of which one holds for each row that is theirs. What is given is a value or a parameter.

    Args:
        table: has an `account` and a `namespace`.
        owner: the column that says whose a row is.
        elsewhere: the condition of the index of those that aren't in their owner's own namespace.
        user_id: whose rows; None asks for those of the namespaces only.
        home: the owner's own namespace, where that isn't one of these: see `home_beside`.
        namespaces: in each, some names: see `parted`.
    """
    of_account = table.c.account == account
    if user_id is not None:
        yield and_(of_account, owner == user_id, text(elsewhere))
    if home is not None:
        yield and_(of_account, table.c.namespace == home, owner == user_id)
    for some in namespaces:
        yield and_(of_account, table.c.namespace.in_(some))


def home_beside(user_id: str | None, namespaces: frozenset[str]) -> str | None:
    """The namespace of a user's rows that the index of those elsewhere leaves out; None if it is asked for anyway."""
    home = f"user_{user_id}"
    return None if user_id is None or home in namespaces else home


def parted(namespaces: frozenset[str]) -> Sequence[list[str]]:
    """The names in `APART` parts at most: each by itself, where there are no more."""
    names = sorted(namespaces)
    return [names[first::APART] for first in range(min(APART, len(names)))]
