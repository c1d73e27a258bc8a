"""The errors of a run, noted while its events are folded, for the list of the errors of all runs.

Laws:
- An error that is tried again isn't noted. A failure is noted once, by the event that first told of it; if it ends the
  run, that is noted of it, too.

Source: `docs/api-v1.md`, "Errors of all instances".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from interlock.workflow.containers.machine import MAIN, state_of_step
from interlock.workflow.node import NodeState, Phase
from interlock.workflow.run.state import RunState, walk
from interlock.workflow.run.untold import RunError
from interlock_protocol import typed
from interlock_protocol.types import PathPart


def note_failed_step(state: RunState, event: typed.StepError) -> None:
    """Note the error of a step, before it is folded."""
    if event["will_retry"]:
        return
    error = _error(state, event)
    error.step_id = event["step_id"]
    error.state, error.thread_id = _place_of(state, event["step_path"]) or (event["step_name"], None)
    state.note(error)


def note_failed_run(state: RunState, event: typed.WorkflowError) -> None:
    """Note why a run failed, before that is folded."""
    error = _error(state, event)
    error.step_id, error.is_fatal = event.get("step_id"), True
    error.repeats = any(_has_failed(node, error.step_id) for node in walk(state.nodes))
    state.note(error)


def _error(state: RunState, event: typed.StepError | typed.WorkflowError) -> RunError:
    return RunError(state.next_index, state.epoch, event["created_at"], event["error_type"], event["error"])


def _has_failed(node: NodeState, step_id: str | None) -> bool:
    return node.phase is Phase.FAILED and (node.failure.step_id or node.step_id) == step_id


def _place_of(state: RunState, path: Sequence[PathPart]) -> tuple[str | None, str | None] | None:
    """The state and the thread of the machine around a path, None for what isn't known; None if there is no machine."""
    nodes: Mapping[str, NodeState] = state.nodes
    for place, part in enumerate(path):
        node = nodes.get(str(part)) if isinstance(part, str) else None
        if node is None and isinstance(part, str):
            break
        if node is not None and node.kind == "Machine":
            return _in_machine(node, [str(each) for each in path[place + 1 :]])
        nodes = nodes if node is None else node.children
    return None


def _in_machine(machine: NodeState, inside: Sequence[str]) -> tuple[str | None, str | None]:
    if len(inside) > 1:
        return state_of_step(inside[1]), inside[0]
    # The machine itself failed: between the states of its only thread, or who knows where.
    thread = inside[0] if inside else MAIN if list(machine.children) == [MAIN] else None
    node = machine.children.get(thread or "")
    return (None, None) if node is None or node.own is None else (node.own.state, thread)
