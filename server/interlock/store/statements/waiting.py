"""What runs wait for, and lists of the runs that wait for given users."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Text,
    bindparam,
    or_,
    select,
    text,
    tuple_,
    union,
)

from interlock.store.tables import UNNAMED, WAITING, runs, waiting

from .owned import owned as owned_by
from .parameters import AT_MOST, OF_ACCOUNT, OF_RUN, OF_SESSION
from .runs import LISTED_COLUMNS, newest

APART = 50
"""How many names are looked up separately: for each, no more rows are read than the page has."""

_ELSEWHERE = "waiting.namespace <> 'user_' || waiting.owner"
_OF_NAMESPACE = bindparam("of_namespace", type_=Text)
_OF_WORKFLOW = bindparam("of_workflow", type_=Text)
_PLACE = tuple_(bindparam("before_time", type_=BigInteger), bindparam("before_run", type_=Text))

ROWS_OF_RUN = select(waiting.c.requirement_id, waiting.c.assignee, waiting.c.kind, waiting.c.due).where(
    waiting.c.run_id == OF_RUN
)


@lru_cache
def list_all(*, workflow: bool, session: bool, place: bool, statuses: bool, paged: bool) -> Select[Any]:
    """All waiting runs, newest first; each flag that is True adds a filter, whose value is a parameter."""
    of_run = _of_run(session=session, statuses=statuses)
    listed = select(*LISTED_COLUMNS).where(text(WAITING), runs.c.account == OF_ACCOUNT, *of_run)
    if workflow:
        listed = listed.where(runs.c.workflow_id == _OF_WORKFLOW)
    if place:
        listed = listed.where(runs.c.namespace == _OF_NAMESPACE)
    if paged:
        listed = listed.where(tuple_(runs.c.created_at, runs.c.run_id) < _PLACE)
    return newest(listed, AT_MOST)


@lru_cache
def list_waiting(
    *,
    apart: int,
    rest: bool,
    owned: bool,
    unnamed: bool,
    home: bool,
    places: int,
    workflow: bool,
    session: bool,
    place: bool,
    statuses: bool,
    paged: bool,
) -> Select[Any]:
    """Runs that wait for at least one of the given users; the other flags are those of `list_all`.

    Args:
        apart, rest: the number of names looked up separately, `name_0` and on, and whether there are more, `names`.
        owned: restricts these to runs of the owner `owned_by`, or in one of the `namespaces`.
        unnamed: also find requirements that name nobody, in runs of the owner `unnamed_of`.
        home: also look into this owner's own namespace `home`, unless it is one of the following.
        places: the number of parts of the namespaces whose runs are such an owner's too, `place_0` and on.
    """
    found = select(waiting.c.created_at, waiting.c.run_id).distinct()
    if workflow:
        found = found.where(waiting.c.workflow_id == _OF_WORKFLOW)
    if place:
        found = found.where(waiting.c.namespace == _OF_NAMESPACE)
    if of_run := _of_run(session=session, statuses=statuses):
        found = found.join(runs, runs.c.run_id == waiting.c.run_id).where(*of_run)
    if paged:
        found = found.where(tuple_(waiting.c.created_at, waiting.c.run_id) < _PLACE)
    found = found.order_by(waiting.c.created_at.desc(), waiting.c.run_id.desc()).limit(AT_MOST)
    each = _named(apart, rest=rest, owned=owned)
    if unnamed:
        each += _unnamed(places, home=home)
    # Each by an index in the order of the list (except for the rest).
    parts = [found.where(one).subquery() for one in each]
    ids = union(*(select(part.c.run_id) for part in parts))
    return newest(select(*LISTED_COLUMNS).where(runs.c.run_id.in_(ids)), AT_MOST)


def _named(apart: int, *, rest: bool, owned: bool) -> list[ColumnElement[bool]]:
    each = [waiting.c.assignee == bindparam(f"name_{number}", type_=Text) for number in range(apart)]
    if rest:
        each.append(waiting.c.assignee.in_(bindparam("names", expanding=True)))
    of_whom = waiting.c.account == OF_ACCOUNT
    if owned:
        is_there = waiting.c.namespace.in_(bindparam("namespaces", expanding=True))
        of_whom &= or_(waiting.c.owner == bindparam("owned_by", type_=Text), is_there)
    return [one & of_whom for one in each]


def _unnamed(places: int, *, home: bool) -> list[ColumnElement[bool]]:
    theirs = owned_by(
        waiting,
        waiting.c.owner,
        _ELSEWHERE,
        account=OF_ACCOUNT,
        user_id=bindparam("unnamed_of", type_=Text),
        home=bindparam("home", type_=Text) if home else None,
        namespaces=(bindparam(f"place_{number}", expanding=True) for number in range(places)),
    )
    return [text(f"waiting.{UNNAMED}") & one for one in theirs]


def _of_run(*, session: bool, statuses: bool) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if session:
        conditions.append(runs.c.session_id == OF_SESSION)
    if statuses:
        conditions.append(runs.c.status.in_(bindparam("of_statuses", expanding=True)))
    return conditions
