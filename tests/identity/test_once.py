"""A POST that is sent again with its `Idempotency-Key` is done once, whatever it is: held against the routes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.identity.test_matrix import PART, UPLOAD, Server, all_routes, server  # noqa: F401 - a fixture
from tests.support.in_process import Answer, ask
from tests.support.machines import fixture

pytestmark = pytest.mark.asyncio(loop_scope="module")

P = "/api/v1/"
DEFINITION = fixture("approval_workflow")
GRAPH = {"tasks": [{"id": "A", "type": "set", "inputs": {"values": {}}}]}
QUESTION = {
    "type": "approval",
    "spec": {"mode": "confirm"},
    "target_actor": {"type": "member", "id": "bob"},
}
ONCE: dict[str, tuple[Any, Any]] = {
    # Its body, and another one for which the same key isn't good; None where it has none.
    "POST /api/v1/workflows": ({**DEFINITION, "name": "once"}, {**DEFINITION, "name": "twice"}),
    "POST /api/v1/workflows/{name}/versions": (
        {**DEFINITION, "name": "KEPT"},
        {**DEFINITION, "name": "KEPT", "ai_guidance": "other"},
    ),
    "POST /api/v1/workflows/validate": ({**DEFINITION, "name": "once"}, {"name": "twice"}),
    "POST /api/v1/workflows/{name}/instances": ({"input": {"amount": 1}}, {"input": {"amount": 2}}),
    "POST /api/v1/workflows/instances/{instance_id}/cancel": ({"reason": "once"}, {"reason": "twice"}),
    "POST /api/v1/graphs": ({**GRAPH, "name": "one_graph"}, {**GRAPH, "name": "two_graphs"}),
    "POST /api/v1/graphs/validate": ({**GRAPH, "name": "once"}, {"name": "twice"}),
    "POST /api/v1/graphs/{graph}/activate": ({}, {"version_id": "another"}),
    "POST /api/v1/graphs/{graph}/run": ({}, {"x": 1}),
    "POST /api/v1/graphs/{graph}/deactivate": (None, None),
    "POST /api/v1/graphs/sessions/{graph_session}/cancel": ({"reason": "once"}, {"reason": "twice"}),
    "POST /api/v1/users": ({"username": "once"}, {"username": "twice"}),
    "POST /api/v1/users/{user_id}/revoke": (None, None),
    "POST /api/v1/groups": ({"name": "once"}, {"name": "twice"}),
    "POST /api/v1/clients": ({"name": "once"}, {"name": "twice"}),
    "POST /api/v1/secrets/keys/rotate": (None, None),
    "POST /api/v1/widgets": ({"name": "once", "source": "1"}, {"name": "once", "source": "2"}),
    "POST /api/v1/files": (PART, PART.replace(b"hello", b"other")),
    "POST /api/v1/webhooks/subscriptions": (
        {"url": "http://127.0.0.1:1/", "events": ["workflow.instance.failed"]},
        {"url": "http://127.0.0.1:1/", "events": ["workflow.instance.halted"]},
    ),
    "POST /api/v1/webhooks/subscriptions/{subscription_id}/rotate": (None, None),
    "POST /api/v1/webhooks/subscriptions/{subscription_id}/rotate/confirm": (None, None),
    "POST /api/v1/webhooks/subscriptions/{subscription_id}/test": (None, None),
    "POST /api/v1/webhooks/deliveries/{delivery_id}/replay": (None, None),
    "POST /v1/projects/{project}/runs/{run_id}/signals": ({"topic": "once"}, {"topic": "twice"}),
    "POST /v1/projects/{project}/interactions": ({**QUESTION, "message": "once"}, {**QUESTION, "message": "twice"}),
    "POST /v1/projects/{project}/interactions/{interaction_id}/cancel": (None, None),
    "POST /workflows/{workflow_id}/runs": (
        {"message": "once", "stream": False},
        {"message": "twice", "stream": False},
    ),
}
REFUSED_HERE = {
    "POST /api/v1/graphs/{graph}/run/batch",
    "POST /api/v1/graphs/{graph}/versions/{graph_version}/publish",
    "POST /api/executions/{execution_id}/resume",
    "POST /api/v1/workflows/instances/{instance_id}/resume",
    "POST /api/v1/workflows/{name}/versions/{version_id}/publish",
    "POST /api/v1/workflows/instances/{instance_id}/retry",
    "POST /api/v1/workflows/instances/{instance_id}/threads/{thread_id}/resume",
    "POST /api/v1/integrations",
    "POST /api/v1/integrations/connect",
    "POST /api/v1/integrations/{name}/test",
    "POST /api/v1/password",
    "POST /api/v1/users/{user_id}/notifications/test",
    "POST /api/v1/webhooks/subscriptions/{subscription_id}/replay",
    "POST /workflows/{workflow_id}/runs/{run_id}/continue",
    "POST /v1/projects/{project}/interactions/{interaction_id}/respond",
    "POST /v1/projects/{project}/interactions/{interaction_id}/claim",
    "POST /v1/projects/{project}/interactions/{interaction_id}/release",
    "POST /v1/projects/{project}/interactions/{interaction_id}/delegate",
    "POST /workflows/{workflow_id}/runs/{run_id}/cancel",
}
"""What this server refuses, or other tests have: a refusal isn't kept."""

