"""Accounts in the store: the same names in two of them meet nowhere; and what was there before is `default`'s."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, text
from tests.contract.store.samples import ALICE, BOB, COMPLETED, PAUSED, key, new_run, settlement, the_run

from interlock.database import Database, open_database
from interlock.store.migrate import _config, migrate
from interlock.store.port import NewRun, Outcome, RunFilter, Store, StreamTicket, WaitingFilter
from interlock.store.sql import SqlStore
from interlock.store.statements.runs import list_runs

OPS = "group:ops"


def run_in(account: str, run_id: str, namespace: str = "", user_id: str = ALICE, created_at: int = 1000) -> NewRun:
    return replace(new_run(run_id, user_id=user_id, created_at=created_at), account=account, namespace=namespace)


async def listed(store: Store, account: str, **which: Any) -> list[str]:
    return [run.run_id for run in (await store.runs(RunFilter(account, **which))).runs]


async def naming_ops(store: Store, run: NewRun) -> None:
    await store.create_run(run)
    await store.settle(replace(settlement(run.run_id, PAUSED, 1), assignees=(OPS,)))


async def test_a_list_is_of_one_account_however_it_is_asked_for(store: Store) -> None:
    for account in ("default", "acme"):
        await naming_ops(store, run_in(account, f"{account}'s"))
    for account in ("default", "acme"):
        own = [f"{account}'s"]
        assert await listed(store, account) == own
        assert await listed(store, account, user_id=ALICE) == own
        assert await listed(store, account, or_namespaces=frozenset({"user_alice"})) == own
        assert await listed(store, account, or_assignees=frozenset({OPS})) == own
        assert await listed(store, account, user_id=BOB, or_assignees=frozenset({OPS})) == own
    assert await listed(store, "nobody's") == []


async def test_a_run_is_where_it_was_put_and_without_that_at_home(store: Store) -> None:
    for run_id, user_id, namespace in (("one", ALICE, ""), ("two", "ada@x", ""), ("three", ALICE, "org_ops")):
        await store.create_run(run_in("acme", run_id, namespace, user_id))
    places = {run_id: (await the_run(store, run_id)).namespace for run_id in ("one", "two", "three")}
    assert places == {"one": "user_alice", "two": "user_ada:40x", "three": "org_ops"}
    assert (await the_run(store, "one")).account == "acme"


async def test_a_list_is_of_those_one_owns_and_those_in_ones_namespaces_newest_first_each_once(store: Store) -> None:
    for number, (run_id, namespace, user_id) in enumerate(
        (
            ("hers", "", ALICE),
            ("hers elsewhere", "org_ops", ALICE),
            ("his at home", "", BOB),
            ("his in ops", "org_ops", BOB),
            ("his at hers", "user_alice", BOB),
            ("of ada@x", "", "ada@x"),
        )
    ):
        await store.create_run(run_in("default", run_id, namespace, user_id, created_at=number))
    assert await listed(store, "default", user_id=ALICE) == ["hers elsewhere", "hers"]
    assert await listed(store, "default", user_id="ada@x") == ["of ada@x"]
    home, ops = frozenset({"user_alice"}), frozenset({"org_ops"})
    assert await listed(store, "default", user_id=ALICE, or_namespaces=home) == [
        "his at hers",
        "hers elsewhere",
        "hers",
    ]
    assert await listed(store, "default", or_namespaces=ops) == ["his in ops", "hers elsewhere"]
    all_hers = ["his at hers", "his in ops", "hers elsewhere", "hers"]
    assert await listed(store, "default", user_id=ALICE, or_namespaces=home | ops) == all_hers
    assert await listed(store, "default", user_id=ALICE, or_namespaces=home | ops, namespace="org_ops") == [
        "his in ops",
        "hers elsewhere",
    ]
    pages = await store.runs(RunFilter("default", user_id=ALICE, or_namespaces=home | ops, limit=3))
    assert [run.run_id for run in pages.runs] == all_hers[:3]
    more = RunFilter("default", user_id=ALICE, or_namespaces=home | ops, limit=3, cursor=pages.next_cursor)
    assert [run.run_id for run in (await store.runs(more)).runs] == all_hers[3:]


async def test_a_user_of_hundreds_of_groups_gets_a_list(store: Store) -> None:
    await store.create_run(run_in("default", "far", "org_group-699", BOB))
    groups = frozenset(f"org_group-{number}" for number in range(700))
    assert await listed(store, "default", user_id=ALICE, or_namespaces=groups) == ["far"]


async def test_the_same_idempotency_key_of_the_same_name_in_two_accounts_is_two(store: Store) -> None:
    ours, theirs = key(fingerprint="ours"), replace(key(fingerprint="theirs"), account="acme")
    assert await store.create_run(new_run("our"), ours) is None
    assert await store.create_run(run_in("acme", "their"), theirs) is None
    assert await store.create_run(run_in("acme", "again"), theirs) == Outcome("theirs", "their")
    assert await store.outcome(ALICE, "k") == Outcome("ours", "our")
    assert await store.outcome(ALICE, "k", account="acme") == Outcome("theirs", "their")
    assert await store.outcome(ALICE, "k", account="other") is None
    assert await store.outcome(f"acme\x1f{ALICE}", "k", account="other") is None
    assert await store.record("our", 0, [], replace(key("d"), account="acme"))
    assert await store.outcome(ALICE, "d", account="acme") is not None
    assert await store.outcome(ALICE, "d") is None


async def test_the_same_session_of_the_same_name_in_two_accounts_is_two(store: Store) -> None:
    for account in ("default", "acme"):
        await store.create_run(run_in(account, account))
        changes: list[Any] = [["set", ["of"], account]]
        await store.patch_session(ALICE, "session", account, [(1, changes)], account=account)
        await store.settle(replace(settlement(account, COMPLETED, 2), snapshot=None))
    for account in ("default", "acme"):
        assert await store.session_state(ALICE, "session", account=account) == {"of": account}
        state, _ = await store.session(ALICE, "session", account=account)
        assert state == {"of": account}
    assert await store.session_state(ALICE, "session", account="other") == {}


async def test_a_ticket_has_its_holders_place_and_is_revoked_by_nobody_of_another_account(store: Store) -> None:
    sets = frozenset({"read"}), frozenset({"ops"})
    ticket = StreamTicket("digest", "id", "/a", ALICE, *sets, 1000, "acme", frozenset({"project.x"}), "service")
    await store.keep_ticket(ticket)
    await store.revoke_ticket("id", ALICE)
    assert await store.ticket("digest") == ticket
    await store.revoke_ticket("id", ALICE, account="acme")
    assert await store.ticket("digest") is None


# ── From before ─────────────────────────────────────────────────────────────────────────────────────────

OLD_RUN = (
    "INSERT INTO runs (run_id, workflow_id, version, fingerprint, session_id, user_id, input, status, epoch,"
    " next_index, created_at, updated_at, pending, changed) VALUES"
    " ('{run}', 'release', '1.0', 'print', 'session', '{user}', '1', '{status}', 0, 9, {at}, 2000, '[]', 1)"
)


def before(connection: Connection) -> None:
    """The tables as they were before there were accounts, with a row or more in each that has one now."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "0006")
    for statement in (
        OLD_RUN.format(run="plain", user="alice", status="PAUSED", at=1),
        OLD_RUN.format(run="ended", user="alice", status="COMPLETED", at=2),
        OLD_RUN.format(run="mail", user="ada@x", status="PAUSED", at=3),
        "INSERT INTO run_assignees VALUES ('plain', 'bob')",
        "INSERT INTO snapshots VALUES ('ended', 0, 9, 1, 'state')",
        "INSERT INTO sessions VALUES ('alice', 'session', '{\"seen\":1}', 5)",
        "INSERT INTO idempotency_keys VALUES ('alice', 'k', 'body', 'plain', 4000000000000)",
        "INSERT INTO stream_tickets VALUES ('digest', 'id', '/a', 'alice', '[\"read\"]', '[]', 1000)",
    ):
        connection.exec_driver_sql(statement)


