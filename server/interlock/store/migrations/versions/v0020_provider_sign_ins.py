"""What an identity provider said of somebody at a sign-in, and how much a user uploaded that nothing uses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("grants", sa.Column("said", sa.Text))
    op.create_index(
        "ix_files_unused",
        "files",
        ["account", "user_id"],
        sqlite_where=sa.text("uses = 0"),
        postgresql_where=sa.text("uses = 0"),
    )
