"""What happens to open requirements while nobody decides them: reminders and escalations, as events to append.

Laws:
- Each step happens once, in the order of their times: its event takes it off the requirement, on the condition that
  nothing else has happened to that.
- Of reminders that came due while nobody looked, only the latest is said; of escalations each.
- Nothing of this comes when the timeout is due, or a signal is there that decides the requirement: these were first.

Source: `docs/approvals.md`, "When nobody answers".
"""

from __future__ import annotations

from itertools import islice, takewhile
from typing import Any, Final

from interlock.workflow.decide.attend import happened
from interlock.workflow.run.events import Draft
from interlock.workflow.run.signals import matches
from interlock.workflow.run.state import Requirement, RunState

AT_ONCE: Final = 256
"""How many requirements of a run something happens to in one append; the others follow."""


def climbed(workflow_name: str, state: RunState, now: int) -> tuple[Draft, ...]:
    """The events of the steps that are due, one at most for each requirement; the next follow when it is appended.

    Args:
        now: the time by the store's clock, in milliseconds since 1970.
    """
    signalled = matches(state)
    waiting = [each for each in state.requirements.values() if each.id not in signalled and not _is_over(each, now)]
    drafts = (_step(workflow_name, state, each, now) for each in waiting)
    return tuple(islice((draft for draft in drafts if draft is not None), AT_ONCE))


def _is_over(requirement: Requirement, now: int) -> bool:
    return requirement.due is not None and requirement.due <= now


def _step(workflow_name: str, state: RunState, requirement: Requirement, now: int) -> Draft | None:
    due: list[Any] = [*takewhile(lambda step: _time_of(step) <= now, requirement.steps)]
    if not due:
        return None
    if "to" in due[0]:
        to, before = due[0]["to"], requirement.facts.get("assignees") or []
        assignees = [*before, *(() if to in before else (to,))]
        said = {"to": to, "level": due[0]["level"], "assignees": assignees}
        return happened(workflow_name, state, requirement, "InteractionEscalated", said, {"steps": 1})
    missed = [*takewhile(lambda step: "to" not in step, due)]
    said = {"reminder": missed[-1]["reminder"]}
    return happened(workflow_name, state, requirement, "InteractionReminded", said, {"steps": len(missed)})


def _time_of(step: Any) -> int:
    at: int = step["at"]
    return at
