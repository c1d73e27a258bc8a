"""State machines for the tests of /api/v1, in Python: what code serves is an instance like any other."""

from __future__ import annotations

import asyncio
from typing import Any

from interlock import Halting, Machine, State, StepInput, Transition, Workflow
from interlock.workflow.activities import LogicError

APPROVED: dict[str, Any] = {"field": "approved", "equals": True}
FORM: dict[str, Any] = {
    "type": "form",
    "title": "Purchase of ${workflow_data.amount}",
    "fields": [
        {"name": "approved", "type": "boolean", "label": "Approve?", "required": True},
        {"name": "comment", "type": "string", "label": "Comment"},
    ],
}


def given(step: StepInput) -> Any:
    return {**step.input, "status": "pending"}


def fails(step: StepInput) -> Any:
    raise LogicError(step.input["code"], "the logic failed")


def breaks(_: StepInput) -> Any:
    raise RuntimeError("broken")


async def slow(step: StepInput) -> Any:
    await asyncio.sleep(step.input.get("seconds", 0.2))
    return {"done": True}


def machine(name: str, first: str, states: dict[str, State]) -> Workflow:
    return Workflow(id=name, steps=[Machine(name, states, initial_state=first)])


END = State(is_terminal=True)

purchase = machine(
    "purchase",
    "submit",
    {
        "submit": State(
            given, [Transition("auto", {"field": "amount", "operator": "lte", "value": 1000}), Transition("manager")]
        ),
        "manager": State(
            halt=Halting(presentation=FORM),
            transitions=[
                Transition("vp", {"and": [APPROVED, {"field": "amount", "operator": "gt", "value": 10000}]}),
                Transition("done", APPROVED),
                Transition("rejected", {"field": "comment", "exists": True}),
            ],
        ),
        "vp": State(
            halt=Halting(presentation=FORM), transitions=[Transition("done", APPROVED), Transition("rejected")]
        ),
        "auto": END,
        "done": END,
        "rejected": END,
    },
)

chosen = machine(
    "chosen",
    "ask",
    {
        "ask": State(
            halt=Halting(instruction={"message": "Approve order ${workflow_data.id}?"}, selects=True),
            transitions=[
                Transition("yes", key="approve", description="Approve the order"),
                Transition("no", key="reject", description="Reject the order"),
            ],
        ),
        "yes": END,
        "no": END,
    },
)

threads = machine(
    "threads",
    "both",
    {
        "both": State(threads={"finance": "ask_finance", "legal": "ask_legal"}, transitions=[Transition("end")]),
        "ask_finance": State(halt=Halting(), transitions=[Transition("finance_done")]),
        "ask_legal": State(halt=Halting(), transitions=[Transition("legal_again")]),
        "legal_again": State(halt=Halting(), transitions=[Transition("legal_done")]),
        "finance_done": END,
        "legal_done": END,
        "end": END,
    },
)

failing = machine("failing", "work", {"work": State(fails, [Transition("end")]), "end": END})
broken = machine("broken", "work", {"work": State(breaks, [Transition("end")]), "end": END})
slowly = machine(
    "slowly",
    "ask",
    {
        "ask": State(halt=Halting(), transitions=[Transition("work")]),
        "work": State(slow, [Transition("end")]),
        "end": END,
    },
)
at_once = machine("at_once", "work", {"work": State(slow, [Transition("end")]), "end": END})

signalled = machine(
    "signalled",
    "waits",
    {
        "waits": State(
            halt=Halting(signal="paid", accepts={"type": "object", "properties": {"amount": {"type": "number"}}}),
            transitions=[Transition("asks", {"field": "amount", "operator": "gt", "value": 0})],
        ),
        "asks": State(
            halt=Halting(signal="paid", presentation={"type": "message", "title": "Paid?", "message": "Go on."}),
            transitions=[Transition("end")],
        ),
        "end": END,
    },
)

machines = [purchase, chosen, threads, failing, broken, slowly, at_once, signalled]
