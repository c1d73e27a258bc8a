"""Timers of runs, the state of sessions, notices of pauses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TIMED = sa.text("next_timer IS NOT NULL")
_COMPLETED = sa.text("status = 'COMPLETED'")
_NOT_DONE = sa.text("done = 0")


def upgrade() -> None:
    _timers()
    _sessions()
    _pause_notices()


def _timers() -> None:
    op.add_column("runs", sa.Column("next_timer", sa.BigInteger))
    op.create_index("ix_runs_timer", "runs", ["next_timer", "run_id"], sqlite_where=_TIMED, postgresql_where=_TIMED)


def _sessions() -> None:
    op.create_index(
        "ix_runs_session",
        "runs",
        ["user_id", "session_id", "created_at", "run_id"],
        sqlite_where=_COMPLETED,
        postgresql_where=_COMPLETED,
    )
    op.create_table(
        "sessions",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "session_id", name="pk_sessions"),
    )
    op.create_table(
        "session_marks",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("event_index", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_session_marks"),
        sqlite_with_rowid=False,
    )


def _pause_notices() -> None:
    op.create_table(
        "pause_notices",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("requirement_id", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("taken_until", sa.BigInteger, nullable=False),
        sa.Column("done", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "requirement_id", name="pk_pause_notices"),
    )
    op.create_index(
        "ix_pause_notices_waiting",
        "pause_notices",
        ["taken_until", "created_at"],
        sqlite_where=_NOT_DONE,
        postgresql_where=_NOT_DONE,
    )
