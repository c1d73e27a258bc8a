"""What the routes of interactions do, on the commands of the engine.

Laws:
- An interaction is found only in the namespace of its run, by those who may read that run.
- A response is a decision like any: the engine judges it, and who may give it.
- A creation is answered once somebody is asked, or with why nobody can be.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final

from interlock.auth import Principal, Verb, may
from interlock.following.items import item_of
from interlock.following.lists import may_read_in, waiting_for
from interlock.http.projects.interaction_shapes import CreateInteraction, RespondToInteraction
from interlock.http.sse import ExpiredDuring, Streams
from interlock.http.v1.bodies import invalid
from interlock.http.v1.errors import ApiError, Code, not_there, refused
from interlock.http.v1.times import read, shown, shown_or_none
from interlock.interactions.asking import Asked, WrongQuestion, asked_in
from interlock.interactions.respond import decision_on, known, takes_response
from interlock.interactions.workflow import TAKEN_BACK, WORKFLOW_ID, address_of, requirement_of
from interlock.services import Services
from interlock.store.port import IdempotencyKey
from interlock.store.ports.interactions import InteractionFilter, InteractionStatus, StoredInteraction
from interlock.telemetry import tracing
from interlock.workflow.run.rolls import EMPTY_GROUP
from interlock.workflow.run.state import Requirement, RunState
from interlock_protocol.connection import validated
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.interactions import ids_of, interaction_id
from interlock_protocol.messages import StartWorkflow
from interlock_protocol.requirements import SIGNAL
from interlock_protocol.types import JsonObject

SECONDS: Final = 30.0
"""How long a creation waits until somebody is asked."""

MODES: Final = ("confirmed", "selected", "value", "comment")
"""The fields of a bare response."""

_ALREADY: Final = frozenset(
    {
        ErrorCode.CONFLICT,
        ErrorCode.REQUIREMENT_EXPIRED,
        ErrorCode.REQUIREMENT_NOT_FOUND,
        ErrorCode.RUN_FINISHED,
        ErrorCode.RUN_NOT_PAUSED,
    }
)


class InteractionWork:
    """The implementation of the routes."""

    def __init__(self, services: Callable[[], Services], streams: Streams) -> None:
        self._services = services
        self._streams = streams

    # ── Creating ────────────────────────────────────────────────────────────────────────────────────────

    async def create(
        self, principal: Principal, project: str, said: CreateInteraction, key: IdempotencyKey | None
    ) -> JsonObject:
        services = self._services()
        asked = _checked(said, services.engine.clock.now_ms())
        await self._check_link(principal, asked)
        message = validated(
            StartWorkflow,
            {
                "action": "start-workflow",
                "workflow_id": WORKFLOW_ID,
                "namespace": project,
                "message": asked.message,
            },
        )
        assert isinstance(message, StartWorkflow)
        with self._streams.request(services, principal) as follows, tracing.action(message):
            try:
                accepted = await services.engine.ask(principal, message, key=key)
            except Refusal as refusal:
                reused = Code.IDEMPOTENCY_KEY_REUSED if refusal.code is ErrorCode.CONFLICT else None
                raise refused(refusal, reused) from None
            cursor = follows.watch(accepted.run_id).cursor
            if accepted.first_index is None:  # its key was used before: the run may have gone on since
                head = await services.engine.runs.head(accepted.run_id)
                cursor.told(head.epoch, head.next_index)
            with contextlib.suppress(TimeoutError, ExpiredDuring):
                async with asyncio.timeout(SECONDS), aclosing(follows.pages()) as pages:
                    async for _ in pages:
                        pass
        state = await services.engine.runs.state(accepted.run_id, fresh=True)
        _check_is_asked(state)
        return await self._own(state)

    async def _check_link(self, principal: Principal, asked: Asked) -> None:
        if asked.link is None:
            return
        services, (run_id, topic) = self._services(), asked.link
        try:
            facts = await services.engine.runs.readable(principal, run_id)
        except Refusal as refusal:
            raise refused(refusal, Code.RUN_NOT_FOUND) from None
        if not may(principal, Verb.SIGNAL, facts):
            raise ApiError(Code.FORBIDDEN, "Only whoever may signal a run links an interaction to it.")
        state = await services.engine.runs.state(run_id)
        if state.status.is_final:
            raise ApiError(Code.RUN_FINISHED, "The run has ended, and waits for nothing; leave run_id and topic out.")
        other = await services.store.interaction_on(run_id, topic)
        if other is not None:
            raise _is_bound(topic, address_of(other))

    # ── Reading ─────────────────────────────────────────────────────────────────────────────────────────

    async def found(self, principal: Principal, project: str, address: str) -> tuple[RunState, str]:
        """The run of an interaction that the principal may read, and the id of its requirement.

        Raises:
            ApiError: `interaction_not_found`.
        """
        runs = self._services().engine.runs
        try:
            requirement_id, run_id = ids_of(address)
            facts = await runs.facts(run_id)
            if facts.workflow_id != WORKFLOW_ID or not may(principal, Verb.ASK, facts):
                facts = await runs.readable(principal, run_id)
        except ValueError:
            raise _no_interaction() from None
        except Refusal as refusal:
            if refusal.code is ErrorCode.RUN_NOT_FOUND:
                raise _no_interaction() from None
            raise
        if facts.namespace != project:
            raise _no_interaction()
        return await runs.state(run_id, fresh=await runs.is_behind(await runs.state(run_id))), requirement_id

    async def detail(self, principal: Principal, project: str, address: str) -> JsonObject:
        state, requirement_id = await self.found(principal, project, address)
        if state.workflow_id == WORKFLOW_ID:
            if requirement_id != requirement_of(state.run_id):
                raise _no_interaction()
            return await self._own(state)
        return _of_requirement(state, requirement_id)

    async def _own(self, state: RunState) -> JsonObject:
        """An interaction with a run of its own."""
        row = await self._services().store.interaction(state.run_id)
        if row is None:
            raise _no_interaction()
        return {**_of_row(row), **_votes(state.requirements.get(row.requirement_id))}

    async def listed(
        self,
        principal: Principal,
        project: str,
        *,
        status: InteractionStatus | None,
        type_: str | None,
        target: str | None,
        mine: bool,
        run_id: str | None,
        limit: int,
        cursor: str | None,
    ) -> JsonObject:
        asks = may(principal, Verb.ASK) and principal.owns(project)
        names = None if asks or may_read_in(principal, project) else principal.names
        if mine:
            names = principal.names
        if target is not None:
            names = frozenset({target}) if names is None else names & {target}
        which = InteractionFilter(principal.account, project, status, type_, names, run_id, cursor, limit)
        try:
            page = await self._services().store.interactions(which)
        except ValueError:
            raise _wrong_cursor() from None
        return {"interactions": [_of_row(row) for row in page.interactions], "next_cursor": page.next_cursor}

    async def inbox(self, principal: Principal, project: str | None, limit: int, cursor: str | None) -> JsonObject:
        which = replace(waiting_for(principal), namespace=project, limit=limit, cursor=cursor)
        try:
            page = await self._services().store.waiting(which)
        except ValueError:
            raise _wrong_cursor() from None
        items = [
            item_of(run, asked)
            for run in page.runs
            for asked in run.pending
            if asked.get("kind") != SIGNAL and may(principal, Verb.DECIDE, run, _Asked(asked))
        ]
        return {"items": [*items], "next_cursor": page.next_cursor}

    # ── Responding ──────────────────────────────────────────────────────────────────────────────────────

    async def respond(
        self,
        principal: Principal,
        project: str,
        address: str,
        said: RespondToInteraction,
        key: IdempotencyKey | None,
    ) -> JsonObject:
        state, requirement_id = await self.found(principal, project, address)
        if takes_response(state, requirement_id):
            bare = {name: value for name, value in (said.model_extra or {}).items() if name in MODES}
            decision: JsonObject = {"response": bare if said.response is None else said.response}
        else:
            decision = dict(said.model_extra or {})
        message = decision_on(state, requirement_id, decision, on_behalf_of=said.on_behalf_of, reason=said.reason)
        with tracing.action(message):
            try:
                await self._services().engine.continue_run(principal, message, key=key)
            except Refusal as refusal:
                raise _not_taken(refusal) from None
        return await self._as_it_is(principal, project, address)

    async def cancel(self, principal: Principal, project: str, address: str) -> JsonObject:
        """Take an interaction back: whoever waits for it is told so."""
        state, requirement_id = await self.found(principal, project, address)
        services = self._services()
        if state.workflow_id != WORKFLOW_ID or requirement_id != requirement_of(state.run_id):
            sentence = "This is asked by a workflow: cancel its run, or decide it."
            raise ApiError(Code.FORBIDDEN, sentence)
        row = await services.store.interaction(state.run_id)
        if row is None:
            raise _no_interaction()
        is_fenced = row.asked.get("exclude_starter") and row.created_by == principal.user_id
        if not may(principal, Verb.ASK, await services.engine.runs.facts(state.run_id)) or is_fenced:
            raise ApiError(Code.FORBIDDEN, "Only those who may create it, and decide it, take an interaction back.")
        if row.status != "pending":
            raise ApiError(Code.ALREADY_RESOLVED, "The interaction has ended.", {"interaction": _of_row(row)})
        payload: JsonObject = {"by": principal.user_id, "at": services.engine.clock.now_ms()}
        with contextlib.suppress(Refusal):  # it has just ended by itself
            await services.engine.tell(state.run_id, TAKEN_BACK, payload, f"back-{state.run_id}")
        return await self._as_it_is(principal, project, address, until_ended=True)

    async def _as_it_is(
        self, principal: Principal, project: str, address: str, *, until_ended: bool = False
    ) -> JsonObject:
        """An interaction after something was done; once it has ended, if that was enough."""
        services = self._services()
        state, requirement_id = await self.found(principal, project, address)
        is_over = until_ended or requirement_id not in state.requirements
        if state.workflow_id == WORKFLOW_ID and is_over and not state.status.is_final:
            with self._streams.request(services, principal) as follows:
                follower = follows.watch(state.run_id)
                follower.begin(state.next_index)
                follower.cursor.told(state.epoch, state.next_index)
                with contextlib.suppress(TimeoutError, ExpiredDuring):
                    async with asyncio.timeout(SECONDS), aclosing(follows.pages()) as pages:
                        async for _ in pages:
                            pass
        return await self.detail(principal, project, address)


def _checked(said: CreateInteraction, now: int) -> Asked:
    """Check the body of a creation.

    Raises:
        ApiError: `incompatible_mode` or `invalid_request`.
    """
    try:
        return asked_in(said, read(said.expires_at, "expires_at"), read(said.due_at, "due_at"), now)
    except WrongQuestion as wrong:
        if wrong.code is None:
            raise invalid(wrong.faults) from None
        raise ApiError(Code(wrong.code), wrong.faults[0]["error"], [*wrong.faults]) from None


class _Asked:
    """The part of a requirement that `may` needs."""

    def __init__(self, asked: Mapping[str, Any]) -> None:
        self.assignees = asked.get("assignees")


def _check_is_asked(state: RunState) -> None:
    """Raise why nobody is asked, if that is so."""
    if isinstance(state.content, dict) and state.content.get("refused") == "topic_bound":
        raise _is_bound("", str(state.content["by"]))
    if state.error is not None and state.status.is_final:
        code = Code.EMPTY_GROUP if "nobody to ask" in state.error or EMPTY_GROUP in state.error else None
        raise ApiError(code or Code.INVALID_REQUEST, state.error)


def _is_bound(topic: str, other: str) -> ApiError:
    named = f"topic {topic!r}" if topic else "topic"
    sentence = f"Another interaction is asked for this {named} of the run; wait for it, or take another topic."
    return ApiError(Code.TOPIC_BOUND, sentence, {"interaction_id": other})


def _no_interaction() -> ApiError:
    return not_there(Code.INTERACTION_NOT_FOUND, "The interaction")


def _wrong_cursor() -> ApiError:
    return invalid([{"field": "cursor", "error": "isn't one of ours; begin without it"}])


def _not_taken(refusal: Refusal) -> ApiError:
    if refusal.code is ErrorCode.INVALID_DECISION:
        details = refusal.details if isinstance(refusal.details, list) else []
        told = [{**each, "field": str(each["field"]).removeprefix("response.")} for each in details]
        return ApiError(Code.INVALID_RESPONSE, refusal.message, told)
    if refusal.code in _ALREADY:
        return ApiError(Code.ALREADY_RESOLVED, refusal.message, refusal.details)
    return refused(refusal)


# ── As it is shown ──────────────────────────────────────────────────────────────────────────────────────


def _of_row(row: StoredInteraction) -> JsonObject:
    asked: Mapping[str, Any] = row.asked
    result: Mapping[str, Any] = row.result or {}
    expires_at = asked.get("expires_at")
    told: dict[str, Any] = {
        "id": interaction_id(row.requirement_id, row.run_id),
        "own_run_id": row.run_id,
        "requirement_id": row.requirement_id,
        "status": row.status,
        **{
            name: asked.get(name)
            for name in ("type", "spec", "message", "title", "context", "priority", "routing", "policy")
        },
        "target_actor": asked["target_actor"],
        "assignees": asked["assignees"],
        "run_id": row.linked_run_id,
        "topic": row.topic,
        "created_by": row.created_by,
        "created_at": shown(row.created_at),
        "due_at": shown_or_none(asked.get("due_at")),
        "expires_at": shown_or_none(expires_at),
        **{name: result.get(name) for name in ("outcome", "response", "responses", "responded_by", "signal")},
        "responded_at": shown_or_none(result.get("responded_at")),
    }
    return {name: value for name, value in told.items() if value is not None}


def _of_requirement(state: RunState, requirement_id: str) -> JsonObject:
    """A requirement of any run."""
    found = known(state, requirement_id)
    if found is None or not found.asks_people:
        raise _no_interaction()
    facts = found.facts
    question: Mapping[str, Any] = facts.get("interaction") or {}
    told: dict[str, Any] = {
        "id": interaction_id(found.id, state.run_id),
        "own_run_id": state.run_id,
        "requirement_id": found.id,
        "status": "pending" if found.id in state.requirements else "cancelled",
        **{name: question.get(name) for name in ("type", "spec", "title", "context", "priority")},
        "message": question.get("message") or facts.get("confirmation_message") or facts.get("user_input_message"),
        "assignees": facts.get("assignees"),
        "policy": facts.get("policy"),
        "due_at": facts.get("due_at"),
        "expires_at": facts.get("timeout_at"),
        **_votes(found),
    }
    resolution = next((each for each in state.resolved.values() if each.requirement.id == found.id), None)
    if resolution is not None:
        response = resolution.decision.get("response", resolution.decision)
        is_expired = resolution.resolved_by == "timeout"
        told |= {"status": "expired" if is_expired else "completed", "response": None if is_expired else response}
        told |= {"responded_by": resolution.resolved_by, "responded_at": shown(resolution.resolved_at)}
    return {name: value for name, value in told.items() if value is not None}


def _votes(known: Requirement | None) -> JsonObject:
    """Who has responded so far, where several do."""
    if known is None or not known.takes_votes:
        return {}
    responses = [
        {"by": part.by, "at": part.at, **(part.decision or {}), "voter": voter}
        for voter, part in known.responses.items()
    ]
    return {"needed": known.facts.get("needed"), "responses": [*responses]}
