"""Everybody asks for everything: who is let in, held against the table in `matrix.py`, which has a line for each route.

The routes are those that the application has; each is asked for by a stranger, and with each scope by who owns what it
is about, by somebody else, and by somebody of another account.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from tests.http.workflows import workflows
from tests.identity.matrix import FAR, MATRIX, OTHERS, Line
from tests.support.in_process import ask, say, started
from tests.support.machines import fixture

from interlock import create_app
from interlock.auth import ALL_SCOPES
from interlock.bridges.agentos.routes import ROUTES as AGENTOS
from interlock.settings import Settings
from interlock_protocol.interactions import interaction_id
from interlock_protocol.messages import CLIENT_MESSAGES

OFF = {f"limit_{each}": "off" for each in ("reads", "writes", "creations", "sign_ins")} | {"rate_limit_per_user": "off"}
SCOPES = ("", *sorted(ALL_SCOPES))
NAME = "KEPT"

TOKENS = [
    {
        "token": f"{who}-{scope or 'nothing'}",
        "user_id": "ada" if who == "owner" else who,
        "scopes": [scope] if scope else [],
        "account": "acme" if who == FAR else "default",
    }
    for who in ("owner", OTHERS, FAR)
    for scope in SCOPES
] + [{"token": "everything", "user_id": "ada", "scopes": sorted(ALL_SCOPES - {"admin"})}]


@dataclass
class Server:
    """A server with something of everything in it, of ada's."""

    app: Any
    places: dict[str, str] = field(default_factory=dict)

    @property
    def decision(self) -> list[dict[str, Any]]:
        return [{"id": self.places["requirement"], "confirmed": True}]

    async def made(self, path: str, body: Any, *, token: str = "owner-admin", method: str = "POST") -> Any:
        answer = await ask(self.app, method, path, {"authorization": f"Bearer {token}"}, body)
        assert answer.status in (200, 201, 202), (path, answer.body)
        found = answer.json()
        return found.get("data", found)

    def path(self, path: str) -> str:
        if any(room in path for room in ("/providers/", "/integrations/", "/widgets/")):
            path = path.replace("{name}", NAME.lower())
        for name, value in self.places.items():
            path = path.replace(f"{{{name}}}", value)
        assert "{" not in path, f"say in `places` what this is about: {path}"
        return path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("matrix"),
        tokens=json.dumps(TOKENS),
        agentos="beside",
        public_url="http://127.0.0.1",
        oidc_issuer="http://127.0.0.1:1",
        oidc_client_id="interlock",
        webhook_allow="127.0.0.1:1",
        **OFF,
    )
    async with started(create_app(workflows, settings)) as app:
        made = Server(app)
        await furnish(made)
        yield made


async def furnish(server: Server) -> None:
    """Put something of everything there."""
    definition = {**fixture("approval_workflow"), "name": NAME}
    version = (await server.made("/api/v1/workflows", definition))["version_id"]
    await server.made(f"/api/v1/workflows/{NAME}/versions/{version}/publish", {})
    instance = await server.made(f"/api/v1/workflows/{NAME}/instances", {}, token="everything")
    begun = {"message": "hello", "session_id": "kept", "stream": False}
    run = await server.made("/workflows/confirm/runs", begun, token="everything")
    history = await server.made(f"/api/v1/workflows/instances/{instance['id']}/history", None, method="GET")
    user = await server.made("/api/v1/users", {"username": "kept"})
    await server.made("/api/v1/groups", {"name": NAME})
    client = await server.made("/api/v1/clients", {"name": "kept"})
    await server.made(f"/api/v1/providers/{NAME.lower()}", PROVIDER, method="PUT")
    bundle = await server.made("/api/v1/widgets", {"name": NAME.lower(), "source": "nothing"})
    await server.made(f"/api/v1/secrets/{NAME}", {"value": "a value of it"}, method="PUT")
    uploaded = await ask(server.app, "POST", "/api/v1/files", UPLOAD | {"authorization": "Bearer everything"}, PART)
    wanted = {"url": "http://127.0.0.1:1/", "events": ["workflow.instance.failed"], "namespace_filter": "user_ada"}
    hook = await server.made("/api/v1/webhooks/subscriptions", wanted, token="everything")
    told = f"/api/v1/webhooks/subscriptions/{hook['id']}/test"
    delivery = await server.made(told, None, token="everything")
    question = {"type": "approval", "spec": {"mode": "confirm"}, "target_actor": {"type": "member", "id": "ada"}}
    asked = {**question, "message": "Kept?"}
    interaction = await server.made("/v1/projects/user_ada/interactions", asked, token="everything")
    server.places = {
        "path": "nothing.js",
        "workflow_id": "confirm",
        "run_id": run["run_id"],
        "execution_id": run["run_id"],
        "requirement": run["step_requirements"][0]["id"],
        "ticket_id": "ticket-1",
        "name": NAME,
        "version_id": version,
        "instance_id": instance["id"],
        "thread_id": "main",
        "event_id": history["events"][0]["id"],
        "user_id": user["id"],
        "client_id": client["client_id"],
        "file_id": uploaded.json()["data"]["id"],
        "session_id": "kept",
        "subscription_id": hook["id"],
        "delivery_id": delivery["id"],
        "project": "user_ada",
        "interaction_id": interaction["id"],
        "bundle_version": bundle["version"],
    }


