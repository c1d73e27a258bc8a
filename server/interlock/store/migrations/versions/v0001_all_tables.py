"""All tables of the first release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_UNFINISHED = sa.text("status IN ('PENDING', 'RUNNING')")
_UNNUMBERED = sa.text("seq IS NULL")


def upgrade() -> None:
    _runs()
    _beside_runs()
    _change_feed()
    _log()


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("version", sa.Text),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("input", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("next_index", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("pending", sa.Text, nullable=False),
        sa.Column("changed", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_runs"),
    )
    op.create_index("ix_runs_created", "runs", ["created_at", "run_id"])
    op.create_index("ix_runs_user", "runs", ["user_id", "created_at", "run_id"])
    op.create_index(
        "ix_runs_unfinished",
        "runs",
        ["created_at", "run_id"],
        sqlite_where=_UNFINISHED,
        postgresql_where=_UNFINISHED,
    )
    op.create_table(
        "run_assignees",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("assignee", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "assignee", name="pk_run_assignees"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_run_assignees_assignee", "run_assignees", ["assignee", "run_id"])


def _beside_runs() -> None:
    op.create_table(
        "snapshots",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("next_index", sa.BigInteger, nullable=False),
        sa.Column("reducer_version", sa.Integer, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_snapshots"),
    )
    op.create_table(
        "decisions",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("requirement_id", sa.Text, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("resolved_by", sa.Text, nullable=False),
        sa.Column("decided_at", sa.BigInteger, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("event_index", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "requirement_id", name="pk_decisions"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "key", name="pk_idempotency_keys"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_idempotency_keys_created", "idempotency_keys", ["created_at"])


def _change_feed() -> None:
    op.create_table(
        "changes",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("seq", sa.BigInteger),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("pending", sa.Text, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_changes"),
    )
    op.create_index("ix_changes_seq", "changes", ["seq"], unique=True)
    op.create_index("ix_changes_unnumbered", "changes", ["id"], sqlite_where=_UNNUMBERED, postgresql_where=_UNNUMBERED)
    feed = op.create_table(
        "feed",
        sa.Column("only", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("only", name="pk_feed"),
    )
    op.bulk_insert(feed, [{"only": 1, "last_seq": 0}])


def _log() -> None:
    op.create_table(
        "log_heads",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("next_index", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("pending", sa.Text, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("recent", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_log_heads"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_log_heads_status", "log_heads", ["status"])
    op.create_table(
        "log_batches",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("first_index", sa.BigInteger, nullable=False),
        sa.Column("next_index", sa.BigInteger, nullable=False),
        sa.Column("entries", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "epoch", "first_index", name="pk_log_batches"),
        sqlite_with_rowid=False,
    )
