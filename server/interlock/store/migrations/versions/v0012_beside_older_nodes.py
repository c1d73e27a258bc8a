"""What nodes of two versions need beside each other, and an index by which delivered messages are deleted.

One index has all rows that nodes of an earlier release leave to be put right, and a log's head says which version of
the reducer may drive its run.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0009"
branch_labels = None
depends_on = None

_DELIVERED = sa.text("done = 1")
_OLDER = sa.text("changed < 2 AND pending <> '[]' OR namespace = ''")


def upgrade() -> None:
    op.drop_index("ix_runs_unindexed", "runs")
    op.create_index("ix_runs_older", "runs", ["run_id"], sqlite_where=_OLDER, postgresql_where=_OLDER)
    op.add_column("log_heads", sa.Column("reducer", sa.Integer, nullable=False, server_default="0"))
    op.create_index(
        "ix_outbox_delivered", "outbox", ["taken_until"], sqlite_where=_DELIVERED, postgresql_where=_DELIVERED
    )
