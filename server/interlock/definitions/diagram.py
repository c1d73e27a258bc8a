"""A definition as a diagram of Mermaid (`stateDiagram-v2`).

Laws:
- Any JSON value has a diagram: what isn't well-formed in it is left out. The size is linear in the definition's.
- Nothing of a definition stands in it unescaped: states have ids of their own, `s0`, `s1`, … in the order in which they
  are declared, and all other texts are written in letters, digits and entities.
- Each state is drawn once: at the top if the main thread reaches it, else in the first thread that does. Where another
  thread leads to it, a reference with its name stands there: Mermaid has no arrows between threads.

Source: https://mermaid.js.org/syntax/stateDiagram.html.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from interlock.definitions.checks.states import MAX_THREADS
from interlock.definitions.machine_checks import MAX_STATES
from interlock.definitions.machine_graph import Edge, edges_of, states_of, threads_of
from interlock_protocol.types import JsonObject, JsonValue
from interlock_protocol.values import END_INT, MIN_INT

_LONGEST = 60
_DEEPEST = 4
"""How deep a condition is written out."""

_SHOWN = 3
"""How many values of a list are written out."""

_BARE = frozenset(" _.,-")
_MARKS = {"halting": "⏸ ", "wait": "⏱ "}
_SIGNS = {"equals": "=", "not_equals": "≠", "gt": ">", "gte": "≥", "lt": "<", "lte": "≤"}
_INDENT = "    "


def diagram(definition: object) -> str:
    """The diagram: states, labelled transitions, threads as regions of composite states; halting states have a sign."""
    return "\n".join(["stateDiagram-v2", *_Drawing(definition).lines(), ""])


class _Drawing:
    """A diagram while it is drawn.

    Attributes:
        states: those that are drawn, by name.
        ids: their ids.
        drawn: the names of those that have a place.
        references: how many references there are.
    """

    def __init__(self, definition: object) -> None:
        self.states = dict(islice(states_of(definition).items(), MAX_STATES))
        self.ids = {name: f"s{index}" for index, name in enumerate(self.states)}
        self.drawn: set[str] = set()
        self.references = 0
        initial = definition.get("initial_state") if isinstance(definition, dict) else None
        self.initial = initial if isinstance(initial, str) and initial in self.states else None
        self._ways = {name: self._ways_of(state) for name, state in self.states.items()}

    def _ways_of(self, state: JsonObject) -> list[Edge]:
        return [edge for edge in edges_of(state) if edge.kind != "thread" and edge.target in self.states]

    def lines(self) -> Iterator[str]:
        """Yield the lines of the whole."""
        at_top: list[str] = []
        if self.initial is not None:
            at_top += self._claimed(self.initial)
            yield from self._region(at_top, _INDENT, self.initial, "")
        for name in self.states:
            if name not in self.drawn:
                further = self._claimed(name)
                at_top += further
                yield from self._region(further, _INDENT, None, "")
        halting = [self.ids[name] for name in at_top if self.states[name].get("type") == "halting"]
        if halting:
            yield f"{_INDENT}classDef halting stroke-width:3px,stroke-dasharray:6 3"
            yield f"{_INDENT}class {','.join(halting)} halting"

    def _claimed(self, begin: str) -> list[str]:
        """The states that are reached from one without entering threads, and have no place yet: they get theirs."""
        claimed: list[str] = []
        left = [begin]
        while left:
            name = left.pop()
            if name not in self.drawn:
                self.drawn.add(name)
                claimed.append(name)
                left.extend(edge.target for edge in reversed(self._ways[name]))
        return sorted(claimed, key=lambda name: int(self.ids[name][1:]))

    def _region(self, names: Sequence[str], indent: str, begin: str | None, label: str) -> Iterator[str]:
        """Yield the lines of states that stand together, and of the ways out of them."""
        ids = {name: self.ids[name] for name in names}
        for name in names:
            yield from self._state(name, indent)
        if begin is not None:
            yield from self._referred(begin, ids, indent)
            yield _arrow(indent, "[*]", ids[begin], label)
        for name in names:
            for edge in self._ways[name]:
                yield from self._referred(edge.target, ids, indent)
                yield _arrow(indent, ids[name], ids[edge.target], _label_of(edge))
            if self.states[name].get("type") == "terminal":
                yield _arrow(indent, ids[name], "[*]", "")

    def _referred(self, name: str, ids: dict[str, str], indent: str) -> Iterator[str]:
        """Yield the line of a reference, where a state has its place elsewhere; add it to the ids of this region."""
        if name not in ids:
            ids[name] = f"r{self.references}"
            self.references += 1
            yield f'{indent}state "↗ {_named(name)}" as {ids[name]}'

    def _state(self, name: str, indent: str) -> Iterator[str]:
        state = self.states[name]
        type_ = state.get("type")
        mark = _MARKS.get(type_, "") if isinstance(type_, str) else ""
        head = f'{indent}state "{mark}{_named(name)}{_signal_of(state)}{_join_of(state)}" as {self.ids[name]}'
        threads = self._threads_of(state)
        if not threads:
            yield head
            return
        yield f"{head} {{"
        for index, (thread, begin) in enumerate(threads.items()):
            if index:
                yield f"{indent}{_INDENT}--"
            yield from self._region(self._claimed(begin), indent + _INDENT, begin, f"thread {thread}")
        yield f"{indent}}}"

    def _threads_of(self, state: JsonObject) -> Mapping[str, str]:
        threads = islice(threads_of(state).items(), MAX_THREADS)
        return {thread: begin for thread, begin in threads if begin in self.states}


def _arrow(indent: str, before: str, after: str, label: str) -> str:
    said = _escaped(label)
    return f"{indent}{before} --> {after}" + (f" : {said}" if said else "")


def _join_of(state: JsonObject) -> str:
    join = state.get("join")
    return f", join {join}" if state.get("type") == "parallel" and join in ("any", "none") else ""


def _signal_of(state: JsonObject) -> str:
    topic = state.get("signal")
    return f" ⚡ {_escaped(topic)}" if state.get("type") == "halting" and isinstance(topic, str) else ""


# ── Texts ───────────────────────────────────────────────────────────────────────────────────────────────


def _escaped(text: str) -> str:
    """A text in which nothing means anything to Mermaid: entities for all but letters, digits and a few signs."""
    words = " ".join("".join(each if each.isprintable() else " " for each in text[: 2 * _LONGEST]).split())
    shown = words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…"
    return "".join(each if each.isalnum() or each in _BARE else f"#{ord(each)};" for each in shown)


def _named(name: str) -> str:
    return _escaped(name) or "unnamed"


def _label_of(edge: Edge) -> str:
    declared = edge.declared
    if edge.kind == "timeout":
        return "timeout"
    if edge.kind == "error":
        codes = declared.get("codes")
        return f"error {_listed(codes)}" if isinstance(codes, list) else "error"
    for name in ("label", "description", "key", "port"):
        said = declared.get(name)
        if isinstance(said, str) and said:
            return said
    return _in_words(declared.get("condition"), _DEEPEST)


def _listed(values: Iterable[JsonValue]) -> str:
    return ", ".join(each for each in islice(values, _LONGEST) if isinstance(each, str))


def _in_words(condition: JsonValue, deepest: int) -> str:
    """A condition, as a person would write it."""
    if not isinstance(condition, dict):
        return ""
    if deepest == 0:
        return "…"
    for name in ("and", "or"):
        parts = condition.get(name)
        if isinstance(parts, list):
            said = filter(None, (_in_words(each, deepest - 1) for each in islice(parts, _LONGEST)))
            return f" {name} ".join(f"({each})" if " and " in each or " or " in each else each for each in said)
    if "not" in condition:
        return f"not ({_in_words(condition['not'], deepest - 1)})"
    field = condition.get("field")
    return f"{field[:_LONGEST]} {_test_in_words(condition)}" if isinstance(field, str) else ""


def _test_in_words(condition: JsonObject) -> str:
    if "exists" in condition:
        return "exists" if condition["exists"] is not False else "is missing"
    name = next((each for each in ("equals", "not_equals") if each in condition), condition.get("operator"))
    value = condition.get(name) if name in ("equals", "not_equals") and name in condition else condition.get("value")
    return f"{_SIGNS.get(name, name[:_LONGEST])} {_value_in_words(value)}" if isinstance(name, str) else ""


def _value_in_words(value: JsonValue) -> str:
    if isinstance(value, list):
        more = ", …" if len(value) > _SHOWN else ""
        return f"[{', '.join(map(_scalar_in_words, value[:_SHOWN]))}{more}]"
    return _scalar_in_words(value)


def _scalar_in_words(value: JsonValue) -> str:
    match value:
        case None | bool():
            return {None: "null", True: "true", False: "false"}[value]
        case str():
            return f"'{value[:_LONGEST]}'"
        case float():
            return str(value)
        case int() if MIN_INT <= value < END_INT:
            return str(value)
    return "…"
