"""What the routes of instances do, on the commands of the engine.

Laws:
- A request that waits begins following its run before it reads where that is, so it misses nothing.
- A request that waits is one of the node's streams: their number is bounded, and they end when the server stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Final

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from pydantic_core import to_json

from interlock.auth import Principal, Verb, may
from interlock.engine.commands.idempotency import OneAtATime
from interlock.engine.commands.runs import Facts
from interlock.engine.engine import Origin
from interlock.following.lists import seen_by
from interlock.http.sse import ExpiredDuring, RunRequest, Streams, while_there
from interlock.http.v1 import instance_bodies as bodies
from interlock.http.v1 import resuming
from interlock.http.v1.answers import answer
from interlock.http.v1.bodies import MAX_INPUT_BYTES, invalid, too_large
from interlock.http.v1.callers import lacks_scope
from interlock.http.v1.errors import ApiError, Code, no_version, not_there, refused
from interlock.http.v1.frame import error_body
from interlock.http.v1.idempotency import before, keep, key_of, reused
from interlock.http.v1.instance_shapes import CreateInstance, InstanceStatus, ResumeInstance, RetryInstance
from interlock.http.v1.request_ids import request_id_of
from interlock.http.v1.times import shown_or_none
from interlock.http.v1.views import Views
from interlock.log.port import LogUnavailable
from interlock.services import Services
from interlock.store.port import IdempotencyKey, ListedRun
from interlock.store.ports.definitions import is_version_id
from interlock.telemetry import tracing
from interlock.workflow.containers.machine import MAIN
from interlock.workflow.run.machine_view import STATUS_OF, View
from interlock.workflow.run.state import RunState
from interlock_protocol.connection import validated
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import CancelWorkflow, ContinueWorkflow, StartWorkflow
from interlock_protocol.types import JsonObject, RunStatus

_FAILED_LOGIC: Final = frozenset(
    {Code.SCRIPT_ERROR, Code.SCRIPT_TIMEOUT, Code.HTTP_ERROR, Code.HTTP_TIMEOUT, Code.SECRET_NOT_ALLOWED}
)
"""The failures of an instance that are answered as errors."""

_STATUSES: Final = {
    told: frozenset(status for status, word in STATUS_OF.items() if word == told) for told in set(STATUS_OF.values())
}
_PREFIX: Final = "inst_"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request whose sender waits for what becomes of it.

    Attributes:
        key: its `Idempotency-Key`.
        seconds: for how long it waits.
    """

    request: Request
    principal: Principal
    key: str | None
    seconds: int


