"""The clients of the HTTP API, against a server that answers as the reference prints it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from tests.client.api import HANG_UP, Api, Reply, api_server, data, error

from interlock_client import ActionRefused, Conflict, InvalidDecision, NotFound, ProtocolMisuse, RequestFailed, TooLate
from interlock_client.backoff import Backoff
from interlock_client.instances import Instance, Instances, Thread
from interlock_client.machines import Machines
from interlock_client.rest import TRIES, Rest
from interlock_client.watching import Watch

V1 = "/api/v1/workflows"
WHEN = "2026-01-20T12:00:00Z"

HALTED = {
    "id": "inst_xyz",
    "workflow_name": "approval_workflow",
    "version_id": "v_abc123",
    "namespace": "user_123",
    "status": "halted",
    "current_state": "await_approval",
    "workflow_data": {"request_id": "req_456", "amount": 5000, "status": "pending"},
    "halting_presentation": {"type": "form", "fields": [{"name": "approved", "type": "boolean"}]},
    "threads": [{"id": "thread_main", "status": "halted", "current_state": "await_approval", "halt_id": "halt_1"}],
    "halt_id": "halt_1",
    "history": [{"state": "request", "entered_at": WHEN, "exited_at": WHEN, "transition": "await_approval"}],
    "created_at": WHEN,
}
COMPLETED = {"id": "inst_xyz", "status": "completed", "current_state": "approved", "workflow_data": {"approved": True}}


class Tokens:
    """A token, and others after it."""

    def __init__(self, *tokens: str) -> None:
        self._tokens = list(tokens)

    async def token(self, *, fresh: bool = False) -> str | None:
        if fresh and len(self._tokens) > 1:
            del self._tokens[0]
        return self._tokens[0] if self._tokens else None


class Nobody:
    """Watches nothing: for tests that don't wait."""

    def watch(self, run_id: str) -> Any:
        raise AssertionError(f"nobody was to watch {run_id}")


@pytest.fixture
def api() -> Iterator[Api]:
    """The server."""
    with api_server() as api:
        yield api


def rest_of(api: Api, *tokens: str) -> Rest:
    return Rest(api.url, Tokens(*(tokens or ("abc",))), backoff=lambda: Backoff(first=0.001, longest=0.01))


@pytest.fixture
def machines(api: Api) -> Machines:
    return Machines(rest_of(api))


@pytest.fixture
def instances(api: Api) -> Instances:
    return Instances(rest_of(api), Nobody())


# ── Machines ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_definition_is_created_listed_and_published(api: Api, machines: Machines) -> None:
    draft = {"name": "approval_workflow", "version_id": "v_abc123", "status": "draft", "created_at": WHEN}
    api.book = {
        ("POST", V1): data(draft, 201),
        ("GET", f"{V1}/approval_workflow/versions"): data({"versions": [{**draft, "name": None}]}),
        ("POST", f"{V1}/approval_workflow/versions/v_abc123/publish"): data(
            {"version_id": "v_abc123", "status": "published", "published_at": WHEN}
        ),
    }
    definition = {"name": "approval_workflow", "initial_state": "end", "states": {"end": {"type": "terminal"}}}
    created = await machines.create(definition, only_new=True)
    assert (created.name, created.version_id, created.status) == ("approval_workflow", "v_abc123", "draft")
    assert [each.version_id for each in await machines.versions("approval_workflow")] == ["v_abc123"]
    assert (await machines.publish("approval_workflow", created)).published_at == WHEN
    first = api.received[0]
    assert first.body == definition
    assert (first.headers["authorization"], first.headers["if-none-match"]) == ("Bearer abc", "*")
    assert "idempotency-key" not in first.headers


