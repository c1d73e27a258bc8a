"""The scenarios of containers, and of state machines."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tests.replay.playing import break_down, echo, redo, scenario, stream

from interlock import (
    Condition,
    Confirm,
    Graph,
    Halting,
    Handler,
    Interaction,
    Link,
    Loop,
    Machine,
    Map,
    Parallel,
    Ports,
    Race,
    Review,
    Router,
    Signal,
    State,
    Step,
    StepInput,
    Steps,
    Transition,
    Wait,
    Widget,
    Workflow,
)
from interlock.testing import Run

Play = Callable[[Run], Awaitable[Any]]


# ── Containers ──────────────────────────────────────────────────────────────────────────────────────────


@scenario(Steps("both", [Step("one", echo), Step("two", echo)], human_review=Confirm()), Step("after", echo))
async def steps(run: Run) -> None:
    """Steps as one node, confirmed."""
    await (await run.paused()).confirm()
    await run.completed()


@scenario(
    Parallel(
        "all",
        [
            Step("left", echo, human_review=Confirm("Left?")),
            Step("middle", stream),
            Step("right", echo, human_review=Confirm("Right?")),
        ],
    )
)
async def parallel(run: Run) -> None:
    """Two branches that pause at once, answered in the other order, one of them refused."""
    await run.until("WorkflowRunOutput")
    await (await run.paused("right")).confirm()
    await run.until("StepCompleted", step="right")
    await (await run.paused("left")).reject(on_reject="skip")
    await run.completed()


@scenario(
    Parallel(
        "all",
        [Step("left", echo, human_review=Confirm()), Step("right", echo, human_review=Confirm(on_reject="cancel"))],
    )
)
async def parallel_cancelled(run: Run) -> None:
    """A branch that ends the run withdraws what the others ask."""
    await run.until("WorkflowRunOutput")
    await (await run.paused("right")).reject()
    await run.cancelled()


@scenario(
    Step(
        "choose",
        echo,
        human_review=Interaction(
            "review", "How?", options=["train", "truck"], assignees=["ann", "bob"], policy="all_members", timeout=60
        ),
    ),
    Step("ask", echo, human_review=Interaction("approval", "Ship it?", timeout=60, on_timeout="approve")),
    Step("late", echo, human_review=Interaction("input", "Why?", timeout=60, on_timeout="approve")),
)
async def interactions(run: Run) -> None:
    """Interactions: one that everybody answers, one that is rejected, one that expires."""
    await (await run.as_user("ann").paused("choose")).respond(selected="train")
    await (await run.as_user("bob").paused("choose")).respond(selected="truck")
    await (await run.paused("ask")).respond(confirmed=False, comment="not yet")
    await run.paused("late")
    await run.advance(seconds=61)
    await run.completed()


@scenario(
    Race(
        "first",
        [
            Steps("asked", [Step("who", echo, human_review=Confirm("Who?"))]),
            Parallel("broken", [Step("breaks", break_down), Step("waits", echo, human_review=Confirm("Still?"))]),
            Step("quick", echo, human_review=Confirm("Now?")),
        ],
    ),
    Step("after", echo),
)
async def race(run: Run) -> None:
    """A race: one branch fails with something open in it, one wins after a person let it go, one is withdrawn."""
    await run.until("StepsWithdrawn")
    await (await run.paused("quick")).confirm()
    await run.completed()


@scenario(
    Map("each", [Step("one", echo), Step("two", echo, human_review=Confirm())], items=["a", "b", "c"], at_once=1),
    Step("after", echo),
)
async def map_(run: Run) -> None:
    """Steps for each item of a list, one after the other, each with a pause of its own."""
    for _ in range(3):
        await (await run.paused()).confirm()
    await run.completed()


@scenario(
    Graph(
        "report",
        [
            Step("A", echo),
            Step("B", break_down),
            Step("C", echo, human_review=Confirm("Publish?")),
            Step("D", echo),
            Step("E", echo),
        ],
        [("A", "C"), Link("B", "D", "failed"), ("B", "E")],
    ),
    Step("after", echo),
)
async def graph(run: Run) -> None:
    """A graph: a task that fails is handled, one that can't be reached is skipped, one asks."""
    await (await run.paused("C")).confirm()
    await run.completed()


@scenario(
    Step("look", widget=Widget("look", ports={"approve": "yes", "reject": "no"})),
    Ports("way", {"yes": [Step("pay", echo)]}, default=[Step("tell", echo)]),
    Step("say", echo, human_review=Interaction("approval", "Said?")),
    Machine(
        "machine",
        {
            "ask": State(
                halt=Halting(widget=Widget("look", ports={"done": "on"})), transitions=[Transition("end", port="on")]
            ),
            "end": State(is_terminal=True),
        },
        initial_state="ask",
    ),
)
async def widgets(run: Run) -> None:
    """Widgets, in a step with ports after it and in a machine, and an interaction."""
    await (await run.paused("look")).interact("approve", {"total": 1})
    await (await run.paused("say")).respond(confirmed=True)
    await (await run.paused("ask")).interact("done")
    await run.completed()


def counted(given: StepInput) -> dict[str, int]:
    return {"count": given.workflow_data.get("count", 0) + 1}


