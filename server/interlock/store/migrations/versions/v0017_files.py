"""Uploaded files, and which runs use them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "files",
        sa.Column("file_id", sa.Text, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("content_type", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Integer, nullable=False),
        sa.Column("uses", sa.Integer, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("file_id", name="pk_files"),
    )
    op.create_index("ix_files_due", "files", ["due_at"])
    op.create_table(
        "file_uses",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("file_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "file_id", name="pk_file_uses"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_file_uses_file", "file_uses", ["file_id"])
