"""Interactions: questions with a type, and a spec of how they are answered.

Laws:
- A type says what an answer means, a mode how it is given; not every mode goes with every type (`MODES`).
- A spec and a response are JSON. What is wrong in one is told with the path to it, all of it at once.
- A response to a spec without faults is judged without coercion, and never raises.

Source: `docs/interactions.md`, "Types and modes".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Final, TypeGuard

from interlock.workflow.declare import presentations, schemas
from interlock.workflow.declare.checks import Fault, inside, type_in_words
from interlock.workflow.declare.deciding import Decided
from interlock.workflow.declare.errors import DeclarationError
from interlock.workflow.declare.policies import policy_in
from interlock.workflow.declare.values import declared, legible
from interlock_protocol.faults import shortened
from interlock_protocol.limits import KIB, MAX_FEEDBACK_BYTES
from interlock_protocol.types import (
    InteractionMode,
    InteractionType,
    JsonObject,
    JsonValue,
    Priority,
)

MODES: Final[Mapping[InteractionType, tuple[InteractionMode, ...]]] = {
    "approval": ("confirm",),
    "review": ("select",),
    "input": ("select", "multi_select", "input"),
}
"""The modes that go with each type."""

INCOMPATIBLE: Final = "incompatible_mode"

FEWEST_OPTIONS: Final = 2
MOST_OPTIONS: Final = 50
MAX_MESSAGE: Final = 8 * KIB
MAX_TITLE: Final = 256
MAX_CONTEXT_BYTES: Final = 64 * KIB
MAX_VALUE_BYTES: Final = 64 * KIB
MAX_LABEL: Final = 256

WrongField = dict[str, JsonValue]


# ── Specs ───────────────────────────────────────────────────────────────────────────────────────────────


def incompatible(type_: str, mode: object) -> str | None:
    """Why a mode doesn't go with a type, as a sentence; None if it does, or the type is none."""
    modes = MODES.get(type_)  # type: ignore[call-overload]
    if modes is None or mode in modes:
        return None
    allowed = modes[0] if len(modes) == 1 else f"one of {', '.join(modes)}"
    return f"an interaction of type {type_} takes the mode {allowed}, not {legible(repr(mode))}"


def faults_in(spec: object, at: str = "spec") -> Iterator[Fault]:
    """Yield what is wrong with a spec."""
    if not isinstance(spec, dict):
        yield Fault(at, f"This must be an object, not {type_in_words(spec)}.")
        return
    mode = spec.get("mode")
    judges = _SPECS.get(mode) if isinstance(mode, str) else None
    if judges is None:
        yield Fault(inside(at, "mode"), f"A mode is one of: {', '.join(_KEYS)}.")
        return
    for name in spec.keys() - judges.keys() - {"mode"}:
        known = ", ".join(["mode", *judges])
        yield Fault(inside(at, shortened(str(name))), f"A spec of this mode has no such field; it has: {known}.")
    for name, judge in judges.items():
        if spec.get(name) is not None:
            yield from judge(spec[name], inside(at, name))
    yield from _contradictions(spec, at)


def _contradictions(spec: Mapping[str, Any], at: str) -> Iterator[Fault]:
    if spec["mode"] in ("select", "multi_select") and spec.get("options") is None:
        yield Fault(inside(at, "options"), f"Give {FEWEST_OPTIONS} to {MOST_OPTIONS} options to select from.")
    least, most = _bounds(spec)
    options = spec.get("options")
    if isinstance(options, list) and not least <= most <= len(options):
        yield Fault(inside(at, "max"), "Nobody can select as many: min, max and the number of options don't fit.")
    if spec.get("fields") is not None and spec.get("schema") is not None:
        yield Fault(inside(at, "schema"), "`fields` and `schema` both say what the input is; keep one.")
    is_text = spec.get("fields") is None and spec.get("schema") is None
    for name in ("placeholder", "multiline"):
        if spec.get(name) is not None and not is_text:
            yield Fault(inside(at, name), "This is for an input that is a text; leave it out.")


