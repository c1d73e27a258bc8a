"""Runs the logic of a machine's states: scripts and requests, with the secrets of their account.

Law: a runner gets one try; whether there is another, the program decides.

Source: `docs/machines.md`, "Logic".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from interlock.workflow.activities import HttpCall, LogicError, Returned, Script


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

    async def run(self, call: HttpCall, secrets: Mapping[str, str]) -> Returned:
        """Make a request.

        Raises:
            LogicError: `http_error` or `http_timeout`.
        """

    async def aclose(self) -> None:
        """Close every connection."""


class Secrets(Protocol):
    """The secrets that the logic of an account may use."""

    def of(self, account: str) -> Mapping[str, str]:
        """Return the secrets of an account, by name."""


@dataclass(frozen=True, slots=True)
class LogicRunners:
    """The runners of this process. None: this server runs no such logic."""

    scripts: ScriptRunner | None = None
    calls: CallRunner | None = None
    secrets: Secrets | None = None

    async def run(self, activity: Script | HttpCall) -> Returned:
        """Run one piece of logic.

        Raises:
            LogicError: it failed.
        """
        secrets = {} if self.secrets is None else self.secrets.of(activity.account)
        if isinstance(activity, Script):
            if self.scripts is None:
                raise LogicError("script_error", "This server runs no scripts.")
            return await self.scripts.run(activity, secrets)
        if self.calls is None:
            raise LogicError("http_error", "This server makes no requests.")
        return await self.calls.run(activity, secrets)

    async def aclose(self) -> None:
        """Close the runners."""
        for runner in (self.scripts, self.calls):
            if runner is not None:
                await runner.aclose()
