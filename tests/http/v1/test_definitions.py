"""Stored definitions over /api/v1: versions, publication, and who may."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.api_v1 import Api, api, data_of, error_of
from tests.support.live import Live

from interlock.http.v1.bodies import MAX_DEFINITION_BYTES

READER, ROOT, FAR, BOB = "token-reader", "token-root", "token-far", "token-bob"

TRANSITION = {"field": "approved", "equals": True}


def definition(name: str, **fields: Any) -> dict[str, Any]:
    """An approval, which begins with its question."""
    fields_of_form = [{"name": "approved", "type": "boolean", "label": "Approve?", "required": True}]
    return {
        "name": name,
        "initial_state": "ask",
        "states": {
            "ask": {
                "type": "halting",
                "presentation": {"type": "form", "title": "Approve?", "fields": fields_of_form},
                "transitions": [{"target": "yes", "condition": TRANSITION}, {"target": "no"}],
            },
            "yes": {"type": "terminal"},
            "no": {"type": "terminal"},
        },
        **fields,
    }


async def test_definition_is_stored_published_and_run(machine_live_on_each: Live) -> None:
    async with api(machine_live_on_each) as alice:
        created = await alice.post("/workflows", definition("story"), 201)
        assert (created["name"], created["status"]) == ("story", "draft")
        first = created["version_id"]
        begin = "/workflows/story/instances"
        assert await alice.refused("POST", begin, {}) == (400, "workflow_not_published")
        published = await alice.post(f"/workflows/story/versions/{first}/publish")
        assert (published["version_id"], published["status"]) == (first, "published")
        instance = await alice.create("story")
        assert (instance["version_id"], instance["status"], instance["current_state"]) == (first, "halted", "ask")
        assert instance["halting_presentation"]["fields"][0]["name"] == "approved"

        # An instance stays on its version.
        changed = definition("story")
        changed["states"]["ask"]["presentation"]["title"] = "Really?"
        second = (await alice.post("/workflows", changed, 201))["version_id"]
        await alice.post(f"/workflows/story/versions/{second}/publish")
        newer = await alice.create("story")
        assert (newer["version_id"], newer["halting_presentation"]["title"]) == (second, "Really?")
        assert (await alice.resume(instance, {"approved": True}))["current_state"] == "yes"
        history = await alice.get(f"/workflows/instances/{instance['id']}/history")
        assert history["workflow_id"] == (await alice.get("/workflows/story"))["workflow_id"]

        # And back.
        await alice.post(f"/workflows/story/versions/{first}/publish")
        assert (await alice.create("story"))["version_id"] == first
        again = f"/workflows/story/versions/{first}/publish"
        assert await alice.refused("POST", again) == (400, "already_published")


async def test_definitions_and_their_versions_are_listed(machine_live_on_each: Live) -> None:
    async with api(machine_live_on_each) as alice:
        ids = [(await alice.post("/workflows", definition("listed"), 201))["version_id"] for _ in range(3)]
        await alice.post(f"/workflows/listed/versions/{ids[1]}/publish")
        versions = await alice.get("/workflows/listed/versions")
        assert [each["version_id"] for each in versions["versions"]] == ids[::-1]
        assert [each["status"] for each in versions["versions"]] == ["draft", "published", "draft"]
        assert ["published_at" in each for each in versions["versions"]] == [False, True, False]
        first = await alice.get("/workflows/listed/versions", limit=2)
        rest = await alice.get("/workflows/listed/versions", limit=2, cursor=first["next_cursor"])
        assert [each["version_id"] for each in first["versions"] + rest["versions"]] == ids[::-1]

        names = {each["name"]: each for each in (await alice.get("/workflows"))["workflows"]}
        assert names["listed"]["latest_version_id"] == ids[2]
        assert names["listed"]["published_version_id"] == ids[1]
        shown = await alice.get("/workflows/listed")
        assert {key: value for key, value in shown.items() if key != "definition"} == names["listed"]
        assert shown["definition"] == definition("listed")
        version = await alice.get(f"/workflows/listed/versions/{ids[0]}")
        assert (version["status"], version["definition"]) == ("draft", definition("listed"))
        assert "stateDiagram-v2" in (await alice.get(f"/workflows/listed/versions/{ids[0]}/diagram"))["mermaid"]


async def test_guidance_for_programs_is_told_with_the_definition_and_in_the_list_of_workflows(
    machine_live: Live,
) -> None:
    async with api(machine_live) as alice:
        guided = definition("guided", ai_guidance="Ask for approvals with this.")
        version = (await alice.post("/workflows", guided, 201))["version_id"]
        await alice.post(f"/workflows/guided/versions/{version}/publish")
        shown = await alice.get("/workflows/guided")
        assert shown["definition"]["ai_guidance"] == "Ask for approvals with this."
        listed = (await alice.client.get(f"{machine_live.http_url}/workflows")).json()["workflows"]
        told = {each["id"]: each.get("ai_guidance") for each in listed}
        assert (told["guided"], told["purchase"]) == ("Ask for approvals with this.", None)


async def test_draft_is_deleted_and_what_was_published_is_not(machine_live_on_each: Live) -> None:
    async with api(machine_live_on_each) as alice:
        first, second = [(await alice.post("/workflows", definition("deleted"), 201))["version_id"] for _ in range(2)]
        await alice.post(f"/workflows/deleted/versions/{first}/publish")
        assert (await alice.ask("DELETE", f"/workflows/deleted/versions/{second}")).status_code == 204
        gone = (404, "version_not_found")
        assert await alice.refused("DELETE", f"/workflows/deleted/versions/{second}") == gone
        assert await alice.refused("GET", f"/workflows/deleted/versions/{second}") == gone
        assert await alice.refused("POST", f"/workflows/deleted/versions/{second}/publish") == gone
        kept = (400, "already_published")
        assert await alice.refused("DELETE", f"/workflows/deleted/versions/{first}") == kept


async def test_next_version_is_of_the_name_in_the_path(machine_live: Live) -> None:
    async with api(machine_live) as alice:
        await alice.post("/workflows", definition("next"), 201)
        assert (await alice.post("/workflows/next/versions", definition("next"), 201))["status"] == "draft"
        other = await alice.ask("POST", "/workflows/next/versions", definition("other"))
        assert (other.status_code, error_of(other)["code"]) == (400, "invalid_workflow")
        assert [each["path"] for each in error_of(other)["details"]["errors"]] == ["name"]
        unknown = (404, "workflow_not_found")
        assert await alice.refused("POST", "/workflows/unknown/versions", definition("unknown")) == unknown


async def test_taken_name_is_refused_only_if_a_new_one_is_wanted(machine_live: Live) -> None:
    async with api(machine_live) as alice:
        await alice.post("/workflows", definition("taken"), 201, If_None_Match="*")
        taken = (409, "workflow_exists")
        assert await alice.refused("POST", "/workflows", definition("taken"), If_None_Match="*") == taken
        await alice.post("/workflows", definition("taken"), 201)
        assert await alice.refused("POST", "/workflows", definition("purchase")) == taken  # code serves it


# ── Validation ──────────────────────────────────────────────────────────────────────────────────────────


async def test_all_faults_are_told_at_once_with_their_paths(machine_live: Live) -> None:
    wrong = definition("wrong")
    wrong["states"]["ask"]["transitions"] = [{"target": "nonexistent"}]
    wrong["states"]["ask"]["presentation"]["fields"].append({"name": "x", "type": "tree", "label": "X"})
    async with api(machine_live) as alice:
        told = await alice.post("/workflows/validate", wrong)
        assert told["valid"] is False
        errors = {each["path"]: each["message"] for each in told["errors"]}
        assert "'nonexistent' does not exist" in errors["states.ask.transitions[0].target"]
        assert any(path.startswith("states.ask.presentation.fields[1]") for path in errors)
        refused = await alice.ask("POST", "/workflows", wrong)
        assert (refused.status_code, error_of(refused)["code"]) == (400, "invalid_workflow")
        assert error_of(refused)["details"]["errors"] == told["errors"]
        assert await alice.refused("GET", "/workflows/wrong") == (404, "workflow_not_found")


async def test_valid_definition_may_have_warnings(machine_live: Live) -> None:
    odd = definition("odd")
    odd["states"]["alone"] = {"type": "terminal"}
    async with api(machine_live) as alice:
        assert await alice.post("/workflows/validate", definition("fine")) == {"valid": True}
        told = await alice.post("/workflows/validate", odd)
        assert told["valid"] is True
        assert [each["path"] for each in told["warnings"]] == ["states.alone"]
        assert (await alice.post("/workflows", odd, 201))["warnings"] == told["warnings"]


@pytest.mark.parametrize("name", ["instances", "validate", "errors", "ws", "two words", "x" * 65, "", 1])
async def test_name_that_can_not_be_one_is_refused(machine_live: Live, name: Any) -> None:
    async with api(machine_live) as alice:
        told = await alice.post("/workflows/validate", definition(name))
        assert "name" in {each["path"] for each in told["errors"]}
        assert await alice.refused("POST", "/workflows", definition(name)) == (400, "invalid_workflow")


async def test_too_large_definition_is_invalid(machine_live: Live) -> None:
    text = json.dumps(definition("large"))
    async with api(machine_live) as alice:
        for size, valid in ((MAX_DEFINITION_BYTES, True), (MAX_DEFINITION_BYTES + 1, False)):
            content = text + " " * (size - len(text))
            response = await alice.client.post("/workflows/validate", content=content)
            assert data_of(response, 200)["valid"] is valid
        response = await alice.client.post("/workflows", content=content)
        assert (response.status_code, error_of(response)["code"]) == (400, "invalid_workflow")


async def test_missing_definition_is_told(machine_live: Live) -> None:
    async with api(machine_live) as alice:
        for path in ("/workflows", "/workflows/validate"):
            assert await alice.refused("POST", path) == (400, "invalid_request")


async def test_input_that_does_not_fit_the_definition_s_schema_is_refused(machine_live: Live) -> None:
    schema = {"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount"]}
    async with api(machine_live) as alice:
        draft = await alice.post("/workflows", definition("schemed", input_schema=schema), 201)
        await alice.post(f"/workflows/schemed/versions/{draft['version_id']}/publish")
        response = await alice.ask("POST", "/workflows/schemed/instances", {"input": {"amount": "much"}})
        assert (response.status_code, error_of(response)["code"]) == (400, "invalid_input")
        assert "amount" in error_of(response)["details"][0]["field"]
        assert (await alice.create("schemed", {"amount": 1}))["status"] == "halted"


# ── Who may ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_names_belong_to_an_account(machine_live: Live) -> None:
    async with api(machine_live) as alice, api(machine_live, FAR) as far:
        ours = (await alice.post("/workflows", definition("shared"), 201))["version_id"]
        await alice.post(f"/workflows/shared/versions/{ours}/publish")
        unknown = (404, "workflow_not_found")
        for method, path, body in (
            ("GET", "/workflows/shared", None),
            ("GET", "/workflows/shared/versions", None),
            ("GET", f"/workflows/shared/versions/{ours}", None),
            ("GET", f"/workflows/shared/versions/{ours}/diagram", None),
            ("POST", f"/workflows/shared/versions/{ours}/publish", None),
            ("POST", "/workflows/shared/versions", definition("shared")),
            ("POST", "/workflows/shared/instances", {}),
            ("DELETE", f"/workflows/shared/versions/{ours}", None),
        ):
            assert await far.refused(method, path, body) == unknown, path
        theirs = (await far.post("/workflows", definition("shared"), 201, If_None_Match="*"))["version_id"]
        await far.post(f"/workflows/shared/versions/{theirs}/publish")
        assert (await far.create("shared"))["version_id"] == theirs
        assert (await alice.create("shared"))["version_id"] == ours
        assert await far.refused("GET", f"/workflows/shared/versions/{ours}") == (404, "version_not_found")


async def test_scopes_are_asked_for_and_named(machine_live: Live) -> None:
    async with api(machine_live, READER) as reader:
        assert await reader.post("/workflows/validate", definition("fine")) == {"valid": True}
        await reader.get("/workflows")
        for method, path in (
            ("POST", "/workflows"),
            ("POST", "/workflows/x/versions"),
            ("POST", "/workflows/x/versions/v/publish"),
            ("DELETE", "/workflows/x/versions/v"),
        ):
            await _needs(reader, method, path, "workflows:write")


async def _needs(caller: Api, method: str, path: str, scope: str) -> None:
    response = await caller.ask(method, path)
    assert (response.status_code, error_of(response)["code"]) == (403, "forbidden")
    assert error_of(response)["details"] == {"required_scope": scope}