class Instances:
    """The implementation of the routes."""

    VERB: ClassVar[Verb] = Verb.START
    """What is asked to begin one."""

    def __init__(self, services: Callable[[], Services], streams: Streams) -> None:
        self._services = services
        self._streams = streams
        self._views = Views()
        self._one_at_a_time = OneAtATime()

    # ── Reading ─────────────────────────────────────────────────────────────────────────────────────────

    async def facts(self, principal: Principal, instance_id: str) -> Facts:
        """The facts of an instance that the principal may read.

        Raises:
            ApiError: `instance_not_found`.
        """
        if not instance_id.startswith(_PREFIX):
            raise _no_instance(instance_id)
        with _known(instance_id):
            return await self._services().engine.runs.readable(principal, instance_id)

    async def view(self, instance_id: str) -> View:
        """What it looks like now; read-only."""
        return await self._views.view(self._services().engine, instance_id)

    async def detail(self, principal: Principal, instance_id: str) -> JsonObject:
        facts = await self.facts(principal, instance_id)
        return bodies.detail(facts, await self.view(instance_id))

    async def threads(self, principal: Principal, instance_id: str) -> list[Any]:
        await self.facts(principal, instance_id)
        return bodies.threads(await self.view(instance_id))

    async def listed(
        self,
        principal: Principal,
        namespace: str | None,
        workflow_name: str | None,
        status: InstanceStatus | None,
        business_key: str | None,
        limit: int,
        cursor: str | None,
    ) -> dict[str, Any]:
        which = replace(
            seen_by(principal),
            workflow_id=workflow_name,
            namespace=namespace,
            business_key=business_key,
            statuses=_STATUSES[status] if status is not None else frozenset(),
            id_prefix=_PREFIX,
            cursor=cursor,
            limit=limit,
        )
        try:
            page = await self._services().store.runs(which)
        except ValueError:
            raise invalid([{"field": "cursor", "error": "isn't one of ours; begin without it"}]) from None
        instances = [bodies.summary(row, await self._current_state(row)) for row in page.runs]
        return {"instances": instances, "next_cursor": page.next_cursor}

    async def _current_state(self, row: ListedRun) -> str | None:
        """The state that an instance is in, of which only the row is known."""
        of_main = next((each for each in row.pending if each.get("thread_id") == MAIN), None)
        if row.status is RunStatus.PAUSED and of_main is not None:
            return str(of_main["step_name"])
        with contextlib.suppress(Refusal, LogUnavailable):
            return (await self.view(row.run_id)).current_state
        return None

    # ── Creating ────────────────────────────────────────────────────────────────────────────────────────

    async def create(self, waiting: Waiting, name: str, asked: CreateInstance) -> Response:
        check_size(asked.input)
        key = key_of(waiting.request, waiting.principal, waiting.key, asked)
        return await self._once(waiting, key, 201, lambda follows: self._begin(follows, waiting, name, asked, key))

    async def _begin(
        self, follows: RunRequest, waiting: Waiting, name: str, asked: CreateInstance, key: IdempotencyKey | None
    ) -> str:
        """Start the run and begin following it."""
        await self._check_startable(waiting.principal, name, asked.version_id)
        fields = {
            "workflow_id": name,
            "version": asked.version_id,
            "message": asked.input,
            "namespace": asked.namespace,
            "business_key": asked.business_key,
        }
        return await self._start(follows, waiting, fields, key)

    async def _start(
        self,
        follows: RunRequest,
        waiting: Waiting,
        fields: Mapping[str, Any],
        key: IdempotencyKey | None,
        origin: Origin | None = None,
    ) -> str:
        engine = self._services().engine
        message = validated(StartWorkflow, {"action": "start-workflow", **fields})
        assert isinstance(message, StartWorkflow)
        with tracing.action(message):
            try:
                accepted = await engine.start(waiting.principal, message, key=key, origin=origin, verb=self.VERB)
            except Refusal as refusal:
                raise self._not_created(refusal) from None
        cursor = follows.watch(accepted.run_id).cursor
        if accepted.first_index is None:  # its key was used before: the run may have gone on since
            with contextlib.suppress(LogUnavailable):
                head = await engine.runs.head(accepted.run_id)
                cursor.told(head.epoch, head.next_index)
        return accepted.run_id

    def _not_created(self, refusal: Refusal) -> ApiError:
        """The answer to a refused start."""
        return _not_created(refusal)

    async def _check_startable(self, principal: Principal, name: str, version_id: str | None) -> None:
        services = self._services()
        if version_id is not None:
            await self._check_version(principal, name, version_id)
            return
        program = await services.definitions.program_of(name, None, principal.account)
        if program is not None and program.run_prefix == _PREFIX:
            return
        if program is None and await services.store.name(principal.account, name) is not None:
            sentence = f"Workflow {name!r} has no published version; publish one first."
            raise ApiError(Code.WORKFLOW_NOT_PUBLISHED, sentence)
        raise not_there(Code.WORKFLOW_NOT_FOUND, f"Workflow {name!r}")

    async def _check_version(self, principal: Principal, name: str, version_id: str) -> None:
        store = self._services().store
        row = await store.version(principal.account, name, version_id)
        if row is None and await store.name(principal.account, name) is None:
            raise not_there(Code.WORKFLOW_NOT_FOUND, f"Workflow {name!r}")
        if row is None:
            raise no_version(name, version_id)
        if row.status == "draft" and not may(principal, Verb.WRITE_DEFINITIONS):
            raise lacks_scope(Verb.WRITE_DEFINITIONS)

    # ── Resuming ────────────────────────────────────────────────────────────────────────────────────────

    async def resume(
        self, waiting: Waiting, instance_id: str, asked: ResumeInstance, *, thread: str | None = None
    ) -> Response:
        given = asked.input if asked.choice is None else {**asked.input, "choice": asked.choice}
        check_size(given)
        if thread is not None and asked.thread_id not in (None, thread):
            raise invalid([{"field": "thread_id", "error": "must be what the path says, or left out"}])
        await self.facts(waiting.principal, instance_id)
        key = key_of(waiting.request, waiting.principal, waiting.key, asked)
        asked = asked.model_copy(update={"input": given})
        thread = thread or asked.thread_id
        work = partial(self._continue, waiting=waiting, run_id=instance_id, asked=asked, thread=thread, key=key)
        return await self._once(waiting, key, 200, work, thread=thread)

    async def _continue(
        self,
        follows: RunRequest,
        *,
        waiting: Waiting,
        run_id: str,
        asked: ResumeInstance,
        thread: str | None,
        key: IdempotencyKey | None,
    ) -> str:
        """Decide what the instance waits for, and begin following what comes of it."""
        engine = self._services().engine
        follower = follows.watch(run_id)
        state = await self._state(run_id)
        halt_id = await resuming.halt_for(engine, state, partial(self.view, run_id), asked, thread)
        fields = {
            "action": "continue-workflow",
            "workflow_id": state.workflow_id,
            "run_id": run_id,
            "step_requirements": [{"id": halt_id, "digest": asked.digest, "user_input": asked.input}],
            "on_behalf_of": asked.on_behalf_of,
            "reason": asked.reason,
        }
        message = validated(ContinueWorkflow, fields)
        assert isinstance(message, ContinueWorkflow)
        with tracing.action(message):
            try:
                accepted = await engine.continue_run(waiting.principal, message, key=key)
            except Refusal as refusal:
                raise resuming.told(refusal, await self.view(run_id), asked) from None
        if accepted.first_index is not None and accepted.goes_on:
            follower.begin(accepted.first_index)
            follower.cursor.told(accepted.epoch, accepted.first_index + 1)
        else:  # it was decided before, or others have to respond too: nothing follows
            await self._go_on(follows, run_id)
        return run_id

    async def _state(self, run_id: str) -> RunState:
        """The state of a run, as new as its log."""
        runs = self._services().engine.runs
        state, head = await runs.state(run_id), await runs.head_now(run_id)
        is_behind = (state.epoch, state.next_index) < (head.epoch, head.next_index)
        return await runs.state(run_id, fresh=True) if is_behind else state

    # ── Retrying ────────────────────────────────────────────────────────────────────────────────────────

    async def retry(self, waiting: Waiting, instance_id: str, asked: RetryInstance) -> Response:
        await self.facts(waiting.principal, instance_id)
        key = key_of(waiting.request, waiting.principal, waiting.key, asked)
        again = partial(self._begin_again, waiting=waiting, instance_id=instance_id, key=key)
        return await self._once(waiting, key, 201, again)

    async def _begin_again(
        self, follows: RunRequest, *, waiting: Waiting, instance_id: str, key: IdempotencyKey | None
    ) -> str:
        place = (await self.view(instance_id)).failed_at
        row = await self._services().store.run(instance_id)
        if row is None:
            raise _no_instance(instance_id)
        if place is None:
            sentence = "Only an instance that has failed, and whose events are kept, can be retried."
            raise ApiError(Code.INSTANCE_NOT_FAILED, sentence)
        if row.version is not None and is_version_id(row.version):
            await self._check_version(waiting.principal, row.workflow_id, row.version)
        earlier = row.origin or {}  # of one that is a retry itself, and that nobody has resumed since
        place = {**{key: earlier[key] for key in ("input",) if key in earlier}, **place}
        fields = {
            "workflow_id": row.workflow_id,
            "message": row.input,
            "namespace": row.namespace,
            "version": row.version,
            "business_key": row.business_key,
        }
        return await self._start(follows, waiting, fields, key, Origin(row.run_id, place))

    # ── Cancelling ──────────────────────────────────────────────────────────────────────────────────────

    async def cancel(self, principal: Principal, instance_id: str, reason: str | None) -> JsonObject:
        engine, facts = self._services().engine, await self.facts(principal, instance_id)
        fields = {
            "action": "cancel-workflow",
            "workflow_id": facts.workflow_id,
            "run_id": instance_id,
            "reason": reason,
        }
        message = validated(CancelWorkflow, fields)
        assert isinstance(message, CancelWorkflow)
        with tracing.action(message):
            try:
                await engine.cancel_run(principal, message)
            except Refusal as refusal:
                raise _not_cancelled(refusal) from None
        view = await self.view(instance_id)
        return {"id": instance_id, "status": "cancelled", "cancelled_at": shown_or_none(view.ended_at)}

    # ── Waiting ─────────────────────────────────────────────────────────────────────────────────────────

    async def _once(
        self,
        waiting: Waiting,
        key: IdempotencyKey | None,
        status: int,
        work: Callable[[RunRequest], Awaitable[str]],
        *,
        thread: str | None = None,
    ) -> Response:
        """Answer as an earlier request with this key was answered; otherwise do the work, and wait for its outcome."""
        services = self._services()
        async with self._one_at_a_time(key):
            earlier = await before(services, waiting.principal, key)
            if earlier is not None and earlier.answer is not None:
                return earlier.answer
            with self._streams.request(services, waiting.principal) as follows:
                if earlier is None:
                    run_id = await work(follows)
                else:
                    run_id = earlier.run_id
                    await self._go_on(follows, run_id)
                outcome = self._settled(follows, run_id, waiting.seconds, thread)
                view = await while_there(waiting.request.receive, outcome)
            if view is None:
                return Response()  # nobody gets it: the client has left
            response = await self._answer(waiting, await services.engine.runs.facts(run_id), view, status)
            await keep(services, key, response)
            return response

    async def _go_on(self, follows: RunRequest, run_id: str) -> None:
        """Follow a run from where it is now."""
        follower = follows.watch(run_id)
        head = await self._services().engine.runs.head(run_id)
        follower.begin(head.next_index)
        follower.cursor.told(head.epoch, head.next_index)

    async def _settled(self, follows: RunRequest, run_id: str, seconds: int, thread: str | None) -> View:
        """The view of a run once it, or one thread of it, halts or has ended; by now, if that takes too long."""
        cursor = follows.follower.cursor
        # What is yet to be delivered tells how it goes on; where nothing is, the run may have settled before.
        is_to_come = cursor.next_index == 0 or cursor.is_behind
        view = View() if is_to_come else await self.view(run_id)
        engine = self._services().engine
        with contextlib.suppress(TimeoutError, ExpiredDuring, Refusal):
            async with asyncio.timeout(seconds), aclosing(follows.pages()) as pages:
                while not _has_settled(view, thread):
                    if await anext(pages, None) is None:
                        break
                    view = await self._views.delivered(engine, cursor) if thread is not None else view
        return await self._views.delivered(engine, cursor)

    async def _answer(self, waiting: Waiting, facts: Facts, view: View, status: int) -> Response:
        code = None if view.error is None else view.error["code"]
        if code not in _FAILED_LOGIC:
            return answer(bodies.instance(facts, view), status)
        error = ApiError(Code(code), str(view.error and view.error["message"]), {"instance_id": facts.run_id})
        return JSONResponse(error_body(error, request_id_of(waiting.request)), error.status)


