"""AgentOS's HTTP routes. `ROUTES` is the whole mapping.

Laws:
- Each is answered by the server's own routes, called with the client's own headers: their rights, limits and refusals
  apply. The log is read only for runs that these routes have let this client read, one for each request that they
  counted: a list of runs counts as several requests.
- Of a body, no more is read or parsed than the server would: a larger one is passed on for the server to refuse.
- Agents, teams and models, which Interlock doesn't have, are empty lists; other paths of AgentOS don't exist.

Source: `docs/agentos.md`, "HTTP".
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from interlock.bridges.agentos import actions
from interlock.bridges.agentos.events import as_run_output, repeats, translated
from interlock.bridges.agentos.exchange import Answer, Translating, asking, header, read
from interlock.bridges.agentos.history import Reader
from interlock.bridges.agentos.outputs import Fields, place_of
from interlock.http.bodies import MAX_FIELDS
from interlock_protocol.codec import check_values
from interlock_protocol.errors import Refusal
from interlock_protocol.limits import MAX_UNAUTHENTICATED_BYTES, MAX_VALUES

LISTED = 50
"""The maximum number of runs of a session that are listed, the newest."""

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Request:
    """A request of a client of AgentOS.

    Attributes:
        app: the server's own routes.
        log: the reader of runs' logs.
        of: the parameters of its path.
        limit: the largest body that is parsed, in bytes.
    """

    app: ASGIApp
    scope: Scope
    receive: Receive
    send: Send
    log: Reader
    of: dict[str, str]
    limit: int

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.scope["query_string"].decode("latin-1")))

    async def ask(self, path: str, **query: str) -> Answer:
        """Return the answer of the server's own route to a GET."""
        return await read(self.app, asking(self.scope, path, method="GET", query=urlencode(query).encode()))

    async def forward(self, path: str, receive: Receive | None = None, **changes: Any) -> None:
        """Let the server's own route answer, and translate its runs and events."""
        scope = asking(self.scope, path, **changes)
        await self.app(scope, receive or self.receive, Translating(self.send, self._output, self._event))

    async def _output(self, output: Fields) -> Fields:
        return as_run_output(output, await self.log.until(output["run_id"]))

    async def _event(self, message: Fields) -> Fields:
        if not repeats(message):
            return translated(message)
        return translated(message, await self.log.until(message["run_id"], place_of(message) + 1))


Respond = Callable[[Request], Awaitable[None]]


# ── The server ──────────────────────────────────────────────────────────────────────────────────────────

_STARTED_AT = datetime.now(UTC)


async def health(request: Request) -> None:
    """`GET /health`."""
    answer = await request.ask("/health/live")
    if answer.is_fine:
        answer.content = {"status": "ok", "instantiated_at": _STARTED_AT.isoformat()}
    await answer.send(request.send)


async def config(request: Request) -> None:
    """`GET /config`."""
    answer = await request.ask("/workflows")
    if answer.is_fine:
        none: dict[str, list[Any]] = {
            name: [] for name in ("available_models", "databases", "agents", "teams", "interfaces")
        }
        named = {"os_id": "interlock", "name": "Interlock", "description": "Workflows that wait for people."}
        answer.content = {**named, **none, "workflows": [_summary(each) for each in answer.content["workflows"]]}
    await answer.send(request.send)


async def none_of_these(request: Request) -> None:
    """`GET /agents`, `/teams` and `/models`: there are none."""
    answer = await request.ask("/workflows")
    if answer.is_fine:
        answer.content = []
    await answer.send(request.send)


# ── Workflows ───────────────────────────────────────────────────────────────────────────────────────────


async def workflows(request: Request) -> None:
    """`GET /workflows`, as an array."""
    answer = await request.ask("/workflows")
    if answer.is_fine:
        answer.content = [_summary(each) for each in answer.content["workflows"]]
    await answer.send(request.send)


async def workflow(request: Request) -> None:
    """`GET /workflows/{workflow_id}`."""
    answer = await request.ask("/workflows")
    if answer.is_fine:
        found = [each for each in answer.content["workflows"] if each["id"] == request.of["workflow_id"]]
        answer = Answer(200, _whole(found[0])) if found else not_found("Workflow not found")
    await answer.send(request.send)


