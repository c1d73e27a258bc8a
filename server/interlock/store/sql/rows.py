"""Rows and their values, as read by several aggregates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from pydantic_core import from_json, to_json
from sqlalchemy import Connection

from interlock.store.statements.runs import ASSIGNEES
from interlock.store.writes import NOTHING_PENDING, Parameters
from interlock_protocol.namespaces import home_of
from interlock_protocol.requirements import SIGNAL
from interlock_protocol.types import JsonObject, RunStatus


def text_of(value: object) -> str:
    """A value as its column stores it."""
    return to_json(value).decode()


def pending_of(text: str) -> tuple[JsonObject, ...]:
    """The pending summary in the text of its column."""
    return () if text == NOTHING_PENDING else tuple(from_json(text))


def listed_values(row: Mapping[Any, Any], assignees: tuple[str, ...]) -> dict[str, Any]:
    """The values of a run's row, as Python types."""
    status, pending = RunStatus(row["status"]), pending_of(row["pending"])
    namespace = row["namespace"] or home_of(row["user_id"])
    return {**row, "status": status, "pending": pending, "assignees": assignees, "namespace": namespace}


def assignees_of(run_ids: list[str], connection: Connection) -> dict[str, tuple[str, ...]]:
    """All assignees that the runs have named, by run."""
    rows = connection.execute(ASSIGNEES, {"of_runs": run_ids}).all() if run_ids else []
    return {run_id: tuple(row[1] for row in of_run) for run_id, of_run in groupby(rows, lambda row: row[0])}


def rows_of(pending: Sequence[JsonObject]) -> Sequence[Parameters]:
    """The rows of a pending summary, except for the columns about the run, which come from the run's own row.

    What waits for a signal waits for nobody.
    """
    return [
        {"requirement_id": each["id"], "assignee": name, "kind": each.get("kind", ""), "due": _due(each)}
        for each in pending
        if each.get("kind") != SIGNAL
        for name in sorted(set(_assignees(each))) or ("",)
    ]


def _assignees(requirement: JsonObject) -> Sequence[Any]:
    named = requirement.get("assignees")
    return named if isinstance(named, list | tuple) else ()


def _due(requirement: JsonObject) -> int | None:
    """When it times out, in milliseconds since 1970."""
    at = requirement.get("timeout_at")
    return round(datetime.fromisoformat(at).timestamp() * 1000) if isinstance(at, str) else None
