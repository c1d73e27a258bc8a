"""The tables of the directory, and of what sign-ins leave. Those of runs are in `tables.py`."""

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, Table, Text, text

from interlock.store.tables import metadata

SERVICE = "kind = 'service'"
REVOKED = "revoked_at IS NOT NULL"

# The people and service accounts of the directory: nobody is ever deleted. `issuer` is '' for those whom this server
# signs in; `revision` is the number of the last change, `generation` that of the tokens that are still good.
members = Table(
    "members",
    metadata,
    Column("account", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("namespaces", Text, nullable=False),
    Column("secret", Text),
    Column("generation", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("disabled_at", BigInteger),
    PrimaryKeyConstraint("account", "user_id", name="pk_members"),
)
Index("ix_members_subject", members.c.account, members.c.issuer, members.c.subject, unique=True)
Index("ix_members_created", members.c.account, members.c.kind, members.c.created_at, members.c.user_id)
Index(
    "ix_members_services",
    members.c.user_id,
    unique=True,
    sqlite_where=text(SERVICE),
    postgresql_where=text(SERVICE),
)

groups = Table(
    "groups",
    metadata,
    Column("account", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    PrimaryKeyConstraint("account", "name", name="pk_groups"),
)

group_members = Table(
    "group_members",
    metadata,
    Column("account", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("group_name", Text, nullable=False),
    PrimaryKeyConstraint("account", "user_id", "group_name", name="pk_group_members"),
    sqlite_with_rowid=False,
)
Index("ix_group_members_group", group_members.c.account, group_members.c.group_name, group_members.c.user_id)

# Who changed what in the directory. Servers follow it, to forget what they know of somebody.
directory_changes = Table(
    "directory_changes",
    metadata,
    Column("revision", BigInteger, autoincrement=False, nullable=False),
    Column("account", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("revision", name="pk_directory_changes"),
)
Index("ix_directory_changes_account", directory_changes.c.account, directory_changes.c.revision)
Index(
    "ix_directory_changes_user",
    directory_changes.c.account,
    directory_changes.c.user_id,
    directory_changes.c.revision,
)

# One row: the revision of the last change. Whoever changes the directory holds it until the commit.
directory = Table(
    "directory",
    metadata,
    Column("only", Integer, autoincrement=False, nullable=False),
    Column("last_revision", BigInteger, nullable=False),
    PrimaryKeyConstraint("only", name="pk_directory"),
)

# Sign-ins, and the refresh tokens of each, as digests. `nonce` is what a used one's successor was made with, `said`
# what an identity provider said of the person, as far as it is trusted with that.
grants = Table(
    "grants",
    metadata,
    Column("grant_id", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("scopes", Text),
    Column("generation", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    Column("said", Text),
    PrimaryKeyConstraint("grant_id", name="pk_grants"),
)
Index("ix_grants_expires", grants.c.expires_at)
Index(
    "ix_grants_revoked",
    grants.c.revoked_at,
    sqlite_where=text(REVOKED),
    postgresql_where=text(REVOKED),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("digest", Text, nullable=False),
    Column("grant_id", Text, nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
    Column("nonce", Text),
    PrimaryKeyConstraint("digest", name="pk_refresh_tokens"),
    sqlite_with_rowid=False,
)
Index("ix_refresh_tokens_grant", refresh_tokens.c.grant_id)

# Wrong passwords that followed each other, by a hash of the user and the address.
sign_in_attempts = Table(
    "sign_in_attempts",
    metadata,
    Column("key", Text, nullable=False),
    Column("count", Integer, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("key", name="pk_sign_in_attempts"),
    sqlite_with_rowid=False,
)
Index("ix_sign_in_attempts_last", sign_in_attempts.c.last_at)

# The keys that sign this server's own tokens; the private part is sealed.
signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", Text, nullable=False),
    Column("public", Text, nullable=False),
    Column("sealed", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("signs_from", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("kid", name="pk_signing_keys"),
)

# Who is away, and who stands in for them.
absences = Table(
    "absences",
    metadata,
    Column("account", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("substitute", Text, nullable=False),
    Column("from_at", BigInteger, nullable=False),
    Column("until_at", BigInteger, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("account", "user_id", name="pk_absences"),
    sqlite_with_rowid=False,
)
