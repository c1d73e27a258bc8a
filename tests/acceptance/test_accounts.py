"""Accounts on real servers: the same names in two of them, and nothing of the one is seen at any door of the other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import jwt
import pytest
from tests.support.live import (
    JWT_SECRET,
    PATIENCE,
    Live,
    Message,
    Talk,
    continue_with,
    eventually,
    live_server,
    storage_settings,
)
from tests.support.talk import Http, decided, http, path_of

from interlock import Confirm, Step, StepInput, Workflow

MINE, THEIRS, OLD = "acme", "umbrella", "default"
SCOPES = "workflows:execute workflows:decide workflows:read"


def remember(step_input: StepInput) -> str:
    """Keep what was said in the session, and tell what was said in it before."""
    before = step_input.session.state.get("said", [])
    step_input.session.state["said"] = [*before, step_input.input]
    return ",".join([*before, *(run.run_id for run in step_input.session.runs)])


def done(_: StepInput) -> str:
    return "done"


def where(step_input: StepInput) -> str:
    return f"{step_input.account} {step_input.namespace} {step_input.user_id}"


workflows = [
    Workflow("confirm", steps=[Step("publish", done, human_review=Confirm("Publish?"))]),
    Workflow("grouped", steps=[Step("publish", done, human_review=Confirm("Publish?", assignees=["group:reviewers"]))]),
    Workflow("remember", steps=[Step("remember", remember)]),
    Workflow("where", steps=[Step("ask", done, human_review=Confirm("Where?")), Step("where", where)]),
]


def token(user_id: str, account: str | None = None, scope: str = SCOPES, **said: Any) -> str:
    """A token of the issuer that is trusted to choose."""
    of_account = {} if account is None else {"account": account}
    claims = {"sub": user_id, "iss": "id", "scope": scope, "exp": datetime.now(UTC) + timedelta(hours=1)}
    return jwt.encode({**claims, **of_account, **said}, JWT_SECRET, "HS256")


STRANGERS = {
    "the same user of another account": token("alice", THEIRS),
    "another account's admin": token("root", THEIRS, "admin"),
    "another account's admin of the same name": token("alice", THEIRS, "admin", groups=["reviewers"]),
    "another account's service": token("alice", THEIRS, kind="service", namespaces=["user_alice", "org_reviewers"]),
    "the default account's admin": token("root", None, "admin"),
    "another user of the account": token("bob", MINE),
    "a token whose account nobody reads": token("alice", None, kind="service"),
}
"""Who has no business with a run of Alice's of `acme`."""


@pytest.fixture(scope="module", params=["sqlite", "redis+postgresql"])
def live(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, redis_url: str, postgres_url: str
) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("accounts")
    trusted = {"jwt_issuer": "id", "jwt_trusted_claims": "account,namespaces,kind", "agentos": "beside"}
    with (
        storage_settings(request.param, folder, redis_url=redis_url, postgres_url=postgres_url) as settings,
        live_server(workflows, **settings, **trusted) as server,
    ):
        yield server


async def paused(talk: Talk, workflow_id: str = "confirm", **fields: Any) -> Message:
    return (await talk.until_pause(await talk.start(workflow_id, **fields)))[-1]


async def answer(talk: Talk, **action: Any) -> Message:
    await talk.send(action, request_id="ask")
    return (await talk.until("ack", "error", request_id="ask"))[-1]


async def rows(client: Http, path: str = "/runs", **query: str) -> list[str]:
    response = await client.get(path, params=query)
    assert response.status_code == 200, response.text
    return [run["run_id"] for run in response.json()["runs"]]


async def followed(talk: Talk, **which: Any) -> list[str]:
    """The run ids of a list, as the socket first has it."""
    await talk.send(action="follow-runs", list="all", filter=which)
    heard = await talk.until("runs_listed", list="all")
    return [each["run"]["run_id"] for each in heard if each["event"] == "run_changed"]


async def has_settled(client: Http, run_id: str) -> bool:
    """Whether the row of a run says that it has ended, behind which its session is saved."""
    return run_id in await rows(client, status="COMPLETED")


