"""Kinds of definitions, and names that have no current version any more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("definitions", sa.Column("kind", sa.Text, nullable=False, server_default="machine"))
    op.drop_index("ix_definitions_created", "definitions")
    op.create_index("ix_definitions_created", "definitions", ["account", "kind", "created_at", "name"])
    op.drop_index("ix_definitions_revision", "definitions")
    op.create_index("ix_definitions_revision", "definitions", ["revision"])
