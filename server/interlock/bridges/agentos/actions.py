"""Translates each action of an AgentOS client to one of Interlock's. `ACTIONS` is the whole mapping.

Laws:
- Pure. An action that isn't understood is passed on unchanged: the server refuses it, in its own words.
- Nothing is made up: there is no decision but the client's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from interlock.bridges.agentos.outputs import Fields

_NAMES = ("session_id", "user_id")


def started(action: Fields) -> Fields:
    """`start-workflow`: AgentOS's versions are numbers, Interlock's are text."""
    version = action.get("version")
    return {**action, "version": str(version)} if isinstance(version, int) else action


def continued(action: Fields) -> Fields:
    """`continue-workflow`."""
    echoed = action.get("step_requirements")
    if not isinstance(echoed, list):
        return action
    return {**action, "step_requirements": [decided(each) for each in echoed]}


def decided(echoed: Any) -> Any:
    """A requirement that the client returned: in a loop, a review of the output may be one of an iteration."""
    if not isinstance(echoed, dict):
        return echoed
    if echoed.get("step_type") == "Loop" and echoed.get("requires_output_review") is True:
        return {**echoed, "requires_iteration_review": True}
    return echoed


def reconnected(action: Fields) -> Fields:
    """`reconnect`: an index below 0 means none."""
    last = action.get("last_event_index")
    return without_index(action) if isinstance(last, int) and last < 0 else action


def without_index(action: Mapping[str, Any]) -> Fields:
    """The same from the run's start, because AgentOS replays all of a finished run."""
    return {name: value for name, value in action.items() if name != "last_event_index"}


ACTIONS: dict[str, Callable[[Fields], Fields]] = {
    "start-workflow": started,
    "continue-workflow": continued,
    "reconnect": reconnected,
}
"""The actions that differ in AgentOS; all others are the same."""


def own(action: Fields) -> Fields:
    """Translate an action of an AgentOS client. Empty names count as not given."""
    kind = action.get("action")
    given = {name: value for name, value in action.items() if name not in _NAMES or value != ""}
    return ACTIONS[kind](given) if isinstance(kind, str) and kind in ACTIONS else given
