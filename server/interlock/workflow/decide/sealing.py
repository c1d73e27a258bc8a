"""The secrets in a decision: sealed before it is logged, and compared without being opened.

Source: `docs/workflows.md`, "Secrets".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from interlock.secrets.port import STRUCK, Vault
from interlock.workflow.decide.decided import Decided
from interlock.workflow.decide.merge import secrets_in, type_of_edit
from interlock.workflow.declare.forms import digest, is_same
from interlock.workflow.run.requirements import purpose_of
from interlock.workflow.run.state import Requirement, RunState
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.types import JsonObject, JsonValue


def sealed(
    state: RunState, requirement: Requirement, sent: JsonObject, decision: JsonObject, vault: Vault | None
) -> Decided:
    """A decision as it is logged: its public part, and beside it the private one.

    Args:
        sent: the decision as it was sent. If it differs, its digest is kept, so that sending it again is a repetition.
    """
    private: JsonObject = {}
    if not is_same(sent, decision):
        private["sent"] = digest(struck(sent, secrets_in(requirement, sent)))
    if "edited_output" in decision:
        private["content_type"] = type_of_edit(state, requirement, decision["edited_output"])
    secrets = secrets_in(requirement, decision)
    if not secrets:
        return Decided(requirement, decision, private)
    if vault is None:
        sentence = "The server has no key to seal a secret with; whoever runs it has to set INTERLOCK_SECRETS_KEYS."
        raise Refusal(ErrorCode.UNAVAILABLE, sentence, run_id=state.run_id)
    sealed: Any = {
        name: vault.seal(value, purpose_of(state.run_id, requirement.facts, name)) for name, value in secrets.items()
    }
    private["sealed"] = sealed
    return Decided(requirement, struck(decision, secrets), private)


def struck(decision: JsonObject, secrets: Mapping[str, JsonValue]) -> JsonObject:
    values: Any = decision.get("user_input")
    return {**decision, "user_input": {**values, **dict.fromkeys(secrets, STRUCK)}} if secrets else decision


def is_equal(
    state: RunState,
    requirement: Requirement,
    decision: JsonObject,
    known: JsonObject,
    private: JsonObject,
    vault: Vault | None,
) -> bool:
    """Return True if a new decision equals a known one, which is given as it was logged."""
    secrets = secrets_in(requirement, decision)
    shown = struck(decision, secrets)
    is_equal = is_same(shown, known) or digest(shown) == private.get("sent")
    if not secrets:
        return is_equal
    sealed: Any = private.get("sealed", {})
    return (
        vault is not None
        and is_equal
        and secrets.keys() == sealed.keys()
        and all(
            vault.is_same(value, purpose_of(state.run_id, requirement.facts, name), sealed[name]["tag"])
            for name, value in secrets.items()
        )
    )
