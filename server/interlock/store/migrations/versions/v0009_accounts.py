"""Accounts and namespaces: existing rows go to the account `default`, each run to its owner's own namespace.

Servers of the previous release may still be writing: their rows get the account by the columns' defaults, and their
runs' namespace '' is read as the owner's own.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from interlock_protocol.namespaces import home_of

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ENDED = sa.text("status IN ('COMPLETED', 'CANCELLED', 'ERROR')")
_ELSEWHERE = sa.text("namespace <> 'user_' || user_id")
_WAITING = sa.text("pending <> '[]'")
_UNNAMED = sa.text("assignee = ''")
_UNNAMED_ELSEWHERE = sa.text("assignee = '' AND namespace <> 'user_' || owner")


def upgrade() -> None:
    _runs()
    _assignees()
    _waiting()
    _sessions()
    _tickets()


def _account() -> sa.Column[str]:
    return sa.Column("account", sa.Text, nullable=False, server_default="default")


def _runs() -> None:
    op.add_column("runs", _account())
    op.add_column("runs", sa.Column("namespace", sa.Text, nullable=False, server_default=""))
    _move_home()
    for name in ("ix_runs_created", "ix_runs_user", "ix_runs_session", "ix_runs_waiting"):
        op.drop_index(name, "runs")
    place = ["created_at", "run_id"]
    op.create_index("ix_runs_account", "runs", ["account", *place])
    op.create_index("ix_runs_namespace", "runs", ["account", "namespace", *place])
    for name, columns, where in (
        ("ix_runs_elsewhere", ["account", "user_id", *place], _ELSEWHERE),
        ("ix_runs_ended", place, _ENDED),
        ("ix_runs_session", ["account", "user_id", "session_id", *place], _ENDED),
        ("ix_runs_waiting", ["account", *place], _WAITING),
    ):
        op.create_index(name, "runs", columns, sqlite_where=where, postgresql_where=where)


def _move_home() -> None:
    connection = op.get_bind()
    connection.execute(sa.text("UPDATE runs SET namespace = 'user_' || user_id"))
    for (user_id,) in connection.execute(sa.text("SELECT DISTINCT user_id FROM runs")).all():
        if (home := home_of(user_id)) != f"user_{user_id}":
            of_user = {"home": home, "user_id": user_id}
            connection.execute(sa.text("UPDATE runs SET namespace = :home WHERE user_id = :user_id"), of_user)


def _assignees() -> None:
    op.add_column("run_assignees", _account())
    op.drop_index("ix_run_assignees_assignee", "run_assignees")
    op.create_index("ix_run_assignees_assignee", "run_assignees", ["account", "assignee", "run_id"])


def _waiting() -> None:
    op.add_column("waiting", _account())
    op.add_column("waiting", sa.Column("namespace", sa.Text, nullable=False, server_default=""))
    of_run = "SELECT namespace FROM runs WHERE runs.run_id = waiting.run_id"
    op.execute(f"UPDATE waiting SET namespace = COALESCE(({of_run}), '')")  # noqa: S608 - nothing of anybody's
    for name in ("ix_waiting_assignee", "ix_waiting_unnamed"):
        op.drop_index(name, "waiting")
    place = ["created_at", "run_id"]
    op.create_index("ix_waiting_assignee", "waiting", ["account", "assignee", *place])
    for name, columns, where in (
        ("ix_waiting_elsewhere", ["account", "owner", *place], _UNNAMED_ELSEWHERE),
        ("ix_waiting_unnamed", ["account", "namespace", *place], _UNNAMED),
    ):
        op.create_index(name, "waiting", columns, sqlite_where=where, postgresql_where=where)


def _sessions() -> None:
    with op.batch_alter_table("sessions") as sessions:
        sessions.add_column(_account())
        sessions.drop_constraint("pk_sessions", type_="primary")
        sessions.create_primary_key("pk_sessions", ["account", "user_id", "session_id"])


def _tickets() -> None:
    op.add_column("stream_tickets", _account())
    op.add_column("stream_tickets", sa.Column("namespaces", sa.Text, nullable=False, server_default="[]"))
    op.add_column("stream_tickets", sa.Column("kind", sa.Text, nullable=False, server_default="user"))
