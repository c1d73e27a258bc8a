"""The client: one connection, any number of runs, lists of runs and actions.

Laws:
- Each action carries a `request_id` and waits for its ack, or raises what the server refused it with.
- An action in flight when the connection is lost is sent again on the next one, under the idempotency key that it had
  from the beginning: it is applied once, whichever of the two arrives.
- After a reconnection the runs are asked for before the actions are sent again: a decision would otherwise make the
  server follow a run from there, past what was missed.
- When a run's inbox is full, reading pauses (and TCP slows the server down), but only while nobody waits for anything
  else that this connection carries (an ack, another run's event), and for `PATIENCE` at most. Then the run lags: the
  server is asked to stop it, and to go on later from where it was. So a slow loop can't deadlock with an action.
- A run is registered while its ack is being read, before the events that follow in the same breath.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeAlias

from interlock_client.backoff import Backoff
from interlock_client.cursor import Cursor, event_index, run_of
from interlock_client.errors import (
    ActionRefused,
    ClientClosed,
    ClientError,
    ConnectionEnded,
    Disconnected,
    refusal,
)
from interlock_client.files import Files
from interlock_client.following import Following, L
from interlock_client.inbox import Inbox
from interlock_client.instances import Instances
from interlock_client.interactions import Interactions
from interlock_client.link import Link, LinkOptions
from interlock_client.lists import FollowedList
from interlock_client.machines import Machines
from interlock_client.pauses import Decision, OnBehalfOf
from interlock_client.questions import FollowedInbox
from interlock_client.rest import Rest
from interlock_client.run import Run
from interlock_client.secrets import Secrets
from interlock_client.watching import Watch
from interlock_client.webhooks import Webhooks
from interlock_protocol.errors import ProtocolMisuse
from interlock_protocol.messages import (
    Ack,
    AnyClientMessage,
    CancelWorkflow,
    ContinueWorkflow,
    ErrorMessage,
    InboxChanged,
    InboxDraft,
    InboxListed,
    InboxPresence,
    RunChanged,
    RunsListed,
    SendSignal,
    ServerMessage,
    StartWorkflow,
    Unfollow,
    UnfollowInbox,
    UnfollowRuns,
)
from interlock_protocol.requirements import EchoedErrorRequirement, EchoedRequirement
from interlock_protocol.types import JsonValue

logger = logging.getLogger("interlock_client")

PATIENCE = 1.0
"""How long reading pauses for a full inbox, in seconds."""

_Action: TypeAlias = AnyClientMessage
_Followed: TypeAlias = Run | FollowedList[Any] | Watch


@dataclass(eq=False)
class _Call:
    """An action that waits for its ack."""

    message: _Action
    answer: asyncio.Future[Ack]
    on_ack: Callable[[_Call, Ack], None] | None = None
    attempts: int = field(default=0, init=False)


class Client(Following):
    """A connection to a server; made by `connect()`.

    Attributes:
        machines: definitions of state machines: created, checked, published.
        instances: instances of state machines: started, resumed, waited for.
        secrets: the secrets of workflows: set, listed without their values, deleted.
        files: what is given for `file` fields: uploaded, downloaded, deleted.
        webhooks: addresses that are told of what happens in runs, and what was delivered to them.
        interactions: questions to people: asked, answered, listed; and the inbox.
    """

    def __init__(
        self,
        options: LinkOptions,
        *,
        http: str,
        max_buffered_events: int,
        max_buffered_bytes: int,
        on_disconnect: Callable[[str], object] | None = None,
        on_reconnect: Callable[[], object] | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self._link = Link(options, self, backoff)
        rest = Rest(http, self._link, headers=options.headers, ssl=options.ssl)
        self.machines = Machines(rest)
        self.instances = Instances(rest, self)
        self.secrets = Secrets(rest)
        self.files = Files(rest)
        self.webhooks = Webhooks(rest)
        self.interactions = Interactions(rest)
        self._inbox_bounds = (max_buffered_events, max_buffered_bytes)
        self._on_disconnect = on_disconnect
        self._on_reconnect = on_reconnect
        self._runs: dict[str, Run] = {}
        self._calls: dict[str, _Call] = {}
        self._asked: dict[str, tuple[_Followed, asyncio.Future[None]]] = {}
        self._lists: dict[str, FollowedList[Any]] = {}
        self._watches: dict[str, Watch] = {}
        self._following: dict[_Followed, asyncio.Future[None]] = {}
        self._strays: set[str] = set()
        self._full: set[Run] = set()
        self._stir = asyncio.Event()
        self._request_ids = map(str, itertools.count(1))
        self._away = False
        self._ended: ConnectionEnded | None = None
        self._keeper: asyncio.Task[None] | None = None

    # ── For programs ────────────────────────────────────────────────────────────────────────────────────

    async def __aenter__(self) -> Self:
        if self._keeper is not None:
            raise ProtocolMisuse("a client is entered once; call connect() for another one")
        await self._link.open()
        self._keeper = asyncio.create_task(self._keep(), name="interlock-client")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(
        self,
        workflow_id: str,
        *,
        message: JsonValue = "",
        session_id: str | None = None,
        version: str | None = None,
        user_id: str | None = None,
        namespace: str | None = None,
        business_key: str | None = None,
        idempotency_key: str | None = None,
    ) -> Run:
        """Starts a run and follows it. Returns when the server has it for certain.

        It is in `namespace`, or in its owner's own. No two active runs of a workflow have the same `business_key`.

        With an `idempotency_key` that was used before, it is the run that was started then.

        Raises:
            ActionRefused: the server doesn't start it.
            ConnectionEnded: there is no connection any more.
        """
        action = StartWorkflow(
            workflow_id=workflow_id,
            message=message,
            session_id=session_id,
            version=version,
            user_id=user_id,
            namespace=namespace,
            business_key=business_key,
            idempotency_key=idempotency_key or _new_key(),
        )
        started: list[Run] = []

        def register(call: _Call, ack: Ack) -> None:
            fresh = idempotency_key is None and call.attempts == 1
            started.append(self._started(action, ack, fresh=fresh, wanted=not call.answer.cancelled()))

        await self._call(action, register)
        return started[0]

    async def follow(
        self,
        run_id: str,
        *,
        last_event_index: int | None = None,
        epoch: int | None = None,
        snapshot: bool = False,
        workflow_id: str | None = None,
    ) -> Run:
        """Follows a run: from its start, or from after `last_event_index`, or (`snapshot`) from its state now on.

        Raises:
            ActionRefused: the server doesn't let this client follow it; `NotFound` above all.
            ConnectionEnded: there is no connection any more.
            ProtocolMisuse: this client follows the run already.
        """
        self._check()
        if run_id in self._runs:
            raise ProtocolMisuse(f"this client follows the run {run_id} already; unfollow() it first")
        cursor = Cursor(run_id, last=last_event_index, epoch=epoch, snapshot=snapshot)
        run = self._runs[run_id] = Run(self, cursor, self._inbox(), workflow_id=workflow_id)
        await self._begin(run)
        return run

    def _list_name(self, kind: str) -> str:
        return f"{kind}-{next(self._request_ids)}"

    def _inbox(self) -> Inbox:
        return Inbox(*self._inbox_bounds)

    async def _begin_list(self, followed: L) -> L:
        self._check()
        self._lists[followed.name] = followed
        await self._begin(followed)
        return followed

    @contextlib.contextmanager
    def watch(self, run_id: str) -> Iterator[Watch]:
        """Watches where a run stands, whether the program follows it or not; for `Instances.wait_for`."""
        self._check()
        watch = self._watches.get(run_id)
        if watch is None:
            watch = self._watches[run_id] = Watch(run_id)
            if run_id not in self._runs:
                self.resume(watch)
        watch.users += 1
        try:
            yield watch
        finally:
            watch.users -= 1
            if not watch.users and self._knows(watch):
                self.forget(watch)
                if run_id not in self._runs:
                    self.stop(watch)

    async def _begin(self, followed: Run | FollowedList[Any]) -> None:
        """Returns when the server has accepted to send it."""
        accepted = self._following[followed] = asyncio.get_running_loop().create_future()
        self.resume(followed)
        try:
            await accepted
        except BaseException:
            self.forget(followed)
            self.stop(followed)
            raise
        finally:
            self._following.pop(followed, None)

    async def close(self) -> None:
        """Closes the connection; runs go on without it."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
            await self._link.close()
        self._end(ClientClosed())

    # ── For runs and lists ──────────────────────────────────────────────────────────────────────────────

    def resume(self, run: _Followed) -> None:
        if not (self._link.ready and run.wants_events):
            return  # `ready` comes back to it
        accepted = self._following.get(run) or asyncio.get_running_loop().create_future()
        request_id = next(self._request_ids)
        self._asked[request_id] = (run, accepted)
        self._stir.set()
        self._link.send(run.ask(request_id))

    def stop(self, run: _Followed) -> None:
        if (watch := self._watch_of(run)) is not None:
            self.resume(watch)  # instead: whoever waits for the run is told all the same
        elif self._link.ready:
            self._link.send(_leaving(run))

    def filled(self, run: Run) -> None:
        self._full.add(run)

    def stirred(self) -> None:
        self._stir.set()

    def forget(self, run: _Followed) -> None:
        if not self._knows(run):
            return
        if isinstance(run, FollowedList):
            del self._lists[run.name]
        elif isinstance(run, Watch):
            del self._watches[run.run_id]
        else:
            del self._runs[run.run_id]
            if (watch := self._watch_of(run)) is not None:
                self.resume(watch)

    def _watch_of(self, run: _Followed) -> Watch | None:
        return self._watches.get(run.run_id) if isinstance(run, Run) else None

    async def decide(self, run: Run, decision: Decision, represented: OnBehalfOf | None) -> None:
        action = ContinueWorkflow(
            workflow_id=await run.known_workflow_id(),
            run_id=run.run_id,
            step_requirements=[decision] if isinstance(decision, EchoedRequirement) else None,
            error_requirements=[decision] if isinstance(decision, EchoedErrorRequirement) else None,
            on_behalf_of=represented.user_id if represented else None,
            reason=represented.reason if represented else None,
            idempotency_key=_new_key(),
        )
        self._strays.discard(run.run_id)
        await self._call(action, lambda call, ack: self._stop_if_lagging(run))

    async def cancel(self, run: Run, reason: str | None) -> None:
        action = CancelWorkflow(
            workflow_id=await run.known_workflow_id(),
            run_id=run.run_id,
            reason=reason,
            idempotency_key=_new_key(),
        )
        await self._call(action)

    async def signal(
        self, run_id: str, topic: str, payload: JsonValue = None, *, idempotency_key: str | None = None
    ) -> str:
        """Sends a signal to a run, followed or not; see `Run.signal`."""
        key = idempotency_key or _new_key()
        ack = await self._call(SendSignal(run_id=run_id, topic=topic, payload=payload, idempotency_key=key))
        return ack.signal_id or ""

    async def act(self, action: _Action) -> Ack:
        return await self._call(action)

    def say(self, action: _Action) -> None:
        if self._link.ready:
            self._link.send(action)

    async def unfollow(self, run: Run | FollowedList[Any]) -> None:
        if not self._knows(run):
            return
        self.forget(run)
        if self._watch_of(run) is not None:
            return
        if isinstance(run, Run):
            self._strays.add(run.run_id)
        if self._link.ready:
            await self._call(_leaving(run))

    # ── For the link ────────────────────────────────────────────────────────────────────────────────────

    def ready(self) -> None:
        """Sends what the server has to be told (again) on this connection."""
        if self._away and self._on_reconnect:
            self._on_reconnect()
        self._away = False
        self._asked.clear()
        for run in self._all():
            run.lost()  # with the connection, or with the token that had expired
            self.resume(run)
        for call in list(self._calls.values()):
            self._transmit(call)

    def lost(self, reason: str) -> None:
        if not self._away and self._on_disconnect:
            self._on_disconnect(reason)
        self._away = True
        self._asked.clear()
        self._strays.clear()
        for run in self._all():
            run.lost()
        for request_id, call in list(self._calls.items()):
            if isinstance(call.message, Unfollow | UnfollowRuns | UnfollowInbox) and not call.answer.done():
                # A connection that is gone follows nothing.
                call.answer.set_result(Ack(action=call.message.action, request_id=request_id))
            if call.answer.done():
                del self._calls[request_id]

    def received(self, message: ServerMessage, size: int) -> None:
        if isinstance(message, Ack):
            self._acknowledged(message)
        elif isinstance(message, ErrorMessage):
            self._refused(message)
        elif isinstance(message, InboxDraft | InboxPresence):
            self._of_every_inbox(message, size)
        elif isinstance(message, RunChanged | RunsListed | InboxChanged | InboxListed):
            if (followed := self._lists.get(message.list)) is not None:
                followed.receive(message, size)
        elif (run_id := run_of(message)) is not None:
            self._of_run(run_id, message, size)

    def _of_every_inbox(self, message: InboxDraft | InboxPresence, size: int) -> None:
        for each in self._lists.values():
            if isinstance(each, FollowedInbox):
                each.receive(message, size)

    def _of_run(self, run_id: str, message: ServerMessage, size: int) -> None:
        watch, run = self._watches.get(run_id), self._runs.get(run_id)
        if watch is not None:
            watch.receive(message, size)
        if run is not None:
            run.receive(message, size)
        elif watch is None and event_index(message) is not None:
            self._unwanted(run_id)

    async def room(self) -> None:
        if not self._full:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while not self._room_or_need():
                    self._stir.clear()
                    await self._stir.wait()
        for run in self._full:
            run.lag()
        self._full.clear()

    def _room_or_need(self) -> bool:
        waited_for = self._calls or self._asked or any(run.hungry for run in self._all())
        return bool(waited_for) or all(run.roomy for run in self._full)

    # ── Inside ──────────────────────────────────────────────────────────────────────────────────────────

    async def _keep(self) -> None:
        try:
            await self._link.keep()
        except ConnectionEnded as error:
            self._end(error)
        except Exception as error:
            logger.exception("the client failed")
            self._end(Disconnected(f"The client failed ({type(error).__name__}); this is a bug in it."))

    def _end(self, error: ConnectionEnded) -> None:
        self._ended = self._ended or error
        ended: list[_Followed] = [*self._runs.values(), *self._lists.values(), *self._watches.values()]
        for each in ended:
            each.fail(self._ended)
        self._runs, self._lists, self._watches = {}, {}, {}
        for call in self._calls.values():
            _refuse(call.answer, self._ended)
        for accepted in self._following.values():
            _refuse(accepted, self._ended)
        self._calls.clear()

    def _check(self) -> None:
        if self._ended is not None:
            raise self._ended
        if self._keeper is None:
            raise ProtocolMisuse("the client isn't connected; write `async with connect(…) as client:`")

    async def _call(self, action: _Action, on_ack: Callable[[_Call, Ack], None] | None = None) -> Ack:
        self._check()
        request_id = next(self._request_ids)
        message = action.model_copy(update={"request_id": request_id})
        call = _Call(message, asyncio.get_running_loop().create_future(), on_ack)
        self._calls[request_id] = call
        self._stir.set()
        self._transmit(call)
        return await call.answer

    def _transmit(self, call: _Call) -> None:
        if not self._link.ready or call.answer.cancelled():
            return
        call.attempts += 1
        try:
            self._link.send(call.message)
        except (ValueError, ActionRefused) as error:
            self._calls.pop(call.message.request_id or "", None)
            _refuse(call.answer, error)

    def _acknowledged(self, ack: Ack) -> None:
        if (asked := self._asked.pop(ack.request_id, None)) is not None:
            run, accepted = asked
            run.acknowledged()
            if not accepted.done():
                accepted.set_result(None)
        elif (call := self._calls.pop(ack.request_id, None)) is not None:
            if call.on_ack is not None:
                call.on_ack(call, ack)
            if not call.answer.done():
                call.answer.set_result(ack)

    def _refused(self, message: ErrorMessage) -> None:
        request_id = message.request_id or ""
        if (asked := self._asked.pop(request_id, None)) is not None:
            self._not_followed(*asked, refusal(message))
        elif (call := self._calls.pop(request_id, None)) is not None:
            _refuse(call.answer, refusal(message))
        else:
            logger.info("the server says: %s (%s)", message.error, message.code)

    def _not_followed(self, run: _Followed, accepted: asyncio.Future[None], error: ActionRefused) -> None:
        run.lost()
        if run in self._following:
            _refuse(accepted, error)
        elif error.retryable:
            asyncio.get_running_loop().call_later(1.0, self._resume_later, run)
        else:
            self.forget(run)
            run.fail(error)

    def _resume_later(self, run: _Followed) -> None:
        if self._knows(run) and not run.streaming:
            self.resume(run)

    def _all(self) -> list[_Followed]:
        """What is followed."""
        runs = {run.run_id for run in self._runs.values() if run.wants_events}
        watches = (watch for watch in self._watches.values() if watch.run_id not in runs)
        return [*self._runs.values(), *self._lists.values(), *watches]

    def _knows(self, run: _Followed) -> bool:
        if isinstance(run, FollowedList):
            return self._lists.get(run.name) is run
        return (self._runs if isinstance(run, Run) else self._watches).get(run.run_id) is run

    def _started(self, action: StartWorkflow, ack: Ack, *, fresh: bool, wanted: bool) -> Run:
        if ack.run_id is None:
            raise _protocol_error("acknowledged a start without saying which run")
        if (known := self._runs.get(ack.run_id)) is not None:
            return known
        cursor = Cursor(ack.run_id, streaming=fresh)
        run = Run(
            self,
            cursor,
            self._inbox(),
            workflow_id=action.workflow_id,
            session_id=ack.session_id or action.session_id,
        )
        if wanted:
            self._strays.discard(ack.run_id)
            self._runs[ack.run_id] = run
            if not fresh:
                self.resume(run)
        return run

    def _stop_if_lagging(self, run: Run) -> None:
        # A decision makes the server follow the run; this one is to stay where it is until there is room.
        if self._runs.get(run.run_id) is run and not run.wants_events:
            self.stop(run)

    def _unwanted(self, run_id: str) -> None:
        if run_id not in self._strays and self._link.ready:
            self._strays.add(run_id)
            self._link.send(Unfollow(run_id=run_id))


def _leaving(run: _Followed) -> Unfollow | UnfollowRuns | UnfollowInbox:
    return run.leaving if isinstance(run, FollowedList) else Unfollow(run_id=run.run_id)


def _refuse(waiting: asyncio.Future[Any], error: Exception) -> None:
    if not waiting.done():
        waiting.set_exception(error)


def _new_key() -> str:
    return uuid.uuid4().hex


def _protocol_error(what: str) -> ClientError:
    return Disconnected(f"The server {what}; it doesn't keep to the protocol.")
