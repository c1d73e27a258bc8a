"""The logic of a state in a state machine: a script, a request over HTTP, a task, or a text that a model writes.

Laws:
- Logic is data: it names no function of this process, so a definition from a store has it as well as one in Python.
- What it returns is merged into the machine's data, if it is an object.

Source: `docs/machines.md`, "Logic".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from interlock.workflow.declare.errors import DeclarationError
from interlock_protocol.types import JsonValue

MAX_SCRIPT_BYTES = 64 * 1024
MAX_WAIT = 3600.0
"""The longest wait between two tries, in seconds."""


@dataclass(frozen=True, slots=True)
class ScriptLogic:
    """A script in JavaScript: the body of a function of `input`, `workflow_data`, `context` and `secrets`, which
    returns an object."""

    code: str


@dataclass(frozen=True, slots=True)
class HttpLogic:
    """A request over HTTP. Its `url`, `headers` and `body` may have templates: `${workflow_data.amount}`.

    Args:
        timeout: how long the whole call may take, in seconds.
        integration: what tells the host who asks: a credential that is kept on the server. With it, `url` may be a path
            below the integration's address, and goes nowhere else.
        output: the key of the data under which the response is kept; without it, only this state's transitions see it.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: JsonValue = None
    timeout: float = 30.0
    output: str | None = None
    integration: str | None = None


@dataclass(frozen=True, slots=True)
class TextLogic:
    """A text for a person, written by a language model when a state halts.

    Args:
        prompt: what the text is to say.
        data: what the model is shown, with templates.
        model: the model's name; None is the server's (`INTERLOCK_AI_MODEL`).
    """

    prompt: str
    data: JsonValue = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class TaskLogic:
    """A task: something that is done by its type's name. `TaskType.logic` makes it.

    Args:
        task: the name of its type, of the kind `call`.
        input: its inputs, with templates.
        integration: the credential that it works with.
        timeout: how long one try may take, in seconds; None leaves that to the type.
        output: the key of the data under which what it gives is kept; without it, an object is merged into the data.
        fixed: the inputs that are used as they are written.
        encoded: those in which what is filled in is percent-encoded.
        takes_secrets: whether secrets in them are filled in when it runs.
    """

    task: str
    input: Mapping[str, JsonValue] = field(default_factory=dict)
    integration: str | None = None
    timeout: float | None = None
    output: str | None = None
    fixed: tuple[str, ...] = ()
    encoded: tuple[str, ...] = ()
    takes_secrets: bool = False


@dataclass(frozen=True, slots=True)
class SetLogic:
    """Values, with templates."""

    values: JsonValue


@dataclass(frozen=True, slots=True)
class ConditionLogic:
    """Whether something holds: it leads to the port `true` or `false`.

    Args:
        expression: in CEL.
        values: what it has as `values`, with templates.
    """

    expression: str
    values: JsonValue = None


@dataclass(frozen=True, slots=True)
class AnswerLogic:
    """What people answered before, or what came with a signal.

    Args:
        ports: the ports that links lead on from: an answer that leads to one of these is never a failure.
    """

    ports: tuple[str, ...] = ()


Logic: TypeAlias = ScriptLogic | HttpLogic | TaskLogic
AnyLogic: TypeAlias = Logic | TextLogic | SetLogic | ConditionLogic | AnswerLogic


@dataclass(frozen=True, slots=True)
class Retry:
    """How often logic that failed is tried again, and when.

    Args:
        attempts: how often it is tried in all, at least once.
        backoff: whether the waits double, or grow by `delay` each time.
        delay: the first wait, in seconds.
    """

    attempts: int
    backoff: Literal["exponential", "linear"] = "exponential"
    delay: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.attempts <= 100:
            raise DeclarationError(f"Retry: attempts is a number from 1 to 100, not {self.attempts!r}.")
        if self.backoff not in ("exponential", "linear"):
            raise DeclarationError(f"Retry: backoff is exponential or linear, not {self.backoff!r}.")

    def wait(self, tries: int) -> float:
        """The wait after this many tries, in seconds."""
        factor = 2.0 ** min(tries - 1, 32) if self.backoff == "exponential" else float(tries)
        return min(MAX_WAIT, self.delay * factor)
