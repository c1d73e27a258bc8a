"""The table of widgets' bundles. Those of runs are in `tables.py`."""

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, Table, Text

from interlock.store.tables import metadata

# `number` says which version of a name was added last.
widget_bundles = Table(
    "widget_bundles",
    metadata,
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("added_by", Text, nullable=False),
    Column("added_at", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    PrimaryKeyConstraint("name", "version", name="pk_widget_bundles"),
)
Index("ix_widget_bundles_number", widget_bundles.c.name, widget_bundles.c.number, unique=True)