async def test_a_version_is_read_drawn_and_deleted_while_it_is_a_draft(api: Api, machines: Machines) -> None:
    draft = {"name": "m", "version_id": "v 1", "status": "draft", "created_at": WHEN}
    definition = {"name": "m", "initial_state": "end", "states": {"end": {"type": "terminal"}}}
    at = f"{V1}/m/versions/v%201"
    api.book = {
        ("GET", at): data({**draft, "definition": definition}),
        ("GET", f"{at}/diagram"): data({"mermaid": "stateDiagram-v2"}),
        ("DELETE", at): Reply(204, b""),
    }
    found = await machines.version("m", "v 1")
    assert (found.status, found.definition) == ("draft", definition)
    assert await machines.diagram("m", found) == "stateDiagram-v2"
    await machines.delete_draft("m", found)
    assert [each.method for each in api.received] == ["GET", "GET", "DELETE"]


async def test_faults_of_a_definition_have_their_paths(api: Api, machines: Machines) -> None:
    fault = {"path": "states.start.transitions[0].target", "message": "Target state 'nonexistent' does not exist"}
    api.next.extend([data({"valid": True}), data({"valid": False, "errors": [fault]})])
    assert (await machines.validate({})).valid
    found = await machines.validate({})
    assert not found.valid
    assert [(each.path, each.message) for each in found.errors] == [(fault["path"], fault["message"])]


async def test_a_list_has_all_its_pages(api: Api, machines: Machines, instances: Instances) -> None:
    def machine(name: str) -> dict[str, object]:
        return {"name": name, "latest_version_id": "v_1", "published_version_id": None, "created_at": WHEN}

    pages = [
        data({"workflows": [machine("a"), machine("b")], "next_cursor": "c 1"}),
        data({"workflows": [machine("c")], "next_cursor": None}),
    ]
    api.next.extend(pages)
    found = await machines.list()
    assert [each.name for each in found] == ["a", "b", "c"]
    assert found[0].published_version_id is None
    assert [each.query for each in api.received] == ["", "cursor=c+1"]
    api.next.extend([data({"instances": [HALTED, HALTED], "next_cursor": "x"}), data({"instances": [HALTED]})])
    assert len(await instances.list(namespace="user_123", status="halted", limit=None)) == 3
    assert api.received[2].query == "namespace=user_123&status=halted&limit=200"
    api.next.append(data({"instances": [HALTED, HALTED], "next_cursor": "x"}))
    assert len(await instances.list(limit=2)) == 2  # and nothing more is asked for


# ── Instances ───────────────────────────────────────────────────────────────────────────────────────────


async def test_an_instance_is_created_and_read(api: Api, instances: Instances) -> None:
    api.book = {
        ("POST", f"{V1}/approval_workflow/instances"): data(HALTED, 201),
        ("GET", f"{V1}/instances/inst_xyz"): data(HALTED),
        ("GET", f"{V1}/instances/inst_xyz/threads"): data({"threads": HALTED["threads"]}),
    }
    made = await instances.create(
        "approval_workflow", {"amount": 5000}, namespace="user_123", version_id="v_abc123", wait=5
    )
    assert (made.status, made.current_state, made.workflow_data["amount"]) == ("halted", "await_approval", 5000)
    assert api.received[0].body == {"namespace": "user_123", "version_id": "v_abc123", "input": {"amount": 5000}}
    assert api.received[0].headers["prefer"] == "wait=5"
    found = await instances.get(made)
    assert (found.history[0].transition, found.threads[0].halt_id) == ("await_approval", "halt_1")
    assert found.halting_presentation is not None
    assert [each.id for each in await instances.threads(found)] == ["thread_main"]


async def test_a_resume_names_the_halt_that_its_instance_showed(api: Api, instances: Instances) -> None:
    api.book = {
        ("POST", f"{V1}/instances/inst_xyz/resume"): data(COMPLETED),
        ("POST", f"{V1}/instances/inst_xyz/threads/thread_main/resume"): data(COMPLETED),
    }
    halted = Instance.model_validate(HALTED)
    assert (await instances.resume(halted, {"approved": True})).has_ended
    await instances.resume("inst_xyz", {"approved": True}, expected_state="await_approval")
    await instances.resume_thread(halted, "thread_main", {"approved": True})
    await instances.resume_thread("inst_xyz", Thread(id="thread_main", status="halted", halt_id="halt_2"))
    given = {"input": {"approved": True}}
    assert [each.body for each in api.received] == [
        {**given, "halt_id": "halt_1"},
        {**given, "expected_state": "await_approval"},
        {**given, "halt_id": "halt_1"},
        {"input": {}, "halt_id": "halt_2"},
    ]