def _summary(own: Fields) -> Fields:
    return {"id": own["id"], "name": own["name"], "description": own["description"], "db_id": None}


def _whole(own: Fields) -> Fields:
    steps = [{"name": step["name"], "type": step["step_type"]} for step in own["steps"]]
    return {**_summary(own), "input_schema": own["input_schema"] or None, "steps": steps, "metadata": None}


# ── Runs ────────────────────────────────────────────────────────────────────────────────────────────────


async def start(request: Request) -> None:
    """`POST /workflows/{workflow_id}/runs`."""
    await request.forward(_runs_of(request))


async def continue_(request: Request) -> None:
    """`POST …/runs/{run_id}/continue`."""
    body = await _body(request)
    scope_kind = _kind(request.scope)
    if scope_kind == FORM:
        body = _with_decisions(body)
    elif scope_kind == "application/json":
        body = _object_with_decisions(body)
    headers = [(name, value) for name, value in request.scope["headers"] if name.lower() != b"content-length"]
    request.scope["headers"] = [*headers, (b"content-length", str(len(body)).encode())]
    await request.forward(_run_of(request) + "/continue", _once(body, request.receive))


async def cancel(request: Request) -> None:
    """`POST …/runs/{run_id}/cancel`."""
    await request.forward(_run_of(request) + "/cancel")


async def resume(request: Request) -> None:
    """`POST` and `GET …/runs/{run_id}/resume`: missed events, and what follows. A finished run is replayed whole."""
    asked = request.query
    if request.scope["method"] == "POST":
        form = await _body(request)
        if _has_too_many(form):
            await Answer(400, {"detail": f"This form has more than {MAX_FIELDS} fields."}).send(request.send)
            return
        asked = dict(parse_qsl(form.decode("latin-1")))
    given = {name: asked[name] for name in ("last_event_index", "session_id") if asked.get(name)}
    answer = await request.ask(_run_of(request))
    if answer.is_fine and answer.content["status"] in ("COMPLETED", "CANCELLED", "ERROR"):
        given.pop("last_event_index", None)
    await request.forward(
        _run_of(request) + "/resume", _once(b"", request.receive), method="GET", query=urlencode(given).encode()
    )


async def run(request: Request) -> None:
    """`GET …/runs/{run_id}`."""
    answer = await request.ask(_run_of(request), **_session(request))
    if answer.is_fine:
        output, history = answer.content["output"], await request.log.until(request.of["run_id"])
        answer.content = as_run_output(output, history)
    await answer.send(request.send)


async def runs(request: Request) -> None:
    """`GET /workflows/{workflow_id}/runs?session_id=…`, as an array."""
    await _list(request, _runs_of(request), _session(request))


async def runs_of_session(request: Request) -> None:
    """`GET /sessions/{session_id}/runs`."""
    await _list(request, "/runs", {"session_id": request.of["session_id"]})


async def run_of_session(request: Request) -> None:
    """`GET /sessions/{session_id}/runs/{run_id}`."""
    answer = await request.ask("/runs", session_id=request.of["session_id"], limit="200")
    if answer.is_fine:
        found = [each for each in answer.content["runs"] if each["run_id"] == request.of["run_id"]]
        answer = Answer(200, await _listed(request, found[0])) if found else not_found("Run not found")
    await answer.send(request.send)


async def _list(request: Request, path: str, asked: dict[str, str]) -> None:
    asked |= {name: value.upper() for name, value in request.query.items() if name == "status"}
    answer = await request.ask(path, **asked, limit=str(LISTED))
    if answer.is_fine:
        answer.content = [await _listed(request, each) for each in answer.content["runs"]]
    await answer.send(request.send)


async def _listed(request: Request, own: Fields) -> Fields:
    """A run in AgentOS's lists: complete, with text where Interlock has values."""
    answer = await request.ask(f"/workflows/{own['workflow_id']}/runs/{own['run_id']}")
    if not answer.is_fine:
        return {**own, "created_at": _iso(own["created_at"])}
    told = as_run_output(answer.content["output"], await request.log.until(own["run_id"]))
    content = told.get("content")
    told["content"] = content if isinstance(content, str | dict | None) else json.dumps(content)
    given = told.pop("input", None)
    told["run_input"] = given if isinstance(given, str | None) else json.dumps(given)
    return {**told, "user_id": own["user_id"], "created_at": _iso(own["created_at"])}


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


