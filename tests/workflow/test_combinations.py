"""Every kind of pause in every container, at every depth up to three, alone and in branches that pause at once."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tests.workflow.people import Person, assert_keeps_the_rules, check, settle
from tests.workflow.random_runs import FORM, QUESTION, Does, IfWeak, Once, Says
from tests.workflow.simulation import Agent, Simulation

from interlock import Ask, Choose, Condition, Confirm, Loop, Parallel, Review, Router, Step, Steps, Workflow
from interlock.workflow.declare.agents import Tool, ToolRequest
from interlock.workflow.run.advance import MAX_RECOVERIES
from interlock_protocol.types import RunStatus


def step(name: str, *reviews: Any, **does: Any) -> Step:
    return Step(name, Does(**does), human_review=list(reviews))


def tools(name: str) -> Step:
    asked = [{}, {"user_input": FORM}, {"user_feedback": [QUESTION]}, {"external_execution": True}]
    requests = [ToolRequest(Tool(f"c{n}", "tool"), **each) for n, each in enumerate(asked)]  # type: ignore[arg-type]
    return Step(name, agent=Agent([requests[:2], requests[2:]]))


def routes(name: str, *reviews: Any, selector: Any = None) -> Router:
    return Router(name, [step(f"{name}-1"), step(f"{name}-2")], selector=selector, human_review=list(reviews))


def two_ways(name: str, review: Any) -> Condition:
    return Condition(name, Says(True), steps=[step(f"{name}-1")], else_steps=[step(f"{name}-2")], human_review=review)


RETRY = Review(on_reject="retry", max_retries=2)

PAUSES: dict[str, Callable[[str], Any]] = {
    "confirmation": lambda name: step(name, Confirm()),
    "form": lambda name: step(name, Ask(FORM)),
    "routes": lambda name: routes(name, Choose(multiple=True)),
    "output": lambda name: step(name, RETRY),
    "weak output": lambda name: step(name, Review(when=IfWeak(), on_reject="retry"), weak=True),
    "routes' output": lambda name: routes(name, RETRY, selector=Says([f"{name}-1"])),
    "chosen routes' output": lambda name: routes(name, RETRY),
    "iteration": lambda name: Loop(name, [step(f"{name}-1")], max_iterations=3, human_review=Review(on_reject="retry")),
    "tools": tools,
    "some iterations": lambda name: Loop(
        name, [step(f"{name}-1")], max_iterations=3, human_review=Review(when=Once(), on_reject="retry")
    ),
    "error": lambda name: Step(name, Does(fails=3), retries=1, on_error="pause"),
    "stop": lambda name: step(name, Review(), stops=True),
    "else": lambda name: Condition(
        name,
        Says(True),
        steps=[step(f"{name}-1")],
        else_steps=[step(f"{name}-2")],
        human_review=Confirm(on_reject="else"),
    ),
    "all of a step's": lambda name: Step(
        name, Does(fails=1), on_error="pause", human_review=[Confirm(), Ask(FORM), RETRY]
    ),
}

CONTAINERS: dict[str, Callable[[str, list[Any]], Any]] = {
    "Steps": Steps,
    "Parallel": Parallel,
    "if": lambda name, steps: Condition(name, Says(True), steps=steps),
    "else": lambda name, steps: Condition(name, Says(False), steps=[step(f"{name}-0")], else_steps=steps),
    "Router": lambda name, steps: Router(name, steps, selector=Says([each.name for each in steps])),
    "Loop": lambda name, steps: Loop(name, steps, max_iterations=2),
    "Workflow": lambda name, steps: Step(name, workflow=Workflow(f"in-{name}", steps=steps)),
}


def within(chain: Sequence[str], *nodes: Any) -> Workflow:
    """These nodes inside of the last container, that inside of the one before it, and so on."""
    for depth, kind in reversed(list(enumerate(chain))):
        nodes = (CONTAINERS[kind](f"c{depth}", list(nodes)),)
    return Workflow("w", steps=[step("first"), *nodes])


def lives(workflow: Workflow, seed: int) -> None:
    assert_keeps_the_rules(Person(workflow, random.Random(seed).choice).live())


CHAINS = [chain for depth in (1, 2) for chain in itertools.product(CONTAINERS, repeat=depth)]
KINDS = list(PAUSES)
AT_ONCE = [
    pytest.param(KINDS[one], KINDS[(one + 5) % len(KINDS)], chain, id=f"{KINDS[one]}-{'-'.join(chain)}")
    for number, chain in enumerate(CHAINS)
    for one in range(number % 2, len(KINDS), 2)
]
"""Two kinds of pause at once; inside of each chain, every kind is in one of the pairs."""

DEEP = list(itertools.product(CONTAINERS, repeat=3))[::3]


@pytest.mark.parametrize(("one", "other", "chain"), AT_ONCE)
def test_pauses_at_once_inside_of_every_container(one: str, other: str, chain: tuple[str, ...]) -> None:
    both = Parallel("both", [PAUSES[one]("a"), PAUSES[other]("b")])
    lives(within(chain, both), seed=len(CHAINS) * KINDS.index(one) + CHAINS.index(chain))


@pytest.mark.parametrize(("number", "chain"), list(enumerate(DEEP)), ids=["-".join(chain) for chain in DEEP])
def test_pauses_three_containers_deep(number: int, chain: tuple[str, ...]) -> None:
    one, other = KINDS[number % len(KINDS)], KINDS[number // len(KINDS) % len(KINDS)]
    lives(within(chain, PAUSES[one]("a"), PAUSES[other]("b")), seed=number)


# --- every order ---


def approved(run: Simulation, name: str) -> None:
    """Say yes to what the step called `name` waits for, and don't go on."""
    requirement = run.pending(name)
    answers: dict[str, Any] = {
        "requires_user_input": {"user_input": {"x": 1}},
        "requires_route_selection": {"selected_choices": requirement.facts.get("available_choices", [])[:1]},
        "requires_error_decision": {"decision": "retry"},
    }
    run.decide({"id": requirement.id, **answers.get(requirement.kind, {"confirmed": True})})