def _bounds(spec: Mapping[str, Any]) -> tuple[int, int]:
    """How few, and how many, options are selected."""
    options = spec.get("options")
    count = len(options) if isinstance(options, list) else MOST_OPTIONS
    least, most = spec.get("min"), spec.get("max")
    return (least if _is_count(least) else 1), (most if _is_count(most) else count)


def _is_count(given: object) -> TypeGuard[int]:
    return isinstance(given, int) and not isinstance(given, bool) and 0 <= given <= MOST_OPTIONS


def _count(given: object, at: str) -> Iterator[Fault]:
    if not _is_count(given):
        yield Fault(at, f"This must be a whole number from 0 to {MOST_OPTIONS}.")


def _label(given: object, at: str) -> Iterator[Fault]:
    if not isinstance(given, str) or not 0 < len(given) <= MAX_LABEL:
        yield Fault(at, f"This must be a text of 1 to {MAX_LABEL} characters.")


def _flag(given: object, at: str) -> Iterator[Fault]:
    if not isinstance(given, bool):
        yield Fault(at, f"This must be true or false, not {type_in_words(given)}.")


def _options(given: object, at: str) -> Iterator[Fault]:
    if not isinstance(given, list) or not FEWEST_OPTIONS <= len(given) <= MOST_OPTIONS:
        yield Fault(at, f"This must be a list of {FEWEST_OPTIONS} to {MOST_OPTIONS} options.")
        return
    seen: set[str] = set()
    for number, option in enumerate(given):
        here = f"{at}[{number}]"
        value = option.get("value") if isinstance(option, dict) else None
        if not isinstance(value, str) or not 0 < len(value) <= MAX_LABEL:
            yield Fault(here, f'An option is an object with a "value", a text of 1 to {MAX_LABEL} characters.')
            continue
        if value in seen:
            yield Fault(inside(here, "value"), f"Two options have the value {shortened(value)!r}; keep one.")
        seen.add(value)
        for name, said in option.items():
            if name not in ("value", "label", "description"):
                yield Fault(inside(here, shortened(str(name))), "An option has a value, a label and a description.")
            elif said is not None and not isinstance(said, str):
                yield Fault(inside(here, name), f"This must be a text, not {type_in_words(said)}.")


def _fields(given: object, at: str) -> Iterator[Fault]:
    for fault in presentations.faults_in({"type": "form", "fields": given}, ""):
        yield Fault(at + fault.path.lstrip(".").removeprefix("fields"), fault.message)


_Judge = Callable[[object, str], Iterator[Fault]]

_SPECS: Final[Mapping[str, Mapping[str, _Judge]]] = {
    "confirm": {"confirm_label": _label, "reject_label": _label},
    "select": {"options": _options},
    "multi_select": {"options": _options, "min": _count, "max": _count},
    "input": {"fields": _fields, "schema": schemas.faults_in, "placeholder": _label, "multiline": _flag},
}
"""What a spec of each mode may have."""


# ── Responses ───────────────────────────────────────────────────────────────────────────────────────────


def judged(spec: Mapping[str, Any], response: Mapping[str, JsonValue]) -> tuple[JsonObject, list[WrongField]]:
    """A response, completed with defaults, and what is wrong with it.

    Args:
        spec: one without faults.
    """
    what = _KEYS[spec["mode"]]
    given = {name: value for name, value in response.items() if value is not None}
    wrong: list[WrongField] = [
        {"field": shortened(name), "error": f"A response has `{what}`, and may have a `comment`; leave this out."}
        for name in given
        if name not in (what, "comment")
    ]
    comment = given.get("comment", "")
    if not isinstance(comment, str):
        wrong.append({"field": "comment", "error": f"This must be a text, not {type_in_words(comment)}."})
    elif len(comment.encode(errors="replace")) > MAX_FEEDBACK_BYTES:
        wrong.append({"field": "comment", "error": f"This is over {MAX_FEEDBACK_BYTES // KIB} KiB; shorten it."})
    value, faults = _JUDGES[spec["mode"]](spec, given.get(what))
    return {**given, what: value}, [*faults, *wrong]


