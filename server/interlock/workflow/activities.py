"""The activities that a run asks of the engine: each is plain data, and the engine has one runner for each kind.

Laws:
- An activity states what to call and with which arguments. The runner decides how (on the loop, in a thread, in another
  process), for how long, and what is streamed meanwhile.
- Runners get the names that they need from `declare` here, and import nothing else of it.

Source: `docs/architecture.md`, "The pure core".
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from interlock.secrets.fence import Asker
from interlock.workflow.declare.agents import (
    AgentExecutor,
    AgentPause,
    Tool,
    ToolDecision,
    ToolRequest,
)
from interlock.workflow.declare.asking import Question, Requested, nobody
from interlock.workflow.declare.errors import LogicError, OutputError
from interlock.workflow.declare.expressions import Expression
from interlock.workflow.declare.io import (
    Content,
    CustomEvent,
    EarlierRun,
    Session,
    StepInput,
    StepOutput,
    content_of,
    json_ready,
)
from interlock.workflow.declare.templates import expand, paths_in
from interlock.workflow.node import AgentState
from interlock_protocol.types import JsonObject, JsonValue

__all__ = [
    "Activity",
    "AgentExecutor",
    "AgentPause",
    "AgentState",
    "AgentTurn",
    "Asks",
    "BundleVersion",
    "Content",
    "CustomEvent",
    "EarlierRun",
    "Evaluation",
    "Expression",
    "Function",
    "HttpCall",
    "Instruct",
    "LogicError",
    "OutputError",
    "Question",
    "Requested",
    "Returned",
    "Roll",
    "RollCall",
    "Script",
    "Session",
    "SessionRead",
    "StepInput",
    "StepOutput",
    "ThreadEnd",
    "Tool",
    "ToolDecision",
    "ToolRequest",
    "asks_nobody",
    "content_of",
    "expand",
    "host_part",
    "json_ready",
    "paths_in",
]


Asks: TypeAlias = Callable[[StepInput, Question], Awaitable[Requested]]
"""How a step that runs asks people something by itself."""


async def asks_nobody(given: StepInput, question: Question) -> Requested:
    """`Asks` where nobody can be asked."""
    return await nobody(question)


@dataclass(frozen=True, slots=True)
class SessionRead:
    """Read the current session of the run. Its result is a `Session` that one step may change."""


@dataclass(frozen=True, slots=True)
class Function:
    """Run a step's function to completion, and stream what it yields. Its result is a `Content`.

    Args:
        time_limit: how long it may take, in seconds; None means no limit.
    """

    function: Callable[[StepInput], Any]
    given: StepInput
    time_limit: float | None = None


@dataclass(frozen=True, slots=True)
class AgentTurn:
    """Run an agent, or resume it from `paused`. Its result is a `Content`, or an `AgentPause`."""

    agent: AgentExecutor
    paused: AgentState | None
    given: StepInput
    time_limit: float | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Ask a function, or a CEL expression, about the run or an output. Its result is the value returned."""

    evaluator: Callable[[Any], Any]
    given: StepInput | StepOutput


@dataclass(frozen=True, slots=True)
class ThreadEnd:
    """Wait until no thread is still running an earlier try of the step, `time_limit` seconds at most."""

    time_limit: float | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """Run a script in a sandbox. Its result is a `Returned` whose value is an object.

    Args:
        code: the body of a function in JavaScript.
        input: its globals: `input`, `workflow_data` and `context`.
        asker: who reads secrets in it.
        time_limit: how long it may take, in seconds.
    """

    code: str
    input: JsonObject
    asker: Asker
    time_limit: float = 5.0


@dataclass(frozen=True, slots=True)
class HttpCall:
    """Make one request over HTTP. The value of its result is `{status, headers, body}`.

    Args:
        headers, url, body: with `${secrets.NAME}` still in them: secrets are filled in when it is sent.
        asker: who uses secrets in it.
        integration: the name of the credential that it is sent with.
        is_host_data: True if data stands where the definition would write the host.
        idempotency_key: sent with a POST, PUT or PATCH, unless the headers have one.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: JsonValue
    asker: Asker
    time_limit: float
    idempotency_key: str
    integration: str | None = None
    is_host_data: bool = False


def host_part(url: str) -> str:
    """Return the part of an address, or of its template, that decides on its host: without a user name and password,
    which can't, because what is inserted there is percent-encoded."""
    found = _HOST_PART.match(url)
    assert found is not None, "it matches nothing, too"
    return found[1] + found[2].rpartition("@")[2]


_HOST_PART: Final = re.compile(r"((?:[^/?#]*//)?)([^/?#]*)")


@dataclass(frozen=True, slots=True)
class Instruct:
    """Have a language model write a text for a person. The value of its result is the text, or None if there is no
    model, or it failed.

    Args:
        prompt: what the text is to say.
        data: what the model is shown, as data.
        model: the model's name; None is the server's.
    """

    prompt: str
    data: JsonValue
    model: str | None
    time_limit: float = 10.0


@dataclass(frozen=True, slots=True)
class RollCall:
    """Look up who is asked. Its result is a `Roll`.

    Args:
        names: user ids, and `group:NAME`.
        starter: whoever started the run, if it matters who stands behind them.
    """

    account: str
    names: tuple[str, ...]
    starter: str | None = None


@dataclass(frozen=True, slots=True)
class Roll:
    """The people behind each name that was looked up, without those who are disabled; and behind the start.

    Args:
        widget: what was looked up of a widget: its `version`, None if there is none, and perhaps its `props`.
    """

    people: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    starters: frozenset[str] = frozenset()
    widget: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class BundleVersion:
    """Look up the current version of a widget's bundle. Its result is the version; None if there is no such bundle."""

    name: str


@dataclass(frozen=True, slots=True)
class Returned:
    """What a script or a request returned.

    Args:
        logs: what a script logged.
        secrets: the secrets that it was given, for what is logged of it.
    """

    value: JsonValue
    logs: tuple[str, ...] = ()
    secrets: frozenset[str] = field(default_factory=frozenset)


Activity: TypeAlias = (
    SessionRead
    | Function
    | AgentTurn
    | Evaluation
    | ThreadEnd
    | Script
    | HttpCall
    | Instruct
    | RollCall
    | BundleVersion
)
