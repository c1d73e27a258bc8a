"""Applying people's decisions on a run's requirements.

Laws:
- A message is applied whole, or not at all.
- There is one door: whatever a decision comes by, it is judged by `Program.decide`, by who it is that decides. `may()`
  says what their token allows; who else stands behind them is looked up here, where a requirement asks for that.
- A response that came too late is recorded, and then refused.
- In a run whose definition is missing, the only decision is what becomes of the run (`definition_changed`).

Source: `docs/protocol.md`, "Decisions"; `docs/workflows.md`, "Changing a workflow".
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from interlock.auth import Kind, Principal, Verb, may
from interlock.definitions.port import program_of_run
from interlock.engine.commands.apply import Accepted, Command, Proposal
from interlock.engine.commands.audit import audited
from interlock.engine.commands.context import Context
from interlock.engine.commands.definition import DefinitionGone, ask_about_definition
from interlock.engine.commands.files import check_files, use_files
from interlock.engine.commands.idempotency import is_of, key_of
from interlock.engine.commands.refusals import or_unavailable, unavailable, used_otherwise
from interlock.engine.commands.requests import apply_once, run_named_by
from interlock.engine.commands.runs import Facts
from interlock.log.port import Appended
from interlock.store.port import IdempotencyKey
from interlock.workflow.program import (
    Decided,
    Decider,
    Echoed,
    Program,
    Requirement,
    RunState,
    asks_about_definition,
    unserved,
)
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import ContinueWorkflow
from interlock_protocol.types import RunStatus


async def continue_run(
    context: Context,
    principal: Principal,
    message: ContinueWorkflow,
    seen: int | None,
    key: IdempotencyKey | None = None,
) -> Accepted:
    """Apply the decisions of a message.

    Args:
        seen: on a connection that follows the run, the index after the last event that it was sent.
        key: instead of the message's own.

    Raises:
        Refusal: those of `Program.decide`, or `run_not_found`, `workflow_mismatch`, `conflict`, `unavailable`.
    """
    facts = await run_named_by(context, principal, message)
    served = await or_unavailable(program_of_run(context.definitions, facts))
    vault = context.vault if served is not None and served.asks_secrets else None
    command = Decide(context, facts, principal, message, seen, key or key_of(principal, message, vault))
    try:
        async with _turn(context, await context.runs.state(facts.run_id), message):
            accepted = await apply_once(context, facts.run_id, principal, command)
    except DefinitionGone:
        await ask_about_definition(context, facts.run_id)
        raise
    if accepted is None:
        raise unavailable("Others decide on this run at the same time; send it again.", facts.run_id)
    return accepted


def _turn(context: Context, state: RunState, message: ContinueWorkflow) -> contextlib.AbstractAsyncContextManager[None]:
    """Let those who respond to one requirement pass one by one: each response has to see those before it."""
    ids = sorted(each.id for each in message.step_requirements or () if each.id)
    voted = [id_ for id_ in ids if id_ in state.requirements and state.requirements[id_].takes_votes]
    return context.one_at_a_time.turn(state.run_id, voted[0]) if voted else contextlib.nullcontext()


@dataclass(frozen=True, slots=True)
class Decide(Command):
    """The decisions of one message.

    Where several respond at once, each has to be proposed again after each that was faster.
    """

    races: ClassVar[int] = 100

    context: Context
    facts: Facts
    principal: Principal
    message: ContinueWorkflow
    seen: int | None
    key: IdempotencyKey | None

    async def propose(self, served: Program | None, state: RunState) -> Proposal:
        """Propose the events of the decisions; none if all of them were already taken before."""
        program = self._definition(served, state)
        if self._was_applied(state):
            return Proposal()
        decider = await or_unavailable(decider_of(self.context, self.facts, self.principal, state, self.message))
        now = self.context.clock.now_ms()
        decided = await self._decided(program, state, decider, now)
        await check_files(self.context, self.principal, state, decided)
        drafts = program.continued(state, decided, resolved_by=decider.user_id, now=now)
        refusals = (each.refusal for each in decided if each.refusal is not None)
        goes_on = any(each.vote is None for each in decided)
        return Proposal(drafts, decided, goes_on=goes_on or not decided, refusal=next(refusals, None))

    def _was_applied(self, state: RunState) -> bool:
        """Return True if the log has this message, by its key.

        Raises:
            Refusal: `conflict`; it has another message with this key.
        """
        if self.key is None:
            return False
        fingerprint = self.key.fingerprint_in(state.applied_keys)
        if fingerprint and not is_of(fingerprint, self.key, self.context.vault):
            raise used_otherwise(state.run_id)
        return fingerprint is not None

    def _definition(self, served: Program | None, state: RunState) -> Program:
        if served is not None and served.fits(state):
            return served
        if asks_about_definition(state) and self.message.error_requirements and not self.message.step_requirements:
            return unserved(state.workflow_id)  # refuses any other requirement as not found
        raise DefinitionGone(state.run_id)

    async def _decided(self, program: Program, state: RunState, by: Decider, now: int) -> tuple[Decided, ...]:
        echoed: list[Echoed] = [*(self.message.step_requirements or ()), *(self.message.error_requirements or ())]
        ids = [each.id for each in echoed if each.id]
        context = self.context
        earlier = await or_unavailable(audited(context.log, context.store, program, state, ids))
        return program.decide(
            state,
            echoed,
            by=by,
            now=now,
            seen=self.seen,
            audited=earlier,
            vault=context.vault,
        )

    async def prepare(self, state: RunState, proposal: Proposal) -> None:
        """Note which files the run uses from now on, and put its next work into this message's trace."""
        await use_files(self.context, state, proposal.decided)
        self.context.traces.remember(state.run_id)

    async def follow_up(self, state: RunState, appended: Appended | None) -> None:
        """Dispatch the run, unless it has an owner that goes on."""
        goes_on = state.status is RunStatus.RUNNING if appended is None else not appended.owned
        if goes_on:
            self.context.pool.dispatch(state.run_id)


