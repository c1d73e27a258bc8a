"""Instances of state machines over /api/v1."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.http.workflows import workflows
from tests.support.api_v1 import api, data_of, error_of
from tests.support.live import Live, eventually

from interlock.http.v1.bodies import MAX_INPUT_BYTES

READER, ROOT, FAR, BOB, SERVICE = "token-reader", "token-root", "token-far", "token-bob", "token-service"
INSTANCES = "/workflows/instances"


def path_of(instance: Any) -> str:
    return f"{INSTANCES}/{instance['id']}"


# ── From the beginning to the end ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("amount", "inputs", "came_through"),
    [
        (500, [], ["submit", "auto"]),
        (5000, [{"approved": True}], ["submit", "manager", "done"]),
        (15000, [{"approved": True}, {"approved": True}], ["submit", "manager", "vp", "done"]),
        (5000, [{"approved": False, "comment": "no"}], ["submit", "manager", "rejected"]),
    ],
)
async def test_instance_goes_its_way_by_its_input(
    machine_live_on_each: Live, amount: int, inputs: list[Any], came_through: list[str]
) -> None:
    async with api(machine_live_on_each) as alice:
        instance = await alice.create("purchase", {"amount": amount})
        assert instance["id"].startswith("inst_")
        for given in inputs:
            assert instance["status"] == "halted"
            assert instance["halting_presentation"]["title"] == f"Purchase of {amount}"
            instance = await alice.resume(instance, given)
        assert (instance["status"], instance["current_state"]) == ("completed", came_through[-1])
        data = {"amount": amount, "status": "pending"} | {key: value for each in inputs for key, value in each.items()}
        assert instance["workflow_data"] == data

        shown = await alice.get(path_of(instance))
        assert [each["state"] for each in shown["history"]] == came_through
        assert [each.get("transition") for each in shown["history"]] == [*came_through[1:], None]
        assert {key: value for key, value in shown.items() if key != "history"} == instance
        received = [each["input_received"] for each in shown["history"] if "input_received" in each]
        assert received == inputs
        assert {each["resumed_by"] for each in shown["history"] if "resumed_by" in each} <= {"alice"}


async def test_halted_instance_tells_what_it_asks(machine_live: Live) -> None:
    async with api(machine_live) as alice:
        instance = await alice.create("chosen", {"id": 7})
        options = instance["halted_options"]
        assert instance["halted_at_state"] == "ask"
        assert options["transition_mode"] == "selection"
        assert options["generated"] is False
        assert options["choices"] == [
            {"key": "approve", "description": "Approve the order", "to": "yes"},
            {"key": "reject", "description": "Reject the order", "to": "no"},
        ]
        done = await alice.resume(instance, {"choice": "approve"})
        assert (done["status"], done["current_state"]) == ("completed", "yes")
        other = await alice.create("chosen")
        done = await alice.post(f"{path_of(other)}/resume", {"choice": "reject"})
        assert done["current_state"] == "no"


async def test_wrong_selection_is_refused(machine_live: Live) -> None:
    async with api(machine_live) as alice:
        instance = await alice.create("chosen")
        assert await alice.refused("POST", f"{path_of(instance)}/resume", {"choice": "maybe"}) == (400, "invalid_input")


async def test_instance_that_fails_otherwise_than_by_its_logic_is_told_as_it_is(machine_live: Live) -> None:
    async with api(machine_live) as alice:
        instance = await alice.create("broken")
        assert (instance["status"], instance["current_state"]) == ("failed", "work")
        assert instance["error"] == "RuntimeError: broken"
        assert [each["status"] for each in instance["threads"]] == ["failed"]


@pytest.mark.parametrize("code", ["script_error", "script_timeout", "http_error", "http_timeout"])
async def test_failed_logic_is_an_error_that_names_the_instance(machine_live: Live, code: str) -> None:
    async with api(machine_live) as alice:
        given = {"input": {"code": code}}
        response = await alice.ask("POST", "/workflows/failing/instances", given, {"Idempotency-Key": f"one-{code}"})
        error = error_of(response)
        assert (response.status_code, error["code"], error["message"]) == (500, code, "the logic failed")
        failed = await alice.get(f"{INSTANCES}/{error['details']['instance_id']}")
        assert (failed["status"], failed["error"]) == ("failed", f"{code}: the logic failed")
        # It had an effect, so its answer is kept like any other.
        again = await alice.ask("POST", "/workflows/failing/instances", given, {"Idempotency-Key": f"one-{code}"})
        assert (again.status_code, again.content) == (response.status_code, response.content)


# ── Waiting ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_caller_waits_as_long_as_they_prefer(machine_live: Live) -> None:
    async with api(machine_live) as alice:
        body = {"input": {"seconds": 4}}
        response = await alice.ask("POST", "/workflows/at_once/instances", body, {"Prefer": "wait=0"})
        instance = data_of(response, 201)
        assert instance["status"] == "running"
        assert response.headers["Preference-Applied"] == "wait=0"

        async def has_ended() -> bool:
            return bool((await alice.get(path_of(instance)))["status"] == "completed")

        await eventually(has_ended)
        whole = await alice.ask("POST", "/workflows/at_once/instances", {"input": {"seconds": 0.3}})
        assert data_of(whole, 201)["status"] == "completed"
        assert "Preference-Applied" not in whole.headers


# ── Input ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_input_that_does_not_fit_changes_nothing_and_names_each_field(machine_live: Live) -> None:
    async with api(machine_live) as alice:
        instance = await alice.create("purchase", {"amount": 5000})
        path = f"{path_of(instance)}/resume"
        response = await alice.ask("POST", path, {"input": {"approved": "yes", "amount": 1}})
        error = error_of(response)
        assert (response.status_code, error["code"]) == (400, "invalid_input")
        assert {each["field"] for each in error["details"]} == {"approved", "amount"}
        assert await alice.refused("POST", path, {"input": {"approved": False}}) == (400, "invalid_transition")
        shown = await alice.get(path_of(instance))
        assert (shown["status"], shown["workflow_data"]) == ("halted", {"amount": 5000, "status": "pending"})
        assert (await alice.resume(instance, {"approved": True}))["status"] == "completed"


async def test_too_large_inputs_are_refused(machine_live: Live) -> None:
    async with api(machine_live) as alice:
        limit = {"x": "x" * (MAX_INPUT_BYTES - len('{"x":""}'))}
        over = {"x": limit["x"] + "x"}
        instance = await alice.create("slowly", limit)
        too_large = (413, "payload_too_large")
        assert await alice.refused("POST", "/workflows/slowly/instances", {"input": over}) == too_large
        assert await alice.refused("POST", f"{path_of(instance)}/resume", {"input": over}) == too_large
        assert (await alice.resume(instance, limit))["status"] == "completed"


@pytest.mark.parametrize("body", [{"input": []}, {"input": 1}, {"namespace": "a b"}, {"namespace": 1}])
async def test_body_that_is_not_right_is_refused(machine_live: Live, body: Any) -> None:
    async with api(machine_live) as alice:
        assert await alice.refused("POST", "/workflows/slowly/instances", body) == (400, "invalid_request")


# ── Repeated and concurrent resumes ─────────────────────────────────────────────────────────────────────


async def test_same_resume_of_a_named_halt_again_gets_the_same_result(machine_live: Live) -> None:
    async with api(machine_live) as alice:
        instance = await alice.create("purchase", {"amount": 20_000})
        first = {"approved": True}
        for name in ({"halt_id": instance["halt_id"]}, {"expected_state": "manager"}):
            assert (await alice.resume(instance, first, **name))["current_state"] == "vp"
        conflict = await alice.ask(
            "POST", f"{path_of(instance)}/resume", {"input": {"approved": False}, "expected_state": "manager"}
        )
        assert (conflict.status_code, error_of(conflict)["code"]) == (409, "concurrent_modification")
        assert error_of(conflict)["details"] == {"current_state": "vp", "expected_state": "manager"}

        done = await alice.resume(instance, first)
        assert done["status"] == "completed"
        path = f"{path_of(instance)}/resume"
        assert await alice.resume(instance, first, expected_state="vp") == done
        assert await alice.resume(instance, first, halt_id=instance["halt_id"]) == done
        assert await alice.refused("POST", path, {"input": first}) == (400, "instance_not_halted")
        other = {"input": {"approved": False}, "expected_state": "vp"}
        assert await alice.refused("POST", path, other) == (409, "concurrent_modification")
        never = {"input": first, "expected_state": "auto"}
        assert await alice.refused("POST", path, never) == (409, "concurrent_modification")
        unknown = {"input": first, "halt_id": "req-x"}
        assert await alice.refused("POST", path, unknown) == (400, "instance_not_halted")


async def test_of_many_different_resumes_at_once_one_wins(machine_live_on_each: Live) -> None:
    async with api(machine_live_on_each) as alice:
        instance = await alice.create("slowly")
        path = f"{path_of(instance)}/resume"
        halt = {"halt_id": instance["halt_id"]}
        answers = await asyncio.gather(
            *(alice.ask("POST", path, {"input": {"seconds": 0.1, "n": n % 3}, **halt}) for n in range(9))
        )
        won = {each.json()["data"]["workflow_data"]["n"] for each in answers if each.status_code == 200}
        assert len(won) == 1
        assert sum(each.status_code == 200 for each in answers) == 3
        assert {error_of(each)["code"] for each in answers if each.status_code != 200} == {"concurrent_modification"}


async def test_same_input_while_the_first_is_at_work_gets_the_same_result(machine_live: Live) -> None:
    async with api(machine_live) as alice:
        instance = await alice.create("slowly")
        path = f"{path_of(instance)}/resume"
        given = {"input": {"seconds": 0.5}}
        first = asyncio.create_task(alice.ask("POST", path, given))

        async def runs() -> bool:
            return bool((await alice.get(path_of(instance)))["status"] == "running")

        await eventually(runs)
        again, other = await asyncio.gather(
            alice.ask("POST", path, given), alice.ask("POST", path, {"input": {"seconds": 9}})
        )
        assert data_of(again, 200) == data_of(await first, 200)
        assert (other.status_code, error_of(other)["code"]) == (409, "concurrent_modification")


# ── Idempotency keys ────────────────────────────────────────────────────────────────────────────────────


async def test_request_with_the_same_key_gets_the_first_answer(machine_live_on_each: Live) -> None:
    async with api(machine_live_on_each) as alice:
        key, begin = {"Idempotency-Key": "order_1"}, "/workflows/purchase/instances"
        body = {"input": {"amount": 20_000}}
        first = await alice.ask("POST", begin, body, key)
        again = await alice.ask("POST", begin, body, key)
        assert (again.status_code, again.content) == (201, first.content)
        other = {"input": {"amount": 1}}
        assert await alice.refused("POST", begin, other, Idempotency_Key="order_1") == (409, "idempotency_key_reused")

        instance = data_of(first, 201)
        resume, given = f"{path_of(instance)}/resume", {"input": {"approved": True}}
        resumed = await alice.ask("POST", resume, given, key)  # another path: another key
        assert data_of(resumed, 200)["current_state"] == "vp"
        again = await alice.ask("POST", resume, given, key)
        assert (again.status_code, again.content) == (200, resumed.content)
        listed = await alice.get(INSTANCES, workflow_name="purchase", status="halted")
        assert [each["id"] for each in listed["instances"]].count(instance["id"]) == 1


async def test_many_requests_with_one_key_make_one_instance(machine_live_on_each: Live) -> None:
    async with api(machine_live_on_each) as alice:
        body, key = {"input": {"seconds": 0.1}}, {"Idempotency-Key": "at-once"}
        answers = await asyncio.gather(
            *(alice.ask("POST", "/workflows/at_once/instances", body, key) for _ in range(10))
        )
        assert len({each.content for each in answers}) == 1
        assert {each.status_code for each in answers} == {201}


async def test_refusal_is_not_kept(machine_live: Live) -> None:
    async with api(machine_live) as alice:
        instance = await alice.create("purchase", {"amount": 5000})
        path, key = f"{path_of(instance)}/resume", "refused"
        assert await alice.refused("POST", path, {"input": {"approved": 1}}, Idempotency_Key=key) == (
            400,
            "invalid_input",
        )
        assert (await alice.post(path, {"input": {"approved": True}}, Idempotency_Key=key))["status"] == "completed"


async def test_key_is_its_user_s_own(machine_live: Live) -> None:
    async with api(machine_live) as alice, api(machine_live, BOB) as bob:
        hers = await alice.post("/workflows/chosen/instances", {}, 201, Idempotency_Key="shared")
        his = await bob.post("/workflows/chosen/instances", {}, 201, Idempotency_Key="shared")
        assert hers["id"] != his["id"]


# ── Threads ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_threads_are_resumed_each_by_itself(machine_live_on_each: Live) -> None:
    async with api(machine_live_on_each) as alice:
        instance = await alice.create("threads")
        path = path_of(instance)
        ambiguous = await alice.ask("POST", f"{path}/resume", {"input": {}})
        assert (ambiguous.status_code, error_of(ambiguous)["code"]) == (400, "thread_required")
        assert error_of(ambiguous)["details"] == {"threads": ["thread_finance", "thread_legal"]}

        told = await alice.post(f"{path}/threads/thread_finance/resume", {"input": {"ok": 1}})
        assert told["status"] == "halted"  # another thread still waits
        assert _threads(told) == {
            "thread_main": ("running", "both"),
            "thread_finance": ("completed", "finance_done"),
            "thread_legal": ("halted", "ask_legal"),
        }
        assert (await alice.get(f"{path}/threads"))["threads"] == told["threads"]
        gone = f"{path}/threads/thread_finance/resume"
        assert await alice.refused("POST", gone, {"input": {"ok": 2}}) == (409, "concurrent_modification")
        unknown = f"{path}/threads/thread_sales/resume"
        assert await alice.refused("POST", unknown, {"input": {}}) == (404, "thread_not_found")

        told = await alice.resume(instance, {"fine": True}, thread_id="thread_legal")
        assert _threads(told)["thread_legal"] == ("halted", "legal_again")
        done = await alice.resume(instance)  # the only one that waits
        assert (done["status"], done["current_state"]) == ("completed", "end")
        assert done["workflow_data"] == {"ok": 1, "fine": True}


async def test_different_threads_at_once_are_both_resumed(machine_live_on_each: Live) -> None:
    async with api(machine_live_on_each) as alice:
        instance = await alice.create("threads")
        path = f"{path_of(instance)}/threads"
        await asyncio.gather(
            *(alice.post(f"{path}/thread_{each}/resume", {"input": {each: 1}}) for each in ("finance", "legal"))
        )
        shown = await alice.get(path_of(instance))
        assert shown["workflow_data"] == {"finance": 1, "legal": 1}
        assert _threads(shown)["thread_legal"] == ("halted", "legal_again")


def _threads(instance: Any) -> dict[str, tuple[str, str]]:
    return {each["id"]: (each["status"], each["current_state"]) for each in instance["threads"]}


# ── Cancelling ──────────────────────────────────────────────────────────────────────────────────────────


async def test_instance_is_cancelled_once(machine_live_on_each: Live) -> None:
    async with api(machine_live_on_each) as alice:
        instance = await alice.create("threads")
        path = path_of(instance)
        cancelled = await alice.post(f"{path}/cancel", {"reason": "not needed"})
        assert (cancelled["id"], cancelled["status"]) == (instance["id"], "cancelled")
        assert await alice.post(f"{path}/cancel") == cancelled
        shown = await alice.get(path)
        assert (shown["status"], shown["ended_at"]) == ("cancelled", cancelled["cancelled_at"])
        assert {each["status"] for each in shown["threads"]} == {"cancelled"}
        assert await alice.refused("POST", f"{path}/resume", {}) == (400, "instance_not_halted")
        done = await alice.create("purchase", {"amount": 1})
        assert await alice.refused("POST", f"{path_of(done)}/cancel") == (400, "instance_not_active")


# ── Lists ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_list_is_filtered_and_paged(machine_live_on_each: Live) -> None:
    async with api(machine_live_on_each, ROOT) as root:
        place = "listed"
        made = [
            await root.create("purchase", {"amount": 1}, namespace=place),
            await root.create("purchase", {"amount": 5000}, namespace=place),
            await root.create("threads", namespace=place),
            await root.create("broken", namespace=place),
            await root.create("chosen", namespace="elsewhere"),
        ]
        await root.post(f"{path_of(made[2])}/cancel")

        async def found(**query: Any) -> list[str]:
            return [each["id"] for each in (await root.get(INSTANCES, **query))["instances"]]

        ids = [each["id"] for each in made]
        here = await root.get(INSTANCES, namespace=place)
        assert [each["id"] for each in here["instances"]] == ids[3::-1]
        assert [each["current_state"] for each in here["instances"]] == ["work", "both", "manager", "auto"]
        assert [each["status"] for each in here["instances"]] == ["failed", "cancelled", "halted", "completed"]
        assert await found(namespace=place, status="halted") == [ids[1]]
        assert await found(namespace=place, status="running") == []
        assert await found(namespace=place, workflow_name="purchase") == [ids[1], ids[0]]
        assert await found(namespace=place, workflow_name="purchase", status="completed") == [ids[0]]

        first = await root.get(INSTANCES, namespace=place, limit=3)
        rest = await root.get(INSTANCES, namespace=place, limit=3, cursor=first["next_cursor"])
        assert [each["id"] for each in first["instances"] + rest["instances"]] == ids[3::-1]
        assert rest["next_cursor"] is None


async def test_runs_that_are_no_machines_are_no_instances(machine_live: Live) -> None:
    async with api(machine_live) as alice:
        confirm = f"{machine_live.http_url}/workflows/{workflows[0].id}/runs"
        run_id = (await alice.client.post(confirm, json={"stream": False})).json()["run_id"]
        assert await alice.refused("GET", f"{INSTANCES}/{run_id}") == (404, "instance_not_found")
        assert await alice.refused("POST", f"/workflows/{workflows[0].id}/instances", {}) == (404, "workflow_not_found")
        assert run_id not in {each["id"] for each in (await alice.get(INSTANCES))["instances"]}


@pytest.mark.parametrize("query", [{"status": "paused"}, {"cursor": "nonsense"}, {"limit": 0}, {"limit": 201}])
async def test_wrong_filters_are_refused(machine_live: Live, query: dict[str, Any]) -> None:
    async with api(machine_live) as alice:
        response = await alice.ask("GET", INSTANCES, **query)
        assert (response.status_code, error_of(response)["code"]) == (400, "invalid_request")


# ── Who may ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_one_may_not_read_is_not_there(machine_live: Live) -> None:
    async with api(machine_live) as alice:
        instance = await alice.create("purchase", {"amount": 5000})
        path = path_of(instance)
        for token in (BOB, FAR):
            async with api(machine_live, token) as other:
                for method, at in (
                    ("GET", path),
                    ("GET", f"{path}/threads"),
                    ("GET", f"{path}/history"),
                    ("GET", f"{path}/events/evt_1-1"),
                    ("POST", f"{path}/resume"),
                    ("POST", f"{path}/threads/thread_main/resume"),
                    ("POST", f"{path}/cancel"),
                ):
                    assert await other.refused(method, at) == (404, "instance_not_found"), (token, at)
                listed = await other.get(INSTANCES, namespace="user_alice")
                assert instance["id"] not in {each["id"] for each in listed["instances"]}
        for token in (ROOT, SERVICE):
            async with api(machine_live, token) as other:
                assert (await other.get(path))["id"] == instance["id"]


async def test_nobody_creates_in_another_s_namespace(machine_live: Live) -> None:
    async with api(machine_live, BOB) as bob, api(machine_live, SERVICE) as robot:
        body = {"namespace": "user_alice"}
        assert await bob.refused("POST", "/workflows/chosen/instances", body) == (403, "forbidden")
        assert (await robot.create("chosen", namespace="user_alice"))["namespace"] == "user_alice"


async def test_scopes_are_asked_for_and_named(machine_live: Live) -> None:
    async with api(machine_live) as alice, api(machine_live, READER) as reader:
        path = path_of(await alice.create("chosen"))
        assert (await reader.get(path))["status"] == "halted"
        for at in ("/workflows/chosen/instances", f"{path}/resume", f"{path}/cancel"):
            response = await reader.ask("POST", at, {})
            assert (response.status_code, error_of(response)["code"]) == (403, "forbidden")
            assert error_of(response)["details"] == {"required_scope": "workflows:execute"}


async def test_unknown_workflow_is_told(machine_live: Live) -> None:
    async with api(machine_live) as alice:
        assert await alice.refused("POST", "/workflows/nothing/instances", {}) == (404, "workflow_not_found")
