"""The built-in types that ask people: each is a review, as steps have it.

Law: what a task asks is said by its inputs alone; what is wrong in them is told where the definition is checked.

Source: `docs/graphs.md`, "Task types"; `docs/interactions.md`, `docs/widgets.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import Field

from interlock.tasks.builtin.inputs import Inputs, gives, marked
from interlock.workflow.declare.errors import DeclarationError
from interlock.workflow.declare.interactions import (
    FEWEST_OPTIONS,
    MAX_LABEL,
    MAX_MESSAGE,
    MAX_TITLE,
    MOST_OPTIONS,
    Interaction,
)
from interlock.workflow.declare.policies import Policy, policy_in
from interlock.workflow.declare.presentations import MAX_FIELDS
from interlock.workflow.declare.task_types import TaskType
from interlock.workflow.declare.widgets import Widget
from interlock_protocol.types import JsonObject, JsonValue


class Asked(Inputs):
    """Who decides, and for how long they may take."""

    assignees: list[str] | None = Field(
        None,
        title="Who decides",
        description="Users, or group:NAME; by default whoever owns the run.",
        min_length=1,
        max_length=100,
        json_schema_extra=marked(fixed=True, of="people"),
    )
    policy: str | JsonObject | None = Field(
        None,
        title="How several decide",
        description='first_responder, all_members, majority, or an object such as {"type": "quorum", "n": 2}.',
        json_schema_extra=marked(fixed=True, advanced=True),
    )
    distinct_from: list[str] = Field(
        [],
        title="Not by those of",
        description="Tasks whose deciders may not decide here, too.",
        json_schema_extra=marked(fixed=True, advanced=True),
    )
    exclude_starter: bool = Field(
        False,
        title="Not by whoever started it",
        json_schema_extra=marked(fixed=True, advanced=True),
    )
    timeout: float | None = Field(
        None,
        title="Time to decide",
        description="In seconds; without it, it waits for as long as it takes.",
        gt=0,
        json_schema_extra=marked(fixed=True),
    )
    on_timeout: Literal["cancel", "skip", "approve"] = Field(
        "cancel",
        title="Then",
        description="When the time is over: cancel the run, skip the task, or approve: go on with the outcome expired.",
        json_schema_extra=marked(fixed=True, advanced=True),
    )
    bind: bool = Field(
        False,
        title="Bind decisions",
        description="Whether a decision has to say what it was made on.",
        json_schema_extra=marked(fixed=True, advanced=True),
    )


class Question(Inputs):
    """What every question says that isn't asked in a widget."""

    message: str = Field(
        title="Message",
        description="What is asked.",
        min_length=1,
        max_length=MAX_MESSAGE,
        json_schema_extra=marked(form="textarea"),
    )
    title: str | None = Field(None, title="Title", max_length=MAX_TITLE)
    context: Any = Field(None, title="Shown with it", description="Any JSON.")
    priority: Literal["low", "normal", "high", "urgent"] | None = Field(
        None, title="Priority", json_schema_extra=marked(fixed=True, advanced=True)
    )


class Option(Inputs):
    """One of those that are selected from."""

    value: str = Field(title="Value", min_length=1, max_length=MAX_LABEL)
    label: str | None = Field(None, title="Label")
    description: str | None = Field(None, title="Description")


class YesOrNo(Question):
    """A yes or a no."""

    confirm_label: str | None = Field(None, title="Word for yes", max_length=MAX_LABEL)
    reject_label: str | None = Field(None, title="Word for no", max_length=MAX_LABEL)


class Fields(Question):
    """A form to fill in."""

    fields: list[JsonObject] | None = Field(
        None,
        title="Fields",
        description="As in the forms of state machines: name, type, label, required, …",
        min_length=1,
        max_length=MAX_FIELDS,
        json_schema_extra=marked(fixed=True, form="json"),
    )
    answer_schema: JsonObject | None = Field(
        None,
        title="Shape of the answer",
        description="Instead of fields: a JSON Schema.",
        json_schema_extra=marked(fixed=True, form="json"),
    )
    multiline: bool | None = Field(
        None, title="Many lines", description="Of a plain text.", json_schema_extra=marked(fixed=True)
    )
    placeholder: str | None = Field(None, title="Placeholder", max_length=MAX_LABEL)


