"""What the tests of a run's next steps share."""

from __future__ import annotations

from typing import Any

from tests.workflow.simulation import Simulation, says

from interlock import (
    Condition,
    Router,
    Step,
    StepInput,
    Workflow,
)


def run(*nodes: Any, **options: Any) -> Simulation:
    return Simulation(Workflow("w", steps=list(nodes)), **options).run()


def step(name: str, review: Any = None) -> Step:
    return Step(name, says(name), human_review=review)


def fails(_: StepInput) -> Any:
    raise RuntimeError("broken")


def completed(simulation: Simulation) -> list[str]:
    return [event["step_name"] for event in simulation.of("StepCompleted")]


def condition(value: Any, review: Any = None, *, otherwise: bool = True) -> Condition:
    return Condition(
        "c",
        value if callable(value) else lambda _: value,
        steps=[step("yes")],
        else_steps=[step("no")] if otherwise else None,
        human_review=review,
    )


def router(selector: Any = None, review: Any = None) -> Router:
    return Router("r", [step("a"), step("b"), step("c")], selector=selector, human_review=review)
