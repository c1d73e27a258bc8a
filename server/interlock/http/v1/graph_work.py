"""What the routes of graphs do, on the commands of the engine.

Laws:
- A session is a run of a graph that was active when it began. To a caller who may not read it, it doesn't exist.
- Whoever may run graphs in a namespace sees the sessions there, and may cancel them; of other runs they see none.
- A request that waits is one of the node's streams, as those of instances are; what was accepted goes on without it.
- The same key gets the same session, whatever became of the connection.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final

from fastapi.responses import Response
from pydantic import BaseModel
from pydantic_core import from_json

from interlock.auth import Principal, Verb, may
from interlock.auth.principal import EXECUTE, GRAPHS
from interlock.definitions.port import program_of_run
from interlock.engine.commands.runs import Facts
from interlock.following.lists import seen_by
from interlock.http.sse import RunRequest
from interlock.http.v1 import session_bodies as bodies
from interlock.http.v1.answers import answer
from interlock.http.v1.bodies import MAX_INPUT_BYTES, invalid, read_object
from interlock.http.v1.errors import ApiError, Code, not_there, refused
from interlock.http.v1.idempotency import before, keep, key_of, reused
from interlock.http.v1.instance_work import Instances, Waiting, check_size
from interlock.http.v1.times import shown_or_none
from interlock.http.v1.views import events_from
from interlock.store.port import IdempotencyKey
from interlock.workflow.program import Program
from interlock.workflow.run.machine_view import View
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.faults import shortened
from interlock_protocol.types import JsonObject

MAX_WAIT: Final = 60
"""How many seconds a request waits at most, and without `Prefer`."""


class Body(BaseModel):
    """What a graph is run with."""

    values: JsonObject


class Sessions(Instances):
    """The implementation of the routes of sessions."""

    VERB: ClassVar[Verb] = Verb.RUN_GRAPHS

    async def run(self, waiting: Waiting, name: str) -> Response:
        """Begin a session, and answer with what it comes to."""
        values = await read_object(waiting.request, MAX_INPUT_BYTES + 1024)
        check_size(values)
        asked = Body(values=values)
        key = key_of(waiting.request, waiting.principal, waiting.key, asked)
        waiting = replace(waiting, principal=as_executor(waiting.principal))
        return await self._once(
            waiting, key, 200, lambda follows: self._begin_session(follows, waiting, name, asked, key)
        )

    async def _begin_session(
        self, follows: RunRequest, waiting: Waiting, name: str, asked: Body, key: IdempotencyKey | None
    ) -> str:
        _check_fields(await self.active(waiting.principal, name), asked.values)
        return await self._start(follows, waiting, {"workflow_id": name, "message": asked.values}, key)

    async def of_line(
        self, follows: RunRequest, waiting: Waiting, name: str, number: int, values: JsonObject
    ) -> tuple[Any, int]:
        """Run the graph for one line of a batch: what it came to, and the status that this has."""
        services, asked = self._services(), Body(values=values)
        said = None if waiting.key is None else f"{waiting.key}:{number}"
        key = key_of(waiting.request, waiting.principal, said, asked)
        earlier = await before(services, waiting.principal, key)
        if earlier is not None and earlier.answer is not None:
            return from_json(bytes(earlier.answer.body))["data"], earlier.answer.status_code
        if earlier is None:
            run_id = await self._begin_session(follows, waiting, name, asked, key)
        else:
            run_id = earlier.run_id
            await self._go_on(follows, run_id)
        view = await self._settled(follows, run_id, waiting.seconds, None)
        told, status = await self._told(await services.engine.runs.facts(run_id), view), 200 if view.is_over else 202
        await keep(services, key, answer(told, status))
        return told, status

    async def active(self, principal: Principal, name: str) -> Program:
        """The active graph of this name.

        Raises:
            ApiError: `graph_not_found` or `not_activated`.
        """
        services = self._services()
        program = await services.definitions.program_of(name, None, principal.account)
        if program is not None and program.is_graph:
            return program
        found = await services.store.name(principal.account, name)
        if found is None or found.kind != "graph" or program is not None:
            raise not_there(Code.GRAPH_NOT_FOUND, f"Graph {name!r}")
        raise ApiError(Code.NOT_ACTIVATED, f"Graph {name!r} isn't active; activate it first.")

    async def facts(self, principal: Principal, instance_id: str) -> Facts:
        with _known(instance_id):
            facts = await self._services().engine.runs.facts(instance_id)
        if not (may(principal, Verb.RUN_GRAPHS, facts) or may(principal, Verb.READ, facts)):
            raise _no_session(instance_id)
        program = await program_of_run(self._services().definitions, facts)
        if program is None or not program.is_graph:
            raise _no_session(instance_id)
        return facts

    async def session(self, principal: Principal, session_id: str) -> dict[str, Any]:
        """A session, with its tasks."""
        engine, facts = self._services().engine, await self.facts(principal, session_id)
        told = await self._told(facts, await self.view(session_id))
        head = await engine.runs.head(session_id)
        events = [each async for each in events_from(engine, head, head.first_index)]
        return {**told, "tasks": bodies.tasks_in(events)}

    async def sessions(self, principal: Principal, name: str, limit: int, cursor: str | None) -> dict[str, Any]:
        """A page of a graph's sessions."""
        which = replace(seen_by(principal), workflow_id=name, cursor=cursor, limit=limit)
        try:
            page = await self._services().store.runs(which)
        except ValueError:
            raise invalid([{"field": "cursor", "error": "isn't one of ours; begin without it"}]) from None
        return {"sessions": [bodies.summary(row) for row in page.runs], "next_cursor": page.next_cursor}

    async def cancelled(self, principal: Principal, session_id: str, reason: str | None) -> JsonObject:
        """Cancel a session."""
        facts = await self.facts(principal, session_id)
        if may(principal, Verb.RUN_GRAPHS, facts):
            principal = as_executor(principal)
        told = await self.cancel(principal, session_id, reason)
        view = await self.view(session_id)
        return {"session_id": session_id, "status": told["status"], "cancelled_at": shown_or_none(view.ended_at)}

    # ── Answers ─────────────────────────────────────────────────────────────────────────────────────────

    async def _told(self, facts: Facts, view: View) -> JsonObject:
        state = await self._services().engine.runs.state(facts.run_id)
        if view.is_over and not state.status.is_final:
            state = await self._services().engine.runs.state(facts.run_id, fresh=True)
        return bodies.session(facts, view, state)

    async def _answer(self, waiting: Waiting, facts: Facts, view: View, status: int) -> Response:
        told = await self._told(facts, view)
        headers = {} if view.is_over else {"Location": str(bodies.links(facts)["self"])}
        return answer(told, status if view.is_over else 202, headers)

    def _not_created(self, refusal: Refusal) -> ApiError:
        match refusal.code:
            case ErrorCode.CONFLICT:
                return reused()
            case ErrorCode.INVALID_MESSAGE:
                return _wrong_body(refusal)
            case ErrorCode.WORKFLOW_NOT_FOUND:
                return not_there(Code.GRAPH_NOT_FOUND, "The graph")
        return refused(refusal)