async def test_what_was_there_is_the_default_accounts_and_at_home(empty_database_url: str) -> None:
    database = open_database(empty_database_url)
    await database.write(before)
    await migrate(database)
    store = SqlStore(database)
    places = {run_id: await the_run(store, run_id) for run_id in ("plain", "ended", "mail")}
    assert {run.account for run in places.values()} == {"default"}
    assert {run_id: run.namespace for run_id, run in places.items()} == {
        "plain": "user_alice",
        "ended": "user_alice",
        "mail": "user_ada:40x",
    }
    assert await listed(store, "default") == ["mail", "ended", "plain"]
    assert await listed(store, "default", user_id=ALICE) == ["ended", "plain"]
    assert await listed(store, "default", user_id="ada@x") == ["mail"]
    assert await listed(store, "default", or_assignees=frozenset({BOB})) == ["plain"]
    assert await store.outcome(ALICE, "k") == Outcome("body", "plain")
    state, earlier = await store.session(ALICE, "session")
    assert (state, [run_id for run_id, _, _ in earlier]) == ({"seen": 1}, ["ended"])
    ticket = await store.ticket("digest")
    assert ticket is not None
    assert (ticket.account, ticket.namespaces, ticket.kind) == ("default", frozenset(), "user")
    assert [run_id for run_id, _ in await store.ended(9999)] == ["ended"]
    await database.close()


