"""The directory of people, service accounts and groups, and what the server's own tokens rest on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0013"
branch_labels = None
depends_on = None

_SERVICE = sa.text("kind = 'service'")
_REVOKED = sa.text("revoked_at IS NOT NULL")


def upgrade() -> None:
    _members()
    _groups()
    _changes()
    _grants()
    _keys()
    op.add_column("stream_tickets", sa.Column("generation", sa.BigInteger))
    op.add_column("stream_tickets", sa.Column("grant_id", sa.Text))


def _members() -> None:
    op.create_table(
        "members",
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("namespaces", sa.Text, nullable=False),
        sa.Column("secret", sa.Text),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("disabled_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("account", "user_id", name="pk_members"),
    )
    op.create_index("ix_members_subject", "members", ["account", "issuer", "subject"], unique=True)
    op.create_index("ix_members_created", "members", ["account", "kind", "created_at", "user_id"])
    op.create_index(
        "ix_members_services", "members", ["user_id"], unique=True, sqlite_where=_SERVICE, postgresql_where=_SERVICE
    )


def _groups() -> None:
    op.create_table(
        "groups",
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("account", "name", name="pk_groups"),
    )
    op.create_table(
        "group_members",
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("group_name", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("account", "user_id", "group_name", name="pk_group_members"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_group_members_group", "group_members", ["account", "group_name", "user_id"])


def _changes() -> None:
    op.create_table(
        "directory_changes",
        sa.Column("revision", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("revision", name="pk_directory_changes"),
    )
    op.create_index("ix_directory_changes_account", "directory_changes", ["account", "revision"])
    op.create_index("ix_directory_changes_user", "directory_changes", ["account", "user_id", "revision"])
    directory = op.create_table(
        "directory",
        sa.Column("only", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("last_revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("only", name="pk_directory"),
    )
    op.bulk_insert(directory, [{"only": 1, "last_revision": 0}])


def _grants() -> None:
    op.create_table(
        "grants",
        sa.Column("grant_id", sa.Text, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("scopes", sa.Text),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("revoked_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("grant_id", name="pk_grants"),
    )
    op.create_index("ix_grants_expires", "grants", ["expires_at"])
    op.create_index("ix_grants_revoked", "grants", ["revoked_at"], sqlite_where=_REVOKED, postgresql_where=_REVOKED)
    op.create_table(
        "refresh_tokens",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("grant_id", sa.Text, nullable=False),
        sa.Column("issued_at", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.BigInteger),
        sa.Column("nonce", sa.Text),
        sa.PrimaryKeyConstraint("digest", name="pk_refresh_tokens"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_refresh_tokens_grant", "refresh_tokens", ["grant_id"])
    op.create_table(
        "sign_in_attempts",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("last_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_sign_in_attempts"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_sign_in_attempts_last", "sign_in_attempts", ["last_at"])


def _keys() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.Text, nullable=False),
        sa.Column("public", sa.Text, nullable=False),
        sa.Column("sealed", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("signs_from", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("kid", name="pk_signing_keys"),
    )
