"""Runs tasks: finds the type, reads the inputs, and does for it what it asks of the engine.

Laws:
- A task does nothing to the world but by `_Way`: so its requests, its mail and its prompts have the limits and fences
  of every request, and its idempotency key.
- Texts that a task sends are sent as they are: what stands in them names no secret, whoever wrote it. Only the type
  whose fields may name secrets sends templates.
- A task's error repeats no input, and no secret that it was given.

Source: `docs/graphs.md`, "Task types".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from email.message import EmailMessage
from functools import partial
from types import MappingProxyType
from typing import Any, Final, Protocol

import httpx
from pydantic import ValidationError

from interlock.aio.threads import Begin
from interlock.engine.work.functions import call as call_function
from interlock.engine.work.integrations import Integrations, NotAccepted, mail_server_of
from interlock.outgoing.letters import NotSent
from interlock.outgoing.mail import MailServer, headed, send_mail
from interlock.secrets.encodings import revealing
from interlock.secrets.fence import Asker
from interlock.secrets.integrations import Integration
from interlock.secrets.port import struck
from interlock.tasks.context import Answer, Mail, Prompt, Request, Sent, TaskContext, Written
from interlock.workflow.activities import (
    Exchange,
    HttpCall,
    LogicError,
    OutputError,
    Returned,
    Script,
    TaskCall,
    TaskFailed,
    TaskType,
    TaskTypes,
    inert,
    json_ready,
    misfit_of,
)
from interlock.workflow.program import legible, said
from interlock_protocol.types import JsonObject, JsonValue

NO_TYPES: Final[TaskTypes] = MappingProxyType({})

REQUEST_SECONDS: Final = 30.0
"""How long a request of a task may take, if nothing says otherwise."""

PROMPT_SECONDS: Final = 120.0
"""How long a language model may take."""

MAIL_SECONDS: Final = 60.0
"""How long a mail server may take."""

_WRITES: Final = frozenset({"PATCH", "POST", "PUT"})


class Prompter(Protocol):
    """Asks language models."""

    async def ask(self, prompt: Prompt, exchange: Exchange | None) -> Written:
        """Ask a model.

        Args:
            exchange: how the service at `prompt.base_url` is asked; None for a model that the server knows by its name.

        Raises:
            LogicError: it can't be asked, or gave no answer.
        """


class Runners(Protocol):
    """What runs everything else, as a task needs it."""

    @property
    def integrations(self) -> Integrations | None:
        """What uses integrations."""

    @property
    def tasks(self) -> TaskTypes:
        """The types that there are."""

    @property
    def prompter(self) -> Prompter | None:
        """What asks models; None if there is nothing to ask them with."""

    async def run(
        self,
        activity: Script | HttpCall,
        headers: Mapping[str, str],
        learn: Callable[[Collection[str]], None],
    ) -> Returned:
        """Run a script, or make a request."""

    async def integration(self, asker: Asker, name: str) -> Integration:
        """The integration of this name, which the asker may use."""


async def run_task(
    runners: Runners,
    call: TaskCall,
    headers: Mapping[str, str],
    learn: Callable[[Collection[str]], None],
    begin: Begin,
) -> Returned:
    """Run one try of a task.

    Raises:
        LogicError: it failed, for good unless `may_retry` says so; with what it logged.
    """
    type_ = runners.tasks.get(call.task)
    if type_ is None or type_.run is None:
        raise TaskFailed(f"this server has no task type {call.task!r}", "unknown_task")
    way = _Way(runners, call, headers, learn)
    context = TaskContext(
        call.idempotency_key,
        user_id=call.user_id,
        account=call.asker.account,
        namespace=call.asker.namespace,
        session_id=call.run_id,
        attempt=call.attempt,
        input=call.run_input,
        integration=call.integration,
        way=way,
        lines=way.lines,
    )
    try:
        await way.check_integration(type_)
        value = await _limited(type_, _inputs(type_, call.input), context, call.time_limit, begin)
        return Returned(value, tuple(context.lines), frozenset(way.known))
    except Exception as error:
        raise _failure(error, way.known, context.lines) from error


def _inputs(type_: TaskType, given: JsonObject) -> Any:
    try:
        return type_.read(given)
    except ValidationError as error:
        raise TaskFailed(misfit_of(error, type_.name), "invalid_input") from None


async def _limited(
    type_: TaskType, inputs: Any, context: TaskContext, seconds: float | None, begin: Begin
) -> JsonValue:
    assert type_.run is not None, "only types that can be called are"
    try:
        async with asyncio.timeout(seconds) as limit:
            given = await call_function(partial(type_.run, inputs), context, begin=begin)
    except TimeoutError:
        if not limit.expired():
            raise
        raise TaskFailed(f"it took longer than {seconds:g} s", "task_timeout", may_retry=True) from None
    value, _ = json_ready(given, f"what the task {type_.name} gives")
    return value


def _failure(error: Exception, known: Collection[str], lines: list[str]) -> LogicError:
    """An error as it is told: what isn't said to be for good is worth another try."""
    if isinstance(error, LogicError):
        sentence = legible(str(struck(str(error), known)))
        return TaskFailed(
            sentence,
            error.code,
            logs=error.logs or tuple(lines),
            may_retry=error.may_retry,
            retry_after=error.retry_after,
        )
    code = legible(type(error).__name__)
    return TaskFailed(said(error, known), code, logs=tuple(lines), may_retry=not isinstance(error, OutputError))


