"""A session's ended runs, including those that were cancelled or failed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ENDED = sa.text("status IN ('COMPLETED', 'CANCELLED', 'ERROR')")


def upgrade() -> None:
    op.drop_index("ix_runs_session", "runs")
    op.create_index(
        "ix_runs_session",
        "runs",
        ["user_id", "session_id", "created_at", "run_id"],
        sqlite_where=_ENDED,
        postgresql_where=_ENDED,
    )
