"""State machines that halt once, in each way in which one can."""

from __future__ import annotations

from interlock import Halting, Machine, State, Transition, Workflow
from interlock_protocol.types import JsonObject

TRAVEL: JsonObject = {
    "type": "form",
    "title": "Plan the journey",
    "fields": [
        {"name": "town", "type": "string", "label": "Where to?", "required": True, "maxLength": 8},
        {"name": "people", "type": "number", "min": 1, "max": 10, "step": 1, "required": True},
        {"name": "refundable", "type": "boolean", "label": "Refundable?"},
        {"name": "class", "type": "select", "options": [{"value": "1", "label": "First"}, {"value": "2"}]},
        {"name": "leaving", "type": "date", "minDate": "2026-01-01", "maxDate": "2026-12-31"},
        {"name": "papers", "type": "file", "accept": ".pdf"},
    ],
}
"""A form with each type of field."""


def halted(name: str, halt: Halting, *transitions: Transition) -> Workflow:
    """A machine that halts once."""
    end = {each.target: State(is_terminal=True) for each in transitions}
    machine = Machine("machine", {"ask": State(halt=halt, transitions=transitions), **end}, initial_state="ask")
    return Workflow(name, steps=[machine])


MACHINES = [
    halted("journey", Halting(TRAVEL), Transition("done")),
    halted(
        "picky",
        Halting({"type": "form", "fields": [{"name": "amount", "type": "number", "required": True}]}),
        Transition("done", {"field": "amount", "operator": "gt", "value": 10}),
    ),
    halted(
        "which-way",
        Halting({"type": "choice", "message": "Which way?", "options": [{"value": "up", "label": "Upwards"}]}),
        Transition("done"),
    ),
    halted(
        "selected",
        Halting(instruction={"message": "Approve the order?"}, selects=True),
        Transition("approved", key="approve", description="Approve it"),
        Transition("rejected", key="reject", description="Reject it"),
    ),
    halted("told", Halting({"type": "message", "message": "Be patient."}), Transition("done")),
    halted(
        "described",
        Halting(
            instruction={"message": "How many?"},
            accepts={"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]},
        ),
        Transition("done"),
    ),
    halted("open", Halting(instruction={"message": "Anything else?"}), Transition("done")),
]
