"""A step's input and output.

Laws:
- Content keeps its JSON type. A pydantic model becomes the object it dumps to, and its name the content type.
- A value that can't cross the border (`values`) is refused where it is produced, as an error of that step. So is one
  that is nested too deeply, or is too large, for the events that later carry it.

Source: `docs/workflows.md`, "What a step is given" and "What a step gives back".
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel
from pydantic_core import to_json

from interlock.workflow.declare.asking import Ask, Asking, nobody
from interlock.workflow.declare.errors import OutputError
from interlock.workflow.declare.models import path_of
from interlock.workflow.declare.values import wire
from interlock_protocol.namespaces import DEFAULT_ACCOUNT
from interlock_protocol.types import JsonValue, PathPart, RunStatus
from interlock_protocol.values import NotWire


@dataclass(frozen=True, slots=True)
class StepOutput:
    """The output of a step.

    Args:
        content: str, dict, list, another JSON value, or a pydantic model.
        success: False marks an output that the next step should look at twice; the workflow goes on.
        error: a sentence about what went wrong, if `success` is False.
        stop: end the run here, as COMPLETED.
    """

    content: Any = None
    _: KW_ONLY
    success: bool = True
    error: str | None = None
    stop: bool = False


@dataclass(frozen=True, slots=True)
class CustomEvent:
    """A step's own event for the run's followers: yield it from a generator.

    Args:
        name: what kind of event it is.
        data: any JSON value.
    """

    name: str
    data: Any = None


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """An earlier run of the same session that has ended.

    Args:
        content: its result; None if it was cancelled or failed.
        status: COMPLETED, CANCELLED or ERROR.
        error: why it failed or was cancelled, if known.
    """

    run_id: str
    input: JsonValue
    content: JsonValue
    status: RunStatus = RunStatus.COMPLETED
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """The conversation that a run belongs to.

    Args:
        id: shared by its runs, which also share an owner.
        state: values that steps keep for later steps and later runs. Change it in place; the change is saved with this
            step's `StepCompleted`, and merged with what other runs of the session have changed meanwhile.
        runs: the session's latest runs that have ended, oldest first.
    """

    id: str = ""
    state: dict[str, Any] = field(default_factory=dict)
    runs: Sequence[EarlierRun] = ()


@dataclass(frozen=True, slots=True)
class StepInput:
    """The input of a step, a condition, a selector or an end condition.

    Args:
        input: the run's message; in a nested workflow, the content before it.
        previous_step_content: the output of the step before, None for the first.
        user_input: the values a person filled in: a dict, or an instance of the form's pydantic model.
        signal: what came with the signal that the step, or the nearest node around it, waited for.
        interaction: what its `Interaction` came to: its `interaction_id`, `type`, `outcome`, `response` (or, where
            several gave one, `responses`), `responded_by` and `responded_at`.
        widget: what was done in its `Widget`: the event's data, and `_interactionEvent`, `_interactedBy` and
            `_interactedAt`.
        rejection_feedback: the comment of the person who sent the previous output back.
        previous_output: the output that was sent back.
        session: the conversation: its id, its state, its earlier runs.
        run_id: the run.
        user_id: the run's owner.
        account: the account of that user.
        namespace: the run's namespace in that account.
        workflow_data: inside a state machine, its data.
        attempt: counts the tries of this step, from 1.
        iteration: the iteration of the nearest enclosing loop, from 1; None outside of loops.
        max_iterations: the bound of the nearest enclosing loop.
        idempotency_key: the same for every try of this step's visit and review round, so that a side effect can be
            applied once.
    """

    input: Any
    previous_step_content: Any = None
    user_input: Any = None
    signal: Any = None
    interaction: Mapping[str, Any] | None = None
    widget: Mapping[str, Any] | None = None
    rejection_feedback: str | None = None
    previous_output: Any = None
    session: Session = field(default_factory=Session)
    run_id: str = ""
    user_id: str = ""
    attempt: int = 1
    iteration: int | None = None
    max_iterations: int | None = None
    idempotency_key: str = ""
    account: str = DEFAULT_ACCOUNT
    namespace: str = ""
    workflow_data: Mapping[str, Any] = field(default_factory=dict)
    _contents: Callable[[], Mapping[str, Any]] = field(default=dict, repr=False)
    _cancelled: Callable[[], bool] = field(default=lambda: False, repr=False)
    _ask: Ask = field(default=nobody, repr=False)

    @property
    def session_id(self) -> str:
        """The id of the run's session."""
        return self.session.id

    @property
    def interactions(self) -> Asking:
        """Asks people something while the step runs, durably: see `docs/interactions.md`."""
        return Asking(self._ask)

    def get_step_content(self, name: str) -> Any:
        """The newest output of the step called `name`, or None if it has none."""
        return self._contents().get(name)

    def all_step_contents(self) -> dict[str, Any]:
        """The newest output of each step, by name."""
        return dict(self._contents())

    def is_cancelled(self) -> bool:
        """Return True if the run was cancelled: steps that run in a thread should check this now and then."""
        return self._cancelled()


