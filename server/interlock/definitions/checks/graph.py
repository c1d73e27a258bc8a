"""The checks of a graph in JSON: all that is wrong with it, at once, each with its path.

Laws:
- What is found valid compiles (`task_graph`).
- A mapping names only tasks that surely ran before, in whichever way the session comes there.
- A blank is one question: two tasks may share its name only if they mean the same by it.

Source: `docs/graphs.md`, "Validation".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from pydantic import ValidationError

from interlock.definitions.checks.blanks import ROOTS, blank_name, blanks_of, inputs_of, is_blank
from interlock.definitions.checks.sure import surely_before
from interlock.definitions.checks.texts import is_name_of_task
from interlock.workflow.declare import schemas, templates
from interlock.workflow.declare.checks import Fault, inside, quoted, type_in_words, unknown_in
from interlock.workflow.declare.data_paths import parts_of
from interlock.workflow.declare.errors import DeclarationError
from interlock.workflow.declare.flow import condition_of
from interlock.workflow.declare.links import JOINS, ONS, Link, circle_in, is_on
from interlock.workflow.declare.nodes import RESERVED_WORKFLOW_IDS
from interlock.workflow.declare.task_types import TaskType, TaskTypes, faults_in_inputs, unknown_type
from interlock_protocol.faults import shortened
from interlock_protocol.types import JsonObject

MAX_TASKS: Final = 100
MAX_LINKS: Final = 1_000
MAX_AT_ONCE: Final = 100
MAX_RETRIES: Final = 20
MAX_TIMEOUT: Final = 3_600
MAX_DEPTH: Final = 2
"""How many graphs may be around a graph."""

RESERVED: Final = frozenset({*RESERVED_WORKFLOW_IDS, "sessions"})
ON_ERROR: Final = ("fail", "skip", "pause")

Parses: TypeAlias = Callable[[str], str | None]

_FIELDS: Final = (
    "name", "schema_version", "description", "ai_guidance", "input_schema", "tasks", "links", "returns", "fail_fast",
    "at_once", "positions",
)  # fmt: skip
_OF_TASK: Final = (
    "id", "type", "inputs", "integration", "retries", "timeout", "on_error", "join", "title", "description",
)  # fmt: skip
_OF_LINK: Final = ("from", "to", "condition")
_OF_INNER: Final = ("name", "description", "tasks", "links", "returns", "fail_fast", "at_once", "positions")

SCHEMA_VERSION: Final = 1


@dataclass(frozen=True)
class Known:
    """What the checks of a graph know besides it.

    Args:
        types: the types of tasks that there are.
        parses: what is wrong with a script; None if nothing is. Without it, no script is read.
        are_all_types: whether there are no others: then a task of another is a fault.
        depth: how many graphs are around this one.
    """

    types: TaskTypes
    parses: Parses | None = None
    are_all_types: bool = True
    depth: int = 0


def faults_in_graph(graph: Mapping[str, Any], known: Known, at: str = "") -> Iterator[Fault]:
    """Yield what is wrong with a graph, in its order."""
    yield from _coded(unknown_in(graph, _FIELDS if known.depth == 0 else _OF_INNER, at, "A graph"), "unknown_field")
    if known.depth == 0:
        yield from _names(graph)
    yield from _settings(graph, at)
    tasks, ids = tasks_of(graph), set(ids_of(graph))
    yield from _tasks(graph, inside(at, "tasks"))
    links = links_of(graph)
    yield from _links(graph, ids, inside(at, "links"))
    circle = circle_in(links)
    if circle is not None:
        sentence = f"The links lead in a circle: {' → '.join(map(shortened, circle))}; take one of them away."
        yield Fault(inside(at, "links"), sentence, code="circle")
    sure = {} if circle is not None else surely_before(tasks, links)
    for number, task in enumerate(graph.get("tasks") or () if isinstance(graph.get("tasks"), list) else ()):
        if isinstance(task, dict):
            yield from _task(task, inside(at, "tasks", number), known, sure, graph)
    yield from _blanks(graph, known, at)
    yield from _returns(graph, ids, inside(at, "returns"))


# ── Its parts ───────────────────────────────────────────────────────────────────────────────────────────


def tasks_of(graph: Mapping[str, Any]) -> dict[str, JsonObject]:
    """The tasks that can be told by their ids."""
    given = graph.get("tasks")
    listed = given if isinstance(given, list) else []
    return {task["id"]: task for task in listed if isinstance(task, dict) and isinstance(task.get("id"), str)}


def ids_of(graph: Mapping[str, Any]) -> Sequence[str]:
    """The ids of the tasks, as often as they are there."""
    given = graph.get("tasks")
    listed = given if isinstance(given, list) else []
    return [task["id"] for task in listed if isinstance(task, dict) and isinstance(task.get("id"), str)]


def links_of(graph: Mapping[str, Any]) -> list[Link]:
    """The links that are sound: between two tasks that there are."""
    given, ids = graph.get("links"), set(ids_of(graph))
    listed = given if isinstance(given, list) else []
    found: dict[tuple[str, str], Link] = {}
    for link in listed:
        ends = [link.get("from"), link.get("to")] if isinstance(link, dict) else []
        if ends and all(isinstance(each, str) and each in ids for each in ends):
            on = link.get("condition") or ONS[0]
            if is_on(on):
                found.setdefault((link["from"], link["to"]), Link(link["from"], link["to"], on))
    return list(found.values())


def _names(graph: Mapping[str, Any]) -> Iterator[Fault]:
    name = graph.get("name")
    if not isinstance(name, str) or not is_name_of_task(name):
        yield Fault("name", "A graph's name has 1 to 64 letters, digits, underscores and hyphens.", code="invalid_name")
    elif name in RESERVED:
        yield Fault("name", f"The name {quoted(name)} is reserved; choose another one.", code="invalid_name")
    version = graph.get("schema_version")
    if version is not None and (version != SCHEMA_VERSION or isinstance(version, bool)):
        sentence = f"This server reads schema_version {SCHEMA_VERSION}; write that, or leave it out."
        yield Fault("schema_version", sentence, code="invalid_field")
    if graph.get("input_schema") is not None:
        yield from _coded(schemas.faults_in(graph["input_schema"], "input_schema"), "invalid_schema")


def _settings(graph: Mapping[str, Any], at: str) -> Iterator[Fault]:
    for name in ("description", "ai_guidance"):
        if graph.get(name) is not None and not isinstance(graph[name], str):
            yield _wrong_type(graph[name], inside(at, name), "a text")
    if graph.get("fail_fast") is not None and not isinstance(graph["fail_fast"], bool):
        yield _wrong_type(graph["fail_fast"], inside(at, "fail_fast"), "true or false")
    if graph.get("at_once") is not None and not _is_whole(graph["at_once"], 1, MAX_AT_ONCE):
        yield Fault(inside(at, "at_once"), f"This is a whole number from 1 to {MAX_AT_ONCE}.", code="invalid_field")
    if graph.get("positions") is not None and not isinstance(graph["positions"], dict):
        yield _wrong_type(graph["positions"], inside(at, "positions"), "an object")


def _tasks(graph: Mapping[str, Any], at: str) -> Iterator[Fault]:
    given = graph.get("tasks")
    if not isinstance(given, list):
        yield _wrong_type(given, at, "a list of tasks")
        return
    if not given:
        yield Fault(at, "There are no tasks; add at least one.", code="no_tasks")
    if len(given) > MAX_TASKS:
        sentence = f"There are {len(given)} tasks; at most {MAX_TASKS} are allowed."
        yield Fault(at, sentence, code="too_many")
    twice = {name for name, count in Counter(ids_of(graph)).items() if count > 1}
    seen: set[str] = set()
    for number, task in enumerate(given):
        here = f"{at}[{number}]"
        if not isinstance(task, dict):
            yield _wrong_type(task, here, "an object")
            continue
        name = task.get("id")
        if not isinstance(name, str) or not is_name_of_task(name):
            sentence = "A task has an id of 1 to 64 letters, digits, underscores and hyphens."
            yield Fault(inside(here, "id"), sentence, code="invalid_id")
        elif name in twice and name in seen:
            yield Fault(inside(here, "id"), f"Two tasks have the id {quoted(name)}; rename one.", code="duplicate_id")
        seen.add(str(name))


def _links(graph: Mapping[str, Any], ids: set[str], at: str) -> Iterator[Fault]:
    given = graph.get("links")
    if given is None:
        return
    if not isinstance(given, list):
        yield _wrong_type(given, at, "a list of links")
        return
    if len(given) > MAX_LINKS:
        yield Fault(at, f"There are {len(given):,} links; at most {MAX_LINKS:,} are allowed.", code="too_many")
        return
    seen: set[tuple[Any, Any]] = set()
    for number, link in enumerate(given):
        here = f"{at}[{number}]"
        if not isinstance(link, dict):
            yield _wrong_type(link, here, "an object")
            continue
        yield from _coded(unknown_in(link, _OF_LINK, here, "A link"), "unknown_field")
        for end in ("from", "to"):
            if not isinstance(link.get(end), str) or link[end] not in ids:
                named = quoted(link[end]) if isinstance(link.get(end), str) else "this"
                yield Fault(inside(here, end), f"There is no task {named}; name one of the graph's.", code="no_task")
        condition = link.get("condition")
        if condition is not None and not is_on(condition):
            sentence = f"A link's condition is {', '.join(ONS)} or port:NAME."
            yield Fault(inside(here, "condition"), sentence, code="invalid_condition")
        pair = (str(link.get("from")), str(link.get("to")))
        if pair in seen:
            yield Fault(here, f"Two links lead from {quoted(pair[0])} to {quoted(pair[1])}; keep one.", code="twice")
        seen.add(pair)


# ── A task ──────────────────────────────────────────────────────────────────────────────────────────────


def _task(
    task: Mapping[str, Any], at: str, known: Known, sure: Mapping[str, frozenset[str]], graph: Mapping[str, Any]
) -> Iterator[Fault]:
    yield from _coded(unknown_in(task, _OF_TASK, at, "A task"), "unknown_field")
    yield from _policies(task, at)
    name = task.get("type")
    type_ = known.types.get(name) if isinstance(name, str) else None
    if type_ is None:
        if known.are_all_types or not isinstance(name, str):
            yield Fault(inside(at, "type"), unknown_type(name, known.types), code="unknown_type")
        return
    yield from _integration(task, type_, at)
    yield from _ports(task, type_, graph, at)
    inputs = task.get("inputs")
    here = inside(at, "inputs")
    if inputs is not None and not isinstance(inputs, dict):
        yield _wrong_type(inputs, here, "an object")
        return
    given: dict[str, Any] = dict(inputs or {}) if known.depth > 0 else inputs_of(task, type_)
    blanks = {field for field, value in given.items() if is_blank(value)}
    for field in sorted(blanks & set(type_.fixed)):
        sentence = "This is what the author writes; it can't be left blank."
        yield Fault(inside(here, field), sentence, code="no_blank")
    for field in sorted(blanks):
        if blank_name(given[field], task.get("id"), field) is None:
            sentence = "A blank is true, or has a name: letters, digits, underscores and hyphens."
            yield Fault(inside(here, field), sentence, code="invalid_blank")
    written = {field: value for field, value in given.items() if field not in blanks}
    faults = list(_coded(faults_in_inputs(type_, written, here, ROOTS, open_fields=blanks), "invalid_input"))
    yield from faults
    if type_.review is not None and not faults:
        yield from _question(type_, written | dict.fromkeys(blanks, "${input.x}"), here)
    yield from _mappings(written, type_, here, task, sure)
    yield from _own(task, type_, written, here, known)


def _question(type_: TaskType, inputs: Mapping[str, Any], at: str) -> Iterator[Fault]:
    """What is open in a question that can't be."""
    try:
        type_.read(inputs)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_input=False, include_context=False)[:10]:
            sentence = "Only texts, and what is in an object, can be left open or mapped here; write the rest."
            yield Fault(inside(at, *each["loc"][:1]), sentence, code="invalid_input")


