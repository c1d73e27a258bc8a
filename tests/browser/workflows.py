"""What the tests in a browser run: a workflow for each thing that a person can be asked, and for each thing that can be
hard to show. A step that has to wait does so until a file exists."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import date
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, field_validator
from tests.socket.workflows import first, of, stream
from tests.support.gates import until_open
from tests.support.halts import MACHINES

from interlock import (
    Ask,
    Choose,
    Condition,
    Confirm,
    CustomEvent,
    ErrorReview,
    Loop,
    Parallel,
    Review,
    Router,
    Step,
    StepInput,
    StepOutput,
    ToolReview,
    UserInputField,
    Workflow,
)
from interlock.agents import AgentPause, AgentStream, Tool, ToolDecision, ToolRequest
from interlock_protocol.types import JsonValue

EVENTS = 100_000
"""How many deltas `many` writes before it waits for its first gate."""

BURST = 500
"""How many more it writes for each gate."""

LONG = "averylongnamewithoutanyspace" * 8
"""As people don't name things, but programs do."""

HOSTILE = "<img src=x onerror=\"window.harmed='image'\"><script>window.harmed='script'</script>"
"""Harms the page that takes it for HTML."""

FORM = [
    UserInputField("tone", description="How it should sound", allowed_values=["formal", "casual"]),
    UserInputField("count", "int", description="How many"),
    UserInputField("ratio", "float", required=False),
    UserInputField("sure", "bool", default=False),
    UserInputField("tags", "list", required=False),
    UserInputField("extra", "dict", required=False),
    UserInputField("language", default="en"),
]


class Release(BaseModel):
    """A form whose last word only the server knows."""

    version: str
    channel: str = "stable"

    @field_validator("version")
    @classmethod
    def _is_new(cls, value: str) -> str:
        if value == "1.0.0":
            raise ValueError("this version was released already")
        return value


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Item(BaseModel):
    """A part of an order, with what no fields can be made for."""

    name: str
    count: int = 1
    labels: dict[str, int] = {}


class Order(BaseModel):
    """An input with fields of all kinds, and with fields in fields."""

    customer: str
    day: date
    amount: float
    colour: Colour
    main: Item
    others: list[Item] = []
    remark: str | None = None

    @field_validator("customer")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value == "nobody":
            raise ValueError("there is no such customer")
        return value


class Assistant:
    """An agent that asks for each kind of thing that a tool can need of a person."""

    id = "assistant"
    name = "Assistant"
    type = "agent"

    async def run(self, _: StepInput, stream: AgentStream) -> AgentPause:
        stream.content("Let me see what I need. ")
        question: dict[str, JsonValue] = {
            "question": "Which meal?",
            "options": [{"label": "Fish"}, {"label": "Rice"}],
            "multi_select": False,
        }
        return AgentPause(
            [
                ToolRequest(Tool("c1", "delete_record", {"record_id": "42", "why": "it is old"})),
                ToolRequest(Tool("c2", "send_mail", {"to": "ada@example.org"}), editable=True),
                ToolRequest(
                    Tool("c3", "ask_user", {}), user_input=[UserInputField("city"), UserInputField("days", "int")]
                ),
                ToolRequest(Tool("c4", "poll", {}), user_feedback=[question]),
                ToolRequest(Tool("c5", "run_sql", {"sql": "SELECT 1"}), external_execution=True),
                ToolRequest(Tool("c6", "delete_all", {"sure": HOSTILE})),
            ],
            {},
        )

    async def resume(self, _: Any, decisions: Sequence[ToolDecision], __: StepInput, stream: AgentStream) -> str:
        stream.content("Thank you. ")
        return ", ".join(f"{each.tool.name} {'yes' if each.approved else 'no'}" for each in decisions)


class Copyist:
    """An agent that wants to write a long text to a file."""

    id = "copyist"
    name = "Copyist"
    type = "agent"

    async def run(self, _: StepInput, __: AgentStream) -> AgentPause:
        return AgentPause([ToolRequest(Tool("c1", "write_file", {"path": "a.txt", "text": "line\n" * 20_000}))], {})

    async def resume(self, *_: Any) -> str:
        return "written"