Judged = tuple[JsonValue, list[WrongField]]


def _of_confirm(_: Mapping[str, Any], value: JsonValue) -> Judged:
    return value, [] if isinstance(value, bool) else [{"field": "confirmed", "error": "Give true or false."}]


def _values(spec: Mapping[str, Any]) -> list[str]:
    return [option["value"] for option in spec["options"]]


def _of_select(spec: Mapping[str, Any], value: JsonValue) -> Judged:
    values = _values(spec)
    if value in values:
        return value, []
    return value, [{"field": "selected", "error": f"Select one of: {', '.join(map(shortened, values))}."}]


def _of_several(spec: Mapping[str, Any], value: JsonValue) -> Judged:
    values = _values(spec)
    least, most = _bounds(spec)
    if not isinstance(value, list):
        return value, [{"field": "selected", "error": f"Give a list of some of: {', '.join(map(shortened, values))}."}]
    unknown = [each for each in value if each not in values]
    if unknown:
        error = f"There is no {legible(repr(unknown[0]))}; select from: {', '.join(map(shortened, values))}."
        return value, [{"field": "selected", "error": error}]
    selected: list[JsonValue] = [each for each in values if each in value]
    if not least <= len(selected) <= most:
        often = str(least) if least == most else f"{least} to {most}"
        return selected, [{"field": "selected", "error": f"Select {often} of them, not {len(selected)}."}]
    return selected, []


def _of_input(spec: Mapping[str, Any], value: JsonValue) -> Judged:
    fields, schema = spec.get("fields"), spec.get("schema")
    if fields is not None:
        if not isinstance(value, dict):
            return value, [{"field": "value", "error": "Give an object with the fields of the form."}]
        try:
            return presentations.checked({"type": "form", "fields": fields}, value), []
        except presentations.WrongInput as faults:
            return value, [{**each, "field": f"value.{each['field']}"} for each in faults.faults]
    if schema is not None:
        found = schemas.faults_of_value(schema, value)
        return value, [{**each, "field": ".".join(filter(None, ("value", str(each["field"]))))} for each in found]
    if not isinstance(value, str) or not value.strip():
        return value, [{"field": "value", "error": "Give a text that isn't empty."}]
    if len(value.encode(errors="replace")) > MAX_VALUE_BYTES:
        return value, [{"field": "value", "error": f"This is over {MAX_VALUE_BYTES // KIB} KiB; shorten it."}]
    return value, []


_KEYS: Final[Mapping[str, str]] = {
    "confirm": "confirmed",
    "select": "selected",
    "multi_select": "selected",
    "input": "value",
}
"""The field that a response of each mode has."""

_JUDGES: Final[Mapping[str, Callable[[Mapping[str, Any], JsonValue], Judged]]] = {
    "confirm": _of_confirm,
    "select": _of_select,
    "multi_select": _of_several,
    "input": _of_input,
}