def _has_settled(view: View, thread: str | None) -> bool:
    return view.status != "running" or (thread is not None and view.has_stopped(thread))


def check_size(given: JsonObject) -> None:
    """Check that an input isn't too large; raises `ApiError`."""
    if len(to_json(given)) > MAX_INPUT_BYTES:
        raise too_large(MAX_INPUT_BYTES)


@contextlib.contextmanager
def _known(instance_id: str) -> Iterator[None]:
    """Answer `instance_not_found` where the engine finds no such run for the caller."""
    try:
        yield
    except Refusal as refusal:
        if refusal.code is not ErrorCode.RUN_NOT_FOUND:
            raise
        raise _no_instance(instance_id) from None


def _no_instance(instance_id: str) -> ApiError:
    return not_there(Code.INSTANCE_NOT_FOUND, f"Instance {instance_id!r}")


def _not_created(refusal: Refusal) -> ApiError:
    match refusal.code:
        case ErrorCode.CONFLICT:
            return reused()
        case ErrorCode.INVALID_MESSAGE:
            return _wrong_input(refusal)
        case ErrorCode.BUSINESS_KEY_TAKEN:
            details = None if refusal.run_id is None else {"instance_id": refusal.run_id}
            return ApiError(Code.BUSINESS_KEY_TAKEN, refusal.message, details)
        case _:
            return refused(refusal)


def _wrong_input(refusal: Refusal) -> ApiError:
    """The answer to an input that doesn't fit; what the engine calls the message is the `input` here."""
    faults = refusal.details if isinstance(refusal.details, list) else []
    details = [{**each, "field": re.sub(r"^message\b", "input", str(each["field"]))} for each in faults]
    if details == faults:
        return refused(refusal, Code.INVALID_INPUT)
    sentence = f"The input isn't what the workflow needs: {details[0]['field']}: {details[0]['error']}"
    return ApiError(Code.INVALID_INPUT, sentence, details)


def _not_cancelled(refusal: Refusal) -> ApiError:
    if refusal.code is not ErrorCode.RUN_FINISHED:
        return refused(refusal)
    return ApiError(Code.INSTANCE_NOT_ACTIVE, "The instance has ended; there is nothing to cancel.")
