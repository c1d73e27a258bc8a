"""Which threads begin anew in a run that repeats a failed one.

Law: no thread that hadn't ended is lost, and none begins twice. What the main thread's state starts, and what these
threads come to start, begins by itself; the others of those that nobody waits for begin beside the main thread.

Source: `docs/api-v1.md`, "Instances".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from interlock.workflow.containers.machine.declaration import State, begun_by
from interlock.workflow.containers.machine.thread import Thread
from interlock.workflow.declare.places import is_of_later_pass


def threads_again(
    states: Mapping[str, State], threads: Iterable[Thread], state: str, left: Collection[str]
) -> list[str]:
    """The threads that begin beside the main one.

    Args:
        threads: all that are declared.
        state: where the main thread begins.
        left: the ids of the threads that hadn't ended.
    """
    declared = {each.name: each for each in threads}
    beside = {_id_of(name) for each in states.values() if each.join == "none" for name in each.threads or ()}
    begun = begun_by(states, state)
    found = [name for name in declared if name in beside and name not in begun and _is_one_of(name, left)]
    started = {name: _started_by(name, declared, states) for name in {*begun, *found}}
    return [name for name in found if not any(name in started[other] for other in started if other != name)]


def _is_one_of(name: str, ids: Collection[str]) -> bool:
    return name in ids or any(is_of_later_pass(each, (name,)) for each in ids)


def _started_by(name: str, declared: Mapping[str, Thread], states: Mapping[str, State]) -> frozenset[str]:
    """The threads that one may start, and those that these may."""
    found: set[str] = set()
    names = [name]
    while names:
        begun = {_id_of(each) for state in declared[names.pop()].stages for each in states[state].threads or ()}
        names += begun - found
        found |= begun
    return frozenset(found)


def _id_of(thread: str) -> str:
    return f"thread_{thread}"