# ── In workflows ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Interaction(Decided):
    """Ask for an approval, a choice or an input before the node runs; it is `step_input.interaction` then.

    Unlike a `Confirm`, a no decides nothing by itself: the step reads the outcome, and goes on from there.

    Args:
        type: what an answer means: `approval`, `review` or `input`.
        message: the question.
        mode: how it is answered: `confirm`, `select`, `multi_select` or `input`; by default the first that goes with
            the type, for `input` a text.
        options: for `select` and `multi_select`: values, or `{value, label, description}`.
        min, max: how few, and how many, a `multi_select` takes.
        fields: the form of an `input`, as in state machines.
        schema: or the JSON Schema of its value.
        placeholder, multiline: of an `input` that is a text.
        confirm_label, reject_label: what the two answers of a `confirm` are called.
        title, context: what is shown with the question; the context is any JSON.
        priority: `low`, `normal`, `high` or `urgent`.
        timeout: how long to wait, in seconds; None means forever.
        on_timeout: what happens then: `cancel` the run, `skip` the node, or `approve`: go on, with the outcome
            `expired`.
        assignees: user ids, or `group:NAME`, who may answer instead of the run's owner.
        policy, distinct_from, exclude_starter: how several answer, and who of them may not: see `docs/approvals.md`.
        bind: whether an answer has to say, by its `digest`, what it was made on: see `docs/audit.md`.
        reminders, escalate, due: what happens while nobody answers: see `docs/approvals.md`.
    """

    type: InteractionType
    message: str
    _: KW_ONLY
    mode: InteractionMode | None = None
    options: Sequence[str | Mapping[str, str]] | None = None
    min: int | None = None
    max: int | None = None
    fields: Sequence[JsonObject] | None = None
    schema: JsonObject | None = None
    placeholder: str | None = None
    multiline: bool | None = None
    confirm_label: str | None = None
    reject_label: str | None = None
    title: str | None = None
    context: Any = None
    priority: Priority | None = None

    @property
    def spec(self) -> JsonObject:
        """How it is answered, as it is on the wire."""
        default = "input" if self.type == "input" else MODES[self.type][0]
        options = [{"value": each} if isinstance(each, str) else dict(each) for each in self.options or ()]
        spec: dict[str, Any] = {"mode": self.mode or default, "options": options or None}
        for name in ("min", "max", "schema", "placeholder", "multiline", "confirm_label", "reject_label"):
            spec[name] = getattr(self, name)
        spec["fields"] = None if self.fields is None else [dict(each) for each in self.fields]
        return {name: value for name, value in spec.items() if value is not None}

    @property
    def shown(self) -> JsonObject:
        """The question, as it is on the wire."""
        said: dict[str, Any] = {"type": self.type, "spec": self.spec, "title": self.title, "message": self.message}
        said |= {"context": self.context, "priority": self.priority}
        return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class ByMessage(Interaction):
    """A question that the run's message says, in the built-in workflow of interactions: see `asked_by`.

    Args:
        taken_back_by: the topic of the signal that takes the question back; it is `step_input.signal` then.
    """

    type: InteractionType = "input"
    message: str = "As the message says."
    taken_back_by: str


def asked_by(message: Mapping[str, Any], now: int, taken_back_by: str) -> ByMessage:
    """The question that a message says: one without faults.

    Args:
        message: `type`, `spec` and `message`; perhaps `title`, `context`, `priority`, `assignees`, `policy`,
            `distinct_from`, `exclude_starter`, and `due_at` and `expires_at`, in milliseconds since 1970.
        now: the time by the same clock.
    """
    expires_at, due_at = message.get("expires_at"), message.get("due_at")
    said = {name: message[name] for name in ("title", "context", "priority") if message.get(name) is not None}
    return ByMessage(
        type=message["type"],
        message=message["message"],
        **message["spec"],
        **said,
        timeout=None if expires_at is None else max(expires_at - now, 1) / 1000,
        due=None if due_at is None else max(due_at - now, 1) / 1000,
        on_timeout="approve",
        assignees=message.get("assignees"),
        policy=policy_in(message.get("policy")),
        distinct_from=message.get("distinct_from", ()),
        exclude_starter=message.get("exclude_starter", False),
        taken_back_by=taken_back_by,
    )


def check_declared(review: Interaction, place: str) -> None:
    """Check what is particular to an interaction.

    Raises:
        DeclarationError: nobody could answer it, or it couldn't be shown.
    """
    if review.type not in MODES:
        raise DeclarationError(f"{place}: the type of an Interaction is one of {', '.join(MODES)}.")
    if not isinstance(review.message, str) or not 0 < len(review.message) <= MAX_MESSAGE:
        raise DeclarationError(f"{place}: an Interaction has a message of 1 to {MAX_MESSAGE:,} characters.")
    shown = declared(review.shown, f"{place}: an Interaction")
    assert isinstance(shown, dict)
    spec: Any = shown["spec"]
    unfit = incompatible(review.type, spec["mode"])
    if unfit is not None:
        raise DeclarationError(f"{place}: {unfit}.")
    for fault in faults_in(spec, "Interaction"):
        raise DeclarationError(f"{place}, {fault.path}: {fault.message}")
