"""Tasks as the engine runs them: with real requests, scripts, mail and prompts, to servers of a test."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from interlock.addresses import Allowed
from interlock.agents.prompting import PydanticPrompter
from interlock.engine.work.http_call import HttpCalls
from interlock.engine.work.integrations import Integrations
from interlock.engine.work.logic import LogicRunners
from interlock.engine.work.script import Scripts
from interlock.outgoing.guarded import GuardedTransport
from interlock.secrets.fence import Asker, Secret
from interlock.secrets.integrations import Integration
from interlock.secrets.providers import Auth
from interlock.tasks.registry import task_types
from interlock.workflow.activities import LogicError, Returned, StepInput, TaskCall
from interlock.workflow.run.calls import task_of
from interlock_protocol.types import JsonObject, JsonValue

TOKEN = "t0ken-of+the/tests"
ASKER = Asker("default", "user_ada", "orders")
TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def service(name: str, provider: str, url: str, **more: Any) -> Integration:
    """An integration with a bearer token, for a server of a test."""
    given: dict[str, Any] = {"auth": Auth(type="bearer"), "credentials": {"token": TOKEN}, "workflows": ("*",)}
    return Integration(name, provider, url, check=None, **(given | more))


@dataclass
class Given:
    """What an account has."""

    integrations: Mapping[str, Integration] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)

    async def named(self, _: Asker, name: str) -> Integration | None:
        return self.integrations.get(name)

    async def of(self, _: Asker) -> Mapping[str, Secret]:
        return self.secrets


async def here(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]


@asynccontextmanager
async def tasks(
    *integrations: Integration, secrets: Sequence[Secret] = (), allowed: Sequence[str] = ("127.0.0.1",)
) -> AsyncIterator[Tasks]:
    """What runs tasks for an account that has these."""
    given = Given({each.name: each for each in integrations}, {each.name: each for each in secrets})
    transport = GuardedTransport(Allowed(allowed), resolve=here, ssl_context=TRUSTS_NOBODY)
    kept: Any = given
    runners = LogicRunners(
        Scripts(),
        HttpCalls(transport=transport),
        given,
        None,
        Integrations(kept, transport),
        task_types(),
        PydanticPrompter(),
    )
    try:
        yield Tasks(runners)
    finally:
        await runners.aclose()


@dataclass
class Tasks:
    """Runs tasks.

    Attributes:
        learnt: the secrets that whoever runs them was told of.
    """

    runners: LogicRunners
    learnt: set[str] = field(default_factory=set)

    async def run(self, task: str, inputs: JsonObject, run_input: JsonValue = None, **more: Any) -> Returned:
        """One try of a task, its inputs filled in from the run's input as in a run."""
        type_ = self.runners.tasks[task]
        facts = {name: more.pop(name) for name in ("idempotency_key", "attempt") if name in more}
        given = StepInput(
            input=run_input,
            run_id="run-1",
            user_id="ada",
            **{"idempotency_key": "run-1:A:1", **facts},
        )
        call: TaskCall = task_of(type_.logic(inputs, **more), {"input": run_input}, given, ASKER)
        return await self.runners.run(call, {"X-Request-Id": "r"}, self.learnt.update)

    async def value(self, task: str, inputs: JsonObject, run_input: JsonValue = None, **more: Any) -> Any:
        """What comes of it."""
        return (await self.run(task, inputs, run_input, **more)).value

    async def failure(self, task: str, inputs: JsonObject, run_input: JsonValue = None, **more: Any) -> LogicError:
        """Why it failed."""
        with pytest.raises(LogicError) as failed:
            await self.run(task, inputs, run_input, **more)
        return failed.value
