"""Idempotency keys may keep the answer that their request got over HTTP."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("idempotency_keys", sa.Column("answer_status", sa.Integer))
    op.add_column("idempotency_keys", sa.Column("answer_body", sa.Text))
