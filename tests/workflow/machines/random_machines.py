"""Random machines: cycles, halts, threads in threads, errors that are handled and errors that aren't, and waits."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from interlock import Halting, Handler, ScriptLogic, State, Transition, Wait
from interlock_protocol.types import JsonObject

VALUES = st.integers(0, 2)
CODES = ("script_error", "script_timeout")
FORM: JsonObject = {"type": "form", "fields": [{"name": "x", "type": "number", "label": "x", "required": True}]}


@st.composite
def machines(draw: st.DrawFn) -> dict[str, State]:
    """States by name; it begins in `s0`. A group of states has its own terminal; threads begin in a later group."""
    states: dict[str, State] = {}
    count = [0]
    _group(draw, states, count, depth=0)
    return states


def _group(draw: st.DrawFn, states: dict[str, State], count: list[int], depth: int) -> str:
    """Add states that lead to each other, and return the first."""
    names = []
    for _ in range(draw(st.integers(1, 4))):
        names.append(f"s{count[0]}")
        count[0] += 1
    end = f"end{count[0]}"
    states[end] = State(is_terminal=True, on_enter=draw(st.sampled_from([None, ScriptLogic(f"{end}:enter")])))
    for name in names:
        states[name] = _state(draw, name, [*names, end], states, count, depth)
    return names[0]


def _state(
    draw: st.DrawFn, name: str, targets: list[str], states: dict[str, State], count: list[int], depth: int
) -> State:
    common: dict[str, Any] = {
        "transitions": _ways(draw, targets),
        "on_enter": draw(st.sampled_from([None, None, ScriptLogic(f"{name}:enter")])),
        "on_error": _handlers(draw, targets),
    }
    kind = draw(
        st.sampled_from(["work", "work", "halt", "wait", "threads"] if depth < 2 else ["work", "work", "halt", "wait"])
    )
    if kind == "halt":
        return State(halt=Halting(presentation=FORM), **common)
    if kind == "wait":
        return State(wait=draw(st.sampled_from([Wait(seconds=600), Wait(seconds=3601)])), **common)
    if kind == "threads":
        threads = {
            f"{name}_{number}": _group(draw, states, count, depth + 1)
            for number in range(draw(st.integers(1, 3 - depth)))
        }
        return State(threads=threads, join=draw(st.sampled_from(["all", "all", "any", "none"])), **common)
    return State(ScriptLogic(name), **common)


def _ways(draw: st.DrawFn, targets: list[str]) -> list[Transition]:
    ways = [
        Transition(draw(st.sampled_from(targets)), {"field": "x", "equals": draw(VALUES)})
        for _ in range(draw(st.integers(0, 2)))
    ]
    if not ways or draw(st.integers(0, 9)) > 1:
        ways.append(Transition(targets[-1] if draw(st.booleans()) else draw(st.sampled_from(targets))))
    return ways


def _handlers(draw: st.DrawFn, targets: list[str]) -> list[Handler]:
    return [
        Handler(draw(st.sampled_from(targets)), draw(st.sampled_from([None, frozenset(CODES[:1])])))
        for _ in range(draw(st.integers(0, 1)))
    ]
