"""Each action of a client of AgentOS as one of ours. `ACTIONS` is the whole mapping.

Laws:
- Pure. What isn't understood is passed on as it is: the server refuses it, in its own words.
- Nothing is made up: a decision is the client's, or there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from interlock.bridges.agentos.outputs import Fields

_NAMES = ("session_id", "user_id")


def started(action: Fields) -> Fields:
    """`start-workflow`: versions are numbers there, and text here."""
    version = action.get("version")
    return {**action, "version": str(version)} if isinstance(version, int) else action


def continued(action: Fields) -> Fields:
    """`continue-workflow`."""
    echoed = action.get("step_requirements")
    if not isinstance(echoed, list):
        return action
    return {**action, "step_requirements": [decided(each) for each in echoed]}


def decided(echoed: Any) -> Any:
    """A requirement as it comes back: of a loop, a review of the output may be one of an iteration."""
    if not isinstance(echoed, dict):
        return echoed
    if echoed.get("step_type") == "Loop" and echoed.get("requires_output_review") is True:
        return {**echoed, "requires_iteration_review": True}
    return echoed


def reconnected(action: Fields) -> Fields:
    """`reconnect`: an index below 0 is none."""
    last = action.get("last_event_index")
    return without_index(action) if isinstance(last, int) and last < 0 else action


def without_index(action: Mapping[str, Any]) -> Fields:
    """The same from the run's start: of a finished run, AgentOS replays everything."""
    return {name: value for name, value in action.items() if name != "last_event_index"}


ACTIONS: dict[str, Callable[[Fields], Fields]] = {
    "start-workflow": started,
    "continue-workflow": continued,
    "reconnect": reconnected,
}
"""The actions that AgentOS has otherwise; all others are the same."""


def own(action: Fields) -> Fields:
    """An action of a client of AgentOS, as the server takes it. Names that are empty weren't given."""
    kind = action.get("action")
    given = {name: value for name, value in action.items() if name not in _NAMES or value != ""}
    return ACTIONS[kind](given) if isinstance(kind, str) and kind in ACTIONS else given
