"""Workflow definitions: names, versions, and the number of the last publication."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_PUBLISHED = sa.text("current_version IS NOT NULL")


def upgrade() -> None:
    _names()
    _versions()
    publications = op.create_table(
        "publications",
        sa.Column("only", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("last_revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("only", name="pk_publications"),
    )
    op.bulk_insert(publications, [{"only": 1, "last_revision": 0}])


def _names() -> None:
    op.create_table(
        "definitions",
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("last_number", sa.Integer, nullable=False),
        sa.Column("current_version", sa.Text),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account", "name", name="pk_definitions"),
    )
    op.create_index("ix_definitions_created", "definitions", ["account", "created_at", "name"])
    op.create_index(
        "ix_definitions_revision", "definitions", ["revision"], sqlite_where=_PUBLISHED, postgresql_where=_PUBLISHED
    )


def _versions() -> None:
    op.create_table(
        "definition_versions",
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version_id", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("published_at", sa.BigInteger),
        sa.Column("published_by", sa.Text),
        sa.PrimaryKeyConstraint("account", "name", "version_id", name="pk_definition_versions"),
    )
    op.create_index("ix_definition_versions_number", "definition_versions", ["account", "name", "number"], unique=True)
