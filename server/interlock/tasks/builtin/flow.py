"""The built-in types that shape a graph: they are built of other kinds of steps, and run no code of their own.

Source: `docs/graphs.md`, "Task types".
"""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field

from interlock.tasks.builtin.inputs import Inputs, gives, marked
from interlock.workflow.declare.task_types import TaskType
from interlock_protocol.types import JsonObject


class Condition(Inputs):
    """A question that is answered by computing."""

    expression: str = Field(
        title="Expression",
        description="In CEL, of `input`, `tasks`, `context`, and `values`: true or false. Nothing is filled in.",
        min_length=1,
        max_length=4096,
        json_schema_extra=marked(fixed=True, form="expression"),
    )
    values: dict[str, Any] = Field({}, title="Values", description="What the expression has as `values`.")


class Map(Inputs):
    """The same for each item of a list."""

    items: list[Any] = Field(title="Items", description="The list.")
    graph: JsonObject = Field(
        title="For each",
        description="A graph. It has an item as `input.item`, and its place in the list as `input.index`.",
        json_schema_extra=marked(fixed=True, form="json"),
    )
    at_once: int = Field(
        10,
        title="At once",
        description="How many items are under way.",
        ge=1,
        le=100,
        json_schema_extra=marked(fixed=True),
    )


class Delay(Inputs):
    """A wait that outlasts restarts."""

    seconds: float | None = Field(None, title="Seconds", description="How long it waits.", ge=0)
    until: str | None = Field(None, title="Until", description="Or until when: a time such as 2026-12-31T09:00:00Z.")


class Set(Inputs):
    """Values for later tasks."""

    values: dict[str, Any] = Field(title="Values", description="What the task gives, by name.")


class WaitForSignal(Inputs):
    """A signal from outside."""

    topic: str = Field(
        title="Topic",
        description="Which signals: letters, digits, _ . : and -.",
        pattern=r"^[A-Za-z0-9_.:-]{1,128}$",
        json_schema_extra=marked(fixed=True),
    )
    timeout: float | None = Field(
        None,
        title="Time to wait",
        description="In seconds; without it, for as long as it takes.",
        gt=0,
        json_schema_extra=marked(fixed=True),
    )
    on_timeout: Literal["cancel", "skip", "approve"] = Field(
        "cancel",
        title="Then",
        description="When the time is over: cancel the run, skip the task, or approve: go on without a signal.",
        json_schema_extra=marked(fixed=True),
    )


FLOW: Final = (
    TaskType(
        name="condition",
        title="Condition",
        description="Leads on by true or by false.",
        category="flow",
        kind="flow",
        icon="split",
        input=Condition,
        output_schema=gives({"result": {"type": "boolean"}}),
        ports=("true", "false"),
    ),
    TaskType(
        name="map",
        title="For each",
        description="Runs a graph for each item of a list, several at once.",
        category="flow",
        kind="flow",
        icon="repeat",
        input=Map,
        output_schema={"type": "array", "description": "What came of each item, in the list's order."},
    ),
    TaskType(
        name="delay",
        title="Delay",
        description="Waits, also over restarts.",
        category="flow",
        kind="flow",
        icon="hourglass",
        input=Delay,
        output_schema={"type": "null", "description": "Nothing."},
    ),
    TaskType(
        name="set",
        title="Set values",
        description="Gives values that later tasks use.",
        category="flow",
        kind="flow",
        icon="equal",
        input=Set,
        output_schema={"type": "object", "description": "The values."},
    ),
    TaskType(
        name="signal",
        title="Signal",
        description="Waits for a signal from outside.",
        category="flow",
        kind="flow",
        icon="radio-tower",
        input=WaitForSignal,
        output_schema={"description": "What was sent with it."},
    ),
)
