"""The tables of webhooks. Those of runs are in `tables.py`."""

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, Table, Text, text

from interlock.store.tables import metadata

ACTIVE_SUBSCRIPTION = "status = 'active'"
PENDING_DELIVERY = "status = 'pending'"
DEAD_DELIVERY = "status = 'dead'"
DUE = "due_at IS NOT NULL"

# Who is told of what. `events` is a JSON list, the secrets are sealed, `creator` is JSON.
webhook_subscriptions = Table(
    "webhook_subscriptions",
    metadata,
    Column("id", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("events", Text, nullable=False),
    Column("namespace_filter", Text),
    Column("status", Text, nullable=False),
    Column("disabled_because", Text),
    Column("secret", Text, nullable=False),
    Column("old_secret", Text),
    Column("old_until", BigInteger),
    Column("creator", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("description", Text),
    Column("failures", Integer, nullable=False),
    Column("failing_since", BigInteger),
    Column("last_success_at", BigInteger),
    Column("rests_until", BigInteger),
    PrimaryKeyConstraint("id", name="pk_webhook_subscriptions"),
)
Index(
    "ix_webhook_subscriptions_account",
    webhook_subscriptions.c.account,
    webhook_subscriptions.c.created_at,
    webhook_subscriptions.c.id,
)
Index(
    "ix_webhook_subscriptions_active",
    webhook_subscriptions.c.account,
    sqlite_where=text(ACTIVE_SUBSCRIPTION),
    postgresql_where=text(ACTIVE_SUBSCRIPTION),
)

# What was told of a run, once for all its subscriptions: `data` is JSON.
webhook_events = Table(
    "webhook_events",
    metadata,
    Column("run_id", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("event_index", BigInteger, nullable=False),
    Column("event", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("run_id", "epoch", "event_index", "event", name="pk_webhook_events"),
)
Index("ix_webhook_events_created", webhook_events.c.created_at)

# The queue of a run's deliveries to a subscription: the last number given, and that of the one that is due (NULL: none
# is pending). Whoever changes the queue holds this row.
webhook_queues = Table(
    "webhook_queues",
    metadata,
    Column("subscription_id", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("head_seq", BigInteger),
    Column("changed_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("subscription_id", "run_id", name="pk_webhook_queues"),
)
Index("ix_webhook_queues_changed", webhook_queues.c.changed_at)

# `attempts` is a JSON list. `due_at` is `next_attempt_at`, or later while somebody attempts it.
webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", Text, nullable=False),
    Column("subscription_id", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("namespace", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("event_index", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempts", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_attempt_at", BigInteger),
    Column("due_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("id", name="pk_webhook_deliveries"),
)
Index(
    "ix_webhook_deliveries_queue",
    webhook_deliveries.c.subscription_id,
    webhook_deliveries.c.run_id,
    webhook_deliveries.c.seq,
    unique=True,
)
Index(
    "ix_webhook_deliveries_pending",
    webhook_deliveries.c.subscription_id,
    webhook_deliveries.c.run_id,
    webhook_deliveries.c.seq,
    sqlite_where=text(PENDING_DELIVERY),
    postgresql_where=text(PENDING_DELIVERY),
)
Index(
    "ix_webhook_deliveries_due",
    webhook_deliveries.c.subscription_id,
    webhook_deliveries.c.due_at,
    sqlite_where=text(DUE),
    postgresql_where=text(DUE),
)
Index(
    "ix_webhook_deliveries_listed",
    webhook_deliveries.c.subscription_id,
    webhook_deliveries.c.created_at,
    webhook_deliveries.c.seq,
    webhook_deliveries.c.id,
)
Index(
    "ix_webhook_deliveries_dead",
    webhook_deliveries.c.subscription_id,
    webhook_deliveries.c.created_at,
    webhook_deliveries.c.seq,
    webhook_deliveries.c.id,
    sqlite_where=text(DEAD_DELIVERY),
    postgresql_where=text(DEAD_DELIVERY),
)
Index("ix_webhook_deliveries_created", webhook_deliveries.c.created_at)