def _policies(task: Mapping[str, Any], at: str) -> Iterator[Fault]:
    if task.get("retries") is not None and not _is_whole(task["retries"], 0, MAX_RETRIES):
        yield Fault(inside(at, "retries"), f"This is a whole number from 0 to {MAX_RETRIES}.", code="invalid_field")
    timeout = task.get("timeout")
    is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if timeout is not None and not (is_number and 0 < timeout <= MAX_TIMEOUT):
        sentence = f"This is a number of seconds above 0, at most {MAX_TIMEOUT:,}."
        yield Fault(inside(at, "timeout"), sentence, code="invalid_field")
    if task.get("on_error") is not None and task["on_error"] not in ON_ERROR:
        yield Fault(inside(at, "on_error"), f"This is one of: {', '.join(ON_ERROR)}.", code="invalid_field")
    if task.get("join") is not None and task["join"] not in JOINS:
        yield Fault(inside(at, "join"), f"This is one of: {', '.join(JOINS)}.", code="invalid_field")
    for name in ("title", "description", "integration"):
        if task.get(name) is not None and not isinstance(task[name], str):
            yield _wrong_type(task[name], inside(at, name), "a text")


def _integration(task: Mapping[str, Any], type_: TaskType, at: str) -> Iterator[Fault]:
    given = task.get("integration")
    if given is None and type_.needs_integration is not None:
        sentence = f"A task {type_.name} works with an integration of {type_.provider}; name one."
        yield Fault(inside(at, "integration"), sentence, code="no_integration")
    if given is not None and type_.provider is None:
        sentence = f"A task {type_.name} works with no integration; leave this out."
        yield Fault(inside(at, "integration"), sentence, code="no_integration")


