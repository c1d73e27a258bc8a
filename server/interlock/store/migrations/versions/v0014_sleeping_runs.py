"""Runs that wait for a time alone sleep: the head of such a log says so."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("log_heads", sa.Column("asleep", sa.Integer, nullable=False, server_default="0"))
