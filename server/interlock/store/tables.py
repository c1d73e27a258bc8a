"""The current tables. The revisions in `migrations/` create them; a test compares both.

Laws:
- JSON is stored as TEXT, times as milliseconds since 1970, in both dialects.
- No foreign keys: only code that knows a run writes its rows, and a check for each (in PostgreSQL, a lock on the
  run's row) would slow the hot path.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from interlock_protocol.namespaces import DEFAULT_ACCOUNT

metadata = MetaData()

UNFINISHED = "status IN ('PENDING', 'RUNNING')"
ENDED = "status IN ('COMPLETED', 'CANCELLED', 'ERROR')"
PAUSED = "status = 'PAUSED'"
TIMED = "next_timer IS NOT NULL"
ACTIVE = "status IN ('PENDING', 'RUNNING', 'PAUSED')"
INSTANCE = "substr(run_id, 1, 5) = 'inst_'"
ACTIVE_INSTANCE = f"{INSTANCE} AND {ACTIVE}"
KEYED = "business_key IS NOT NULL"
ACTIVE_KEYED = f"{KEYED} AND {ACTIVE}"
UNNUMBERED = "seq IS NULL"
NOT_DONE = "done = 0"
DELIVERED = "done = 1"
# Runs outside their owner's own namespace (and, harmlessly, those whose owner's namespace is spelled differently).
ELSEWHERE = "namespace <> 'user_' || user_id"
# The same for what waits for nobody by name.
UNNAMED_ELSEWHERE = "assignee = '' AND namespace <> 'user_' || owner"
WAITING = "pending <> '[]'"
HAS_CURRENT = "current_version IS NOT NULL"
# Rows of earlier releases, to be put right: settled without the table `waiting`, or created without a namespace.
OLDER = "changed < 2 AND pending <> '[]' OR namespace = ''"
UNNAMED = "assignee = ''"
# True of every row. SQLite, which has no statistics, would find errors by their time where it should by a filter: it
# can't where a statement doesn't say this.
ALL_ERRORS = "at >= 0"

# In SQLite, only an INTEGER PRIMARY KEY is the row's own number.
_RowNumber = BigInteger().with_variant(Integer, "sqlite")


def _account() -> Column[str]:
    """The account. Servers of the previous release write without it during an update."""
    return Column("account", Text, nullable=False, server_default=DEFAULT_ACCOUNT)


runs = Table(
    "runs",
    metadata,
    Column("run_id", Text, nullable=False),
    Column("workflow_id", Text, nullable=False),
    Column("version", Text),
    Column("fingerprint", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("input", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("next_index", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("pending", Text, nullable=False),
    # What the last settlement changed, so that one UPDATE can return it: 2, plus 1 if the change feed needs a row, plus
    # 2 if `waiting` no longer matches what is pending. Less than 2 was written by a release without the table
    # `waiting`, which may happen during an update.
    Column("changed", Integer, nullable=False),
    Column("next_timer", BigInteger),
    _account(),
    # '' is the owner's own: written by a server of the previous release, and put right by the next reader of a list.
    Column("namespace", Text, nullable=False, server_default=""),
    Column("business_key", Text),
    Column("retried_from", Text),
    # Where a run begins that repeats another from where that failed.
    Column("origin", Text),
    PrimaryKeyConstraint("run_id", name="pk_runs"),
)
Index("ix_runs_account", runs.c.account, runs.c.created_at, runs.c.run_id)
Index("ix_runs_namespace", runs.c.account, runs.c.namespace, runs.c.created_at, runs.c.run_id)
# The next two are partial, so that creating a run costs no more: few runs are elsewhere, and every run ends once.
Index(
    "ix_runs_elsewhere",
    runs.c.account,
    runs.c.user_id,
    runs.c.created_at,
    runs.c.run_id,
    sqlite_where=text(ELSEWHERE),
    postgresql_where=text(ELSEWHERE),
)
Index("ix_runs_ended", runs.c.created_at, runs.c.run_id, sqlite_where=text(ENDED), postgresql_where=text(ENDED))
Index(
    "ix_runs_unfinished",
    runs.c.created_at,
    runs.c.run_id,
    sqlite_where=text(UNFINISHED),
    postgresql_where=text(UNFINISHED),
)
Index(
    "ix_runs_timer",
    runs.c.next_timer,
    runs.c.run_id,
    sqlite_where=text(TIMED),
    postgresql_where=text(TIMED),
)
# The number and age of paused runs are queried often, and this must not take longer as more runs end.
Index("ix_runs_paused", runs.c.updated_at, sqlite_where=text(PAUSED), postgresql_where=text(PAUSED))
# Those of a namespace, in a list's order: they may be few among very many that have ended.
Index(
    "ix_runs_paused_namespace",
    runs.c.account,
    runs.c.namespace,
    runs.c.created_at,
    runs.c.run_id,
    sqlite_where=text(PAUSED),
    postgresql_where=text(PAUSED),
)
# All that waits: an admin's inbox.
Index(
    "ix_runs_waiting",
    runs.c.account,
    runs.c.created_at,
    runs.c.run_id,
    sqlite_where=text(WAITING),
    postgresql_where=text(WAITING),
)
Index(
    "ix_runs_older",
    runs.c.run_id,
    sqlite_where=text(OLDER),
    postgresql_where=text(OLDER),
)
# Partial, so that creating a run costs no more: a run enters it when it ends.
Index(
    "ix_runs_session",
    runs.c.account,
    runs.c.user_id,
    runs.c.session_id,
    runs.c.created_at,
    runs.c.run_id,
    sqlite_where=text(ENDED),
    postgresql_where=text(ENDED),
)

# Few runs have a key; of those that are active, one for each key.
Index(
    "ix_runs_active_key",
    runs.c.account,
    runs.c.workflow_id,
    runs.c.business_key,
    unique=True,
    sqlite_where=text(ACTIVE_KEYED),
    postgresql_where=text(ACTIVE_KEYED),
)
Index(
    "ix_runs_key",
    runs.c.account,
    runs.c.business_key,
    runs.c.created_at,
    runs.c.run_id,
    sqlite_where=text(KEYED),
    postgresql_where=text(KEYED),
)
# A namespace's active instances are counted, up to the most that there may be.
Index(
    "ix_runs_active_instances",
    runs.c.account,
    runs.c.namespace,
    sqlite_where=text(ACTIVE_INSTANCE),
    postgresql_where=text(ACTIVE_INSTANCE),
)

run_assignees = Table(
    "run_assignees",
    metadata,
    Column("run_id", Text, nullable=False),
    Column("assignee", Text, nullable=False),
    _account(),
    PrimaryKeyConstraint("run_id", "assignee", name="pk_run_assignees"),
    sqlite_with_rowid=False,
)
Index("ix_run_assignees_assignee", run_assignees.c.account, run_assignees.c.assignee, run_assignees.c.run_id)

# The pending summary of each run, by the user it waits for: a row for each assignee of a requirement, or one with '' if
# it names nobody and waits for the run's owner. `created_at` is the run's, by which lists are ordered.
waiting = Table(
    "waiting",
    metadata,
    Column("run_id", Text, nullable=False),
    Column("requirement_id", Text, nullable=False),
    Column("assignee", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("workflow_id", Text, nullable=False),
    Column("due", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    _account(),
    Column("namespace", Text, nullable=False, server_default=""),
    PrimaryKeyConstraint("run_id", "requirement_id", "assignee", name="pk_waiting"),
    sqlite_with_rowid=False,
)
Index("ix_waiting_assignee", waiting.c.account, waiting.c.assignee, waiting.c.created_at, waiting.c.run_id)
Index(
    "ix_waiting_elsewhere",
    waiting.c.account,
    waiting.c.owner,
    waiting.c.created_at,
    waiting.c.run_id,
    sqlite_where=text(UNNAMED_ELSEWHERE),
    postgresql_where=text(UNNAMED_ELSEWHERE),
)
Index(
    "ix_waiting_unnamed",
    waiting.c.account,
    waiting.c.namespace,
    waiting.c.created_at,
    waiting.c.run_id,
    sqlite_where=text(UNNAMED),
    postgresql_where=text(UNNAMED),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("run_id", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("next_index", BigInteger, nullable=False),
    Column("reducer_version", Integer, nullable=False),
    Column("state", LargeBinary, nullable=False),
    PrimaryKeyConstraint("run_id", name="pk_snapshots"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("run_id", Text, nullable=False),
    Column("requirement_id", Text, nullable=False),
    Column("decision", Text, nullable=False),
    Column("resolved_by", Text, nullable=False),
    Column("decided_at", BigInteger, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("event_index", BigInteger, nullable=False),
    PrimaryKeyConstraint("run_id", "requirement_id", name="pk_decisions"),
)

# `user_id` identifies the owner of a key among the users of all accounts: see `sql.keys.holder`.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("user_id", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # The answer over HTTP, if one was kept.
    Column("answer_status", Integer),
    Column("answer_body", Text),
    PrimaryKeyConstraint("user_id", "key", name="pk_idempotency_keys"),
    sqlite_with_rowid=False,
)
Index("ix_idempotency_keys_created", idempotency_keys.c.created_at)

# A change is written without a `seq`; the next reader of the feed numbers what has been committed by then.
changes = Table(
    "changes",
    metadata,
    Column("id", _RowNumber, autoincrement=True, nullable=False),
    Column("seq", BigInteger),
    Column("run_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("pending", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("id", name="pk_changes"),
)
Index("ix_changes_seq", changes.c.seq, unique=True)
Index("ix_changes_unnumbered", changes.c.id, sqlite_where=text(UNNUMBERED), postgresql_where=text(UNNUMBERED))

# One row: the last `seq` that was assigned.
feed = Table(
    "feed",
    metadata,
    Column("only", Integer, autoincrement=False, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    PrimaryKeyConstraint("only", name="pk_feed"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("user_id", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    _account(),
    PrimaryKeyConstraint("account", "user_id", "session_id", name="pk_sessions"),
)

# For each run, the index of its last event whose patch was applied to the session's state.
session_marks = Table(
    "session_marks",
    metadata,
    Column("run_id", Text, nullable=False),
    Column("event_index", BigInteger, nullable=False),
    PrimaryKeyConstraint("run_id", name="pk_session_marks"),
    sqlite_with_rowid=False,
)

# Messages to other systems, each about a run: `topic` is their kind, `subject` the part of the run. `taken_until` is 0
# for a message that was never taken; `done` is 1 after its delivery.
outbox = Table(
    "outbox",
    metadata,
    # The default is for nodes of the previous release, which write to `pause_notices`, a view of this table.
    Column("topic", Text, nullable=False, server_default="pause"),
    Column("run_id", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("taken_until", BigInteger, nullable=False),
    Column("done", Integer, nullable=False),
    PrimaryKeyConstraint("topic", "run_id", "subject", name="pk_outbox"),
)
Index(
    "ix_outbox_waiting",
    outbox.c.topic,
    outbox.c.taken_until,
    outbox.c.created_at,
    sqlite_where=text(NOT_DONE),
    postgresql_where=text(NOT_DONE),
)
Index("ix_outbox_delivered", outbox.c.taken_until, sqlite_where=text(DELIVERED), postgresql_where=text(DELIVERED))

# Where people want to be told that they are waited for: a JSON object of their addresses, by the names of channels.
notice_addresses = Table(
    "notice_addresses",
    metadata,
    Column("account", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("addresses", Text, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("account", "user_id", name="pk_notice_addresses"),
    sqlite_with_rowid=False,
)

# Each opens one stream for one user, for some minutes; only its hash is stored, so reading this table yields no ticket.
stream_tickets = Table(
    "stream_tickets",
    metadata,
    Column("digest", Text, nullable=False),
    Column("ticket_id", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("groups", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    _account(),
    Column("namespaces", Text, nullable=False, server_default="[]"),
    Column("kind", Text, nullable=False, server_default="user"),
    # Of a user with a token of this server's own: what revokes the ticket together with it.
    Column("generation", BigInteger),
    Column("grant_id", Text),
    PrimaryKeyConstraint("digest", name="pk_stream_tickets"),
    sqlite_with_rowid=False,
)
Index("ix_stream_tickets_ticket", stream_tickets.c.ticket_id, unique=True)
Index("ix_stream_tickets_expires", stream_tickets.c.expires_at)

# The names of stored workflows. `current_version` is the published version that runs begin under, `revision` the number
# of its publication, 0 before the first.
definitions = Table(
    "definitions",
    metadata,
    Column("account", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("workflow_id", Text, nullable=False),
    Column("last_number", Integer, nullable=False),
    Column("current_version", Text),
    Column("revision", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False, server_default="machine"),
    PrimaryKeyConstraint("account", "name", name="pk_definitions"),
)
Index("ix_definitions_created", definitions.c.account, definitions.c.kind, definitions.c.created_at, definitions.c.name)
Index("ix_definitions_revision", definitions.c.revision)

# `digest` is a hash of the text, by which a version with the same definition is found.
definition_versions = Table(
    "definition_versions",
    metadata,
    Column("account", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("version_id", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("definition", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("published_at", BigInteger),
    Column("published_by", Text),
    PrimaryKeyConstraint("account", "name", "version_id", name="pk_definition_versions"),
)
Index(
    "ix_definition_versions_number",
    definition_versions.c.account,
    definition_versions.c.name,
    definition_versions.c.number,
    unique=True,
)

# One row: the revision of the last publication. Whoever publishes holds it until the commit, so that revisions become
# visible in their order.
publications = Table(
    "publications",
    metadata,
    Column("only", Integer, autoincrement=False, nullable=False),
    Column("last_revision", BigInteger, nullable=False),
    PrimaryKeyConstraint("only", name="pk_publications"),
)

# Errors of runs, by the places of their events. What they are found by is as in the rows of their runs.
run_errors = Table(
    "run_errors",
    metadata,
    Column("run_id", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("event_index", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("account", Text, nullable=False),
    Column("namespace", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("workflow_id", Text, nullable=False),
    Column("version", Text),
    Column("step_id", Text),
    Column("state", Text),
    Column("thread_id", Text),
    Column("code", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("fatal", Integer, nullable=False),
    PrimaryKeyConstraint("run_id", "epoch", "event_index", name="pk_run_errors"),
    sqlite_with_rowid=False,
)
# Errors are rare, so that many indexes cost little: each filter finds its rows in the order of the list.
_ERRORS_IN_ORDER = (run_errors.c.at, run_errors.c.run_id, run_errors.c.epoch, run_errors.c.event_index)
Index(
    "ix_run_errors_account",
    run_errors.c.account,
    *_ERRORS_IN_ORDER,
    sqlite_where=text(ALL_ERRORS),
    postgresql_where=text(ALL_ERRORS),
)
Index("ix_run_errors_workflow", run_errors.c.account, run_errors.c.workflow_id, *_ERRORS_IN_ORDER)
Index("ix_run_errors_code", run_errors.c.account, run_errors.c.code, *_ERRORS_IN_ORDER)
Index("ix_run_errors_both", run_errors.c.account, run_errors.c.workflow_id, run_errors.c.code, *_ERRORS_IN_ORDER)
Index("ix_run_errors_namespace", run_errors.c.account, run_errors.c.namespace, *_ERRORS_IN_ORDER)
Index(
    "ix_run_errors_elsewhere",
    run_errors.c.account,
    run_errors.c.user_id,
    *_ERRORS_IN_ORDER,
    sqlite_where=text(ELSEWHERE),
    postgresql_where=text(ELSEWHERE),
)

# What is kept sealed for an account. `namespace` is '' for what its whole account may use, `sealed` is '' for what has
# no value.
vault_items = Table(
    "vault_items",
    metadata,
    Column("account", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("namespace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("sealed", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("updated_by", Text, nullable=False),
    PrimaryKeyConstraint("account", "kind", "namespace", "name", name="pk_vault_items"),
)

# For each account, how often its items were changed.
vault_revisions = Table(
    "vault_revisions",
    metadata,
    Column("account", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    PrimaryKeyConstraint("account", name="pk_vault_revisions"),
)

# Uploaded files. `state`: 0 is being uploaded, 1 exists, 2 is being deleted. `due_at` is when upkeep looks at it next.
files = Table(
    "files",
    metadata,
    Column("file_id", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("state", Integer, nullable=False),
    Column("uses", Integer, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("file_id", name="pk_files"),
)
Index("ix_files_due", files.c.due_at)
Index(
    "ix_files_unused",
    files.c.account,
    files.c.user_id,
    sqlite_where=text("uses = 0"),
    postgresql_where=text("uses = 0"),
)

file_uses = Table(
    "file_uses",
    metadata,
    Column("run_id", Text, nullable=False),
    Column("file_id", Text, nullable=False),
    PrimaryKeyConstraint("run_id", "file_id", name="pk_file_uses"),
    sqlite_with_rowid=False,
)
Index("ix_file_uses_file", file_uses.c.file_id)

log_heads = Table(
    "log_heads",
    metadata,
    Column("run_id", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("next_index", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("pending", Text, nullable=False),
    Column("owner", Text),
    Column("generation", BigInteger, nullable=False),
    Column("first_index", BigInteger, nullable=False, server_default="0"),
    # The least version of the reducer that may drive the run. 0 is any, as in all that earlier releases wrote.
    Column("reducer", Integer, nullable=False, server_default="0"),
    # 1 of a run without an owner that waits for a time alone.
    Column("asleep", Integer, nullable=False, server_default="0"),
    Column("recent", Text, nullable=False),
    PrimaryKeyConstraint("run_id", name="pk_log_heads"),
    sqlite_with_rowid=False,
)
Index("ix_log_heads_status", log_heads.c.status)

log_batches = Table(
    "log_batches",
    metadata,
    Column("run_id", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("first_index", BigInteger, nullable=False),
    Column("next_index", BigInteger, nullable=False),
    Column("entries", LargeBinary, nullable=False),
    PrimaryKeyConstraint("run_id", "epoch", "first_index", name="pk_log_batches"),
    sqlite_with_rowid=False,
)
