"""What a task is given besides its inputs, and what it may ask of the engine that runs it.

Laws:
- Every request of a task carries a key that is the same for every try, so that who is asked can do it once. Where a
  task makes several, each has a key of its own, by its place among them.
- No task sees the credential of an integration, or a secret: it names them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Protocol

from interlock.workflow.declare.prompts import Prompt, Written
from interlock_protocol.types import JsonObject, JsonValue

__all__ = ["Answer", "Mail", "Prompt", "Request", "Sent", "TaskContext", "Way", "Written"]

MAX_LINES = 100
"""How many lines a task may log; more are left out."""

MAX_LINE = 4096
"""The longest line, in characters; the rest of it is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request over HTTP.

    Args:
        url: an address, or a path below the integration's.
        headers: their texts are sent as they are.
        body: JSON; a text, if the headers have another type of content.
        secrets: headers that are secrets, by the secrets' names.
        integration: the credential that it is sent with.
        time_limit: how long it may take, in seconds.
        has_templates: True if secrets are named in the texts themselves, as a definition writes them.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: JsonValue = None
    secrets: Mapping[str, str] = field(default_factory=dict)
    integration: str | None = None
    time_limit: float | None = None
    has_templates: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request, with a status below 400.

    Attributes:
        headers: by their names in lower case.
        body: what its JSON says, or its text.
    """

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A message by e-mail."""

    to: Sequence[str]
    subject: str
    text: str
    html: str | None = None
    cc: Sequence[str] = ()
    sender: str | None = None
    reply_to: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """An e-mail that a mail server took.

    Attributes:
        message_id: its `Message-ID`.
        refused: the addresses that it doesn't take; it takes others.
    """

    message_id: str
    refused: Sequence[str] = ()


class Way(Protocol):
    """What the engine does for a task."""

    async def request(self, request: Request) -> Answer:
        """Make a request."""

    async def script(self, code: str, given: JsonObject) -> JsonObject:
        """Run a script in JavaScript, with these globals, and return the object that it returns."""

    async def mail(self, mail: Mail) -> Sent:
        """Send an e-mail by the task's integration."""

    async def prompt(self, prompt: Prompt) -> Written:
        """Ask a language model."""


@dataclass(slots=True)
class TaskContext:
    """What a task is given besides its inputs.

    Attributes:
        idempotency_key: the same for every try: an effect with this key counts once.
        user_id: who started the run.
        account, namespace: where that is.
        session_id: the run: of a graph, its session.
        attempt: counts the tries, from 1.
        input: what the run was started with.
        integration: the name of the credential that it works with.
        lines: what it logged.
    """

    idempotency_key: str
    _: KW_ONLY
    user_id: str = ""
    account: str = ""
    namespace: str = ""
    session_id: str = ""
    attempt: int = 1
    input: JsonValue = None
    integration: str | None = None
    way: Way | None = field(default=None, repr=False)
    lines: list[str] = field(default_factory=list, repr=False)

    def log(self, line: object) -> None:
        """Add a line to what the run's followers see of this task."""
        if len(self.lines) < MAX_LINES:
            text = str(line)
            self.lines.append(text if len(text) <= MAX_LINE else f"{text[: MAX_LINE - 1]}…")

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: JsonValue = None,
        secrets: Mapping[str, str] | None = None,
        time_limit: float | None = None,
    ) -> Answer:
        """Make a request over HTTP, with the credential of the task's integration, if it has one.

        Args:
            url: an address, or a path below the integration's.
            headers: sent as they are; secrets don't belong here.
            body: JSON; a text, if the headers have another type of content.
            secrets: headers whose values are secrets, by the secrets' names.
            time_limit: how long it may take, in seconds; 30 by default.

        Raises:
            LogicError: `http_error` (also for a status from 400), `http_timeout` or `secret_not_allowed`.
        """
        return await self.by.request(
            Request(
                method=method,
                url=url,
                headers=headers or {},
                body=body,
                secrets=secrets or {},
                integration=self.integration,
                time_limit=time_limit,
            )
        )

    @property
    def by(self) -> Way:
        """What the engine does for it.

        Raises:
            RuntimeError: there is no engine around it, as in a test that calls a task's function.
        """
        if self.way is None:
            raise RuntimeError("this context belongs to no engine; give it a `way` to call others by")
        return self.way