async def decider_of(
    context: Context, facts: Facts, principal: Principal, state: RunState, message: ContinueWorkflow | None = None
) -> Decider:
    """Who decides, with everybody who stands behind them.

    Args:
        message: says on whose behalf, if not on their own.

    Raises:
        Refusal: `forbidden` or `invalid_message`, for somebody who may decide only for themselves, or gives no reason.
        StoreUnavailable: that can't be looked up now.
    """
    people, account = context.people, principal.account
    names, behind = principal.names, frozenset[str]()
    represented, reason = (None, None) if message is None else (message.on_behalf_of, message.reason)
    if principal.kind is Kind.SERVICE:
        behind = await people.behind(account, principal.user_id)
    if represented is not None:
        _check_represents(principal, facts, reason)
        names = await people.names(account, represented)
        behind |= await people.behind(account, represented)
    starters = frozenset[str]()
    if any(_is_fenced(each) for each in _asked(state)):
        starters = await people.behind(account, state.user_id)

    def may_decide(requirement: Mapping[str, Any]) -> bool:
        assignees = requirement.get("assignees")
        if represented is None:
            return may(principal, Verb.DECIDE, facts, _Named(assignees))
        return not assignees or not names.isdisjoint(assignees)

    return Decider(
        principal.user_id,
        may_decide,
        names=names,
        behind=behind,
        starters=starters,
        on_behalf_of=represented,
        reason=reason,
        is_admin=may(principal, Verb.DECIDE_FOR, facts),
    )


def _check_represents(principal: Principal, facts: Facts, reason: str | None) -> None:
    if not may(principal, Verb.DECIDE_FOR, facts):
        sentence = "Only an admin decides on somebody's behalf; leave `on_behalf_of` out."
        raise Refusal(ErrorCode.FORBIDDEN, sentence, run_id=facts.run_id)
    if reason is None:
        wrong: Any = [{"field": "reason", "error": "say why you decide for somebody else"}]
        sentence = "Whoever decides `on_behalf_of` somebody gives a `reason`; it is recorded."
        raise Refusal(ErrorCode.INVALID_MESSAGE, sentence, details=wrong, run_id=facts.run_id)


def _asked(state: RunState) -> Iterator[Requirement]:
    yield from state.requirements.values()
    yield from (each.requirement for each in state.resolved.values())


def _is_fenced(requirement: Requirement) -> bool:
    """Return True if it matters who stands behind the start of the run."""
    return bool(requirement.facts.get("distinct_from") or requirement.facts.get("exclude_starter"))


@dataclass(frozen=True, slots=True)
class _Named:
    """The part of a requirement that `may` needs."""

    assignees: Sequence[str] | None