def as_executor(principal: Principal) -> Principal:
    """Whoever may run graphs, towards the engine: for sessions alone, which are looked at before."""
    return replace(principal, scopes=principal.scopes | {EXECUTE}) if GRAPHS in principal.scopes else principal


def _check_fields(program: Program, values: JsonObject) -> None:
    """Check that a body has the fields that the graph needs, and no others: each is told by its name.

    Raises:
        ApiError: `invalid_input`.
    """
    schema: Mapping[str, Any] = program.workflow.accepts or {}
    known = schema.get("properties", {})
    wrong = [{"field": name, "error": "is required"} for name in schema.get("required", ()) if name not in values]
    if schema.get("additionalProperties") is False:
        wrong += [
            {"field": shortened(name), "error": "isn't a field of this graph"} for name in values if name not in known
        ]
    if wrong:
        raise _invalid_input(wrong)


def _invalid_input(wrong: list[dict[str, Any]]) -> ApiError:
    first = f"{wrong[0]['field'] or 'the body'}: {wrong[0]['error']}"
    return ApiError(Code.INVALID_INPUT, f"The body isn't what the graph needs: {first}", wrong)


def _wrong_body(refusal: Refusal) -> ApiError:
    """The answer to a body that doesn't fit: an entry for each field."""
    faults: list[Mapping[str, Any]] = refusal.details if isinstance(refusal.details, list) else []
    details = [{**each, "field": re.sub(r"^message\.?", "", str(each["field"]))} for each in faults]
    if not details:
        return refused(refusal, Code.INVALID_INPUT)
    return _invalid_input(details)


@contextlib.contextmanager
def _known(session_id: str) -> Iterator[None]:
    """Answer `session_not_found` where the engine finds no such run for the caller."""
    try:
        yield
    except Refusal as refusal:
        if refusal.code is not ErrorCode.RUN_NOT_FOUND:
            raise
        raise _no_session(session_id) from None


def _no_session(session_id: str) -> ApiError:
    return not_there(Code.SESSION_NOT_FOUND, f"Session {session_id!r}")
