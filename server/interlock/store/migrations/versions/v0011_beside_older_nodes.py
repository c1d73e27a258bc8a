"""One index of all rows that nodes of an earlier release leave to be put right."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0009"
branch_labels = None
depends_on = None

_OLDER = sa.text("changed < 2 AND pending <> '[]' OR namespace = ''")


def upgrade() -> None:
    op.drop_index("ix_runs_unindexed", "runs")
    op.create_index("ix_runs_older", "runs", ["run_id"], sqlite_where=_OLDER, postgresql_where=_OLDER)
