"""The checks of where a machine can go: targets, states that nothing leads to, and ways that never end.

Laws:
- Only edges that can be taken count. A way to a state that doesn't exist counts as one that might end: what is wrong
  there is the target.
- The time is linear in the number of edges; for each parallel state they are followed once more.

Source: `docs/machines.md`, "Validation".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from interlock.definitions.machine_graph import Edge, edges_of, is_unconditional, reached, threads_of
from interlock.workflow.containers.machine.declaration import MAX_THREADS
from interlock.workflow.declare.checks import Fault, inside, quoted
from interlock_protocol.types import JsonObject

States = Mapping[str, JsonObject]

_SECOND_PASS = re.compile(r"(.+)_([2-9]|[1-9][0-9]+)\Z")


def faults_of_flow(states: States, initial: object) -> Iterator[Fault]:
    """Yield what is wrong with the ways between states.

    Args:
        states: the states that are objects, by name.
        initial: the `initial_state`, as it is written.
    """
    edges = {name: [edge for edge in edges_of(state) if edge.is_live] for name, state in states.items()}
    yield from _of_dead_transitions(states)
    yield from _of_dead_handlers(states)
    yield from _of_threads(states, edges)
    if isinstance(initial, str) and initial in states:
        everywhere = {name: [edge.target for edge in each] for name, each in edges.items()}
        found = reached([initial], everywhere)
        yield from _of_unreachable(states, found)
        yield from _of_endless(states, edges, [name for name in states if name in found])


def _of_dead_transitions(states: States) -> Iterator[Fault]:
    for name, state in states.items():
        transitions = state.get("transitions")
        if not isinstance(transitions, list) or state.get("transition_mode") == "selection":
            continue
        always = next((index for index, each in enumerate(transitions) if is_unconditional(each)), None)
        if always is not None and always + 1 < len(transitions):
            yield Fault(
                inside("states", name, "transitions", always + 1),
                f"Nothing gets past transitions[{always}], which has no condition; move that to the end.",
                is_warning=True,
            )


def _of_dead_handlers(states: States) -> Iterator[Fault]:
    """Yield handlers of errors behind one that takes every error."""
    for name, state in states.items():
        handlers = state.get("on_error")
        if not isinstance(handlers, list):
            continue
        takes_all = (isinstance(each, dict) and each.get("codes") is None for each in handlers)
        always = next((index for index, is_all in enumerate(takes_all) if is_all), None)
        if always is not None and always + 1 < len(handlers):
            yield Fault(
                inside("states", name, "on_error", always + 1),
                f"Nothing gets past on_error[{always}], which takes every error; move that to the end.",
                is_warning=True,
            )


def _of_unreachable(states: States, found: Collection[str]) -> Iterator[Fault]:
    for name in states:
        if name not in found:
            yield Fault(
                inside("states", name),
                f"Nothing leads to state {quoted(name)}; add a transition to it, or leave it out.",
                is_warning=True,
            )


def _of_endless(states: States, edges: Mapping[str, list[Edge]], found: Collection[str]) -> Iterator[Fault]:
    """Yield states from which no terminal state can be reached. A thread's way is its own, not its parallel state's."""
    ends = [name for name in states if _may_end(states, states[name], edges[name])]
    if not any(state.get("type") == "terminal" for state in states.values()) and not ends:
        yield Fault("states", "There is no terminal state, so nothing can complete; add one of the type terminal.")
        return
    backwards: dict[str, list[str]] = {}
    for name, each in edges.items():
        for edge in each:
            if edge.kind != "thread":
                backwards.setdefault(edge.target, []).append(name)
    ending = reached(ends, backwards)
    for name in found:
        if name not in ending:
            yield Fault(
                inside("states", name), f"No way leads from state {quoted(name)} to a terminal state; add a transition."
            )


def _may_end(states: States, state: JsonObject, edges: list[Edge]) -> bool:
    """Return True if a state is terminal, or has a fault of its own in what follows it."""
    leads_nowhere = not edges or any(edge.target not in states for edge in edges)
    return state.get("type") == "terminal" or leads_nowhere or _is_unread(state)


def _is_unread(state: JsonObject) -> bool:
    """Return True if a state has transitions that can't be read: where they lead is another fault."""
    transitions = state.get("transitions")
    count = sum(edge.kind == "transition" for edge in edges_of(state))
    return transitions is not None and (not isinstance(transitions, list) or count < len(transitions))


# ── Threads ─────────────────────────────────────────────────────────────────────────────────────────────


def _of_threads(states: States, edges: Mapping[str, list[Edge]]) -> Iterator[Fault]:
    parallel = {name: threads_of(state) for name, state in states.items() if threads_of(state)}
    backwards: dict[str, set[str]] = {}
    for name, each in edges.items():
        for edge in each:
            backwards.setdefault(edge.target, set()).add(name)
    declared: dict[str, str] = {}
    for state, threads in parallel.items():
        leading_back = reached([state], backwards)
        begun: set[str] = set()
        for thread, begin in threads.items():
            at = inside("states", state, "threads", thread)
            if thread in declared:
                yield Fault(
                    at,
                    f"State {quoted(declared[thread])} has a thread {quoted(thread)}, too; choose another name.",
                )
            declared.setdefault(thread, state)
            twice = [each for each in _begun_by(parallel, begin) if each in begun]
            begun.update(_begun_by(parallel, begin))
            if twice:
                yield Fault(
                    at,
                    f"Another thread begins in {quoted(twice[0])} at the same time, and no thread runs twice at once;"
                    " begin in a copy of it.",
                )
            if begin in leading_back:
                yield Fault(
                    at,
                    f"This thread can enter {quoted(state)} again, the state that starts it, and so without end;"
                    " lead it to a terminal state instead.",
                )
        count = sum(len(parallel[each]) for each in _begun_by(parallel, state))
        if len(threads) <= MAX_THREADS < count:
            yield Fault(
                inside("states", state, "threads"),
                f"{count} threads begin here at once, with those of the states that they begin in; at most"
                f" {MAX_THREADS} may run.",
            )
    yield from _of_second_passes(parallel, declared)


def _begun_by(parallel: Mapping[str, Mapping[str, str]], state: str) -> list[str]:
    """The parallel states that are entered at once with this one: itself, and those that threads begin in."""
    firsts = {name: list(threads.values()) for name, threads in parallel.items()}
    return [each for each in reached([state], firsts) if each in parallel]


def _of_second_passes(parallel: Mapping[str, Mapping[str, str]], declared: Collection[str]) -> Iterator[Fault]:
    """Yield threads that are called as the second pass of another one is."""
    for state, threads in parallel.items():
        for thread in threads:
            found = _SECOND_PASS.match(thread)
            if found is not None and found[1] in declared:
                yield Fault(
                    inside("states", state, "threads", thread),
                    f"Thread {quoted(found[1])} is called {quoted(thread)} the second time; choose another name.",
                )
