"""Definitions of machines in JSON for tests: valid ones, and what is changed in them."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st

FIXTURES: Final = Path(__file__).parent.parent / "definitions" / "fixtures"
NAMES: Final = tuple(sorted(each.stem for each in FIXTURES.glob("*.json")))

GONE: Final = object()
"""In place of a value: the field is taken out."""

_PART = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")

Steps = tuple[str | int, ...]


def fixture(name: str) -> dict[str, Any]:
    """A valid definition."""
    loaded: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text())
    return loaded


def steps_of(path: str) -> Steps:
    """The keys and indexes of a path, as `check` writes it."""
    return tuple(int(index) if index else key for key, index in _PART.findall(path))


def changed(definition: Any, path: str | Steps, value: Any) -> Any:
    """A copy of a definition with another value at a path."""
    changed = copy.deepcopy(definition)
    *way, last = steps_of(path) if isinstance(path, str) else path
    place = changed
    for step in way:
        place = place[step]
    if value is GONE:
        del place[last]
    elif isinstance(place, list) and last == len(place):
        place.append(value)
    else:
        place[last] = value
    return changed


def places_in(value: Any, path: Steps = ()) -> Iterator[Steps]:
    """The paths of everything inside a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield (*path, key)
        yield from places_in(each, (*path, key))


# ── Random definitions ──────────────────────────────────────────────────────────────────────────────────

SCRIPT: Final[dict[str, Any]] = {"type": "script", "code": "return {}"}
CALL: Final[dict[str, Any]] = {
    "type": "http",
    "method": "PUT",
    "url": "https://example.com/${input.a}",
    "body": ["${secrets.A}"],
}
FORM: Final = {"type": "form", "fields": [{"name": "a", "type": "number", "label": "A", "required": True}]}


@st.composite
def definitions(draw: st.DrawFn) -> dict[str, Any]:
    """Valid definitions: states in a row, so that each leads to the end, with ways to any other besides."""
    names = [f"s{index}" for index in range(draw(st.integers(1, 6)))]
    states = {name: draw(_state(name, names[index + 1 :])) for index, name in enumerate(names[:-1])}
    return {
        "name": draw(st.from_regex(r"m[A-Za-z0-9_-]{0,63}", fullmatch=True)),
        "initial_state": names[0],
        **draw(
            _some(description="What it is for.", schema_version=1, input_schema={"required": ["a"]}, ai_guidance="")
        ),
        "states": {**states, names[-1]: {"type": "terminal", **draw(_some(on_enter=CALL))}},
    }


@st.composite
def _state(draw: st.DrawFn, name: str, later: list[str]) -> dict[str, Any]:
    target = st.sampled_from(later)
    condition = {"or": [{"field": "a", "operator": "gte", "value": 1}, {"not": {"field": "input.b", "exists": True}}]}
    ways = [{"target": draw(target), "condition": condition} for _ in range(draw(st.integers(0, 2)))]
    ways.append({draw(st.sampled_from(("target", "to"))): draw(target)})
    handlers = [{"codes": ["http_error", "script_error"], "target": draw(target)}, {"to": draw(target)}]
    common = draw(
        _some(on_enter=SCRIPT, on_error=draw(st.sampled_from((handlers, handlers[1]))), description="It works.")
    )
    kind = draw(st.sampled_from(("action", "halting", "selection", "parallel")))
    retry = {"attempts": 3, "backoff": "linear", "delay_ms": 10}
    logic: dict[str, Any] = {**draw(st.sampled_from((SCRIPT, CALL))), **draw(_some(retry=retry))}
    timed: dict[str, Any] = draw(
        st.sampled_from(({}, {"timeout": 9}, {"timeout": 9, "on_timeout": {"target": draw(target)}}))
    )
    asked = draw(_some(presentation=FORM) | _some(halting_instructions={"instruction": "?", "include_data": ["a.b"]}))
    of_kind: dict[str, dict[str, Any]] = {
        "action": {"type": "action", **draw(_some(logic=logic))},
        "halting": {"type": "halting", **asked, **timed, **draw(_some(assignees=["ana"], accepts={"type": "object"}))},
        "selection": {"type": "halting", "transition_mode": "selection", **timed},
        "parallel": {
            "type": "parallel",
            "threads": {
                # No two threads begin at once in a state that starts others.
                f"{name}_t{n}": later[-1] if n else draw(target)
                for n in range(draw(st.integers(1, 3)))
            },
            **draw(_some(join=draw(st.sampled_from(("all", "any", "none"))))),
        },
    }
    if kind == "selection":
        ways = [{"key": f"k{n}", "to": _target_of(way), "label": "K"} for n, way in enumerate(ways)]
    return {**of_kind[kind], **common, "transitions": ways}


def _target_of(way: dict[str, Any]) -> Any:
    return way.get("target", way.get("to"))


def _some(**fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Some of these fields."""
    return st.fixed_dictionaries({}, optional={name: st.just(value) for name, value in fields.items()})


# ── Any JSON ────────────────────────────────────────────────────────────────────────────────────────────

WORDS: Final = (
    *("name", "states", "type", "action", "halting", "terminal", "parallel", "wait", "transitions", "target", "to"),
    *("condition", "key", "logic", "script", "http", "code", "url", "method", "headers", "body", "retry", "on_error"),
    *("on_timeout", "threads", "join", "presentation", "form", "fields", "options", "select", "halting_instructions"),
    *("accepts", "input_schema", "$ref", "pattern", "${workflow_data.a}", "${", "start", "end"),
)
"""What stands in definitions."""


def json_values(max_leaves: int = 20) -> st.SearchStrategy[Any]:
    """Any JSON, often with the words of definitions in it."""
    texts = st.sampled_from(WORDS) | st.text(max_size=8)
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | texts
    return st.recursive(leaves, lambda inner: _grown(inner, texts), max_leaves=max_leaves)


def _grown(inner: st.SearchStrategy[Any], texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=6)
