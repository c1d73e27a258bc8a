"""The first index of a log: the entries before it are gone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("log_heads", sa.Column("first_index", sa.BigInteger, nullable=False, server_default="0"))