PROVIDER = {"title": "Kept", "base_url": "https://example.com", "auth": {"type": "none"}}
UPLOAD = {"content-type": "multipart/form-data; boundary=x"}
PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n--x--\r\n'


def routes_of(routes: Sequence[BaseRoute], prefix: str = "") -> Iterator[str]:
    """Each method and path that an application has, those of the ones below it included."""
    for route in routes:
        included: Any = route
        if hasattr(route, "original_router"):
            yield from routes_of(included.original_router.routes, prefix + included.include_context.prefix)
        elif isinstance(route, Mount):
            inner = route.routes
            yield from routes_of(inner, prefix + route.path) if inner else [f"GET {prefix}{route.path}/{{path}}"]
        elif isinstance(route, WebSocketRoute):
            yield from (f"SOCKET {action}" for action in CLIENT_MESSAGES)
        else:
            assert isinstance(route, Route | APIRoute), f"what kind of route is {route}?"
            yield from (f"{each} {prefix}{route.path}" for each in sorted(route.methods or ("GET",)) if each != "HEAD")


def all_routes(app: Starlette) -> list[str]:
    bridge = [f"{method} /agentos{route.path}" for route in AGENTOS for method in sorted(route.methods)]
    every = dict.fromkeys([*routes_of(app.router.routes), *bridge])
    return sorted(every, key=lambda each: each.startswith("DELETE"))  # the others' things are there until then


def line_of(route: str) -> Line:
    """Its line; that of what it stands for, where a bridge translates it."""
    if route not in MATRIX and " /agentos/" in route:
        return BRIDGED[route.replace(" /agentos", " ")]
    return MATRIX[route]


_RUN = "/workflows/{workflow_id}/runs/{run_id}"
BRIDGED = MATRIX | {
    "GET /config": MATRIX["GET /workflows"],
    **dict.fromkeys(("GET /agents", "GET /teams", "GET /models"), MATRIX["GET /workflows"]),
    "GET /workflows/{workflow_id}": MATRIX["GET /workflows"],
    f"POST {_RUN}/resume": MATRIX[f"GET {_RUN}/resume"],
    "GET /sessions/{session_id}/runs": MATRIX["GET /runs"],
    "GET /sessions/{session_id}/runs/{run_id}": MATRIX[f"GET {_RUN}"],
}


async def asked(server: Server, route: str, token: str | None) -> int:
    """The status that somebody gets; of an action, what it would be over HTTP."""
    method, _, path = route.partition(" ")
    if method == "SOCKET":
        return await acted(server, path, token)
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    body: Any = None
    if path.endswith("/stream-tickets"):
        body = {"path": server.path(f"{_RUN}/resume")}
    if path.endswith("/continue"):
        body = {"step_requirements": server.decision}
    if "/executions/" in path:
        body = {"action": "interaction", "interactionEvent": "kept", "requirementId": server.places["requirement"]}
    if path.endswith("/signals"):
        body = {"topic": "kept"}
    if method == "POST" and path.endswith(("/groups", "/clients")):
        body = {"name": "kept"}
    if method == "PATCH" and "/webhooks/" in path:
        body = {"description": "kept"}
    return (await ask(server.app, method, server.path(path), headers, body)).status


