"""Sending a signal to a run.

Laws:
- A signal is in the run's log before it is acknowledged; anybody's node appends it, whoever owns the run.
- An idempotency key stands for one signal for as long as its run is known. The same signal again is acknowledged in the
  same way, also after the run's end.
- A node takes one signal to a run at a time, and looks at the run as its log has it by then; so what is kept of a topic
  stays within its bound, but for what other nodes take at that moment.

Source: `docs/signals.md`.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, replace
from typing import ClassVar

from pydantic_core import from_json, to_json

from interlock.auth import Principal, Verb, may
from interlock.engine.commands.apply import Accepted, Command, Proposal, apply
from interlock.engine.commands.context import Context
from interlock.engine.commands.idempotency import fingerprint_of
from interlock.engine.commands.refusals import forbidden, or_unavailable, unavailable, used_otherwise
from interlock.log.port import Appended
from interlock.workflow.program import BY_INTERACTIONS, Program, RunState, Signal, unserved
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import SendSignal
from interlock_protocol.types import JsonValue, RunStatus


async def signal_run(context: Context, principal: Principal, message: SendSignal) -> Accepted:
    """Send a signal to a run.

    Raises:
        Refusal: `run_not_found`, `forbidden`, `topic_bound`, `unavailable`, or those of `Program.send`.
    """
    facts = await context.runs.readable(principal, message.run_id)
    if not may(principal, Verb.SIGNAL, facts):
        raise forbidden("Only the run's owner, with the scope workflows:execute, sends signals to it.", facts.run_id)
    if context.definitions.is_built_in(facts.workflow_id):
        raise forbidden("An interaction is responded to, or cancelled, by its own routes.", facts.run_id)
    if await or_unavailable(context.store.interaction_on(facts.run_id, message.topic)) is not None:
        raise _is_bound(facts.run_id, message.topic)
    return await _sent(context, facts.run_id, _signal_of(principal, message))


async def tell_run(context: Context, run_id: str, topic: str, payload: JsonValue, key: str) -> Accepted:
    """Tell a run the outcome of an interaction, once for this key.

    Raises:
        Refusal: as `signal_run`, but no bound of what is kept.
    """
    fingerprint = hashlib.blake2b(to_json([topic, payload]), digest_size=16).hexdigest()
    return await _sent(context, run_id, Signal(f"sig-{key}", topic, payload, BY_INTERACTIONS, fingerprint))


async def _sent(context: Context, run_id: str, signal: Signal) -> Accepted:
    command = Send(context, signal)
    async with context.one_at_a_time.turn(run_id):
        accepted = await apply(context, run_id, command)
    if accepted is None:
        context.pool.dispatch(run_id)
        raise unavailable("Much happens in the run at this moment; send the signal again.", run_id)
    return replace(accepted, signal_id=command.signal.id)


def _is_bound(run_id: str, topic: str) -> Refusal:
    sentence = f"An interaction is asked for the topic {topic!r} of this run: its outcome is the signal."
    return Refusal(ErrorCode.TOPIC_BOUND, sentence, run_id=run_id)


def _signal_of(principal: Principal, message: SendSignal) -> Signal:
    if message.idempotency_key is None:
        return Signal(f"sig-{uuid.uuid4().hex}", message.topic, message.payload, principal.user_id)
    named = f"{principal.user_id}\x1f{message.idempotency_key}".encode()
    id_ = "sig-" + hashlib.blake2b(named, digest_size=16).hexdigest()
    return Signal(id_, message.topic, message.payload, principal.user_id, fingerprint_of(message))


@dataclass(frozen=True, slots=True)
class Send(Command):
    """One signal."""

    reads_head: ClassVar[bool] = True

    context: Context
    signal: Signal

    async def propose(self, served: Program | None, state: RunState) -> Proposal:
        """Propose the signal's event; nothing if it is in the log already."""
        fits = served is not None and served.fits(state)
        sent = (served or unserved(state.workflow_id)).send(state, self.signal, fits=fits)
        keyed = None if self.signal.fingerprint is None else self.signal.id
        return Proposal(sent.drafts, expect_next=sent.expect_next, append_id=keyed)

    async def prepare(self, state: RunState, proposal: Proposal) -> None:
        """Put the run's next work into this message's trace."""
        self.context.traces.remember(state.run_id)

    async def follow_up(self, state: RunState, appended: Appended | None) -> None:
        """Dispatch the run, if something in it may go on, and nobody drives it.

        Raises:
            Refusal: `conflict`, if another node took another signal with this key at the same moment.
        """
        if appended is not None and self.signal.fingerprint is not None:
            await self._check_key(state.run_id, appended)
        goes_on = state.status is RunStatus.RUNNING if appended is None else not appended.owned
        if goes_on:
            self.context.pool.dispatch(state.run_id)

    async def _check_key(self, run_id: str, appended: Appended) -> None:
        logged = await or_unavailable(self.context.log.read(run_id, appended.first_index))
        entries = logged[0].entries[: appended.next_index - appended.first_index] if logged else ()
        private = [from_json(each.private) for each in entries if each.private is not None]
        known = next((each["fingerprint"] for each in private if "fingerprint" in each), None)
        if known not in (None, self.signal.fingerprint):
            raise used_otherwise(run_id)