def not_found(detail: str) -> Answer:
    """The answer for something, or a path, that doesn't exist."""
    return Answer(404, {"detail": detail})


# ── Requests ────────────────────────────────────────────────────────────────────────────────────────────


def _runs_of(request: Request) -> str:
    return f"/workflows/{request.of['workflow_id']}/runs"


def _run_of(request: Request) -> str:
    return f"{_runs_of(request)}/{request.of['run_id']}"


def _session(request: Request) -> dict[str, str]:
    session_id = request.query.get("session_id")
    return {"session_id": session_id} if session_id else {}


def _kind(scope: Scope) -> str:
    return (header(scope, b"content-type") or "").partition(";")[0].strip().lower()


async def _body(request: Request) -> bytes:
    """The body, up to what the server would read, which refuses a larger one."""
    is_stranger = header(request.scope, b"authorization") is None
    limit = min(request.limit, MAX_UNAUTHENTICATED_BYTES) if is_stranger else request.limit
    body = bytearray()
    while len(body) <= limit:
        message = await request.receive()
        body.extend(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False):
            break
    return bytes(body)


def _has_too_many(form: bytes) -> bool:
    return form.count(b"&") >= MAX_FIELDS


def _parsed(text: str) -> Any:
    """Parse a JSON text; return None if it is invalid, or has more values than the server would accept."""
    try:
        check_values(text, MAX_VALUES)
        return json.loads(text)
    except (Refusal, ValueError, RecursionError):
        return None


def _with_decisions(form: bytes) -> bytes:
    if _has_too_many(form):
        return form
    fields = parse_qsl(form.decode("latin-1"), keep_blank_values=True, encoding="utf-8")
    told = [(name, _decisions(value) if name == "step_requirements" else value) for name, value in fields]
    return urlencode(told).encode()


def _decisions(text: str) -> str:
    echoed = _parsed(text)
    return json.dumps([actions.decided(each) for each in echoed]) if isinstance(echoed, list) else text


def _object_with_decisions(body: bytes) -> bytes:
    try:
        fields = _parsed(body.decode())
    except UnicodeDecodeError:
        return body
    return json.dumps(actions.continued(fields)).encode() if isinstance(fields, dict) else body


def _once(body: bytes, then: Receive) -> Receive:
    """Replay a request's body that was already read; after it, only the client's disconnection can come."""
    parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return parts.pop() if parts else await then()

    return receive


# ── The table ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Route:
    """A path of AgentOS, and its handler."""

    methods: frozenset[str]
    path: str
    respond: Respond

    def match(self, path: str) -> dict[str, str] | None:
        """The parameters of a path, if it matches this route."""
        found = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path), path)
        return None if found is None else found.groupdict()


def _route(methods: str, path: str, respond: Respond) -> Route:
    return Route(frozenset(methods.split()), path, respond)


_RUN = "/workflows/{workflow_id}/runs/{run_id}"

ROUTES: Sequence[Route] = (
    _route("GET", "/health", health),
    _route("GET", "/config", config),
    _route("GET", "/agents", none_of_these),
    _route("GET", "/teams", none_of_these),
    _route("GET", "/models", none_of_these),
    _route("GET", "/workflows", workflows),
    _route("GET", "/workflows/{workflow_id}", workflow),
    _route("POST", "/workflows/{workflow_id}/runs", start),
    _route("GET", "/workflows/{workflow_id}/runs", runs),
    _route("GET", _RUN, run),
    _route("POST", f"{_RUN}/continue", continue_),
    _route("POST", f"{_RUN}/cancel", cancel),
    _route("GET POST", f"{_RUN}/resume", resume),
    _route("GET", "/sessions/{session_id}/runs", runs_of_session),
    _route("GET", "/sessions/{session_id}/runs/{run_id}", run_of_session),
)


def find(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The route of a request, and the parameters of its path."""
    for route in ROUTES:
        of = route.match(path) if method in route.methods else None
        if of is not None:
            return route, of
    return None
