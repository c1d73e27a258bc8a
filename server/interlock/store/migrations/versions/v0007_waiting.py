"""What waits for whom, derived from the pending summaries of runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_WAITING = sa.text("pending <> '[]'")
_UNINDEXED = sa.text("changed < 2 AND pending <> '[]'")
_INDEXED = sa.text("UPDATE runs SET changed = 2 WHERE pending <> '[]'")
_UNNAMED = sa.text("assignee = ''")
_PAGE = 200

_RUNS = sa.text(
    "SELECT run_id, user_id, workflow_id, created_at, pending FROM runs"
    " WHERE pending <> '[]' AND status NOT IN ('COMPLETED', 'CANCELLED', 'ERROR')"
    " AND (created_at, run_id) > (:created_at, :run_id)"
    " ORDER BY created_at, run_id LIMIT :page"
)


def upgrade() -> None:
    waiting = op.create_table(
        "waiting",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("requirement_id", sa.Text, nullable=False),
        sa.Column("assignee", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("due", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "requirement_id", "assignee", name="pk_waiting"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_waiting_assignee", "waiting", ["assignee", "created_at", "run_id"])
    op.create_index(
        "ix_waiting_unnamed",
        "waiting",
        ["owner", "created_at", "run_id"],
        sqlite_where=_UNNAMED,
        postgresql_where=_UNNAMED,
    )
    op.create_index(
        "ix_runs_waiting",
        "runs",
        ["created_at", "run_id"],
        sqlite_where=_WAITING,
        postgresql_where=_WAITING,
    )
    op.create_index(
        "ix_runs_unindexed",
        "runs",
        ["run_id"],
        sqlite_where=_UNINDEXED,
        postgresql_where=_UNINDEXED,
    )
    connection = op.get_bind()
    connection.execute(_INDEXED)
    for page in _pages(connection):
        connection.execute(waiting.insert(), [row for run in page for row in _rows(run)])


def _pages(connection: sa.Connection) -> Iterator[list[Any]]:
    """Yield all waiting runs in pages: the pending summary of a run may be large."""
    place = {"created_at": -1, "run_id": ""}
    while page := list(connection.execute(_RUNS, {**place, "page": _PAGE})):
        yield page
        place = {"created_at": page[-1].created_at, "run_id": page[-1].run_id}


def _rows(run: Any) -> Iterator[dict[str, Any]]:
    for each in json.loads(run.pending):
        for assignee in sorted(set(each.get("assignees") or ())) or ("",):
            yield {
                "run_id": run.run_id,
                "requirement_id": each["id"],
                "assignee": assignee,
                "kind": each.get("kind", ""),
                "owner": run.user_id,
                "workflow_id": run.workflow_id,
                "due": _milliseconds(each.get("timeout_at")),
                "created_at": run.created_at,
            }


def _milliseconds(at: str | None) -> int | None:
    return None if at is None else round(datetime.fromisoformat(at).timestamp() * 1000)