class Options(Question):
    """A selection of some options."""

    options: list[str | Option] = Field(
        title="Options",
        description="Values, or {value, label, description}.",
        min_length=FEWEST_OPTIONS,
        max_length=MOST_OPTIONS,
        json_schema_extra=marked(fixed=True),
    )
    multiple: bool = Field(
        False, title="Several", description="Whether several may be selected.", json_schema_extra=marked(fixed=True)
    )
    min: int | None = Field(None, title="How few", ge=0, le=MOST_OPTIONS, json_schema_extra=marked(fixed=True))
    max: int | None = Field(None, title="How many", ge=1, le=MOST_OPTIONS, json_schema_extra=marked(fixed=True))


class Verdict(Question):
    """A judgement of what is shown."""

    options: list[str | Option] = Field(
        [
            Option(value="approve", label="Approve"),
            Option(value="changes", label="Ask for changes"),
            Option(value="reject", label="Reject"),
        ],
        title="Verdicts",
        description="Values, or {value, label, description}.",
        min_length=FEWEST_OPTIONS,
        max_length=MOST_OPTIONS,
        json_schema_extra=marked(fixed=True),
    )
    context: Any = Field(title="What is reviewed", description="Any JSON.")


class Page(Inputs):
    """Something to do in a widget."""

    bundle: str = Field(
        title="Widget",
        description="The name of its bundle.",
        min_length=1,
        max_length=64,
        json_schema_extra=marked(fixed=True, of="widgets"),
    )
    props: dict[str, Any] = Field({}, title="Props", description="What it is shown with.")
    ports: dict[str, str] = Field(
        {}, title="Ports", description="The port that each event leads to.", json_schema_extra=marked(fixed=True)
    )
    default: str | None = Field(
        None,
        title="Default port",
        description="Of an event that isn't named.",
        max_length=64,
        json_schema_extra=marked(fixed=True),
    )
    schemas: dict[str, JsonObject] = Field(
        {},
        title="Data of events",
        description="The JSON Schema of each event's data.",
        json_schema_extra=marked(fixed=True, form="json"),
    )
    confirm: bool = Field(
        False, title="Ask once more", description="Before an event counts.", json_schema_extra=marked(fixed=True)
    )
    message: str | None = Field(
        None,
        title="Message",
        description="What is told beside it.",
        max_length=MAX_MESSAGE,
        json_schema_extra=marked(form="textarea"),
    )


class Approval(Asked, YesOrNo):
    """A yes or a no, and who says it."""


class Form(Asked, Fields):
    """A form, and who fills it in."""


class Choice(Asked, Options):
    """A selection, and who makes it."""


class Reviewing(Asked, Verdict):
    """A judgement, and who makes it."""


class InWidget(Asked, Page):
    """Something to do in a widget, and who does it."""


def policy_of(given: JsonValue) -> Policy | None:
    """The policy that inputs name.

    Raises:
        DeclarationError: there is no such policy.
    """
    try:
        return policy_in(given)
    except (KeyError, TypeError, ValueError):
        raise DeclarationError("The policy isn't one; see docs/approvals.md for those that there are.") from None


def _who(asked: Asked) -> dict[str, Any]:
    return {
        "assignees": asked.assignees,
        "policy": policy_of(asked.policy),
        "distinct_from": asked.distinct_from,
        "exclude_starter": asked.exclude_starter,
        "timeout": asked.timeout,
        "bind": asked.bind,
    }


def _said(who: Asked, question: Question) -> dict[str, Any]:
    said = {"title": question.title, "context": question.context, "priority": question.priority}
    return {**_who(who), **said, "on_timeout": who.on_timeout}


def approval(asked: Approval) -> Interaction:
    """A yes or a no."""
    return Interaction(
        "approval",
        asked.message,
        confirm_label=asked.confirm_label,
        reject_label=asked.reject_label,
        **_said(asked, asked),
    )


def form(asked: Form) -> Interaction:
    """A form to fill in; without fields, a text."""
    return Interaction(
        "input",
        asked.message,
        mode="input",
        fields=asked.fields,
        schema=asked.answer_schema,
        multiline=asked.multiline,
        placeholder=asked.placeholder,
        **_said(asked, asked),
    )


