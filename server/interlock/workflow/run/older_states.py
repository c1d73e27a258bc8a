"""Conversion of states that older versions of the fold have dumped.

Laws:
- A snapshot may be all that is left of the beginning of its log: it is converted, and never ignored.
- The input of a conversion is plain JSON: the classes of the older version are gone.

Version 2 kept everything about a node in one flat list of fields, and kept in the requirement what a
condition's question offers, and the decisions on tools. Its first releases didn't know all of these fields: a missing
one has its default, and the kind of a container is told by its own state.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

OF_FLAT_NODES = 2
"""The version whose states `convert` takes."""

_PARTS: Mapping[str, Mapping[str, str]] = {
    "form": {"user_input": "user_input", "sealed": "sealed", "inputs": "inputs"},
    "tries": {
        "attempt": "attempt",
        "tries": "in_a_row",
        "turn": "turn",
        "retry_at": "retry_at",
        "at_work": "at_work",
    },
    "output": {
        "content": "content",
        "content_type": "content_type",
        "model": "model",
        "success": "success",
        "error": "error",
        "stop": "stop",
        "overruled": "overruled",
    },
    "verdict": {
        "round": "round",
        "verdict": "given",
        "feedback": "feedback",
        "previous_output": "previous_output",
        "rejected": "rejected",
        "rejected_by": "rejected_by",
    },
    "failure": {"error": "error", "error_type": "error_type", "asks": "asks"},
}
"""The parts of a node, and the older fields of each, by their names there."""

_OWN: Mapping[str, Mapping[str, str]] = {
    "Condition": {"branch": "branch"},
    "Router": {"selected": "selected", "chosen": "chosen"},
    "Loop": {"iteration": "iteration", "iterating": "iterating", "should_continue": "should_continue"},
    "Workflow": {"input": "input"},
}
"""The same for a container's own state."""

_MARKS: Mapping[str, str] = {"Condition": "branch", "Router": "selected", "Loop": "iteration"}
"""A field that is set on containers of this kind only."""


def convert(raw: dict[str, Any]) -> Generator[None, None, None]:
    """Convert a state of version 2 to version 3, in place, one node after the other."""
    yield from _convert_nodes(raw["nodes"])
    asked = [*raw["requirements"].values(), *raw["withdrawn"].values()]
    asked += [each["requirement"] for each in raw["resolved"].values()]
    for requirement in asked:
        node = _asking(raw["nodes"], requirement)
        if node is not None:
            node["kind"] = node["kind"] or requirement["facts"].get("step_type")
        if requirement.pop("offers_else", False) and node is not None:
            node.setdefault("own", {})["offers_else"] = True
        _part(requirement)
        yield


def _convert_nodes(nodes: dict[str, Any]) -> Generator[None, None, None]:
    for node in nodes.values():
        _convert_node(node)
        yield from _convert_nodes(node["children"])
        yield from _convert_nodes(node["earlier"])
        yield


def _convert_node(node: dict[str, Any]) -> None:
    parts = {name: {new: node[old] for old, new in fields.items() if old in node} for name, fields in _PARTS.items()}
    if node["error_type"] is None:
        parts["failure"]["error"] = None
    if node["success"]:
        parts["output"]["error"] = None
    kind = node.get("kind") or next((kind for kind, mark in _MARKS.items() if node[mark]), None)
    own = {new: node[old] for old, new in _OWN.get(kind or "", {}).items() if node.get(old) is not None}
    for fields in (*_PARTS.values(), *_OWN.values()):
        for old in fields:
            node.pop(old, None)
    node.update(parts)
    node["kind"] = kind
    if own:
        if kind == "Condition":
            own["turned"] = parts["verdict"]["rejected"] == "else"
        node["own"] = own


def _part(requirement: dict[str, Any]) -> None:
    """Make each of an agent's tools a part of the requirement."""
    decisions, decided_by = requirement.pop("decisions"), requirement.pop("decided_by")
    tools = requirement["facts"].get("executor_requirements") or ()
    waiting = [each["id"] for each in tools if each["id"] not in decisions]
    requirement["parts"] = {
        id_: {"decision": decisions.get(id_), "by": decided_by.get(id_, "")} for id_ in (*waiting, *decisions)
    }


def tell_deciders(raw: dict[str, Any]) -> None:
    """Tell who decided on each step, which versions before 4 kept only in the resolutions."""
    deciders: dict[str, list[str]] = {}
    for each in raw.get("resolved", {}).values():
        parts = each["requirement"].get("parts", {}).values()
        by = dict.fromkeys((each["resolved_by"], *(part["by"] for part in parts if part.get("by"))))
        known = deciders.setdefault(each["requirement"]["facts"]["step_name"], [])
        known.extend(name for name in by if name not in known and name != "timeout")
    raw["deciders"] = {step: people for step, people in deciders.items() if people}


def _asking(nodes: dict[str, Any], requirement: dict[str, Any]) -> dict[str, Any] | None:
    """The node whose requirement this is, unless that is of an earlier visit."""
    node = None
    for part in requirement["path"]:
        if isinstance(part, str):
            node = nodes.get(part)
            nodes = {} if node is None else node["children"]
    return node if node is not None and node["visit"] == requirement["facts"]["visit"] else None
