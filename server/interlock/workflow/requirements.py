"""From a declared review to the requirement that a person sees.

Laws:
- A requirement's id is a pure function of the run, the visit and the review: drawing it up again gives the same one.
- The whole requirement is stored with the pause; what is validated later is what was shown.

Source: `docs/protocol.md`, "Requirements".
"""

from __future__ import annotations

import hashlib
from typing import Any

from interlock.workflow.declaration import Place, Router
from interlock.workflow.events import Path, step_facts
from interlock.workflow.io import cut
from interlock.workflow.reviews import Ask, Choose, Confirm, Gate, allowed_on_reject
from interlock.workflow.scope import Scope
from interlock_protocol.requirements import FLAGS
from interlock_protocol.types import MAX_STEP_INPUT_BYTES

_SHOWN = (
    "confirmation_message",
    "user_input_message",
    "user_input_schema",
    "available_choices",
    "choices",
    "allow_multiple_selections",
    "on_reject",
)


def requirement_facts(run_id: str, place: Place, path: Path, visit: int, gate: Gate, scope: Scope) -> dict[str, Any]:
    """The `step_requirements[]` object for a review of the node at `path`."""
    facts: dict[str, Any] = {"id": requirement_id(run_id, path, visit, gate.flag)}
    named = step_facts(place, path, visit)
    named.pop("parent_step_id", None)
    named.pop("nested_depth", None)
    facts.update(named)
    facts["step_type"] = place.node.kind
    facts.update((flag, flag == gate.flag) for flag in FLAGS)
    facts.update(_own_facts(place, gate))
    facts["step_input"] = {
        "input": cut(scope.input, MAX_STEP_INPUT_BYTES),
        "previous_step_content": cut(scope.previous, MAX_STEP_INPUT_BYTES),
    }
    if gate.assignees is not None:
        facts["assignees"] = list(gate.assignees)
    return {key: value for key, value in facts.items() if value is not None}


def shown_in_pause(facts: dict[str, Any]) -> dict[str, Any]:
    """What of a requirement stands in its `StepPaused`."""
    shown = {"requirement_id": facts["id"]}
    shown.update((flag, facts[flag]) for flag in FLAGS)
    shown.update((key, facts[key]) for key in _SHOWN if key in facts)
    return shown


def requirement_id(run_id: str, path: Path, visit: int, flag: str) -> str:
    """The id of the requirement that a visit of a node has for one kind of review."""
    text = "\x1f".join((run_id, *map(str, path), str(visit), flag))
    return "req-" + hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def _own_facts(place: Place, gate: Gate) -> dict[str, Any]:
    match gate:
        case Confirm():
            return {
                "confirmation_message": gate.message,
                "on_reject": gate.on_reject,
                "allowed_on_reject": list(allowed_on_reject(place.node.kind, gate)),
            }
        case Ask():
            return {
                "user_input_message": gate.message,
                "user_input_schema": [field.to_wire() for field in gate.fields],
            }
        case Choose():
            assert isinstance(place.node, Router)
            names = [choice.name for choice in place.node.choices]
            return {
                "user_input_message": gate.message,
                "available_choices": names,
                "choices": [{"key": name, "label": name} for name in names],
                "allow_multiple_selections": gate.multiple,
            }