def choice(asked: Choice) -> Interaction:
    """A selection of one, or of several."""
    return Interaction(
        "input",
        asked.message,
        mode="multi_select" if asked.multiple else "select",
        options=_options(asked.options),
        min=asked.min if asked.multiple else None,
        max=asked.max if asked.multiple else None,
        **_said(asked, asked),
    )


def review(asked: Reviewing) -> Interaction:
    """A verdict on what is shown."""
    return Interaction("review", asked.message, mode="select", options=_options(asked.options), **_said(asked, asked))


def _options(given: list[str | Option]) -> list[str | Mapping[str, str]]:
    return [each if isinstance(each, str) else each.model_dump(exclude_none=True) for each in given]


def widget(asked: InWidget) -> Widget:
    """Something to do in a widget."""
    if asked.on_timeout == "approve":
        raise DeclarationError("A widget's on_timeout is cancel or skip; there is nothing to approve.")
    return Widget(
        asked.bundle,
        props=asked.props,
        ports=asked.ports,
        default=asked.default,
        schema=asked.schemas,
        confirm=asked.confirm,
        message=asked.message,
        on_timeout=asked.on_timeout,
        **_who(asked),
    )


def _outcome(response: JsonObject, outcomes: list[JsonValue]) -> JsonObject:
    """The schema of what a question comes to."""
    said: JsonObject = {"type": "object", "properties": {**response, "comment": {"type": "string"}}}
    properties: JsonObject = {
        "interaction_id": {"type": "string", "description": "Its address."},
        "type": {"type": "string"},
        "outcome": {"enum": outcomes},
        "response": {**said, "description": "The answer, where one is enough."},
        "responses": {"type": "array", "items": said, "description": "The answers of several."},
        "responded_by": {"type": ["string", "null"], "description": "Who gave it."},
        "responded_at": {"type": ["integer", "null"], "description": "When, in milliseconds since 1970."},
    }
    return {"type": "object", "properties": properties, "required": ["interaction_id", "type", "outcome"]}


_ANSWERED: Final[list[JsonValue]] = ["completed", "unreachable", "expired", "cancelled"]
_SELECTED: Final[JsonObject] = {
    "selected": {"type": ["string", "array"], "description": "The value, or the values, of what was selected."}
}

PEOPLE: Final = (
    TaskType(
        name="approval",
        title="Approval",
        description="Asks people for a yes or a no. Links lead on by either.",
        category="people",
        kind="human",
        icon="badge-check",
        input=Approval,
        output_schema=_outcome(
            {"confirmed": {"type": "boolean"}}, ["approved", "rejected", "unreachable", "expired", "cancelled"]
        ),
        ports=("approved", "rejected"),
        review=approval,
    ),
    TaskType(
        name="form",
        title="Form",
        description="Asks people for what only they know.",
        category="people",
        kind="human",
        icon="clipboard-list",
        input=Form,
        output_schema=_outcome({"value": {"description": "A text, or an object with the fields."}}, _ANSWERED),
        review=form,
    ),
    TaskType(
        name="choice",
        title="Choice",
        description="Has people select one of some options, or several. Links lead on by what was selected.",
        category="people",
        kind="human",
        icon="list-checks",
        input=Choice,
        output_schema=_outcome(_SELECTED, _ANSWERED),
        review=choice,
    ),
    TaskType(
        name="review",
        title="Review",
        description="Shows people something, and asks for a verdict. Links lead on by it.",
        category="people",
        kind="human",
        icon="eye",
        input=Reviewing,
        output_schema=_outcome({"selected": {"type": "string", "description": "The verdict."}}, _ANSWERED),
        review=review,
    ),
    TaskType(
        name="widget",
        title="Widget",
        description="Has people do something in a page of one's own. Links lead on by its ports.",
        category="people",
        kind="human",
        icon="app-window",
        input=InWidget,
        output_schema=gives(
            {
                "_interactionEvent": {"type": "string", "description": "What was done; its data stands beside it."},
                "_interactedBy": {"type": "string", "description": "Who did it."},
                "_interactedAt": {"type": "string", "description": "When."},
            },
            open_=True,
        ),
        review=widget,
    ),
)
