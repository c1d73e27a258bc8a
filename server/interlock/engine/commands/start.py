"""Starting a run.

Laws:
- A start is durable before it is acknowledged.
- A business key is free again from the end of its run on, also if that end isn't in the run's row yet.
- The process that accepts a start drives the run if it has room; otherwise a process that has room does (`takeover`).

Source: `docs/architecture.md`, "Order of writes"; `docs/protocol.md`, "Actions".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from interlock.auth import Principal, Verb, may, scopes_for
from interlock.auth.principal import UnusableUserId, check_user_id
from interlock.engine.commands.apply import Accepted
from interlock.engine.commands.context import Context
from interlock.engine.commands.idempotency import key_of
from interlock.engine.commands.refusals import forbidden, no_workflow, or_unavailable, unavailable
from interlock.engine.commands.requests import as_before
from interlock.engine.commands.runs import Facts
from interlock.engine.driving.pool import FIRST_EPOCH
from interlock.engine.work.sessions import own_session
from interlock.ids import time_ordered
from interlock.store.port import IdempotencyKey, KeyTaken, NamespaceFull, NewRun, Outcome, VersionGone
from interlock.store.ports.definitions import is_version_id
from interlock.workflow.program import Program, RunState
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import StartWorkflow
from interlock_protocol.namespaces import home_of
from interlock_protocol.types import JsonObject


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a run begins that repeats another.

    Args:
        retried_from: the run that failed.
        place: the state in which it did, with the data that it had, and the input: `{state, data, input?}`.
    """

    retried_from: str
    place: JsonObject


async def start(
    context: Context,
    principal: Principal,
    message: StartWorkflow,
    key: IdempotencyKey | None = None,
    origin: Origin | None = None,
    verb: Verb = Verb.START,
    run_id: str | None = None,
) -> Accepted:
    """Accept a run durably and drive it.

    Args:
        verb: `ASK` for an interaction; nothing else starts one.
        key: instead of the message's own.
        origin: where it begins, if it repeats another.
        run_id: the run's; a new one by default.

    Raises:
        Refusal: `forbidden`, `workflow_not_found`, `workflow_mismatch`, `invalid_input`, `conflict`,
            `business_key_taken`, `namespace_quota_exceeded` or `unavailable`.
    """
    owner = _user_of(principal, message)
    place = Facts.of_new(principal.account, message.namespace or home_of(owner), owner)
    if not may(principal, verb, place):
        raise forbidden(_why_not_started(principal, place.namespace, verb))
    program = await or_unavailable(_asked_for(context, principal, message, verb))
    if context.log.is_away:  # the store could keep it, but nobody knows when it would begin
        raise unavailable("The server can't reach its log at the moment; send it again in a while.")
    run = _new_run(context, place, message, program, origin, run_id)
    key = key or key_of(principal, message)
    earlier = await _create(context, principal, run, key)
    if earlier is not None and key is not None:
        return await as_before(context, earlier, principal, key)
    context.traces.remember(run.run_id)
    named: dict[str, Any] = {
        "run_id": run.run_id,
        "workflow_id": run.workflow_id,
        "version": run.version,
        "session_id": run.session_id,
    }
    of_row: dict[str, Any] = {
        "created_at": run.created_at,
        "business_key": run.business_key,
        "retried_from": run.retried_from,
    }
    context.runs.remember(replace(place, **named, **of_row))
    context.pool.begin(
        RunState(
            **named,
            user_id=run.user_id,
            input=run.input,
            fingerprint=run.fingerprint,
            account=run.account,
            namespace=run.namespace,
            origin=run.origin,
        )
    )
    return Accepted(run.run_id, run.session_id, FIRST_EPOCH, 0)


async def _create(context: Context, principal: Principal, run: NewRun, key: IdempotencyKey | None) -> Outcome | None:
    """Commit the run; return what the key stands for, if it was used before."""
    made = await or_unavailable(context.store.create_run(run, key))
    if isinstance(made, KeyTaken) and await _has_ended(context, made.run_id):
        made = await or_unavailable(context.store.create_run(run, key))
    if isinstance(made, KeyTaken):
        raise await _key_taken(context, principal, made.run_id)
    if isinstance(made, VersionGone):
        raise _not_served(run.version, None)
    if isinstance(made, NamespaceFull):
        sentence = f"The namespace {run.namespace!r} has {made.most} active instances, the most that it may; end some."
        raise Refusal(ErrorCode.NAMESPACE_QUOTA_EXCEEDED, sentence)
    return made


