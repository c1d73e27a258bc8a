"""Starting a run.

Laws:
- A start is durable before it is acknowledged.
- The process that accepts a start drives the run if it has room; otherwise a process that has room does (`takeover`).

Source: `docs/architecture.md`, "Order of writes"; `docs/protocol.md`, "Actions".
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from interlock.auth import Principal, Verb, may
from interlock.auth.principal import UnusableUserId, check_user_id
from interlock.engine.commands.apply import Accepted
from interlock.engine.commands.context import Context
from interlock.engine.commands.idempotency import key_of
from interlock.engine.commands.refusals import forbidden, no_workflow, or_unavailable, unavailable
from interlock.engine.commands.requests import as_before
from interlock.engine.commands.runs import Facts
from interlock.engine.driving.pool import FIRST_EPOCH
from interlock.engine.work.sessions import own_session
from interlock.store.port import IdempotencyKey, NewRun, VersionGone
from interlock.store.ports.definitions import is_version_id
from interlock.workflow.program import Program, RunState
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import StartWorkflow
from interlock_protocol.namespaces import home_of


async def start(
    context: Context, principal: Principal, message: StartWorkflow, key: IdempotencyKey | None = None
) -> Accepted:
    """Accept a run durably and drive it.

    Args:
        key: instead of the message's own.

    Raises:
        Refusal: `forbidden`, `workflow_not_found`, `workflow_mismatch`, `invalid_input`, `conflict` or `unavailable`.
    """
    owner = _user_of(principal, message)
    place = Facts.of_new(principal.account, message.namespace or home_of(owner), owner)
    if not may(principal, Verb.START, place):
        raise forbidden(_why_not_started(principal, place.namespace))
    program = await or_unavailable(_asked_for(context, principal, message))
    if context.log.is_away:  # the store could keep it, but nobody knows when it would begin
        raise unavailable("The server can't reach its log at the moment; send it again in a while.")
    run = _new_run(context, place, message, program)
    key = key or key_of(principal, message)
    try:
        earlier = await or_unavailable(context.store.create_run(run, key))
    except VersionGone:
        raise _not_served(run.version, None) from None
    if earlier is not None and key is not None:
        return await as_before(context, earlier, principal, key)
    context.traces.remember(run.run_id)
    named: dict[str, Any] = {
        "run_id": run.run_id,
        "workflow_id": run.workflow_id,
        "version": run.version,
        "session_id": run.session_id,
    }
    context.runs.remember(replace(place, **named))
    context.pool.begin(
        RunState(
            **named,
            user_id=run.user_id,
            input=run.input,
            fingerprint=run.fingerprint,
            account=run.account,
            namespace=run.namespace,
        )
    )
    return Accepted(run.run_id, run.session_id, FIRST_EPOCH, 0)


async def _asked_for(context: Context, principal: Principal, message: StartWorkflow) -> Program:
    """Return the account's workflow that a message names, in the version that it names; a draft to its authors only."""
    definitions, wanted, account = context.definitions, message.version, principal.account
    drafts = may(principal, Verb.WRITE_DEFINITIONS)
    found = await definitions.program_of(message.workflow_id, wanted, account, drafts=drafts)
    if found is not None and wanted in (None, found.version):
        return found
    current = await definitions.program_of(message.workflow_id, None, account)
    if current is None:
        raise no_workflow(message.workflow_id, [each.id for each in await definitions.served(account)])
    raise _not_served(wanted, current.version)


def _not_served(wanted: str | None, current: str | None) -> Refusal:
    instead = "" if current is None else f", or ask for {current!r}"
    return Refusal(ErrorCode.WORKFLOW_MISMATCH, f"Version {wanted!r} isn't served; leave `version` out{instead}.")


def _new_run(context: Context, place: Facts, message: StartWorkflow, program: Program) -> NewRun:
    run_id = f"{program.run_prefix}{uuid.uuid4().hex}"
    return NewRun(
        run_id=run_id,
        workflow_id=program.id,
        version=program.version,
        fingerprint=program.fingerprint,
        session_id=message.session_id or own_session(run_id),
        user_id=place.user_id,
        input=program.checked_input(message.message),
        created_at=context.clock.now_ms(),
        account=place.account,
        namespace=place.namespace,
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


def _why_not_started(principal: Principal, namespace: str) -> str:
    if not may(principal, Verb.START):
        return "Starting workflows needs the scope workflows:execute."
    return f"The namespace {namespace!r} isn't one of yours; leave `namespace` out, or name one that is."