@dataclass(frozen=True, slots=True)
class Content:
    """A step's output, JSON-ready except for its error, which is the full text.

    Attributes:
        model: the path of the model that it was an instance of.
        logs: what a script logged.
        response: what only the transitions of a machine's state see, and no log has.
    """

    content: JsonValue
    content_type: str
    success: bool = True
    error: str | None = None
    stop: bool = False
    model: str | None = None
    logs: tuple[str, ...] = ()
    response: JsonValue = None


def content_of(returned: Any) -> Content:
    """A step's return value, as it is logged.

    Raises:
        OutputError: it can't be written as JSON.
    """
    output = returned if isinstance(returned, StepOutput) else StepOutput(returned)
    for name, given in (("success", output.success), ("stop", output.stop)):
        if not isinstance(given, bool):
            raise OutputError(f"a StepOutput's {name} is True or False, not {type(given).__name__}")
    content, content_type = json_ready(output.content)
    model = path_of(type(output.content)) if isinstance(output.content, BaseModel) else None
    return Content(content, content_type, output.success, _error_of(output), output.stop, model)


def _error_of(output: StepOutput) -> str | None:
    if output.error is None:
        return None
    if not isinstance(output.error, str):
        raise OutputError(f"a StepOutput's error is a text, not {type(output.error).__name__}; give str(error)")
    return output.error


def json_ready(value: Any, what: str = "a step's output") -> tuple[JsonValue, str]:
    """`value` as JSON, and its content type: `str`, `json`, or a model's name.

    Raises:
        OutputError: it can't be written as JSON.
    """
    try:
        content = wire(value, what)
    except NotWire as fault:
        raise OutputError(
            f"{what} must be str, dict, list, a pydantic model or another JSON value, and "
            f"{type(value).__name__} isn't: {fault}; store what is large or no JSON elsewhere, and return where it is"
        ) from fault
    if isinstance(value, BaseModel):
        return content, type(value).__name__
    return content, "str" if isinstance(content, str) else "json"


def side_effect_key(run_id: str, path: tuple[PathPart, ...], visit: int, round_: int, inputs: int = 0) -> str:
    """The `idempotency_key` of one visit and review round of a step: the same in every try and after every crash.

    Args:
        inputs: how often a person has given new input after an error: new input makes a new side effect.
    """
    text = "\x1f".join((run_id, *map(str, path), str(visit), str(round_), *([str(inputs)] if inputs else ())))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def side_effect_key_of_logic(run_id: str, path: Sequence[PathPart], part: str, visit: int, again: str = "") -> str:
    """As `side_effect_key`, of the logic of a state machine that is a whole workflow: `run:thread:state:visit:part`.

    Receivers see it: it is made to be read. Names are escaped, so that no two places have the same key.

    Args:
        path: the thread, the state, and the names inside that, if there are some.
        part: `enter` or `logic`.
        again: which round or new input it is, after the first.
    """
    thread, *inside = (quote(str(each), safe=_PLAIN) for each in path)
    return ":".join((run_id, thread, "/".join(inside), str(visit), part + again))


_PLAIN = " !#$&'()*+,-.;<=>?@[]^_`{|}~"
"""What stands unescaped in a key, besides letters and digits."""


def cut(value: JsonValue, limit: int) -> JsonValue:
    """`value`, or as much of its text as fits into `limit` bytes."""
    text = value if isinstance(value, str) else to_json(value).decode()
    data = text.encode()
    if len(data) <= limit:
        return value
    return data[:limit].decode(errors="ignore")
