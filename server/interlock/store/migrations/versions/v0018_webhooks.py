"""Webhooks: who is told of milestones of runs, and what is to be delivered.

Of what nodes of earlier releases settle, nobody is told.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_ACTIVE = sa.text("status = 'active'")
_PENDING = sa.text("status = 'pending'")
_DEAD = sa.text("status = 'dead'")
_DUE = sa.text("due_at IS NOT NULL")


def upgrade() -> None:
    _subscriptions()
    _events()
    _deliveries()


def _subscriptions() -> None:
    op.create_table(
        "webhook_subscriptions",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("events", sa.Text, nullable=False),
        sa.Column("namespace_filter", sa.Text),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("disabled_because", sa.Text),
        sa.Column("secret", sa.Text, nullable=False),
        sa.Column("old_secret", sa.Text),
        sa.Column("old_until", sa.BigInteger),
        sa.Column("creator", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("failing_since", sa.BigInteger),
        sa.Column("last_success_at", sa.BigInteger),
        sa.Column("rests_until", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_subscriptions"),
    )
    op.create_index("ix_webhook_subscriptions_account", "webhook_subscriptions", ["account", "created_at", "id"])
    op.create_index(
        "ix_webhook_subscriptions_active",
        "webhook_subscriptions",
        ["account"],
        sqlite_where=_ACTIVE,
        postgresql_where=_ACTIVE,
    )


def _events() -> None:
    op.create_table(
        "webhook_events",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("event_index", sa.BigInteger, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "epoch", "event_index", "event", name="pk_webhook_events"),
    )
    op.create_index("ix_webhook_events_created", "webhook_events", ["created_at"])


def _deliveries() -> None:
    op.create_table(
        "webhook_queues",
        sa.Column("subscription_id", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        sa.Column("head_seq", sa.BigInteger),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("subscription_id", "run_id", name="pk_webhook_queues"),
    )
    op.create_index("ix_webhook_queues_changed", "webhook_queues", ["changed_at"])
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("subscription_id", sa.Text, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("event_index", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("attempts", sa.Text, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger),
        sa.Column("due_at", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_deliveries"),
    )
    op.create_index(
        "ix_webhook_deliveries_queue", "webhook_deliveries", ["subscription_id", "run_id", "seq"], unique=True
    )
    op.create_index(
        "ix_webhook_deliveries_pending",
        "webhook_deliveries",
        ["subscription_id", "run_id", "seq"],
        sqlite_where=_PENDING,
        postgresql_where=_PENDING,
    )
    op.create_index(
        "ix_webhook_deliveries_due",
        "webhook_deliveries",
        ["subscription_id", "due_at"],
        sqlite_where=_DUE,
        postgresql_where=_DUE,
    )
    op.create_index(
        "ix_webhook_deliveries_listed", "webhook_deliveries", ["subscription_id", "created_at", "seq", "id"]
    )
    op.create_index(
        "ix_webhook_deliveries_dead",
        "webhook_deliveries",
        ["subscription_id", "created_at", "seq", "id"],
        sqlite_where=_DEAD,
        postgresql_where=_DEAD,
    )
    op.create_index("ix_webhook_deliveries_created", "webhook_deliveries", ["created_at"])