TOLD_ONCE = {
    "POST /api/v1/clients",
    "POST /api/v1/webhooks/subscriptions",
    "POST /api/v1/webhooks/subscriptions/{subscription_id}/rotate",
}
"""What gives somebody a secret, which is kept nowhere."""

CREDENTIALS = {"POST /login", "POST /oauth/token", "POST /oauth/revoke", "POST /session", "POST /session/token"}
CREDENTIALS |= {"POST /stream-tickets"}
"""Their answers are credentials, or nothing: never kept, and safe to ask for again."""


async def sent(server: Server, route: str, key: str, body: Any, token: str = "owner-admin") -> Answer:  # noqa: F811
    headers = {"authorization": f"Bearer {token}", "idempotency-key": key}
    headers |= UPLOAD if isinstance(body, bytes) else {}
    return await ask(server.app, "POST", server.path(route.partition(" ")[2]), headers, body)


async def test_every_post_has_a_line_here(server: Server) -> None:  # noqa: F811
    posts = {each for each in all_routes(server.app) if each.startswith("POST ") and " /agentos" not in each}
    assert posts == ONCE.keys() | REFUSED_HERE | CREDENTIALS, "say here how a new POST is done once"
    document = (await ask(server.app, "GET", "/api/v1/openapi.json")).json()
    for path, item in document["paths"].items():
        if "post" in item:
            assert "Idempotency-Key" in {each["name"] for each in item["post"]["parameters"]}, path


@pytest.mark.parametrize("route", ONCE)
async def test_request_that_is_sent_again_gets_the_first_answer(server: Server, route: str) -> None:  # noqa: F811
    body, other = ONCE[route]
    key = f"key of {route}"
    first, at_once = await asyncio.gather(sent(server, route, key, body), sent(server, route, key, body))
    again = await sent(server, route, key, body)
    assert first.status < 400, first.body
    if route in TOLD_ONCE:
        codes = {json.loads(each.body).get("error", {}).get("code") for each in (first, at_once, again)}
        assert codes == {None, "idempotency_key_reused"}, "a credential is told once, and nothing is done twice"
    elif route.startswith("POST /workflows/"):
        assert {json.loads(each.body)["run_id"] for each in (at_once, again)} == {json.loads(first.body)["run_id"]}
    else:
        assert (again.status, again.body) == (first.status, first.body) == (at_once.status, at_once.body)
    if other is not None:
        assert (await sent(server, route, key, other)).status == 409
    assert (await sent(server, route, key, body, token="others-workflows:read")).status in (
        201,
        400,
        403,
        404,
        409,
        200,
    )


async def test_refusal_isnt_kept_and_scopes_are_asked_for_again(server: Server) -> None:  # noqa: F811
    route = "POST /api/v1/groups"
    assert (await sent(server, route, "later", {"name": ""})).status == 400
    assert (await sent(server, route, "later", {"name": "later"})).status == 201
    assert (await sent(server, route, "later", {"name": "later"}, "owner-workflows:read")).status == 403
    assert (await sent(server, route, "", {"name": "later"})).status == 400
    assert (await sent(server, route, "x" * 300, {"name": "later"})).status == 400
    big = b"[" + b" " * 2_000_000
    headers = {"authorization": "Bearer owner-admin", "idempotency-key": "big"}
    assert (await ask(server.app, "POST", "/api/v1/groups", headers, big)).status == 413