NOT_THERE = {
    "DELETE /api/v1/integrations/{name}",
    "POST /api/v1/integrations/{name}/test",
    "POST /api/v1/workflows/instances/{instance_id}/threads/{thread_id}/resume",
}
"""What is about something that this server doesn't have."""

STATUS = {"auth_required": 401, "forbidden": 403, "run_not_found": 404, "workflow_not_found": 404}


async def acted(server: Server, action: str, token: str | None) -> int:
    message: dict[str, Any] = {"action": action, "request_id": "asked", "workflow_id": server.places["workflow_id"]}
    if action != "start-workflow":
        message["run_id"] = server.places["run_id"]
    if action == "signal":
        message["topic"] = "kept"
    if action in ("claim", "release", "delegate"):
        message |= {"requirement_id": server.decision[0]["id"], "to": "kept"}
    if action == "authenticate":
        message["token"] = token or "x"
    if action == "continue-workflow":
        message["step_requirements"] = server.decision
    if action in ("respond", "seen", "draft"):
        message |= {"interaction_id": interaction_id(server.places["requirement"], server.places["run_id"])}
    if action == "draft":
        message["revision"] = 1
    if action == "respond":
        message |= {"response": {name: value for name, value in server.decision[0].items() if name != "id"}}
    before = [] if token is None else [{"action": "authenticate", "token": token}]
    came = await say(server.app, "/workflows/ws", [*before, message])
    code = came[-1].get("code") if came else "auth_required"
    return 200 if code is None else STATUS.get(code, 400)


def test_every_route_has_a_line_and_every_line_a_route(server: Server) -> None:
    routes = all_routes(server.app)
    without = [each for each in routes if each not in MATRIX and " /agentos/" not in each]
    assert not without, "a route is for whoever its line in tests/identity/matrix.py says: add one"
    built = {"GET /assets/{path}"}  # it is there where the web app is built
    assert not sorted(MATRIX.keys() - set(routes) - built), "these routes are no more"
    assert len(routes) > 100


@pytest.mark.asyncio(loop_scope="module")
async def test_stranger_gets_only_what_is_public(server: Server) -> None:
    for token in (None, "no-such-token", "eyJhbGciOiJub25lIn0.e30."):
        for route in all_routes(server.app):
            status = await asked(server, route, token)
            line = line_of(route)
            if not line.is_public:
                assert status == 401, (route, token, status)
            elif not route.startswith("SOCKET"):
                assert status != 401, (route, token)


@pytest.mark.asyncio(loop_scope="module")
async def test_with_each_scope_one_gets_what_its_line_says_and_nothing_else(server: Server) -> None:
    wrong = []
    for route in all_routes(server.app):
        line = line_of(route)
        if line.is_public:
            continue
        scopes = ALL_SCOPES if line.scopes is None else line.scopes | {"admin"}
        let_in = [scope for scope in SCOPES if line.scopes is None or scope in scopes]
        expected = {
            **{f"owner-{scope or 'nothing'}": "no" for scope in SCOPES if scope not in let_in},
            **{f"{who}-{scope or 'nothing'}": "no" for who in (OTHERS, FAR) for scope in SCOPES if scope not in let_in},
            **{f"{who}-{scope}": "hidden" for who in line.hides_from for scope in let_in},
        }
        if line.hides_from == {OTHERS, FAR}:
            expected["others-admin"] = "yes"
        expected |= {f"owner-{scope or 'nothing'}": "yes" for scope in let_in}
        is_first = True
        for token, how in expected.items():
            status = await asked(server, route, token)
            if how != "yes":
                is_right = status in (403, 404)
            else:
                is_there = status != 404 or not is_first or route in NOT_THERE
                is_right = status < 500 and status not in (401, 403) and is_there
                is_first = False
            if not is_right:
                wrong.append((route, token, how, status))
    assert not wrong, "\n".join(map(str, wrong))
