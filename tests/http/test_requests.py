"""What requests may say and who may send them: bodies, forms, keys, tokens, and every refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.http.workflows import workflows
from tests.support.live import ALICE, BOB, CAROL, NOBODY, READER, ROOT, Live, Message, eventually, live_server
from tests.support.talk import Http, decided, http, path_of

RUNS = "/workflows/confirm/runs"
UNKNOWN = f"{RUNS}/run-unknown"


async def refused(http: Http, path: str, body: Any = None, **options: Any) -> tuple[int, Message]:
    """The status and the error of a request that is refused."""
    answer = await http.post(path, body, **options)
    assert answer.is_error, answer.text
    message: Message = answer.json()
    return answer.status_code, message


# ── Without a stream ────────────────────────────────────────────────────────────────────────────────────


async def test_answer_without_a_stream_is_where_the_run_stands(live_on_each: Live) -> None:
    async with http(live_on_each) as alice:
        paused = (await alice.post(RUNS, {"stream": False})).json()
        assert (paused["event"], paused["status"]) == ("WorkflowRunOutput", "PAUSED")
        assert [each["step_name"] for each in paused["step_requirements"]] == ["publish"]
        body = {**decided(paused, confirmed=True), "stream": False}
        for _ in range(2):  # once more changes nothing
            done = (await alice.post(f"{path_of(paused)}/continue", body)).json()
            assert (done["status"], done["content"]) == ("COMPLETED", "last")


async def test_answer_without_a_stream_comes_where_the_log_was_trimmed_before_it_was_read(tmp_path: Path) -> None:
    path = "/workflows/streamed-confirm/runs"
    with live_server(workflows, data_dir=tmp_path, max_log_events=1000) as live:
        async with http(live) as alice:
            for count in (1, 3000, 30_000):
                paused = (await alice.post(path, {"message": {"count": count}, "stream": False})).json()
                assert paused["status"] == "PAUSED"
                body = {**decided(paused, confirmed=True), "stream": False}
                assert (await alice.post(f"{path_of(paused)}/continue", body)).json()["status"] == "COMPLETED"


async def test_cancel_answers_with_the_cancelled_run(live_on_each: Live) -> None:
    async with http(live_on_each) as alice:
        output = (await alice.start("confirm"))[-1]
        for _ in range(2):
            answer = await alice.post(f"{path_of(output)}/cancel", {"reason": "no longer needed"})
            assert answer.json()["status"] == "CANCELLED"
        last = (await alice.events("GET", f"{path_of(output)}/resume"))[-1]
        assert (last["event"], last["reason"]) == ("WorkflowCancelled", "no longer needed")
        status, error = await refused(alice, f"{path_of(output)}/continue", decided(output, confirmed=True))
        assert (status, error["code"]) == (409, "run_finished")


async def test_requests_need_no_body(live: Live) -> None:
    async with http(live) as alice:
        output = (await alice.events("POST", RUNS))[-1]
        assert output["status"] == "PAUSED"
        assert (await alice.post(f"{path_of(output)}/cancel")).json()["status"] == "CANCELLED"


# ── Forms ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("as_form", ["data", "files"], ids=["urlencoded", "multipart"])
async def test_form_does_what_json_does(live: Live, as_form: str) -> None:
    def form(**fields: str) -> dict[str, Any]:
        if as_form == "data":
            return {"data": fields}
        return {"files": {name: (None, value) for name, value in fields.items()}}

    async with http(live, None) as stranger:
        output = (await stranger.ask("POST", RUNS, **form(token=ALICE, message='"', stream="false"))).json()
        assert output["status"] == "PAUSED"
        requirements = json.dumps(decided(output, confirmed=True)["step_requirements"])
        fields = {"token": ALICE, "step_requirements": requirements, "session_id": ""}
        events = await stranger.events("POST", f"{path_of(output)}/continue", **form(**fields))
        assert events[-1]["event"] == "WorkflowCompleted"
    async with http(live) as alice:
        assert (await alice.get(path_of(output))).json()["input"] == '"'


async def test_form_that_cannot_be_read_is_refused(live: Live) -> None:
    as_form = {"Content-Type": "application/x-www-form-urlencoded"}
    as_parts = {"Content-Type": "multipart/form-data; boundary=x"}
    async with http(live) as alice:
        for options, code in (
            ({"content": '{"message": "x"}', "headers": as_form}, "invalid_message"),
            ({"content": b"--y\r\n", "headers": as_parts}, "invalid_message"),
            ({"content": "x", "headers": {"Content-Type": "text/plain"}}, "invalid_message"),
            ({"files": {"message": ("a.txt", b"a file")}}, "invalid_message"),
            ({"data": {"stream": "maybe"}}, "invalid_message"),
            ({"data": {"step_requirements": "[{"}}, "invalid_json"),
            ({"data": {"step_requirements": "[NaN]"}}, "invalid_json"),
            ({"data": {"step_requirements": "[" * 100 + "]" * 100}}, "invalid_json"),
            ({"data": {"error_requirements": '"text"'}}, "invalid_message"),
        ):
            status, error = await refused(alice, f"{UNKNOWN}/continue", **options)
            assert (status, error["code"]) == (400 if code == "invalid_json" else 422, code), error


# ── Bodies ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_bad_bodies_are_refused_with_the_fields_that_are_wrong(live: Live) -> None:
    async with http(live) as alice:
        for body, field in (
            ({"session_id": 5}, "session_id"),
            ({"stream": "maybe"}, "stream"),
            ({"workflow_id": "ask"}, "workflow_id"),
            ({"action": "cancel-workflow"}, "action"),
            ({"idempotency_key": ""}, "idempotency_key"),
            ({"version": "\0"}, "version"),
        ):
            status, error = await refused(alice, RUNS, {**body, "request_id": "r-1"})
            assert (status, error["code"], error["request_id"]) == (422, "invalid_message", "r-1")
            assert [each["field"] for each in error["details"]] == [field]
        for content in ("{", "[]", '"text"', b'{"message": "\xff"}', '{"message": NaN}', '{"a":' * 99 + "1" + "}" * 99):
            status, error = await refused(alice, RUNS, content=content, headers={"Content-Type": "application/json"})
            is_json = content in ("[]", '"text"')
            assert error["code"] == ("invalid_message" if is_json else "invalid_json")
            assert not is_json or error["error"] == "the body must be a JSON object, such as {}"


async def test_body_may_repeat_what_the_path_says(live: Live) -> None:
    async with http(live) as alice:
        body = {"action": "start-workflow", "workflow_id": "confirm", "unknown": 1}
        events = await alice.events("POST", RUNS, json=body)
        assert events[-1]["status"] == "PAUSED"


async def test_large_bodies_are_refused(tmp_path: Path) -> None:
    with live_server(workflows, data_dir=tmp_path, max_message_bytes=1024) as small:
        async with http(small) as alice:
            assert (await alice.post(RUNS, {"message": "x" * 900, "stream": False})).status_code == 200

            async def pieces() -> Any:
                for _ in range(8):
                    yield b" " * 256

            for options in (
                {"json": {"message": "x" * 1024}},
                {"content": pieces()},
                {"data": {"message": "x" * 1024}},
            ):
                status, error = await refused(alice, RUNS, **options)
                assert (status, error["code"]) == (413, "message_too_large")


async def test_declared_input_is_checked_and_listed(live: Live) -> None:
    async with http(live) as alice:
        listed = {each["id"]: each["input_schema"] for each in (await alice.get("/workflows")).json()["workflows"]}
        assert listed["confirm"] == {}
        assert listed["order"]["required"] == ["item"]
        status, error = await refused(alice, "/workflows/order/runs", {"message": {"count": 2}})
        assert (status, error["code"]) == (422, "invalid_message")
        assert (await alice.start("order", {"item": "pen"}))[-1]["content"] == "1 pen"


# ── Keys ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_key_gives_the_first_outcome_again(live_on_each: Live) -> None:
    async with http(live_on_each) as alice:
        header = {"Idempotency-Key": "order-1"}
        first = await alice.events("POST", RUNS, json={"message": "a"}, headers=header)
        again = await alice.start("confirm", "a", idempotency_key="order-1")
        assert again == first
        status, error = await refused(alice, RUNS, {"message": "b"}, headers=header)
        assert (status, error["code"], error["run_id"]) == (409, "conflict", first[0]["run_id"])
        status, error = await refused(alice, RUNS, {"idempotency_key": "order-2"}, headers=header)
        assert error["details"][0]["field"] == "idempotency_key"


# ── Who ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_nobody_gets_in_without_a_token(live: Live) -> None:
    for token, code in ((None, "auth_required"), ("wrong", "invalid_token")):
        async with http(live, token) as stranger:
            for path in (RUNS, f"{UNKNOWN}/continue", f"{UNKNOWN}/cancel"):
                answer = await stranger.post(path, {"message": "x"})
                assert (answer.status_code, answer.json()["code"]) == (401, code)
                assert answer.headers["www-authenticate"] == "Bearer"
            answer = await stranger.get(f"{UNKNOWN}/resume")
            assert (answer.status_code, answer.json()["code"]) == (401, code)
    async with http(live, None) as stranger:
        for form, code in (({"message": "x"}, "auth_required"), ({"token": "wrong"}, "invalid_token")):
            answer = await stranger.ask("POST", RUNS, data=form)
            assert (answer.status_code, answer.json()["code"]) == (401, code)
        in_json = await stranger.post(RUNS, {"token": ALICE})
        assert in_json.status_code == 401


async def test_run_of_somebody_else_does_not_exist(live: Live) -> None:
    async with http(live) as alice, http(live, ROOT) as root:
        output = (await alice.start("confirm"))[-1]
        for token in (BOB, READER, CAROL):
            async with http(live, token) as other:
                for path, body in (("continue", decided(output, confirmed=True)), ("cancel", {})):
                    status, error = await refused(other, f"{path_of(output)}/{path}", body)
                    assert (status, error["code"], error["run_id"]) == (404, "run_not_found", output["run_id"])
                answer = await other.get(f"{path_of(output)}/resume")
                assert (answer.status_code, answer.json()["code"]) == (404, "run_not_found")
        assert (await root.go_on(output, confirmed=True))[-1]["event"] == "WorkflowCompleted"


async def test_assignee_decides_and_follows_and_the_owner_does_not_decide(live: Live) -> None:
    async with http(live) as alice, http(live, CAROL) as carol:
        output = (await alice.start("assigned"))[-1]
        status, error = await refused(alice, f"{path_of(output)}/continue", decided(output, confirmed=True))
        assert (status, error["code"]) == (403, "forbidden")
        status, error = await refused(carol, f"{path_of(output)}/cancel")
        assert (status, error["code"]) == (403, "forbidden")
        assert (await carol.events("GET", f"{path_of(output)}/resume"))[-1] == output
        assert (await carol.go_on(output, confirmed=True))[-1]["event"] == "WorkflowCompleted"


async def test_scopes_are_asked_for(live: Live) -> None:
    for token in (READER, NOBODY):
        async with http(live, token) as other:
            status, error = await refused(other, RUNS)
            assert (status, error["code"]) == (403, "forbidden")


async def test_runs_are_listed_by_workflow(live: Live) -> None:
    async with http(live) as alice:
        await alice.start("routes")
        await alice.start("confirm")
        rows = (await alice.get("/workflows/routes/runs", params={"status": "PAUSED"})).json()["runs"]
        assert {each["workflow_id"] for each in rows} == {"routes"}


# ── Refusals ────────────────────────────────────────────────────────────────────────────────────────────


async def test_every_refusal_of_the_socket_has_its_status(live: Live) -> None:
    async with http(live) as alice:
        output = (await alice.start("ask"))[-1]
        (requirement,) = output["step_requirements"]
        path = f"{path_of(output)}/continue"
        given = {"step_requirements": [{"id": requirement["id"], "user_input": {"tone": "formal"}}]}
        wrong = {"step_requirements": [{"id": requirement["id"], "user_input": {"tone": "rude"}}]}
        other = f"/workflows/confirm/runs/{output['run_id']}"
        unknown = {"step_requirements": [{"id": "req-unknown", "confirmed": True}]}
        for where, body, status, code in (
            ("/workflows/unknown/runs", {}, 404, "workflow_not_found"),
            ("/workflows/ws/runs", {}, 404, "workflow_not_found"),
            ("/workflows/stream/runs", {"version": "8"}, 409, "workflow_mismatch"),
            (f"{UNKNOWN}/continue", given, 404, "run_not_found"),
            (f"{other}/continue", given, 409, "workflow_mismatch"),
            (path, unknown, 404, "requirement_not_found"),
            (path, wrong, 422, "invalid_decision"),
            (path, {**given, "session_id": "another"}, 404, "run_not_found"),
            (f"{other}/cancel", {}, 409, "workflow_mismatch"),
        ):
            got, error = await refused(alice, where, {**body, "request_id": "r"})
            assert (got, error["code"], error["request_id"]) == (status, code, "r"), where
        assert (await alice.events("POST", path, json=given))[-1]["event"] == "WorkflowCompleted"
        conflict = {"step_requirements": [{"id": requirement["id"], "user_input": {"tone": "casual"}}]}
        for where, body, code in (
            (path, conflict, "conflict"),
            (path, unknown, "run_finished"),
            (f"{path_of(output)}/cancel", {}, "run_finished"),
        ):
            got, error = await refused(alice, where, body)
            assert (got, error["code"]) == (409, code)


async def test_place_to_resume_from_that_is_none_is_refused(live: Live) -> None:
    async with http(live) as alice:
        path = f"{path_of((await alice.start('confirm'))[-1])}/resume"
        for place in ("5", "1-", "one-two", "1-2-3", "-1-2", "1-" + "9" * 30):
            answer = await alice.get(path, headers={"Last-Event-ID": place})
            assert (answer.status_code, answer.json()["details"][0]["field"]) == (422, "Last-Event-ID")
        for query in ({"last_event_index": -1}, {"last_event_index": "x"}, {"epoch": -1}, {"snapshot": "perhaps"}):
            answer = await alice.get(path, params=query)
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_message")
        answer = await alice.get(path.replace("confirm", "ask"))
        assert (answer.status_code, answer.json()["code"]) == (409, "workflow_mismatch")


async def test_followers_are_bounded_and_leave_their_places(tmp_path: Path) -> None:
    with live_server(workflows, data_dir=tmp_path, max_connections_per_user=2, max_connections=3) as small:
        async with http(small) as alice, http(small, ROOT) as root:
            output = (await alice.start("confirm"))[-1]
            path, end = f"{path_of(output)}/resume", {"last_event_index": output["event_index"]}
            async with alice.stream("GET", path, params=end), alice.stream("GET", path, params=end):
                answer = await alice.get(path)
                assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
                status, error = await refused(alice, RUNS)
                assert (status, error["retryable"]) == (429, True)
                async with root.stream("GET", path, params=end):
                    status, _ = await refused(root, RUNS)
                    assert status == 429

            async def has_a_place() -> bool:
                return (await alice.client.post(RUNS, json={"stream": False})).status_code == 200

            await eventually(has_a_place)
