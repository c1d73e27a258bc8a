"""Idempotency keys may keep the answer that their request got over HTTP; paused runs of a namespace have an index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_PAUSED = sa.text("status = 'PAUSED'")


def upgrade() -> None:
    op.add_column("idempotency_keys", sa.Column("answer_status", sa.Integer))
    op.add_column("idempotency_keys", sa.Column("answer_body", sa.Text))
    op.create_index(
        "ix_runs_paused_namespace",
        "runs",
        ["account", "namespace", "created_at", "run_id"],
        sqlite_where=_PAUSED,
        postgresql_where=_PAUSED,
    )
