"""Workflows that nodes of two versions serve at the same time."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tests.support.gates import until_open

from interlock import Confirm, CustomEvent, Step, StepInput, Workflow


def nothing(_: StepInput) -> None:
    """Does nothing."""


async def tells(step_input: StepInput) -> AsyncIterator[CustomEvent]:
    """Tells something; then, if the input names a file, it waits until that is there."""
    yield CustomEvent("told", {})
    await until_open(str(step_input.input) if step_input.input else None)


def asks() -> Step:
    return Step("send", nothing, human_review=Confirm("Send it?"))


workflows = [
    Workflow("plain", steps=[asks(), Step("after", nothing)]),
    Workflow("telling", steps=[Step("tell", tells), asks(), Step("after", nothing)]),
]