async def test_history_is_read_page_by_page(api: Api, instances: Instances) -> None:
    def page(index: int, *, more: bool) -> Reply:
        event = {"id": f"evt_0-{index}", "type": "lifecycle", "subtype": "created", "initial_state": "request"}
        pagination = {"has_more": more, "next_cursor": str(index) if more else None}
        head = {"instance_id": "inst_xyz", "workflow_id": "wf_abc", "status": "completed"}
        return data({**head, "events": [event], "pagination": pagination})

    api.next.extend([page(0, more=True), page(1, more=True), page(2, more=False)])
    found = [each async for each in instances.events("inst_xyz", types=["halt", "error"], include_data=True)]
    assert [each.id for each in found] == ["evt_0-0", "evt_0-1", "evt_0-2"]
    assert found[0].model_dump()["initial_state"] == "request"
    asked = "types=halt%2Cerror&include_data=true"
    assert [each.query for each in api.received] == [asked, f"{asked}&cursor=0", f"{asked}&cursor=1"]
    api.next.append(data({"id": "evt_0-1", "type": "halt", "subtype": "entered", "workflow_data": {"a": 1}}))
    assert (await instances.event("inst_xyz", "evt_0-1", include_data=True)).workflow_data == {"a": 1}


async def test_names_stay_within_their_part_of_the_path(api: Api, instances: Instances) -> None:
    api.next.append(data(HALTED))
    await instances.get("a/../b?c=1")
    assert api.received[0].path == f"{V1}/instances/a%2F..%2Fb%3Fc%3D1"
    for bad in ("", "..", "."):
        with pytest.raises(ProtocolMisuse, match="empty"):
            await instances.get(bad)


# ── Errors ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "instance_not_found", NotFound),
        (404, "version_not_found", NotFound),
        (409, "workflow_exists", Conflict),
        (409, "concurrent_modification", Conflict),
        (409, "idempotency_key_reused", Conflict),
        (400, "invalid_input", InvalidDecision),
        (400, "instance_not_active", TooLate),
        (400, "invalid_transition", InvalidDecision),
        (500, "script_error", ActionRefused),
        (400, "something_new", ActionRefused),
    ],
)
async def test_a_refusal_has_its_code_its_details_and_the_request(
    api: Api, instances: Instances, status: int, code: str, kind: type[ActionRefused]
) -> None:
    api.next.append(error(status, code, "So it is.", {"current_state": "approved", "instance_id": "inst_1"}))
    with pytest.raises(kind, match="So it is") as refused:
        await instances.resume("inst_xyz")
    found = refused.value
    assert type(found) is kind
    assert (found.code, found.status, found.request_id) == (code, status, "req_01F8B6XY9Z")
    assert (found.details["current_state"], found.run_id) == ("approved", "inst_1")
    assert len(api.received) == 1  # what was refused isn't tried again


@pytest.mark.parametrize("lost", [HANG_UP, Reply(502, b"<html>Bad gateway"), error(503, "unavailable")])
async def test_an_effect_whose_answer_was_lost_is_sent_again_under_its_key(
    api: Api, instances: Instances, lost: object
) -> None:
    for ask in (instances.create("m"), instances.resume("i"), instances.resume_thread("i", "t")):
        api.received.clear()
        api.next.extend([lost, lost, data(HALTED)])
        assert (await ask).id == "inst_xyz"
        keys = {each.headers["idempotency-key"] for each in api.received}
        assert (len(api.received), len(keys)) == (3, 1)