async def ordered(step_input: StepInput) -> str:
    order: Order = step_input.input
    return order.model_dump_json()


async def repeated(step_input: StepInput) -> str:
    return f"{step_input.input}"


async def told(step_input: StepInput) -> str:
    return f"after {step_input.previous_step_content}"


def filled_in(step_input: StepInput) -> object:
    return step_input.user_input


def released(step_input: StepInput) -> str:
    release: Release = step_input.user_input
    return f"released {release.version} ({release.channel})"


async def quick(_: StepInput) -> str:
    return "a quick look"


async def deep(_: StepInput) -> str:
    return "a deep look"


async def mail(step_input: StepInput) -> str:
    """A mail; sent back, it has a line with the feedback."""
    lines = ["Dear all,", "the quarter was good.", "We sold 300 units.", "Ada"]
    if step_input.rejection_feedback is not None:
        lines.append(f"PS: {step_input.rejection_feedback}")
    return "\n".join(lines)


async def telling(_: StepInput) -> AsyncIterator[str | CustomEvent]:
    """Tells how far it is by events of its own."""
    yield CustomEvent("progress", {"done": 3, "of": 8})
    yield "all is done"


async def data(_: StepInput) -> dict[str, Any]:
    return {"title": "Report", "rows": [1, 2, 3]}


async def attempt(step_input: StepInput) -> str:
    return f"draft with {step_input.rejection_feedback or 'nothing'}"


async def flaky(step_input: StepInput) -> str:
    if step_input.attempt == 1:
        raise ConnectionError("the service didn't answer")
    return "it works now"


async def many(step_input: StepInput) -> AsyncIterator[str | StepOutput]:
    """`EVENTS` deltas at once; then, for each file `gate` with a number, `BURST` others, at a reader's pace."""
    for number in range(EVENTS):
        yield f"{number} "
        if number % 500 == 0:
            await asyncio.sleep(0)
    for burst in range(int(str(of(step_input, "bursts")))):
        await until_open(f"{of(step_input, 'gate')}{burst}")
        for number in range(BURST):
            yield f"{burst}:{number} "
            await asyncio.sleep(0.002)
    yield StepOutput("done")


async def hostile(_: StepInput) -> AsyncIterator[str]:
    yield HOSTILE
    yield " and after it"


async def huge(_: StepInput) -> str:
    return "0123456789" * 100_000


async def enormous(_: StepInput) -> str:
    return "0123456789" * 500_000


async def fails_hostile(_: StepInput) -> StepOutput:
    raise ValueError(HOSTILE)


MARKDOWN = f"""## The quarter

It was **good**: see [the numbers](https://example.org/numbers).

- more lamps
- fewer horns

| lamp | sold |
| --- | --- |
| small | 3 |

```python
print("a lamp")
```

![a spy](https://example.org/spy.png) {HOSTILE}
"""


async def written(_: StepInput) -> AsyncIterator[str]:
    for piece in MARKDOWN.split("\n"):
        yield f"{piece}\n"


async def sold(_: StepInput) -> list[JsonValue]:
    return [{"lamp": f"lamp {number}", "sold": number, "by": {"who": "Ada"}} for number in range(200)]


async def plotted(_: StepInput) -> JsonValue:
    data: JsonValue = [{"month": month, "sold": len(month)} for month in ("May", "June", "July")]
    return {"chart": {"type": "bar", "title": "Lamps sold", "data": data, "x": "month", "y": "sold"}}


async def nested(_: StepInput) -> JsonValue:
    return {"house": {"rooms": [{"name": f"room {number}"} for number in range(30)]}, "note": "folded away"}


