"""What client requests share: finding the run that they name, and answering repeats.

Laws:
- To a caller who may not read a run, the run doesn't exist; neither does it under another session than its own.
- A request repeated with its idempotency key gets the first one's answer; a different request with that key gets a
  conflict.
- A node handles one request per key at a time.

Source: `docs/protocol.md`, "Frames" and "Actions".
"""

from __future__ import annotations

from interlock.auth import Principal
from interlock.engine.commands.apply import Accepted, Command, apply
from interlock.engine.commands.context import Context
from interlock.engine.commands.idempotency import is_of
from interlock.engine.commands.refusals import no_run, or_unavailable, used_otherwise
from interlock.engine.commands.runs import Facts
from interlock.store.port import IdempotencyKey, Outcome
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import CancelWorkflow, ContinueWorkflow


async def run_named_by(context: Context, principal: Principal, message: ContinueWorkflow | CancelWorkflow) -> Facts:
    """Return the run that a message names, if the principal may read it and its workflow and session match.

    Raises:
        Refusal: `run_not_found`, `workflow_mismatch` or `unavailable`.
    """
    facts = await context.runs.readable(principal, message.run_id)
    if message.workflow_id != facts.workflow_id:
        raise Refusal(
            ErrorCode.WORKFLOW_MISMATCH,
            f"The run is one of {facts.workflow_id!r}, not of {message.workflow_id!r}; correct workflow_id.",
            run_id=facts.run_id,
        )
    if message.session_id is not None and message.session_id != facts.session_id:
        raise no_run(facts.run_id)
    return facts


async def apply_once(context: Context, run_id: str, principal: Principal, command: Command) -> Accepted | None:
    """Apply a command, unless its key was used before. Returns and raises as `apply`, and raises `conflict`."""
    key = command.key
    async with context.one_at_a_time(key):
        if key is not None:
            earlier = await or_unavailable(context.store.outcome(key.user_id, key.key, account=key.account))
            if earlier is not None:
                return await as_before(context, earlier, principal, key)
        return await apply(context, run_id, command)


async def as_before(context: Context, earlier: Outcome, principal: Principal, key: IdempotencyKey) -> Accepted:
    """Return the first outcome of an idempotency key.

    Raises:
        Refusal: `conflict`, if the key was used for a different message; `unavailable`.
    """
    if not is_of(earlier.fingerprint, key, context.vault):
        raise used_otherwise(earlier.run_id)
    facts = await context.runs.readable(principal, earlier.run_id)
    return Accepted(facts.run_id, facts.session_id)