# ── Strangers ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("stranger", STRANGERS)
async def test_on_a_socket_a_run_of_another_account_is_not_there(live: Live, stranger: str) -> None:
    async with live.talk(token("alice", MINE)) as alice, live.talk(STRANGERS[stranger]) as other:
        run = await paused(alice)
        of_run = {"run_id": run["run_id"], "workflow_id": "confirm"}
        for action in (
            {"action": "reconnect", "run_id": run["run_id"], "snapshot": True},
            {"action": "unfollow", "run_id": run["run_id"]},
            {"action": "cancel-workflow", **of_run},
            continue_with(run, confirmed=True),
        ):
            refused, missing = [await answer(other, **{**action, "run_id": id_}) for id_ in (run["run_id"], "run-none")]
            assert (refused["event"], refused["code"]) == ("error", "run_not_found"), action["action"]
            assert refused["error"] == missing["error"], "nothing tells it from a run that isn't there"
        assert run["run_id"] not in await followed(other)
        assert run["run_id"] not in await followed(other, namespace="user_alice")
        await alice.send(continue_with(run, confirmed=True))
        await alice.until("WorkflowCompleted")
        assert [each for each in await other.settled() if each.get("run_id") == run["run_id"]] == []


@pytest.mark.parametrize("stranger", STRANGERS)
async def test_over_http_a_run_of_another_account_is_not_there(live: Live, stranger: str) -> None:
    async with http(live, token("alice", MINE)) as alice, http(live, STRANGERS[stranger]) as other:
        run = (await alice.start("confirm"))[-1]
        path = path_of(run)
        refusals = [
            await other.get(path),
            await other.get(f"{path}/resume"),
            await other.post(f"{path}/cancel"),
            await other.post(f"{path}/continue", decided(run, confirmed=True)),
            await other.post("/stream-tickets", {"path": f"{path}/resume"}),
            await other.get(f"/agentos{path}"),
            await other.post(f"/agentos{path}/cancel"),
        ]
        assert {(each.status_code, each.json()["code"]) for each in refusals} == {(404, "run_not_found")}
        for where in ("/runs", "/workflows/confirm/runs"):
            assert run["run_id"] not in await rows(other, where)
            assert run["run_id"] not in await rows(other, where, namespace="user_alice")
            assert run["run_id"] in await rows(alice, where, namespace="user_alice")
        assert (await alice.get(path)).json()["status"] == "PAUSED"


async def test_groups_of_the_same_name_in_two_accounts_are_two(live: Live) -> None:
    async with AsyncExitStack() as stack:
        carols = [token("carol", account, groups=["reviewers"]) for account in (MINE, THEIRS)]
        hers, other = [await stack.enter_async_context(live.talk(each)) for each in carols]
        alice = await stack.enter_async_context(live.talk(token("alice", MINE)))
        run = await paused(alice, "grouped")
        assert run["run_id"] in await followed(hers, waiting_for_me=True)
        assert run["run_id"] not in await followed(other, waiting_for_me=True)
        assert (await answer(other, **continue_with(run, confirmed=True)))["code"] == "run_not_found"
        assert (await answer(hers, **continue_with(run, confirmed=True)))["event"] == "ack"
        await alice.until("WorkflowCompleted")


async def test_a_session_of_the_same_user_and_name_in_two_accounts_is_two(live: Live) -> None:
    for account in (MINE, THEIRS, OLD):
        dora = token("dora", account)
        async with live.talk(dora) as talk, http(live, dora) as client:
            said = []
            for word in ("one", "two"):
                run_id = await talk.start("remember", word, session_id="shared")
                said.append((await talk.until("WorkflowCompleted"))[-1])
                await eventually(partial(has_settled, client, run_id))
        first = said[0]["run_id"]
        assert [each["content"] for each in said] == ["", f"one,{first}"]


async def test_an_idempotency_key_of_the_same_user_and_name_in_two_accounts_is_two(live: Live) -> None:
    started = {}
    for account in (MINE, THEIRS, OLD):
        async with live.talk(token("kim", account)) as kim:
            run = await paused(kim, idempotency_key="once")
            assert await kim.start("confirm", idempotency_key="once") == run["run_id"]
            started[account] = run["run_id"]
            for _ in range(2):
                ack = await answer(kim, **continue_with(run, confirmed=True), idempotency_key="decided")
                assert ack["event"] == "ack", "another account's key isn't in its way"
    assert len(set(started.values())) == 3


async def test_a_socket_is_one_persons_for_good(live: Live) -> None:
    async with live.talk(token("alice", MINE)) as alice:
        await alice.send(action="authenticate", token=token("alice", THEIRS))
        assert (await alice.next())["event"] == "auth_error"
        await alice.send(action="authenticate", token=token("alice", MINE))
        assert (await alice.next())["event"] == "authenticated"