def _ports(task: Mapping[str, Any], type_: TaskType, graph: Mapping[str, Any], at: str) -> Iterator[Fault]:
    """What leads on by ports of a type that has none."""
    given = graph.get("links")
    for number, link in enumerate(given if isinstance(given, list) else ()):
        if not isinstance(link, dict) or link.get("from") != task.get("id"):
            continue
        on = link.get("condition")
        if isinstance(on, str) and on.startswith("port:") and type_.ports and on[5:] not in type_.ports:
            where = inside(at.rpartition("tasks[")[0].rstrip("."), "links", number, "condition")
            yield Fault(where, f"A task {type_.name} leads to {' or '.join(type_.ports)}.", code="no_port")


def _own(task: Mapping[str, Any], type_: TaskType, given: Mapping[str, Any], at: str, known: Known) -> Iterator[Fault]:
    """What only the types that shape a graph can be wrong in."""
    check = _OWN.get(type_.name)
    if check is not None:
        yield from check(given, {**(task.get("inputs") or {})}, at, known)


def _condition(given: Mapping[str, Any], inputs: Mapping[str, Any], at: str, known: Known) -> Iterator[Fault]:
    if not isinstance(given.get("expression"), str):
        return
    try:
        condition_of(given["expression"])
    except DeclarationError as error:
        yield Fault(inside(at, "expression"), str(error).removeprefix("condition: "), code="invalid_expression")


