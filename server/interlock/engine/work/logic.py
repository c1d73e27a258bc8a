"""Runs the logic of steps: scripts, requests and tasks, with the secrets of their account.

Law: a runner gets one try; whether there is another, the program decides.

Source: `docs/machines.md`, "Logic".
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

import structlog

from interlock.aio.threads import Begin, unseen
from interlock.engine.work.http_call import NOT_ALLOWED, names_in
from interlock.engine.work.integrations import Authority, Integrations, NotAccepted
from interlock.engine.work.tasks import NO_TYPES, Prompter, run_task
from interlock.secrets.encodings import revealing
from interlock.secrets.fence import Asker, Secret, Secrets
from interlock.secrets.integrations import Integration
from interlock.store.port import StoreUnavailable
from interlock.workflow.activities import HttpCall, Instruct, LogicError, Returned, Script, TaskCall, TaskTypes
from interlock.workflow.program import legible
from interlock_protocol.types import JsonValue

logger = structlog.get_logger(__name__)

NO_HEADERS: Mapping[str, str] = MappingProxyType({})

RETRY_SECONDS = 0.5
"""How often secrets are asked for while the store is away."""

MAX_TEXT = 2000
"""The longest text of a model, in characters."""


class ScriptRunner(Protocol):
    """Runs scripts, outside the server's process."""

    async def run(self, script: Script, secrets: Mapping[str, str]) -> Returned:
        """Run a script.

        Raises:
            LogicError: `script_error`, `script_timeout` or `data_too_large`.
        """

    async def aclose(self) -> None:
        """End every process."""


class CallRunner(Protocol):
    """Makes requests over HTTP."""

    async def run(
        self, call: HttpCall, secrets: Mapping[str, Secret], *, headers: Mapping[str, str], authority: Authority | None
    ) -> Returned:
        """Make a request.

        Args:
            headers: sent unless the call has its own.
            authority: what it is given for its integration.

        Raises:
            LogicError: `http_error`, `http_timeout` or `secret_not_allowed`.
        """

    async def aclose(self) -> None:
        """Close every connection."""


class TextWriter(Protocol):
    """Has a language model write texts."""

    async def write(self, prompt: str, data: JsonValue, model: str | None) -> str | None:
        """Write a text; None if there is no model."""


@dataclass(frozen=True, slots=True)
class LogicRunners:
    """The runners of this process. None: this server runs no such logic."""

    scripts: ScriptRunner | None = None
    calls: CallRunner | None = None
    secrets: Secrets | None = None
    writer: TextWriter | None = None
    integrations: Integrations | None = None
    tasks: TaskTypes = field(default_factory=lambda: NO_TYPES)
    prompter: Prompter | None = None

    async def run(
        self,
        activity: Script | HttpCall | TaskCall | Instruct,
        headers: Mapping[str, str] = NO_HEADERS,
        learn: Callable[[Collection[str]], None] = lambda _: None,
        begin: Begin = unseen,
    ) -> Returned:
        """Run one piece of logic.

        Args:
            headers: what a call tells of its cause.
            learn: called with the texts that reveal what it is given, before it is given that.
            begin: called when a thread works for it.

        Raises:
            LogicError: it failed.
        """
        if isinstance(activity, TaskCall):
            return await run_task(self, activity, headers, learn, begin)
        if isinstance(activity, Instruct):
            return Returned(await self._written(activity))
        secrets = await self._secrets_of(activity.asker)
        if isinstance(activity, Script):
            if self.scripts is None:
                raise LogicError("script_error", "This server runs no scripts.")
            given = _for_scripts(secrets, activity.asker)
            learn(revealing(given.values()))
            return await self.scripts.run(activity, given)
        if self.calls is None:
            raise LogicError("http_error", "This server makes no requests.")
        used = {name: secrets[name] for name in names_in(activity) if name in secrets}
        authority = await self._authority(activity)
        learn(revealing(each.value for each in used.values() if each.value is not None))
        learn(revealing(authority.secrets if authority is not None else ()))
        return await self.calls.run(activity, used, headers=headers, authority=authority)

    async def _authority(self, call: HttpCall) -> Authority | None:
        """What a call is given for its integration; None if it has none.

        Raises:
            LogicError: there is no such integration, it isn't for this workflow, or its provider doesn't accept it.
        """
        if call.integration is None:
            return None
        while self.integrations is not None:
            with contextlib.suppress(StoreUnavailable):
                found = await self.integration(call.asker, call.integration)
                if found.is_mail:
                    raise LogicError(NOT_ALLOWED, f"the integration {found.name!r} is for mail, and not for requests")
                return await self._accepted(self.integrations, found)
            await asyncio.sleep(RETRY_SECONDS)
        raise LogicError("http_error", "This server has no integrations.")

    async def integration(self, asker: Asker, name: str) -> Integration:
        """The integration of this name, which the asker may use.

        Raises:
            LogicError: there is none, or it isn't for this workflow.
        """
        while self.integrations is not None:
            with contextlib.suppress(StoreUnavailable):
                found = await self.integrations.named(asker, name)
                if found is None:
                    raise LogicError("http_error", f"the HTTP request can't be sent: there is no integration {name!r}")
                if not found.lets_use(asker.workflow_id):
                    raise LogicError(
                        NOT_ALLOWED, f"the HTTP request can't be sent: the integration {name!r} isn't for this"
                    )
                return found
            await asyncio.sleep(RETRY_SECONDS)
        raise LogicError("http_error", "This server has no integrations.")

    async def _accepted(self, integrations: Integrations, found: Integration) -> Authority:
        try:
            return await integrations.authority(found)
        except NotAccepted as error:
            sentence = f"the integration {found.name!r} can't be used: {error}"
            raise LogicError("http_error", sentence, may_retry=True) from None

    async def _secrets_of(self, asker: Asker) -> Mapping[str, Secret]:
        while self.secrets is not None:
            # An unavailable store must not fail the logic: it begins when the store is back.
            with contextlib.suppress(StoreUnavailable):
                return await self.secrets.of(asker)
            await asyncio.sleep(RETRY_SECONDS)
        return {}

    async def _written(self, activity: Instruct) -> str | None:
        """The text that a model writes. A halt waits for no model: without a text, it tells what it has."""
        if self.writer is None:
            return None
        try:
            async with asyncio.timeout(activity.time_limit):
                text = await self.writer.write(activity.prompt, activity.data, activity.model)
        except Exception as error:
            logger.warning("no_instruction", error=type(error).__name__)
            return None
        return legible(text)[:MAX_TEXT] if text else None

    async def aclose(self) -> None:
        """Close the runners."""
        for runner in (self.scripts, self.calls):
            if runner is not None:
                await runner.aclose()


def _for_scripts(secrets: Mapping[str, Secret], asker: Asker) -> Mapping[str, str]:
    """The secrets that the scripts of a workflow are given."""
    return {
        name: each.value
        for name, each in secrets.items()
        if each.value is not None and each.fence.script and each.fence.lets_use(asker.workflow_id)
    }
