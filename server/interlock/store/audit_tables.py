"""The tables of the audit's chains, and of who saw what. The laws are those of `tables`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, Table, Text

from interlock.store.tables import metadata

# Compared as bytes, so that a range of names is the same everywhere.
_Bytewise = Text().with_variant(Text(collation="C"), "postgresql")

# Of what was erased, `content` and `salt` are null. `name` tells an entry from the others of its run and epoch.
audit_entries = Table(
    "audit_entries",
    metadata,
    Column("run_id", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("name", _Bytewise, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("content", Text),
    Column("salt", Text),
    Column("leaf", Text, nullable=False),
    Column("hash", Text, nullable=False),
    PrimaryKeyConstraint("run_id", "seq", name="pk_audit_entries"),
)
Index("ix_audit_entries_name", audit_entries.c.run_id, audit_entries.c.name, audit_entries.c.epoch, unique=True)

audit_sights = Table(
    "audit_sights",
    metadata,
    Column("run_id", Text, nullable=False),
    Column("requirement_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("delivered_at", BigInteger),
    Column("seen_at", BigInteger),
    PrimaryKeyConstraint("run_id", "requirement_id", "user_id", name="pk_audit_sights"),
    sqlite_with_rowid=False,
)
