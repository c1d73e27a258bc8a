"""An index of the paused runs, for counting them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_PAUSED = sa.text("status = 'PAUSED'")


def upgrade() -> None:
    op.create_index("ix_runs_paused", "runs", ["updated_at"], sqlite_where=_PAUSED, postgresql_where=_PAUSED)