workflows = [
    *MACHINES,
    Workflow("report", name="Report", steps=[written, sold, plotted, nested]),
    Workflow("confirm", name="Confirm", steps=[first, Step("publish", told, human_review=Confirm("Publish it?"))]),
    Workflow(
        "condition",
        name="Branch",
        steps=[
            Condition("branch", "true", steps=[quick], else_steps=[deep], human_review=Confirm("Look quickly?")),
            Step("after", told),
        ],
    ),
    Workflow("form", name="Form", steps=[Step("details", filled_in, human_review=Ask(FORM, "Tell me the details:"))]),
    Workflow(
        "release",
        name="Release",
        steps=[Step("release", released, human_review=Ask(Release, "Which release is this?"))],
    ),
    Workflow("route", name="Route", steps=[Router("look", [quick, deep], human_review=Choose("How closely?"))]),
    Workflow(
        "routes",
        name="Routes",
        steps=[Router("look", [quick, deep, first], human_review=Choose("Which of these?", multiple=True))],
    ),
    Workflow("tools", name="Tools", steps=[Step("act", agent=Assistant())]),
    Workflow(
        "review",
        name="Review",
        steps=[Step("mail", mail, human_review=Review("Is this mail right?", on_reject="retry")), Step("send", told)],
    ),
    Workflow("telling", name="Telling", steps=[Step("tell", telling)]),
    Workflow("data", name="Data", steps=[Step("data", data, human_review=Review("Are these right?"))]),
    Workflow(
        "loop",
        name="Loop",
        steps=[
            Loop(
                "improve",
                [Step("work", attempt)],
                max_iterations=4,
                human_review=Review("Good enough?", on_reject="retry"),
            )
        ],
    ),
    Workflow(
        "error",
        name="Error",
        steps=[Step("call", flaky, on_error="pause", human_review=ErrorReview()), Step("after", told)],
    ),
    Workflow(
        "timeout",
        name="Timeout",
        steps=[Step("publish", told, human_review=Confirm("Publish it?", timeout=6, on_timeout="skip")), first],
    ),
    Workflow(
        "patient",
        name="Patient",
        steps=[Step("publish", told, human_review=Confirm("Publish it?", timeout=3600, on_timeout="skip"))],
    ),
    Workflow("stream", name="Stream", steps=[stream]),
    Workflow("streamed", name="Streamed", steps=[stream, Step("publish", told, human_review=Confirm("Publish it?"))]),
    Workflow(
        "assigned",
        name="Assigned",
        steps=[Step("sign", told, human_review=Confirm("Sign it?", assignees=["alice", "bob"]))],
    ),
    Workflow(
        "others",
        name="Tools of others",
        steps=[Step("act", agent=Assistant(), human_review=ToolReview(assignees=["bob"]))],
    ),
    Workflow("copy", name="Copy", steps=[Step("copy", agent=Copyist())]),
    Workflow("order", name="Order", input_schema=Order, steps=[Step("order", ordered)]),
    Workflow("team:tell?", name="Tell", steps=[Step("tell", repeated)]),
    Workflow("decided", name="Decided", steps=[Step("publish", told, human_review=Confirm("Publish it?")), stream]),
    Workflow(
        "parallel",
        name="Several",
        steps=[
            Parallel(
                "all",
                [
                    Step("one", first, human_review=Confirm("One?")),
                    Step("two", filled_in, human_review=Ask([UserInputField("word")], "A word?")),
                ],
            )
        ],
    ),
    Workflow("many", name="Many events", steps=[Step("many", many)]),
    Workflow(
        "long",
        name=LONG,
        steps=[Step(LONG, enormous), Step(f"asked {LONG}", told, human_review=Confirm(f"Question {LONG}"))],
    ),
    Workflow("enormous", name="Enormous", steps=[Step("enormous", enormous, human_review=Review("Is this right?"))]),
    Workflow("huge", name="Huge", steps=[Step("huge", huge)]),
    Workflow(
        "hostile",
        name=f"Name {HOSTILE}",
        description=HOSTILE,
        steps=[
            Step(f"step {HOSTILE}", hostile),
            Step("asked", told, human_review=Confirm(f"Question {HOSTILE}")),
            Step("failing", fails_hostile),
        ],
    ),
]
