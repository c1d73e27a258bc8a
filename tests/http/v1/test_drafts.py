"""Drafts are tried over /api/v1: by whoever may write definitions, and kept for the instances that try them."""

from __future__ import annotations

from tests.http.v1.test_definitions import definition
from tests.support.api_v1 import Api, api, error_of
from tests.support.live import Live, eventually

SERVICE = "token-service"


async def test_draft_is_tried_by_its_id_and_kept_while_an_instance_has_it(machine_live_on_each: Live) -> None:
    async with api(machine_live_on_each) as alice:
        version_id = (await alice.post("/workflows", definition("tried"), 201))["version_id"]
        begin, version = "/workflows/tried/instances", f"/workflows/tried/versions/{version_id}"
        instance = await alice.post(begin, {"version_id": version_id}, 201)
        assert (instance["version_id"], instance["status"], instance["current_state"]) == (version_id, "halted", "ask")
        assert await alice.refused("POST", begin, {}) == (400, "workflow_not_published")
        assert await alice.refused("DELETE", version) == (409, "version_in_use")
        assert (await alice.resume(instance, {"approved": True}))["status"] == "completed"
        await eventually(lambda: _is_gone(alice, version))  # the row follows the log
        assert await alice.refused("GET", version) == (404, "workflow_not_found")
        assert await alice.refused("POST", begin, {"version_id": version_id}) == (404, "workflow_not_found")
        assert (await alice.get(f"/workflows/instances/{instance['id']}"))["current_state"] == "yes"


async def _is_gone(caller: Api, version: str) -> bool:
    return (await caller.ask("DELETE", version)).status_code == 204


async def test_drafts_are_for_whoever_may_write_them_and_published_versions_for_all(machine_live: Live) -> None:
    async with api(machine_live) as alice, api(machine_live, SERVICE) as service:
        version_id = (await alice.post("/workflows", definition("authored"), 201))["version_id"]
        begin, asked = "/workflows/authored/instances", {"version_id": version_id}
        assert await service.refused("POST", begin, asked) == (403, "forbidden")
        await alice.post(begin, asked, 201)  # now the node has it
        response = await service.ask("POST", begin, asked)
        assert error_of(response)["details"] == {"required_scope": "workflows:write"}
        await alice.post(f"/workflows/authored/versions/{version_id}/publish")
        assert (await service.post(begin, asked, 201))["version_id"] == version_id
        assert await alice.refused("POST", begin, {"version_id": "v_" + "0" * 20}) == (404, "version_not_found")


async def test_instance_of_a_draft_that_is_gone_cannot_be_retried(machine_live: Live) -> None:
    fails = {"type": "action", "logic": {"type": "script", "code": "throw 1"}, "transitions": [{"target": "end"}]}
    states = {"fails": fails, "end": {"type": "terminal"}}
    async with api(machine_live) as alice:
        gone, kept = [
            (await alice.post("/workflows", definition("fails", initial_state="fails", states=states), 201))[
                "version_id"
            ]
            for _ in range(2)
        ]
        begun = await alice.ask("POST", "/workflows/fails/instances", {"version_id": gone})
        retry = f"/workflows/instances/{error_of(begun)['details']['instance_id']}/retry"
        again = await alice.ask("POST", retry, {})
        assert error_of(again)["code"] == "script_error"
        await eventually(lambda: _is_gone(alice, f"/workflows/fails/versions/{gone}"))
        error = error_of(await alice.ask("POST", retry, {}))
        assert (error["code"], error["message"]) == (
            "version_not_found",
            f"Version {gone!r} of workflow 'fails' not found",
        )
        await alice.post(f"/workflows/fails/versions/{kept}/publish")
        assert await alice.refused("POST", retry) == (404, "version_not_found"), "it is of no other version"


async def test_draft_is_no_version_to_the_socket_of_who_may_not_write(machine_live: Live) -> None:
    async with api(machine_live) as alice:
        version_id = (await alice.post("/workflows", definition("by-socket"), 201))["version_id"]
    async with machine_live.talk(SERVICE) as talk:
        await talk.send(
            action="start-workflow", workflow_id="by-socket", version=version_id, message={}, request_id="1"
        )
        answer = (await talk.until("ack", "error", request_id="1"))[-1]
        assert answer["code"] == "workflow_not_found"


async def test_lists_tell_drafts_numbers_and_who(machine_live: Live) -> None:
    async with api(machine_live) as alice:
        first = (await alice.post("/workflows", definition("told"), 201))["version_id"]
        await alice.post(f"/workflows/told/versions/{first}/publish")
        await alice.post("/workflows", definition("told", description="Other"), 201)
        (listed,) = [each for each in (await alice.get("/workflows"))["workflows"] if each["name"] == "told"]
        draft, published = (await alice.get("/workflows/told/versions"))["versions"]
        assert (listed["drafts"], listed["published_at"]) == (1, published["published_at"])
        assert (draft["number"], draft["created_by"]) == (2, "alice")
        assert (published["number"], published["published_by"]) == (1, "alice")
        assert not {"published_at", "published_by"} & draft.keys()