def nothing(_: Simulation) -> None: ...


def crash(run: Simulation) -> None:
    if run.state.recoveries < MAX_RECOVERIES:
        run.crash()


BETWEEN: dict[str, Callable[[Simulation], Any]] = {
    "nothing": nothing,
    "a crash": crash,
    "a reload": Simulation.reload,
}
TRIPLES = [
    ("confirmation", "output", "routes"),
    ("form", "error", "iteration"),
    ("routes' output", "chosen routes' output", "all of a step's"),
]


@pytest.mark.parametrize("between", BETWEEN)
@pytest.mark.parametrize("order", list(itertools.permutations("abc")), ids="".join)
@pytest.mark.parametrize("kinds", TRIPLES, ids=lambda kinds: kinds[0])
@pytest.mark.parametrize("early", [False, True], ids=["paused", "early"])
def test_order_of_the_answers_changes_nothing(
    kinds: tuple[str, ...], order: tuple[str, ...], between: str, early: bool
) -> None:
    """Answered once all wait, or early: while what the answers lead to, and another branch, runs."""
    branches = [PAUSES[kind](name) for name, kind in zip("abc", kinds, strict=True)]
    run = Simulation(Workflow("w", steps=[Parallel("p", [*branches, step("busy")])]))
    while not run.state.status.is_final:
        if early:
            go_on(run, order)
        else:
            run.run()
        for name in order:
            if name in run.waiting:
                approved(run, name)
                check(run)
                BETWEEN[between](run)
                settle(run)
        if early and not run.waiting:
            run.run()
    assert run.state.status is RunStatus.COMPLETED
    assert_keeps_the_rules(run)
    assert {name: run.last["content"][name] for name in "abc"} == dict.fromkeys("abc", "out")


def go_on(run: Simulation, order: tuple[str, ...]) -> None:
    """Until the first of these waits, or nothing runs."""
    settle(run)
    while run.running and order[0] not in run.waiting:
        run.finish(next(iter(run.running.values())))
        settle(run)


# --- an agent's tools ---


@pytest.mark.parametrize("between", BETWEEN)
@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
def test_tools_are_decided_one_by_one_in_any_order(order: tuple[int, ...], between: str) -> None:
    """Two agents at once, of which each has two tools."""
    agents = [Step(name, agent=Agent([[ToolRequest(Tool(f"{name}{n}", "t")) for n in (0, 1)]])) for name in "ab"]
    run = Simulation(Workflow("w", steps=[Parallel("p", agents)])).run()
    waiting = [(name, f"{run.pending(name).id}.{n}") for name in "ab" for n in (0, 1)]
    for number, place in enumerate(order):
        name, id_ = waiting[place]
        tool = {"id": id_, "confirmation": place % 2 == 0}
        run.decide({"id": run.pending(name).id, "executor_requirements": [tool]})
        check(run)
        BETWEEN[between](run)
        settle(run.run())
        assert len(run.waits_for) == 3 - number
    assert_keeps_the_rules(run)
    told = [{"approved": True, "args": {}}, {"approved": False, "args": {}}]
    assert run.last["content"] == {"a": [told], "b": [told]}
