"""The table of standalone interactions. Those of runs are in `tables.py`."""

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, Table, Text, text

from interlock.store.tables import metadata

PENDING_FOR_A_TOPIC = "status = 'pending' AND topic IS NOT NULL"

# Each is a run of its own. `asked` and `result` are JSON.
interactions = Table(
    "interactions",
    metadata,
    Column("run_id", Text, nullable=False),
    Column("requirement_id", Text, nullable=False),
    Column("account", Text, nullable=False, server_default="default"),
    Column("namespace", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("assignee", Text, nullable=False),
    Column("asked", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("linked_run_id", Text),
    Column("topic", Text),
    Column("status", Text, nullable=False),
    Column("result", Text),
    Column("ended_at", BigInteger),
    PrimaryKeyConstraint("run_id", name="pk_interactions"),
)
Index(
    "ix_interactions_listed",
    interactions.c.account,
    interactions.c.namespace,
    interactions.c.created_at,
    interactions.c.run_id,
)
Index(
    "ix_interactions_topic",
    interactions.c.linked_run_id,
    interactions.c.topic,
    unique=True,
    sqlite_where=text(PENDING_FOR_A_TOPIC),
    postgresql_where=text(PENDING_FOR_A_TOPIC),
)