async def test_a_server_of_before_goes_on_writing_after_the_tables_were_moved(database: Database) -> None:
    store = SqlStore(database)
    old_key = (
        "INSERT INTO idempotency_keys (user_id, key, fingerprint, run_id, created_at)"
        " VALUES ('alice', 'k', 'body', 'late', 4000000000000)"
        " ON CONFLICT (user_id, key) DO NOTHING"
    )

    def writes(connection: Connection) -> None:
        for statement in (
            OLD_RUN.format(run="late", user="ada@x", status="PAUSED", at=1),
            "INSERT INTO run_assignees (run_id, assignee) VALUES ('late', 'bob') ON CONFLICT DO NOTHING",
            "INSERT INTO sessions (user_id, session_id, state, updated_at) VALUES ('alice', 's', '{}', 1)"
            " ON CONFLICT DO NOTHING",
            old_key,
            "INSERT INTO stream_tickets (digest, ticket_id, path, user_id, scopes, groups, expires_at)"
            " VALUES ('digest', 'id', '/a', 'alice', '[]', '[]', 1000)",
        ):
            connection.exec_driver_sql(statement)

    await database.write(writes)
    run = await the_run(store, "late")
    assert (run.account, run.namespace) == ("default", "user_ada:40x")
    assert await listed(store, "default", user_id="ada@x") == ["late"]
    assert await listed(store, "default", or_assignees=frozenset({BOB})) == ["late"]
    assert await store.outcome(ALICE, "k") == Outcome("body", "late")


NAMESPACED = [
    {"or_namespaces": frozenset({"user_ada:40x"})},
    {"user_id": "ada@x", "or_namespaces": frozenset({"user_ada:40x"}), "namespace": "user_ada:40x"},
    {"or_assignees": frozenset({BOB}), "namespace": "user_ada:40x"},
    {"namespace": "user_ada:40x"},
]


def beside(connection: Connection) -> None:
    """A server of before creates a run that waits and one that ended, after the tables were moved."""
    for statement in (
        OLD_RUN.format(run="late", user="ada@x", status="PAUSED", at=2).replace("'[]', 1)", '\'[{"id":"r1"}]\', 1)'),
        OLD_RUN.format(run="over", user="ada@x", status="COMPLETED", at=1),
        "INSERT INTO run_assignees (run_id, assignee) VALUES ('late', 'bob'), ('over', 'bob')",
    ):
        connection.exec_driver_sql(statement)