@scenario(
    Machine(
        "machine",
        {
            "count": State(counted, [Transition("both")], on_enter=lambda _: {"entered": True}),
            "both": State(threads={"one": "ask", "two": "add"}, transitions=[Transition("end")]),
            "ask": State(
                halt=Halting(presentation={"type": "message", "title": "Go on?", "message": "${workflow_data.count}"}),
                transitions=[Transition("end")],
            ),
            "add": State(counted, [Transition("end")]),
            "end": State(is_terminal=True),
        },
        initial_state="count",
    )
)
async def machine(run: Run) -> None:
    """A state machine with two threads, one of which halts."""
    await (await run.paused("ask")).submit()
    await run.completed()


@scenario(
    Machine(
        "machine",
        {
            "cool_off": State(wait=Wait(seconds=3600), transitions=[Transition("done")]),
            "done": State(is_terminal=True),
        },
        initial_state="cool_off",
    ),
    message={},
)
async def machine_that_waits(run: Run) -> None:
    """A state machine that waits an hour."""
    await run.until("StepStarted", step="cool_off")
    await run.advance(hours=2)
    await run.completed()


def signalled(given: StepInput) -> Any:
    return {"signal": given.signal}


@scenario(
    Step("asked", echo, human_review=Confirm("Go?")),
    Parallel(
        "all",
        [
            Step("left", signalled, human_review=Signal("paid")),
            Step("right", signalled, human_review=[Signal("paid"), Confirm("Right?")]),
            Step("never", signalled, human_review=Signal("other", timeout=60, on_timeout="approve")),
        ],
    ),
    Loop("loop", [Step("each", signalled, human_review=Signal("next"))], max_iterations=2),
)
async def signals(run: Run) -> None:
    """Signals that come early, twice with one key, to branches that wait for the same, to a loop, and too late."""
    await run.paused("asked")
    for number in range(2):
        await run.signal("next", number)
    await run.signal("paid", {"amount": 1}, idempotency_key="one")
    await (await run.paused("asked")).confirm()
    await run.until("StepCompleted", step="left")
    await run.signal("paid", {"amount": 1}, idempotency_key="one")
    await run.signal("paid", {"amount": 2}, idempotency_key="two")
    await run.until("StepPaused", step="right", count=2)
    await (await run.paused("right")).confirm()
    await run.advance(minutes=2)
    await run.completed()


@scenario(
    Machine(
        "machine",
        {
            "new": State(
                halt=Halting(presentation={"type": "message", "title": "Order?", "message": "Go on."}),
                transitions=[Transition("order")],
            ),
            "order": State(
                halt=Halting(signal="paid", accepts={"properties": {"amount": {"type": "number"}}}),
                transitions=[Transition("end", {"field": "amount", "operator": "gt", "value": 5}), Transition("order")],
                on_error=[Handler("again", frozenset({"invalid_input"}))],
            ),
            "again": State(
                halt=Halting(signal="paid", presentation={"type": "message", "title": "Paid?", "message": "Again."}),
                transitions=[Transition("order")],
            ),
            "end": State(is_terminal=True),
        },
        initial_state="new",
    ),
    message={},
)
async def machine_with_signals(run: Run) -> None:
    """A state machine that halts for signals: one that leads back, one that doesn't fit, a person's answer instead."""
    asked = await run.paused("new")
    await run.signal("paid", {"amount": 1})
    await run.signal("paid", {"amount": "much"})
    await asked.submit()
    await (await run.paused("again")).submit()
    await run.until("StepPaused", step="order", count=3)
    await run.signal("paid", {"amount": 6})
    await run.completed()


@scenario(
    Condition("long?", lambda given: len(given.input) > 3, steps=[echo]), Condition("short?", "false", steps=[echo])
)
async def condition(run: Run) -> None:
    """A condition that holds, and one that doesn't and has no other branch."""
    await run.completed()


@scenario(Router("how", [Step("call", echo), Step("write", echo)], selector=lambda _: ["write", "call"]))
async def router(run: Run) -> None:
    """Two routes, selected by a function."""
    await run.completed()


@scenario(Loop("again", [Step("add", echo)], max_iterations=5, end_condition="iteration == 3"), Step("after", echo))
async def loop(run: Run) -> None:
    """Three iterations, ended by an expression."""
    await run.completed()


INNER = Workflow("inner", steps=[Step("first", echo), Step("second", echo, human_review=Confirm("Inside?"))])


@scenario(echo, Step("nested", workflow=INNER, human_review=Confirm("Enter?")), Step("after", echo))
async def nested_workflow(run: Run) -> None:
    """A workflow in a workflow, with a pause before and one inside."""
    await (await run.paused("nested")).confirm()
    await (await run.paused("second")).confirm()
    await run.completed()


@scenario(
    Loop(
        "twice",
        [
            Parallel(
                "both",
                [
                    Condition("c", "true", steps=[Step("deep", echo, human_review=Confirm("Deep?"))]),
                    Router("r", [Step("way", redo, human_review=Review(on_reject="retry")), Step("other", echo)]),
                ],
            )
        ],
        max_iterations=2,
    )
)
async def at_depth_three(run: Run) -> None:
    """Pauses of four kinds in a condition and a router, in a parallel, in a loop, with a restart in the middle."""
    for turn in (1, 2):
        await run.until("RouterPaused", count=turn)
        await (await run.paused("r")).choose("way")
        await run.until("StepOutputReview", count=2 * turn - 1)
        await (await run.paused("way")).reject("again")
        await run.until("StepOutputReview", count=2 * turn)
        await run.restart()
        await (await run.paused("deep")).confirm()
        await (await run.paused("way")).confirm(edited_output=f"turn {turn}")
    await run.completed()