async def test_each_effect_has_a_key_of_its_own_and_the_caller_s_where_there_is_one(
    api: Api, instances: Instances
) -> None:
    api.next.extend([data(HALTED)] * 3)
    await instances.create("m")
    await instances.create("m")
    await instances.create("m", idempotency_key="order-1")
    one, other, given = (each.headers["idempotency-key"] for each in api.received)
    assert one != other
    assert given == "order-1"


async def test_what_makes_no_difference_is_sent_again(api: Api, machines: Machines, instances: Instances) -> None:
    api.next.extend([HANG_UP, data({"valid": True}), HANG_UP, data(HALTED), HANG_UP, data(HALTED)])
    assert (await machines.validate({})).valid
    await instances.get("i")
    await instances.cancel("i")
    assert len(api.received) == 6


async def test_what_may_not_happen_twice_is_sent_once(api: Api, machines: Machines) -> None:
    for ask in (machines.create({}), machines.publish("m", "v")):
        api.received.clear()
        api.next.append(HANG_UP)
        with pytest.raises(RequestFailed, match="No answer to POST"):
            await ask
        assert len(api.received) == 1


async def test_trying_again_ends(api: Api, instances: Instances) -> None:
    api.next.extend([HANG_UP] * 10)
    with pytest.raises(RequestFailed, match="No answer to GET"):
        await instances.get("i")
    assert len(api.received) == TRIES


async def test_a_server_that_isn_t_there_is_told(api: Api) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    api.url = f"http://127.0.0.1:{port}"
    with pytest.raises(RequestFailed, match="Connection refused"):
        await Machines(rest_of(api)).create({})


@pytest.mark.parametrize("strange", [Reply(404, {"error": "Not Found"}), Reply(200, b"<html>"), Reply(200, [1])])
async def test_another_server_is_told_from_this_one(api: Api, instances: Instances, strange: Reply) -> None:
    api.next.append(strange)
    with pytest.raises(RequestFailed, match="check the address"):
        await instances.get("i")


async def test_a_token_goes_to_no_other_address(api: Api, instances: Instances) -> None:
    with api_server() as other:
        api.next.append(Reply(302, b"", {"Location": f"{other.url}/x"}))
        with pytest.raises(RequestFailed, match="302"):
            await instances.get("i")
        assert other.received == []


async def test_a_rate_limit_is_waited_for_where_it_is_short(api: Api, machines: Machines) -> None:
    api.next.extend(
        [error(429, "rate_limited", Retry_After="0"), data({"name": "m", "version_id": "v", "status": "draft"})]
    )
    assert (await machines.create({})).version_id == "v"
    api.next.append(error(429, "rate_limited", Retry_After="60"))
    with pytest.raises(ActionRefused) as refused:
        await machines.create({})
    assert (refused.value.retryable, refused.value.retry_after) == (True, 60)


async def test_a_token_that_was_refused_is_renewed_once(api: Api) -> None:
    unauthorized = error(401, "unauthorized")
    api.next.extend([unauthorized, data(HALTED), unauthorized, unauthorized])
    instances = Instances(rest_of(api, "old", "new", "newer"), Nobody())
    await instances.get("i")
    assert [each.headers["authorization"] for each in api.received] == ["Bearer old", "Bearer new"]
    with pytest.raises(ActionRefused) as refused:
        await instances.get("i")
    assert refused.value.code == "unauthorized"


async def test_a_request_that_is_given_up_lets_its_task_go_at_once(api: Api, instances: Instances) -> None:
    there, go = asyncio.Event(), threading.Event()  # the server's thread may outlive this test's loop
    loop = asyncio.get_running_loop()

    def slow(_: object) -> Reply:
        loop.call_soon_threadsafe(there.set)
        go.wait(30)
        return data(HALTED)

    api.next.append(slow)
    asking = asyncio.create_task(instances.get("i"))
    await there.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    go.set()


def test_a_watch_knows_where_the_run_stands_from_any_of_its_events() -> None:
    watch = Watch("r")
    assert watch.wants_events
    assert watch.ask("1").snapshot