@pytest.mark.parametrize("which", NAMESPACED)
async def test_lists_by_namespace_have_the_runs_that_a_server_of_before_creates(
    store: Store, database: Database, which: dict[str, Any]
) -> None:
    await database.write(beside)
    assert await listed(store, "default", **which) == ["late", "over"]
    assert await listed(store, "default", **which) == ["late", "over"]


HOME = frozenset({"user_ada:40x"})
INBOXES = [
    WaitingFilter(namespaces=HOME, unnamed_of="bob"),
    WaitingFilter(unnamed_of="ada@x", namespace="user_ada:40x"),
    WaitingFilter(anybody=True, namespace="user_ada:40x"),
]


@pytest.mark.parametrize("which", INBOXES)
@pytest.mark.parametrize("settled_here", [False, True])
async def test_inboxes_by_namespace_have_them_also_if_a_server_of_this_version_settled_them(
    store: Store, database: Database, which: WaitingFilter, settled_here: bool
) -> None:
    await database.write(beside)
    if settled_here:
        await store.settle(replace(settlement("late", PAUSED, 10), pending=({"id": "r2"},)))
    for _ in range(2):
        assert [run.run_id for run in (await store.waiting(which)).runs] == ["late"]


async def test_more_of_them_than_are_put_right_at_a_time_are_all_found_once(
    store: Store, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interlock.store.sql.older.AT_A_TIME", 3)
    names = [f"run{number}" for number in range(10)]

    def writes(connection: Connection) -> None:
        for at, name in enumerate(names):
            connection.exec_driver_sql(OLD_RUN.format(run=name, user=ALICE, status="COMPLETED", at=at))

    await database.write(writes)
    pages = await asyncio.gather(*(listed(store, "default", namespace="user_alice") for _ in range(3)))
    assert pages == [names[::-1]] * 3


PAUSED_INDEX = "ix_runs_paused_namespace"

# ── What it costs ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("which", "indexes"),
    [
        ({}, {"ix_runs_account"}),
        ({"or_namespaces": frozenset({"org_ops"})}, {"ix_runs_namespace"}),
        (
            {"user_id": ALICE, "or_namespaces": frozenset({"user_alice", "org_ops"})},
            {"ix_runs_elsewhere", "ix_runs_namespace"},
        ),
        ({"user_id": ALICE}, {"ix_runs_elsewhere", "ix_runs_namespace"}),
        ({"namespace": "org_ops", "statuses": frozenset({"PAUSED"}), "id_prefix": "inst_"}, {PAUSED_INDEX}),
        (
            {
                "user_id": ALICE,
                "or_namespaces": frozenset({"user_alice", "org_ops"}),
                "or_assignees": frozenset({ALICE}),
                "namespace": "org_ops",
                "statuses": frozenset({"PAUSED"}),
            },
            {PAUSED_INDEX},
        ),
    ],
)
async def test_each_part_of_a_list_is_read_from_an_index_of_its_own(
    database: Database, which: dict[str, Any], indexes: set[str]
) -> None:
    asked: dict[str, Any] = {
        "account": "acme",
        "user_id": None,
        "or_namespaces": frozenset(),
        "or_assignees": frozenset(),
        "workflow_id": None,
        "session_id": None,
        "namespace": None,
        "business_key": None,
        "statuses": frozenset(),
        "id_prefix": None,
        "before": (1000, "r"),
        "limit": 20,
        **which,
    }

    def plan(connection: Connection) -> str:
        if database.dialect == "postgresql":
            connection.execute(text("SET LOCAL enable_seqscan = off"))
            connection.execute(text("SET LOCAL enable_bitmapscan = off"))
        dialect: Any = connection.dialect
        compiled = list_runs(**asked).compile(dialect=dialect, compile_kwargs={"literal_binds": True})
        explain = "EXPLAIN" if database.dialect == "postgresql" else "EXPLAIN QUERY PLAN"
        return str(connection.exec_driver_sql(f"{explain} {compiled}").all())

    planned = await database.read(plan)
    assert all(index in planned for index in indexes), planned
    assert "SCAN runs" not in planned.replace("SCAN runs USING INDEX", "")