def _delay(given: Mapping[str, Any], inputs: Mapping[str, Any], at: str, known: Known) -> Iterator[Fault]:
    if (inputs.get("seconds") is None) == (inputs.get("until") is None):
        yield Fault(at, "A delay is for some `seconds`, or `until` a time; give one of these.", code="invalid_input")


def _script(given: Mapping[str, Any], inputs: Mapping[str, Any], at: str, known: Known) -> Iterator[Fault]:
    code = given.get("code")
    wrong = known.parses(code) if isinstance(code, str) and known.parses is not None else None
    if wrong is not None:
        yield Fault(inside(at, "code"), f"The script can't be read: {wrong}", code="invalid_script")


def _map(given: Mapping[str, Any], inputs: Mapping[str, Any], at: str, known: Known) -> Iterator[Fault]:
    graph, here = given.get("graph"), inside(at, "graph")
    if isinstance(graph, dict) and known.depth == MAX_DEPTH:
        yield Fault(here, f"Graphs stand in each other at most {MAX_DEPTH + 1} deep.", code="too_deep")
    elif isinstance(graph, dict):
        yield from faults_in_graph(graph, replace(known, depth=known.depth + 1), here)


_OWN: Final = {"condition": _condition, "delay": _delay, "script": _script, "map": _map}
"""What the types are checked for beside their inputs' schemas."""