async def test_a_stream_ticket_opens_for_whom_it_was_issued_and_is_revoked_by_nobody_else(live: Live) -> None:
    async with (
        http(live, token("alice", MINE)) as alice,
        http(live, token("alice", THEIRS)) as other,
        http(live, None) as page,
    ):
        run = (await alice.start("confirm"))[-1]
        issued = (await alice.post("/stream-tickets", {"path": f"{path_of(run)}/resume"})).json()
        await other.ask("DELETE", f"/stream-tickets/{issued['id']}")
        query = {"ticket": issued["ticket"]}
        assert (await page.events("GET", issued["path"], params=query))[-1]["status"] == "PAUSED"
        await alice.ask("DELETE", f"/stream-tickets/{issued['id']}")
        assert (await page.get(issued["path"], params=query)).status_code == 401


# ── Namespaces ──────────────────────────────────────────────────────────────────────────────────────────


async def test_authenticated_tells_the_account_and_the_namespaces(live: Live) -> None:
    async with live.connect() as talk:
        said = await talk.authenticate(token("ada@x", MINE, groups=["ops"], namespaces=["project.x"]))
        assert (said["account"], said["namespaces"]) == (MINE, ["org_ops", "project.x", "user_ada:40x"])
    async with live.connect() as talk:
        said = await talk.authenticate("token-root")
        assert (said["account"], said["namespaces"]) == (OLD, ["*", "user_root"])


async def test_a_run_is_started_at_home_or_where_one_lives_and_nowhere_else(live: Live) -> None:
    ops = token("olga", MINE, groups=["ops"])
    async with live.talk(ops) as olga, http(live, ops) as client:
        at_home = await olga.start("confirm")
        in_ops = await olga.start("confirm", namespace="org_ops")
        for namespace in ("user_alice", "org_finance", "user_olga2"):
            refused = await answer(olga, action="start-workflow", workflow_id="confirm", namespace=namespace)
            assert refused["code"] == "forbidden"
            over_http = await client.post("/workflows/confirm/runs", {"namespace": namespace})
            assert (over_http.status_code, over_http.json()["code"]) == (403, "forbidden")
        wrong = await answer(olga, action="start-workflow", workflow_id="confirm", namespace="a b")
        assert wrong["code"] == "invalid_message"
        by_http = (await client.start("confirm", namespace="org_ops"))[-1]["run_id"]
        listed = {run["run_id"]: run["namespace"] for run in (await client.get("/runs")).json()["runs"]}
        assert listed == {at_home: "user_olga", in_ops: "org_ops", by_http: "org_ops"}
        assert await rows(client, namespace="org_ops") == [by_http, in_ops]
        assert await followed(olga, namespace="user_olga") == [at_home]
        wanted = {"namespace": "org_ops"}
        assert (await client.get("/workflows", params=wanted)).json() == (await client.get("/workflows")).json()
        assert (await client.get("/workflows", params={"namespace": "org_x"})).json() == {"workflows": []}
        assert (await client.get("/runs", params={"namespace": "a b"})).status_code == 422


async def test_a_step_and_the_first_event_know_where_the_run_is(live: Live) -> None:
    async with live.talk(token("olaf", MINE, groups=["ops"])) as olaf:
        for namespace, more in (("user_olaf", {}), ("org_ops", {"namespace": "org_ops"})):
            run_id = await olaf.start("where", **more)
            heard = await olaf.until_pause(run_id)
            assert next(each for each in heard if each["event"] == "WorkflowStarted")["namespace"] == namespace
            await olaf.send(continue_with(heard[-1], confirmed=True))
            assert (await olaf.until("WorkflowCompleted"))[-1]["content"] == f"{MINE} {namespace} olaf"


async def test_whoever_lives_in_a_namespace_sees_decides_and_cancels_what_runs_there(live: Live) -> None:
    async with AsyncExitStack() as stack:
        names = ("paul", "petra")
        tokens = [token(name, MINE, namespaces=["project.y"]) for name in names]
        paul, petra = [await stack.enter_async_context(live.talk(each)) for each in tokens]
        watching = await stack.enter_async_context(live.talk(tokens[1]))
        assert await followed(watching, namespace="project.y") == []
        first, second = [await paused(paul, namespace="project.y") for _ in range(2)]
        await watching.until_changed("PAUSED", second["run_id"])
        assert await followed(petra) == [second["run_id"], first["run_id"]]
        assert (await answer(petra, **continue_with(first, confirmed=True)))["event"] == "ack"
        assert (await paul.until("WorkflowCompleted"))[-1]["run_id"] == first["run_id"]
        of_run = {"run_id": second["run_id"], "workflow_id": "confirm"}
        assert (await answer(petra, action="cancel-workflow", **of_run))["event"] == "ack"
        # Whoever lives there no more keeps what is their own, and what others started is gone.
        async with http(live, token("paul", MINE)) as left, http(live, token("petra", MINE)) as stranger:
            assert set(await rows(left)) == {first["run_id"], second["run_id"]}
            assert await rows(stranger) == []


