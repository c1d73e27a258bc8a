"""One outbox, in place of the table of pause notices.

Nodes of the previous release may still be running: for them, `pause_notices` is a view of the outbox.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_NOT_DONE = sa.text("done = 0")
_MOVE = (
    "INSERT INTO outbox (topic, run_id, subject, created_at, taken_until, done)"
    " SELECT 'pause', run_id, requirement_id, created_at, taken_until, done FROM pause_notices"
)
_VIEW = (
    "CREATE VIEW pause_notices AS SELECT run_id, subject AS requirement_id, created_at, taken_until, done FROM outbox"
    " WHERE topic = 'pause'"
)


def upgrade() -> None:
    is_shared = op.get_bind().dialect.name == "postgresql"
    if is_shared:
        op.execute("LOCK TABLE pause_notices IN ACCESS EXCLUSIVE MODE")  # so that no row is left behind
    op.create_table(
        "outbox",
        sa.Column("topic", sa.Text, nullable=False, server_default="pause"),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("taken_until", sa.BigInteger, nullable=False),
        sa.Column("done", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("topic", "run_id", "subject", name="pk_outbox"),
    )
    op.create_index(
        "ix_outbox_waiting",
        "outbox",
        ["topic", "taken_until", "created_at"],
        sqlite_where=_NOT_DONE,
        postgresql_where=_NOT_DONE,
    )
    op.execute(_MOVE)
    op.drop_table("pause_notices")
    if is_shared:
        op.execute(_VIEW)
