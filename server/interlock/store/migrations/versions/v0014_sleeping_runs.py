"""Sleeping runs, business keys, a bound of active instances, and instances that repeat failed ones.

The head of a log says whether its run waits for a time alone.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_ACTIVE = "status IN ('PENDING', 'RUNNING', 'PAUSED')"
_ACTIVE_KEYED = sa.text(f"business_key IS NOT NULL AND {_ACTIVE}")
_KEYED = sa.text("business_key IS NOT NULL")
_ACTIVE_INSTANCE = sa.text(f"substr(run_id, 1, 5) = 'inst_' AND {_ACTIVE}")


def upgrade() -> None:
    op.add_column("log_heads", sa.Column("asleep", sa.Integer, nullable=False, server_default="0"))
    for name in ("business_key", "retried_from", "origin"):
        op.add_column("runs", sa.Column(name, sa.Text))
    op.create_index(
        "ix_runs_active_key",
        "runs",
        ["account", "workflow_id", "business_key"],
        unique=True,
        sqlite_where=_ACTIVE_KEYED,
        postgresql_where=_ACTIVE_KEYED,
    )
    op.create_index(
        "ix_runs_key",
        "runs",
        ["account", "business_key", "created_at", "run_id"],
        sqlite_where=_KEYED,
        postgresql_where=_KEYED,
    )
    op.create_index(
        "ix_runs_active_instances",
        "runs",
        ["account", "namespace"],
        sqlite_where=_ACTIVE_INSTANCE,
        postgresql_where=_ACTIVE_INSTANCE,
    )