async def test_a_service_works_for_its_whole_account_and_for_no_other(live: Live) -> None:
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(live.talk(token("bot", MINE, kind="service")))
        alices = [await stack.enter_async_context(live.talk(token("alice", each))) for each in (MINE, THEIRS)]
        ours, theirs = [await paused(each) for each in alices]
        grouped = await paused(alices[0], "grouped")
        seen = await followed(service)
        assert {ours["run_id"], grouped["run_id"]} <= set(seen)
        assert theirs["run_id"] not in seen
        assert (await answer(service, **continue_with(ours, confirmed=True)))["event"] == "ack"
        others = await answer(service, **continue_with(grouped, confirmed=True))
        assert others["code"] == "forbidden", "what names others is theirs"
        made = await paused(service, namespace="user_alice")
        assert made["run_id"] in await followed(alices[0], namespace="user_alice")


async def test_an_admin_acts_for_a_user_of_its_own_account(live: Live) -> None:
    async with live.talk(token("root", THEIRS, "admin")) as root, http(live, token("zoe", THEIRS)) as zoe:
        run_id = await root.start("confirm", user_id="zoe")
        listed = (await zoe.get("/runs")).json()["runs"]
        assert [(run["run_id"], run["namespace"]) for run in listed] == [(run_id, "user_zoe")]
    async with http(live, token("zoe", MINE)) as another:
        assert await rows(another) == []


# ── The rest of the house ───────────────────────────────────────────────────────────────────────────────


async def test_a_client_of_agentos_is_at_home_in_its_account(live: Live) -> None:
    form = {"message": "hello", "stream": "false", "session_id": "agentos"}
    ids = {}
    for account in (MINE, THEIRS):
        headers = {"Authorization": f"Bearer {token('gus', account)}"}
        async with httpx.AsyncClient(base_url=live.http_url, headers=headers, timeout=PATIENCE) as client:
            run = (await client.post("/agentos/workflows/confirm/runs", data=form)).json()
            ids[account] = run["run_id"]
            of_session = (await client.get("/agentos/sessions/agentos/runs")).json()
            assert [each["run_id"] for each in of_session] == [run["run_id"]]
            listed = (await client.get("/runs")).json()["runs"]
            assert [(each["run_id"], each["namespace"]) for each in listed] == [(run["run_id"], "user_gus")]
    assert ids[MINE] != ids[THEIRS]


async def test_metrics_are_for_the_default_accounts_admins(live: Live) -> None:
    for account, status in ((None, 200), (MINE, 403)):
        async with http(live, token("root", account, "admin")) as root:
            assert (await root.get("/metrics")).status_code == status


async def test_budgets_are_the_accounts_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    limits = {"rate_limit_per_user": "3/hour", "max_connections_per_user": 1}
    trusted = {"jwt_issuer": "id", "jwt_trusted_claims": "account"}
    with live_server(workflows, data_dir=tmp_path_factory.mktemp("budgets"), **limits, **trusted) as server:
        async with http(server, token("alice", MINE)) as mine, http(server, token("alice", THEIRS)) as theirs:
            spent = [(await mine.get("/workflows")).status_code for _ in range(4)]
            assert spent == [200, 200, 200, 429]
            assert (await theirs.get("/workflows")).status_code == 200
        zoe, another = token("zoe", MINE), token("zoe", THEIRS)
        async with server.talk(zoe), server.talk(another), server.connect() as second:
            await second.send(action="authenticate", token=zoe)
            assert await second.closed() is not None


async def test_old_tokens_go_on_as_they_were(live: Live) -> None:
    async with live.talk("token-alice") as alice, live.talk("token-carol") as carol, live.talk("token-root") as root:
        run = await paused(alice, "grouped")
        assert run["run_id"] in await followed(alice)
        assert run["run_id"] in await followed(root)
        assert run["run_id"] in await followed(carol, waiting_for_me=True)
        assert (await answer(alice, **continue_with(run, confirmed=True)))["code"] == "forbidden"
        assert (await answer(carol, **continue_with(run, confirmed=True)))["event"] == "ack"
        await asyncio.wait_for(alice.until("WorkflowCompleted"), PATIENCE)
