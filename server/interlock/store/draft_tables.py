"""The table of half-written answers. The laws are those of `tables`."""

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, Table, Text

from interlock.store.tables import metadata

# `content` is JSON.
drafts = Table(
    "drafts",
    metadata,
    Column("account", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("requirement_id", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("content", Text, nullable=False),
    Column("saved_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("account", "user_id", "run_id", "requirement_id", name="pk_drafts"),
)
Index("ix_drafts_saved", drafts.c.saved_at)
