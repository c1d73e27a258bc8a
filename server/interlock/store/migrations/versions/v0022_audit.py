"""The audit's chains, and who saw what. Runs whose decisions are older have a chain that begins later, and says so."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("content", sa.Text),
        sa.Column("salt", sa.Text),
        sa.Column("leaf", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "seq", name="pk_audit_entries"),
    )
    op.create_index("ix_audit_entries_name", "audit_entries", ["run_id", "name", "epoch"], unique=True)
    op.create_table(
        "audit_sights",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("requirement_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("delivered_at", sa.BigInteger),
        sa.Column("seen_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("run_id", "requirement_id", "user_id", name="pk_audit_sights"),
        sqlite_with_rowid=False,
    )