class _Way:
    """What the engine does for one try of a task.

    Attributes:
        known: the secrets that were used for it, to be struck out of what it says.
        lines: what was logged for it.
    """

    def __init__(
        self, runners: Runners, call: TaskCall, headers: Mapping[str, str], learn: Callable[[Collection[str]], None]
    ) -> None:
        self._runners = runners
        self._call = call
        self._headers = headers
        self._learn = learn
        self._writes = 0
        self.known: set[str] = set()
        self.lines: list[str] = []

    async def check_integration(self, type_: TaskType) -> None:
        """Check that the task's integration is one for it.

        Raises:
            LogicError: it isn't, or there is none.
        """
        name = self._call.integration
        if name is None:
            if type_.is_integration_needed:
                sentence = f"a task {type_.name} needs an integration of the provider {type_.provider}; name one"
                raise TaskFailed(sentence, "integration_missing")
            return
        found = await self._runners.integration(self._call.asker, name)
        if type_.provider is None or type_.provider not in ("*", found.provider):
            takes = "no integration" if type_.provider is None else f"one of the provider {type_.provider}"
            raise TaskFailed(
                f"a task {type_.name} takes {takes}, and {name!r} is of {found.provider}", "wrong_integration"
            )

    async def request(self, request: Request) -> Answer:
        """Make a request."""
        headers: Mapping[str, Any] = request.headers
        url: Any = request.url
        body = request.body
        if not request.has_templates:
            headers, url, body = {name: inert(text) for name, text in headers.items()}, inert(url), inert(body)
        secret = {name: f"${{secrets.{each}}}" for name, each in request.secrets.items()}
        returned = await self._run(
            HttpCall(
                method=request.method,
                url=url,
                headers={**headers, **secret},
                body=body,
                asker=self._call.asker,
                time_limit=request.time_limit or self._call.time_limit or REQUEST_SECONDS,
                idempotency_key=self._key(request.method),
                integration=request.integration,
                is_host_data=self._call.is_host_data or not request.has_templates,
            )
        )
        value: Any = returned.value
        return Answer(value["status"], value["headers"], value["body"])

    def _key(self, method: str) -> str:
        """The key of the next request: those that write have one each, by their order."""
        if method.upper() not in _WRITES:
            return self._call.idempotency_key
        self._writes += 1
        return self._call.idempotency_key if self._writes == 1 else f"{self._call.idempotency_key}:{self._writes}"

    async def script(self, code: str, given: JsonObject) -> JsonObject:
        """Run a script."""
        returned = await self._run(Script(code, given, self._call.asker))
        self.lines.extend(returned.logs)
        assert isinstance(returned.value, dict), "a script returns an object"
        return returned.value

    async def _run(self, activity: Script | HttpCall) -> Returned:
        returned = await self._runners.run(activity, self._headers, self._learn_more)
        self.known.update(returned.secrets)
        return returned

    def _learn_more(self, secrets: Collection[str]) -> None:
        self.known.update(secrets)
        self._learn(secrets)

    async def mail(self, mail: Mail) -> Sent:
        """Send an e-mail."""
        integrations, name = self._runners.integrations, self._call.integration
        if name is None or integrations is None:
            raise TaskFailed("an e-mail needs an integration of the provider smtp; name one", "integration_missing")
        found = await self._runners.integration(self._call.asker, name)
        self._learn_more(revealing([(found.credentials or {}).get("password", "")]))
        try:
            server = _written_by(mail, found)
            message = _message_of(mail, server, self._call.idempotency_key)
            async with asyncio.timeout(self._call.time_limit or MAIL_SECONDS):
                refused = await send_mail(integrations.transport.guard, server, message, [*mail.to, *mail.cc])
        except TimeoutError:
            raise TaskFailed("the mail server took too long", "mail_timeout", may_retry=True) from None
        except NotAccepted as error:
            raise TaskFailed(f"the integration {name!r} can't be used: {error}", "mail_error", may_retry=True) from None
        except (NotSent, httpx.TransportError) as error:
            raise TaskFailed(f"the e-mail wasn't sent: {error}", "mail_error", may_retry=True) from None
        return Sent(str(message["Message-ID"]), refused)

    async def prompt(self, prompt: Prompt) -> Written:
        """Ask a language model: by an integration, at an address, or one that the server knows."""
        prompter = self._runners.prompter
        if prompter is None:
            raise TaskFailed("this server asks no models: install the extra, `interlock[pydantic-ai]`", "no_model")
        name = self._call.integration
        if name is not None:
            found = await self._runners.integration(self._call.asker, name)
            if prompt.base_url is not None:
                raise TaskFailed("the integration has the address; leave base_url out", "invalid_input")
            prompt = replace(prompt, base_url=found.base_url)
        try:
            async with asyncio.timeout(self._call.time_limit or PROMPT_SECONDS):
                return await prompter.ask(prompt, None if prompt.base_url is None else partial(self._exchange, name))
        except TimeoutError:
            raise TaskFailed("the model took too long", "prompt_timeout", may_retry=True) from None

    async def _exchange(self, integration: str | None, url: str, body: JsonValue) -> JsonValue:
        seconds = self._call.time_limit or PROMPT_SECONDS
        asked = Request(method="POST", url=url, body=body, integration=integration, time_limit=seconds)
        answer: JsonValue = (await self.request(asked)).body
        return answer


def _message_of(mail: Mail, server: MailServer, key: str) -> EmailMessage:
    try:
        message = headed(mail.subject, server, mail.to, key=key, cc=mail.cc)
        message.set_content(mail.text)
        if mail.html is not None:
            message.add_alternative(mail.html, subtype="html")
    except NotSent as error:
        raise TaskFailed(f"the e-mail can't be written: {error}", "invalid_input") from None
    except UnicodeError:
        raise TaskFailed("the e-mail's text isn't valid Unicode", "invalid_input") from None
    return message


def _written_by(mail: Mail, integration: Integration) -> MailServer:
    """The mail server of an integration, with who writes.

    Raises:
        NotAccepted: its credential can't be opened.
        TaskFailed: it isn't said who writes.
    """
    server = mail_server_of(integration)
    sender = mail.sender or server.user or ""
    if "@" not in sender:
        raise TaskFailed("the user of the mail server isn't an address; say whom the e-mail is from", "invalid_input")
    reply_to = () if mail.reply_to is None else (mail.reply_to,)
    return replace(server, sender=("", sender), reply_to=reply_to)
