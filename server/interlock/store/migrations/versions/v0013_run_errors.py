"""The errors of runs, as a list that is found by account, namespace, workflow and code.

Those of runs that nodes of earlier releases settle aren't in it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_ORDER = ["at", "run_id", "epoch", "event_index"]
_ALL = sa.text("at >= 0")
_ELSEWHERE = sa.text("namespace <> 'user_' || user_id")


def upgrade() -> None:
    op.create_table(
        "run_errors",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("event_index", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("version", sa.Text),
        sa.Column("step_id", sa.Text),
        sa.Column("state", sa.Text),
        sa.Column("thread_id", sa.Text),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("fatal", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "epoch", "event_index", name="pk_run_errors"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_run_errors_account", "run_errors", ["account", *_ORDER], sqlite_where=_ALL, postgresql_where=_ALL
    )
    op.create_index("ix_run_errors_workflow", "run_errors", ["account", "workflow_id", *_ORDER])
    op.create_index("ix_run_errors_code", "run_errors", ["account", "code", *_ORDER])
    op.create_index("ix_run_errors_both", "run_errors", ["account", "workflow_id", "code", *_ORDER])
    op.create_index("ix_run_errors_namespace", "run_errors", ["account", "namespace", *_ORDER])
    op.create_index(
        "ix_run_errors_elsewhere",
        "run_errors",
        ["account", "user_id", *_ORDER],
        sqlite_where=_ELSEWHERE,
        postgresql_where=_ELSEWHERE,
    )