async def _has_ended(context: Context, run_id: str) -> bool:
    """Return True if a run has ended, and write that into its row, in case its owner is about to, or has died."""
    head = await or_unavailable(context.log.head(run_id))
    if head is None or not head.status.is_final:
        return False
    await or_unavailable(context.pool.settle_ended(run_id))
    return True


async def _key_taken(context: Context, principal: Principal, run_id: str) -> Refusal:
    sentence = "Another active run of this workflow has this business key; use that one, or wait for its end."
    try:
        await context.runs.readable(principal, run_id)
    except Refusal as refusal:
        if refusal.code is not ErrorCode.RUN_NOT_FOUND:
            raise
        return Refusal(ErrorCode.BUSINESS_KEY_TAKEN, sentence)
    return Refusal(ErrorCode.BUSINESS_KEY_TAKEN, sentence, details={"run_id": run_id}, run_id=run_id)


async def _asked_for(context: Context, principal: Principal, message: StartWorkflow, verb: Verb) -> Program:
    """Return the account's workflow that a message names, in the version that it names; a draft to its authors only."""
    definitions, wanted, account = context.definitions, message.version, principal.account
    drafts = may(principal, Verb.WRITE_DEFINITIONS)
    is_hidden = verb is Verb.START and definitions.is_built_in(message.workflow_id)
    found = None if is_hidden else await definitions.program_of(message.workflow_id, wanted, account, drafts=drafts)
    if found is not None and wanted in (None, found.version):
        return found
    current = None if is_hidden else await definitions.program_of(message.workflow_id, None, account)
    if current is None:
        raise no_workflow(message.workflow_id, [each.id for each in await definitions.served(account)])
    raise _not_served(wanted, current.version)


def _not_served(wanted: str | None, current: str | None) -> Refusal:
    instead = "" if current is None else f", or ask for {current!r}"
    return Refusal(ErrorCode.WORKFLOW_MISMATCH, f"Version {wanted!r} isn't served; leave `version` out{instead}.")


def _new_run(
    context: Context,
    place: Facts,
    message: StartWorkflow,
    program: Program,
    origin: Origin | None,
    run_id: str | None,
) -> NewRun:
    now = context.clock.now_ms()
    run_id = run_id or f"{program.run_prefix}{time_ordered(now)}"
    given = program.checked_input(message.message)
    return NewRun(
        run_id=run_id,
        workflow_id=program.id,
        version=program.version,
        fingerprint=program.fingerprint,
        session_id=message.session_id or own_session(run_id),
        user_id=place.user_id,
        input=given,
        created_at=now,
        account=place.account,
        namespace=place.namespace,
        business_key=message.business_key or program.business_key_of(given, place.namespace, run_id),
        retried_from=None if origin is None else origin.retried_from,
        origin=None if origin is None else origin.place,
        most_active=context.most_instances if program.makes_instances else None,
        of_stored=message.version is not None and is_version_id(program.version),
    )


def _user_of(principal: Principal, message: StartWorkflow) -> str:
    """Return the run's user: the principal, or the user that an admin names."""
    if message.user_id is None or not may(principal, Verb.ACT_FOR):
        return principal.user_id
    try:
        return check_user_id(message.user_id)
    except UnusableUserId as error:
        sentence = f"`user_id` can't be one; leave it out or give a plain name. {error}"
        details = [{"field": "user_id", "error": str(error)}]
        raise Refusal(ErrorCode.INVALID_MESSAGE, sentence, details=details) from None


def _why_not_started(principal: Principal, namespace: str, verb: Verb) -> str:
    if not may(principal, verb):
        return f"This needs the scope {scopes_for(verb)[0]}."
    return f"The namespace {namespace!r} isn't one of yours; leave `namespace` out, or name one that is."
