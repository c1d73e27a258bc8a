"""What the tests of reviews, errors and timeouts share."""

from __future__ import annotations

from typing import Any

from tests.workflow.simulation import Simulation, says

from interlock import (
    Review,
    Step,
    StepInput,
    Workflow,
)


def run(*nodes: Any, **options: Any) -> Simulation:
    return Simulation(Workflow("w", steps=list(nodes)), **options).run()


def step(name: str, *reviews: Any) -> Step:
    return Step(name, says(name), human_review=list(reviews))


def tells(given: StepInput) -> Any:
    return {"feedback": given.rejection_feedback, "previous": given.previous_output}


def drafts(name: str = "draft", **review: Any) -> Step:
    return Step(name, tells, human_review=Review("Right?", **review))


def executions(simulation: Simulation, name: str) -> int:
    return len([work for work in simulation.executed if work.task == "execute" and work.path[-1] == name])


def rejected(simulation: Simulation, name: str, **how: Any) -> Simulation:
    return simulation.answer(name, confirmed=False, **how)
