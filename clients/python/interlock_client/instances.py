"""Instances of state machines: started, resumed, followed, over HTTP; and waited for, by the socket.

Laws:
- Each creation and each resume carries an idempotency key, the caller's or one of its own, and is sent again under it
  if no answer came: it takes effect once.
- A resume of an `Instance` names the halt that this one showed (`halt_id`), so that it never answers the next one.
- Nobody polls: whoever waits is told by the socket, and asks for the instance only once it stands as wanted.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, Literal, Protocol, TypeAlias

from pydantic import Field

from interlock_client.machines import Answer, listed, pages
from interlock_client.rest import Call, Rest, path
from interlock_client.watching import Watch
from interlock_protocol.types import JsonValue, RunStatus

InstanceStatus: TypeAlias = Literal["running", "halted", "completed", "failed", "cancelled"]
EventType: TypeAlias = Literal["transition", "step", "halt", "signal", "error", "lifecycle"]

ENDED: Final[frozenset[str]] = frozenset({"completed", "failed", "cancelled"})
_STOPPED: Final[frozenset[str]] = ENDED | {"halted"}

_STATUS_OF: Final[Mapping[RunStatus, InstanceStatus]] = {
    RunStatus.PENDING: "running",
    RunStatus.RUNNING: "running",
    RunStatus.PAUSED: "halted",
    RunStatus.COMPLETED: "completed",
    RunStatus.ERROR: "failed",
    RunStatus.CANCELLED: "cancelled",
}

_INSTANCES: Final = path("workflows", "instances")
_ERRORS: Final = path("workflows", "errors")
_PAGE: Final = 200
"""How many instances are asked for at a time."""

_FIRST_LOOK: Final = 0.05
_LONGEST_LOOK: Final = 2.0
"""How long to wait, in seconds, before asking again for an instance that the socket knows to be further on."""


class HaltedOptions(Answer):
    """What a halt with instructions says, and in selection mode the transitions to choose from."""

    title: str | None = None
    instruction: str | None = None
    generated: bool = False
    include_data: tuple[str, ...] = ()
    transition_mode: str | None = None
    choices: tuple[dict[str, JsonValue], ...] = ()


class Halt(Answer):
    """What is asked where something is halted.

    Attributes:
        halt_id: what names the halt, for `resume`.
        halting_presentation: what a person is to be shown, templates filled in.
        halted_options: the same for a halt with instructions.
        halted_signal: the topic of the signals that lead on from it; without anything else to show, only they do.
        accepts: the JSON Schema of the input, if there is no form.
        halted_digest: a hash over what is asked; a resume that is given what shows the halt says it was made on that.
        halted_bind: whether a resume has to.
    """

    halt_id: str | None = None
    halted_at_state: str | None = None
    halting_presentation: dict[str, JsonValue] | None = None
    halted_options: HaltedOptions | None = None
    halted_signal: str | None = None
    accepts: dict[str, JsonValue] | None = None
    halted_digest: str | None = None
    halted_bind: bool = False


class Thread(Halt):
    """One path of an instance, and what it asks."""

    id: str
    status: InstanceStatus | str
    current_state: str | None = None


class Visit(Answer):
    """One visit of a state. `thread` is told of other threads than the main one."""

    state: str
    thread: str | None = None
    entered_at: str
    exited_at: str | None = None
    transition: str | None = None
    logs: tuple[str, ...] = ()
    duration_ms: float | None = None
    input_received: JsonValue = None
    resumed_at: str | None = None
    resumed_by: str | None = None


class Instance(Halt):
    """An instance as it stood when the server answered, and what it asks. Lists and short answers leave out the most.

    Attributes:
        id: the id of its run, for `Client.follow` and everything else.
        error: `code: message`, if it failed.
        retried_from: the failed instance that it repeats.
    """

    id: str
    status: InstanceStatus | str
    workflow_name: str | None = None
    version_id: str | None = None
    namespace: str | None = None
    business_key: str | None = None
    retried_from: str | None = None
    current_state: str | None = None
    workflow_data: dict[str, JsonValue] = Field(default_factory=dict)
    threads: tuple[Thread, ...] = ()
    history: tuple[Visit, ...] = ()
    error: str | None = None
    created_at: str | None = None
    ended_at: str | None = None
    cancelled_at: str | None = None

    @property
    def has_ended(self) -> bool:
        """Whether it is completed, failed or cancelled."""
        return self.status in ENDED


class HistoryEvent(Answer):
    """Something that happened to an instance. What belongs to its type and subtype is an attribute, too."""

    id: str
    type: EventType | str
    subtype: str | None = None
    timestamp: str | None = None
    thread: str | None = None
    workflow_data: dict[str, JsonValue] | None = None


class Pagination(Answer):
    """Whether there is more, and what `cursor` brings it."""

    has_more: bool = False
    next_cursor: str | None = None


class ListedError(Answer):
    """What failed in an instance, or in a run of a workflow in Python.

    Attributes:
        id: that of the event in the history of the instance.
        state: where; of a workflow in Python, the name of the step.
        fatal: whether it ended the instance.
    """

    id: str
    timestamp: str
    instance_id: str
    workflow_name: str
    version_id: str | None = None
    namespace: str
    state: str | None = None
    thread_id: str | None = None
    code: str
    message: str
    fatal: bool


class HistoryPage(Answer):
    """One page of what happened to an instance; `gap`: the server no longer has what happened before."""

    instance_id: str
    workflow_id: str | None = None
    status: InstanceStatus | str | None = None
    events: tuple[HistoryEvent, ...] = ()
    pagination: Pagination = Pagination()
    gap: bool = False


class ErrorPage(Answer):
    """One page of what failed, the newest first; `pagination.next_cursor` asks for the next one."""

    errors: tuple[ListedError, ...] = ()
    pagination: Pagination = Pagination()


class Watcher(Protocol):
    """What tells where a run stands: the client."""

    def watch(self, run_id: str) -> AbstractContextManager[Watch]:
        """Watches a run, whether the program follows it or not."""


class Instances:
    """The instances that this user may see. `Client.instances`."""

    def __init__(self, rest: Rest, watcher: Watcher) -> None:
        self._rest = rest
        self._watcher = watcher

    async def create(
        self,
        workflow_name: str,
        input: Mapping[str, JsonValue] | None = None,  # noqa: A002 - the API's own word
        *,
        namespace: str | None = None,
        business_key: str | None = None,
        version_id: str | None = None,
        idempotency_key: str | None = None,
        wait: float | None = None,
    ) -> Instance:
        """Starts an instance. Returns when it halts or ends, or as it stands by then.

        Args:
            business_key: what it is about: no two active instances of a workflow have the same.
            version_id: another version than the current one; a draft, to try it, where one may write definitions.
            idempotency_key: the same key again within a day gives the instance that was started then.
            wait: how long the server waits for it, in seconds; 30 unless told otherwise.

        Raises:
            NotFound: `workflow_not_found`, `version_not_found`.
            ActionRefused: `workflow_not_published`, `namespace_quota_exceeded`, …; or the instance was started and
                failed (`script_error`, `http_error`, …): `run_id` is its id then.
            Conflict: `idempotency_key_reused`, `business_key_taken`.
            RequestFailed: there was no answer, also when asked again.
        """
        body: dict[str, JsonValue] = {"input": dict(input or {})}
        if namespace is not None:
            body["namespace"] = namespace
        if business_key is not None:
            body["business_key"] = business_key
        if version_id is not None:
            body["version_id"] = version_id
        return await self._posted(
            path("workflows", workflow_name, "instances"), body, key=idempotency_key or _new_key(), wait=wait
        )

    async def retry(
        self, instance: str | Instance, *, idempotency_key: str | None = None, wait: float | None = None
    ) -> Instance:
        """Starts a new instance in the state in which this one failed, with the data that it had. Returns as `create`.

        Raises:
            ActionRefused: `instance_not_failed`, and what `create` raises.
        """
        return await self._posted(_of(instance, "retry"), {}, key=idempotency_key or _new_key(), wait=wait)

    async def get(self, instance: str | Instance) -> Instance:
        """An instance as it stands now."""
        return Instance.model_validate(await self._rest.send(Call(method="GET", path=_of(instance))))

    async def list(
        self,
        *,
        namespace: str | None = None,
        workflow_name: str | None = None,
        status: InstanceStatus | None = None,
        business_key: str | None = None,
        limit: int | None = 50,
    ) -> tuple[Instance, ...]:
        """The instances that fit, the newest first, without their data; at most `limit`, or all if that is None."""
        query: dict[str, str | int | None] = {
            "namespace": namespace,
            "workflow_name": workflow_name,
            "status": status,
            "business_key": business_key,
            "limit": _PAGE if limit is None else min(limit, _PAGE),
        }
        instances: deque[Instance] = deque()
        async for each in pages(self._rest, Call(method="GET", path=_INSTANCES, query=query), "instances"):
            instances.append(Instance.model_validate(each))
            if len(instances) == limit:
                break
        return tuple(instances)

    async def resume(
        self,
        instance: str | Instance,
        input: Mapping[str, JsonValue] | None = None,  # noqa: A002 - the API's own word
        *,
        expected_state: str | None = None,
        halt_id: str | None = None,
        digest: str | None = None,
        idempotency_key: str | None = None,
        wait: float | None = None,
    ) -> Instance:
        """Gives a halted instance what it waits for. Returns when it halts again or ends, or as it stands by then.

        Args:
            instance: its id; or the instance itself, for the halt that it shows.
            input: the values of the form; in selection mode `{"choice": key}`.
            expected_state, halt_id: the halt that this is for, and no other.
            digest: its `halted_digest`: what this was decided on.

        Raises:
            InvalidDecision: `invalid_input`, with each wrong field in `details`.
            ActionRefused: `invalid_transition`, `instance_not_halted`, `thread_required`; nothing was changed. Or it
                went on and failed (`script_error`, …).
            Conflict: `concurrent_modification`: somebody else was faster.
        """
        shown = instance if isinstance(instance, Instance) else None
        body = _resumption(input, shown, expected_state=expected_state, halt_id=halt_id, digest=digest)
        return await self._posted(_of(instance, "resume"), body, key=idempotency_key or _new_key(), wait=wait)

    async def resume_thread(
        self,
        instance: str | Instance,
        thread: str | Thread,
        input: Mapping[str, JsonValue] | None = None,  # noqa: A002 - the API's own word
        *,
        expected_state: str | None = None,
        halt_id: str | None = None,
        digest: str | None = None,
        idempotency_key: str | None = None,
        wait: float | None = None,
    ) -> Instance:
        """Gives one thread what it waits for; as `resume`."""
        thread_id = thread if isinstance(thread, str) else thread.id
        shown = _thread_of(instance, thread)
        body = _resumption(input, shown, expected_state=expected_state, halt_id=halt_id, digest=digest)
        return await self._posted(
            _of(instance, "threads", thread_id, "resume"), body, key=idempotency_key or _new_key(), wait=wait
        )

    async def threads(self, instance: str | Instance) -> tuple[Thread, ...]:
        """The threads of an instance."""
        data = await self._rest.send(Call(method="GET", path=_of(instance, "threads")))
        return tuple(Thread.model_validate(each) for each in listed(data, "threads"))

    async def cancel(self, instance: str | Instance, reason: str | None = None) -> Instance:
        """Cancels an instance; one that is cancelled already stays so.

        Raises:
            TooLate: `instance_not_active`: it has ended otherwise.
        """
        body: dict[str, JsonValue] = {} if reason is None else {"reason": reason}
        call = Call(method="POST", path=_of(instance, "cancel"), body=body, repeatable=True)
        return Instance.model_validate(await self._rest.send(call))

    # ── What happened ───────────────────────────────────────────────────────────────────────────────────

    async def history(
        self,
        instance: str | Instance,
        *,
        types: Iterable[EventType] = (),
        since: str | None = None,
        until: str | None = None,
        thread: str | None = None,
        include_data: bool = False,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> HistoryPage:
        """One page of what happened.

        Args:
            types: only events of these; none asks for any.
            since, until: ISO times.
            include_data: each event with the data as it was after it.
            limit: how many, 1,000 at most; 100 unless told otherwise.
            cursor: `pagination.next_cursor` of the page before.
        """
        query: dict[str, str | int | None] = {
            "types": ",".join(types) or None,
            "since": since,
            "until": until,
            "thread": thread,
            "include_data": "true" if include_data else None,
            "limit": limit,
            "cursor": cursor,
        }
        call = Call(method="GET", path=_of(instance, "history"), query=query)
        return HistoryPage.model_validate(await self._rest.send(call))

    async def events(
        self,
        instance: str | Instance,
        *,
        types: Iterable[EventType] = (),
        since: str | None = None,
        until: str | None = None,
        thread: str | None = None,
        include_data: bool = False,
    ) -> AsyncIterator[HistoryEvent]:
        """Everything that happened, page after page; the arguments are those of `history`."""
        wanted, cursor = tuple(types), None
        while True:
            page = await self.history(
                instance,
                types=wanted,
                since=since,
                until=until,
                thread=thread,
                include_data=include_data,
                cursor=cursor,
            )
            for event in page.events:
                yield event
            cursor = page.pagination.next_cursor
            if not page.pagination.has_more or cursor is None:
                return

    async def event(self, instance: str | Instance, event_id: str, *, include_data: bool = False) -> HistoryEvent:
        """One event, with the data as it was after it if asked for."""
        query = {"include_data": "true" if include_data else None}
        data = await self._rest.send(Call(method="GET", path=_of(instance, "events", event_id), query=query))
        return HistoryEvent.model_validate(data)

    async def errors(
        self,
        *,
        since: str | None = None,
        until: str | None = None,
        workflow_name: str | None = None,
        code: str | None = None,
        namespace: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> ErrorPage:
        """One page of what failed in all instances, and in runs of other workflows, the newest first.

        Args:
            since, until: ISO times.
            limit: how many, 1,000 at most; 100 unless told otherwise.
            cursor: `pagination.next_cursor` of the page before.
        """
        query: dict[str, str | int | None] = {
            "since": since,
            "until": until,
            "workflow_name": workflow_name,
            "code": code,
            "namespace": namespace,
            "limit": limit,
            "cursor": cursor,
        }
        return ErrorPage.model_validate(await self._rest.send(Call(method="GET", path=_ERRORS, query=query)))

    # ── Waiting ─────────────────────────────────────────────────────────────────────────────────────────

    async def wait_for(
        self, instance: str | Instance, *statuses: InstanceStatus, timeout: float | None = None
    ) -> Instance:
        """The instance once it has one of these statuses, or has ended; without any, once it halts or ends.

        Raises:
            TimeoutError: it hasn't, `timeout` seconds later.
            NotFound: there is no such instance, or none that this user may see.
            ConnectionEnded: there is no connection any more.
        """
        wanted = frozenset(statuses) | ENDED if statuses else _STOPPED
        instance_id, looks = _id(instance), 0
        async with asyncio.timeout(timeout):
            with self._watcher.watch(instance_id) as watch:
                while (found := await self.get(instance_id)).status not in wanted:
                    # The socket may tell of a halt just before HTTP shows it: then the next look is a moment later.
                    if _STATUS_OF[watch.status] in wanted:
                        await asyncio.sleep(min(_FIRST_LOOK * 2.0**looks, _LONGEST_LOOK))
                        looks += 1
                    else:
                        await watch.until(lambda status: _STATUS_OF[status] in wanted)
                        looks = 0
        return found

    # ── Inside ──────────────────────────────────────────────────────────────────────────────────────────

    async def _posted(self, where: str, body: dict[str, JsonValue], *, key: str, wait: float | None) -> Instance:
        call = Call(method="POST", path=where, body=body, key=key, wait=wait)
        return Instance.model_validate(await self._rest.send(call))


def _id(instance: str | Instance) -> str:
    return instance if isinstance(instance, str) else instance.id


def _of(instance: str | Instance, *parts: str) -> str:
    return path("workflows", "instances", _id(instance), *parts)


def _thread_of(instance: str | Instance, thread: str | Thread) -> Thread | None:
    if isinstance(thread, Thread):
        return thread
    shown = instance.threads if isinstance(instance, Instance) else ()
    return next((each for each in shown if each.id == thread), None)


def _resumption(
    given: Mapping[str, JsonValue] | None,
    shown: Halt | None,
    *,
    expected_state: str | None,
    halt_id: str | None,
    digest: str | None,
) -> dict[str, JsonValue]:
    """The body of a resume, for the halt that was shown unless another one is named."""
    if shown is not None and halt_id in (None, shown.halt_id):
        halt_id, digest = shown.halt_id, digest or shown.halted_digest
    named = {"expected_state": expected_state, "halt_id": halt_id, "digest": digest}
    body: dict[str, Any] = {"input": dict(given or {}), **named}
    return {name: value for name, value in body.items() if value is not None}


def _new_key() -> str:
    return uuid.uuid4().hex
