"""Standalone interactions, for lists of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

PENDING = "status = 'pending' AND topic IS NOT NULL"


def upgrade() -> None:
    op.create_table(
        "interactions",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("requirement_id", sa.Text, nullable=False),
        sa.Column("account", sa.Text, nullable=False, server_default="default"),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("assignee", sa.Text, nullable=False),
        sa.Column("asked", sa.Text, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("linked_run_id", sa.Text),
        sa.Column("topic", sa.Text),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("result", sa.Text),
        sa.Column("ended_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("run_id", name="pk_interactions"),
    )
    op.create_index("ix_interactions_listed", "interactions", ["account", "namespace", "created_at", "run_id"])
    op.create_index(
        "ix_interactions_topic",
        "interactions",
        ["linked_run_id", "topic"],
        unique=True,
        sqlite_where=sa.text(PENDING),
        postgresql_where=sa.text(PENDING),
    )
