"""The states of a run, of a step and of a requirement, as diagrams, from the tables that the server itself goes by.

Source: `_STATUS_AFTER` (what an event makes of a run), `LIFE`, the reducer's table of events, `DECISION_FIELDS`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from interlock.workflow.decide.merge import DECISION_FIELDS
from interlock.workflow.node import LIFE, Phase
from interlock.workflow.run import answers, events, fold
from interlock_protocol.types import RunStatus

Edge: TypeAlias = tuple[str, str, str]
"""From, to, and by which event."""

WRITTEN = "<!-- Written by `make docs` from the code's own tables. -->"
GOING_ON = (RunStatus.RUNNING, RunStatus.PAUSED)


def run_edges() -> list[Edge]:
    """How a run's status changes. An event that leaves it as it is isn't among them."""
    return [
        *(
            (before.value, after.value, event)
            for event, after in events._STATUS_AFTER.items()
            for before in _before(event, after)
            if before is not after
        ),
        (RunStatus.PAUSED.value, RunStatus.RUNNING.value, "SignalReceived"),
        (RunStatus.RUNNING.value, RunStatus.PAUSED.value, "WorkflowRunOutput"),
    ]


def _before(event: str, after: RunStatus) -> Iterable[RunStatus]:
    """When an event may come. A run that waits for people comes to a result only by way of their decision."""
    if event == "WorkflowStarted":
        return (RunStatus.PENDING,)
    return GOING_ON if after is RunStatus.CANCELLED or after is RunStatus.RUNNING else (RunStatus.RUNNING,)


def requirement_edges() -> list[Edge]:
    """The life of what is asked of a person."""
    asks = _folded_by(fold._step_paused)
    decides = _folded_by(answers.continued)
    ends = [event for event, after in events._STATUS_AFTER.items() if after.is_final]
    return [
        *(("[*]", "pending", event) for event in asks),
        *(("pending", "resolved", event) for event in decides),
        ("pending", "pending", "StepExecutorContinued (some tools are left)"),
        *(("pending", "withdrawn", event) for event in _folded_by(fold._steps_withdrawn)),
        *(("pending", "withdrawn", event) for event in ends if event != "WorkflowCompleted"),
        ("pending", "withdrawn", "WorkflowCompleted (another branch has stopped the run)"),
        ("resolved", "[*]", ""),
        ("withdrawn", "[*]", ""),
    ]


def _folded_by(folder: object) -> list[str]:
    """The events that the reducer takes in with this function."""
    return [event for event, each in fold._FOLDERS.items() if each is folder]


def diagrams() -> dict[str, str]:
    """The pages, by file name."""
    return {"run.md": _run(), "step.md": _step(), "requirement.md": _requirement()}


def _run() -> str:
    final = [(status.value, "[*]", "") for status in RunStatus if status.is_final]
    edges = [("[*]", RunStatus.PENDING.value, "accepted"), *_joined(run_edges()), *final]
    return f"""# The states of a run

{WRITTEN}

{_mermaid(edges)}

The names at the arrows are events in the run's log; what isn't at an arrow leaves the status as it is. A run is PAUSED
when nothing in it can go on without a person: while another branch runs it is RUNNING, and may be answered all the
same. Nothing follows the event that ends a run. [How the events look](../protocol.md#run-events) ·
[what a step goes through](step.md) · [what a requirement goes through](requirement.md)
"""


def step_edges() -> list[Edge]:
    """The life of one visit of a step, or of a container."""
    return [
        (before.value, after.value, happening.value)
        for before, ways in LIFE.items()
        for happening, after in ways.items()
    ]


def _step() -> str:
    final = [(phase.value, "[*]", "") for phase, ways in LIFE.items() if not ways]
    edges = [("[*]", Phase.ENTERED.value, "its turn has come"), *_joined(step_edges()), *final]
    return f"""# The states of a step

{WRITTEN}

{_mermaid(edges)}

This is one visit of a step, or of a container: an iteration of a loop begins others. What comes before it runs (a
confirmation, a form, a choice) is asked while it is `entered`; a review of its output, and an agent's tools, while it
is `waiting`. A container is `running` while anything in it is. A step that has `failed` waits for a person there, where
its `on_error` is `pause`; otherwise the container around it says what becomes of that: all but a race pass it on, and
the run ends. `withdrawn` is what a race gives up, with everything in it: nothing happens to it any more.
[What a run goes through](run.md) · [what a requirement goes through](requirement.md)
"""


def _requirement() -> str:
    kinds = "\n".join(
        f"| `{kind}` | {', '.join(f'`{field}`' for field in fields)} |" for kind, fields in DECISION_FIELDS.items()
    )
    return f"""# The states of a requirement

{WRITTEN}

{_mermaid(_joined(requirement_edges()))}

`StepContinued` is a person's decision or that of a timeout (`resolved_by`); `StepExecutorContinued` is the same for the
tools of an agent. A requirement is resolved once. Who decides again hears what became of it:

| it is | the same decision again | another one |
| --- | --- | --- |
| resolved, by a person | acknowledged; nothing happens | `conflict`, with the decision that won |
| resolved, by its timeout | acknowledged; nothing happens | `requirement_expired` |
| withdrawn, and the run goes on | `requirement_not_found` | `requirement_not_found` |
| withdrawn with the run's end | `run_finished` | `run_finished` |

What decides it is these fields of the client's, by its kind; everything else that is echoed is ignored:

| kind | decided by |
| --- | --- |
{kinds}

[The pages of the kinds](../pauses/README.md) · [what a run goes through](run.md)
"""


def _joined(edges: Iterable[Edge]) -> list[Edge]:
    """Edges between the same two states as one, with all their events."""
    labels: dict[tuple[str, str], list[str]] = {}
    for before, after, event in edges:
        labels.setdefault((before, after), []).append(event)
    return [(before, after, " / ".join(each)) for (before, after), each in labels.items()]


def _mermaid(edges: Iterable[Edge]) -> str:
    lines = [f"    {before} --> {after}" + (f": {label}" if label else "") for before, after, label in edges]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```"])