def _mappings(
    inputs: Mapping[str, Any], type_: TaskType, at: str, task: Mapping[str, Any], sure: Mapping[str, frozenset[str]]
) -> Iterator[Fault]:
    """The tasks that mappings name, and that may not have run."""
    before = sure.get(str(task.get("id")), frozenset())
    for field, value in inputs.items():
        for path in sorted(templates.paths_in(value)) if field not in type_.fixed else ():
            parts = parts_of(path) or ()
            if parts[:1] == ("tasks",) and sure:
                yield from _mapping(parts, inside(at, field), before, sure)


def _mapping(
    parts: Sequence[Any], at: str, before: frozenset[str], sure: Mapping[str, frozenset[str]]
) -> Iterator[Fault]:
    named = parts[1] if len(parts) > 1 else None
    if named not in sure:
        yield Fault(at, f"There is no task {quoted(str(named))} to take something from.", code="no_task")
    elif named not in before:
        sentence = f"The task {quoted(str(named))} may not have run before; let a link lead from there to here."
        yield Fault(at, sentence, code="not_before")
    elif len(parts) < 3 or parts[2] not in ("output", "error", "status"):
        sentence = f"Write ${{tasks.{named}.output}}, or a path below; there are also error and status."
        yield Fault(at, sentence, code="invalid_mapping")


# ── The graph as a whole ────────────────────────────────────────────────────────────────────────────────


def _blanks(graph: Mapping[str, Any], known: Known, at: str) -> Iterator[Fault]:
    """Blanks of one name that mean different things."""
    first: dict[str, Any] = {}
    ids = set(ids_of(graph))
    for blank in blanks_of(graph, known.types, is_inner=known.depth > 0):
        here = inside(at, *blank.place)
        if known.depth > 0 and blank.name not in ("item", "index"):
            yield Fault(here, "In a map, a blank is called item or index.", code="invalid_blank")
        if blank.name in ids:
            sentence = f"A blank can't be called as a task, {quoted(blank.name)}; choose another name."
            yield Fault(here, sentence, code="blank_clash")
        other = first.setdefault(blank.name, blank)
        if other.kind != blank.kind:
            sentence = f"The blank {quoted(blank.name)} is something else in {other.task!r}; give it another name."
            yield Fault(here, sentence, code="blank_clash")


def _returns(graph: Mapping[str, Any], ids: set[str], at: str) -> Iterator[Fault]:
    returns = graph.get("returns")
    if returns is None:
        return
    yield from _coded(templates.faults_in(returns, at, frozenset({"tasks"})), "invalid_returns")
    for path in sorted(templates.paths_in(returns)):
        parts = parts_of(path) or ()
        if parts[:1] == ("tasks",) and (len(parts) < 3 or parts[1] not in ids or parts[2] != "output"):
            yield Fault(
                at, f"Write the output of a task, such as ${{tasks.NAME.output}}, not {quoted(path)}.", code="no_task"
            )


def _coded(faults: Iterator[Fault], code: str) -> Iterator[Fault]:
    yield from (each if each.code else replace(each, code=code) for each in faults)


def _wrong_type(value: object, at: str, what: str) -> Fault:
    return Fault(at, f"This is {what}, not {type_in_words(value)}.", code="invalid_type")


def _is_whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
