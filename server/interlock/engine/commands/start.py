"""Starting a run.

Laws:
- A start is durable before it is acknowledged.
- The process that accepts a start drives the run if it has room; otherwise a process that has room does (`takeover`).

Source: `docs/architecture.md`, "Order of writes"; `docs/protocol.md`, "Actions".
"""

from __future__ import annotations

import uuid

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
from interlock.store.port import NewRun
from interlock.workflow.program import Program, RunState
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import StartWorkflow


async def start(context: Context, principal: Principal, message: StartWorkflow) -> Accepted:
    """Accept a run durably and drive it.

    Raises:
        Refusal: `forbidden`, `workflow_not_found`, `workflow_mismatch`, `invalid_input`, `conflict` or `unavailable`.
    """
    if not may(principal, Verb.START):
        raise forbidden("Starting workflows needs the scope workflows:execute.")
    program = await or_unavailable(_asked_for(context, message))
    if context.log.is_away:  # the store could keep it, but nobody knows when it would begin
        raise unavailable("The server can't reach its log at the moment; send it again in a while.")
    run = _new_run(context, principal, message, program)
    earlier = await or_unavailable(context.store.create_run(run, key_of(principal, message)))
    if earlier is not None:
        return await as_before(context, earlier, message)
    context.traces.remember(run.run_id)
    context.runs.remember(Facts(run.run_id, run.workflow_id, run.version, run.session_id, run.user_id, frozenset()))
    context.pool.begin(
        RunState(run.run_id, run.workflow_id, run.session_id, run.user_id, run.input, run.version, run.fingerprint)
    )
    return Accepted(run.run_id, run.session_id, FIRST_EPOCH, 0)


async def _asked_for(context: Context, message: StartWorkflow) -> Program:
    """Return the workflow that a message names, in the version that it names."""
    definitions, wanted = context.definitions, message.version
    current = await definitions.program_of(message.workflow_id, None)
    if current is None:
        raise no_workflow(message.workflow_id, [each.id for each in await definitions.served()])
    if wanted is None:
        return current
    found = await definitions.program_of(message.workflow_id, wanted)
    if found is None or found.version != wanted:
        raise Refusal(
            ErrorCode.WORKFLOW_MISMATCH,
            f"Version {wanted!r} isn't served; leave `version` out, or ask for {current.version!r}.",
        )
    return found


def _new_run(context: Context, principal: Principal, message: StartWorkflow, program: Program) -> NewRun:
    run_id = f"run-{uuid.uuid4().hex}"
    return NewRun(
        run_id=run_id,
        workflow_id=program.id,
        version=program.version,
        fingerprint=program.fingerprint,
        session_id=message.session_id or own_session(run_id),
        user_id=_user_of(principal, message),
        input=program.checked_input(message.message),
        created_at=context.clock.now_ms(),
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
