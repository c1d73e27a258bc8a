"""Secrets that people type into forms: the step gets them, and nobody else, wherever they look."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, SecretStr, field_validator
from tests.workflow.simulation import Simulation, who

from interlock import Ask, Condition, Confirm, CustomEvent, Parallel, Review, Step, StepInput, UserInputField, Workflow
from interlock.engine.commands.idempotency import fingerprint_of
from interlock.engine.driving.lost_log import _decide_again
from interlock.engine.driving.rows import parted, with_private
from interlock.secrets.port import STRUCK
from interlock.secrets.vault import KeyedVault, new_key
from interlock.store.port import Decision
from interlock.testing import ErrorCode, Refusal, Run, running
from interlock.workflow.decide.decide import continued, decide
from interlock.workflow.declare.agents import AgentPause, AgentStream, Tool, ToolDecision, ToolRequest
from interlock.workflow.declare.errors import DeclarationError
from interlock.workflow.run.fold import fold
from interlock.workflow.run.requirements import purpose_of
from interlock.workflow.run.state import dump, load
from interlock_protocol.messages import ContinueWorkflow
from interlock_protocol.requirements import EchoedRequirement
from interlock_protocol.types import JsonObject, JsonValue

SECRET = "hunter-2-and-more"
OTHER = "another-secret"


class Login(BaseModel):
    user: str
    password: SecretStr

    @field_validator("password")
    @classmethod
    def long(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) < 8:
            raise ValueError(f"{value.get_secret_value()} is too short")
        return value


FIELDS = [UserInputField("user"), UserInputField("password", secret=True)]


def asking(execute: Callable[[StepInput], Any], schema: Any = Login, **step: Any) -> Workflow:
    return Workflow("login", steps=[Step("sign in", execute, human_review=Ask(schema, "Sign in"), **step)])


def password_of(step_input: StepInput) -> str:
    given = step_input.user_input
    secret = given["password"] if isinstance(given, dict) else given.password
    assert isinstance(secret, SecretStr)
    return secret.get_secret_value()


def kept_by(run: Run) -> bytes:
    """All that the server has on its disk, but for the key."""
    folder: Path = run._server._settings.data_dir
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def assert_nowhere(run: Run, *secrets: str) -> None:
    seen = json.dumps(run.events) + json.dumps(await snapshot_of(run))
    disk = kept_by(run)
    for secret in secrets:
        assert secret not in seen
        assert secret.encode() not in disk


async def snapshot_of(run: Run) -> Any:
    return await run._server.engine.runs.snapshot(run.run_id)


@pytest.mark.parametrize("schema", [Login, FIELDS], ids=["model", "list"])
async def test_step_gets_the_secret_and_nobody_else_does(schema: Any) -> None:
    got: list[str] = []

    def sign_in(step_input: StepInput) -> str:
        got.append(password_of(step_input))
        assert SECRET not in repr(step_input.user_input)
        return "in"

    async with running(asking(sign_in, schema)) as run:
        pause = await run.paused()
        marks = {field.name: field.secret for field in pause.fields}
        assert marks == {"user": None, "password": True}
        await pause.submit(user="ann", password=SECRET)
        await run.completed()
        (continued_,) = [each for each in run.events if each["event"] == "StepContinued"]
        assert continued_["decision"] == {"user_input": {"user": "ann", "password": STRUCK}}
        await assert_nowhere(run, SECRET)
    assert got == [SECRET]


async def test_step_gets_the_secret_after_a_restart_and_it_is_forgotten_at_its_end() -> None:
    got: list[str] = []
    began = asyncio.Event()

    async def sign_in(step_input: StepInput) -> str:
        got.append(password_of(step_input))
        began.set()
        if len(got) == 1:
            await asyncio.Event().wait()
        return "in"

    async with running(asking(sign_in)) as run:
        await (await run.paused()).submit(user="ann", password=SECRET)
        await asyncio.wait_for(began.wait(), 10)
        await assert_nowhere(run, SECRET)
        assert b'"sealed"' in dump(await run._server.engine.runs.logged(run.run_id))
        await run.restart()
        await run.completed()
        await assert_nowhere(run, SECRET)
        state = await run._server.engine.runs.logged(run.run_id)
        (resolution,) = state.resolved.values()
        sealed: Any = resolution.private["sealed"]
        assert sealed["password"].keys() == {"tag"}
    assert got == [SECRET, SECRET]


async def test_what_a_step_says_is_logged_without_the_secret() -> None:
    def sign_in(step_input: StepInput) -> Any:
        secret = password_of(step_input)
        yield f"trying {secret}, "
        yield CustomEvent("tried", {"with": [secret]})
        if step_input.attempt == 1:
            raise ValueError(f"{secret} is wrong")
        yield f"in with {secret}"

    async with running(asking(sign_in, retries=1)) as run:
        await (await run.paused()).submit(user="ann", password=SECRET)
        assert await run.completed() == f"trying {STRUCK}, in with {STRUCK}"
        (error,) = [each for each in run.events if each["event"] == "StepError"]
        assert error["error"] == f"{STRUCK} is wrong"
        await assert_nowhere(run, SECRET)


async def test_same_secret_again_is_a_repetition_and_another_a_conflict() -> None:
    async def sign_in(step_input: StepInput) -> str:
        return "in"

    async with running(asking(sign_in)) as run:
        pause = await run.paused()
        await pause.submit(user="ann", password=SECRET)
        await run.completed()
        await pause.submit(user="ann", password=SECRET)
        with pytest.raises(Refusal) as refused:
            await pause.submit(user="ann", password=OTHER)
        assert refused.value.code is ErrorCode.CONFLICT
        assert refused.value.details["decision"] == {"user_input": {"user": "ann", "password": STRUCK}}
        with pytest.raises(Refusal):
            await pause.submit(user="ann", password=STRUCK + STRUCK + STRUCK)
        await assert_nowhere(run, SECRET, OTHER)


async def test_idempotency_key_tells_secrets_apart_and_keeps_none() -> None:
    async with running(asking(lambda _: "in")) as run:
        pause = await run.paused()

        def sent(password: str) -> ContinueWorkflow:
            answer = EchoedRequirement(id=pause.id, user_input={"user": "ann", "password": password})
            return ContinueWorkflow(
                workflow_id="login", run_id=run.run_id, step_requirements=[answer], idempotency_key="once"
            )

        engine = run._server.engine
        await engine.continue_run(run._user, sent(SECRET))
        await run.completed()
        await engine.continue_run(run._user, sent(SECRET))
        with pytest.raises(Refusal) as refused:
            await engine.continue_run(run._user, sent(OTHER))
        assert refused.value.code is ErrorCode.CONFLICT
        assert fingerprint_of(sent(SECRET)).encode() not in kept_by(run)


async def test_validator_does_not_repeat_the_secret() -> None:
    async with running(asking(lambda _: "in")) as run:
        pause = await run.paused()
        with pytest.raises(Refusal) as refused:
            await pause.submit(user="ann", password="tooo5")
        assert refused.value.details[0]["field"] == "password"
        assert "tooo5" not in json.dumps(refused.value.details) + str(refused.value)
        await pause.submit(user="ann", password=SECRET)
        await run.completed()


async def test_step_that_is_sent_back_or_tried_again_gets_it_again() -> None:
    got: list[str] = []

    def sign_in(step_input: StepInput) -> str:
        got.append(password_of(step_input))
        if len(got) == 1:
            raise ValueError("wrong")
        return "in"

    reviews: list[Any] = [Ask(Login), Review("Right?", on_reject="retry")]
    workflow = Workflow("login", steps=[Step("sign in", sign_in, human_review=reviews, on_error="pause")])
    async with running(workflow) as run:
        await (await run.paused()).submit(user="ann", password=SECRET)
        failed = await run.paused()
        assert [field.value for field in failed.fields] == ["ann", None]
        await failed.decide("retry", user_input={"user": "ann", "password": OTHER})
        await (await run.paused()).reject("again")
        await (await run.paused()).confirm()
        await run.completed()
        await assert_nowhere(run, SECRET, OTHER)
    assert got == [SECRET, OTHER, OTHER]


async def test_code_that_looks_where_a_run_goes_sees_no_secret() -> None:
    seen: list[Any] = []

    def is_fine(step_input: StepInput) -> bool:
        seen.append(step_input.user_input)
        return True

    asks = Step("sign in", lambda _: "in", human_review=Ask(Login))
    workflow = Workflow("login", steps=[asks, Condition("fine", is_fine, steps=[Step("next", lambda _: "done")])])
    async with running(workflow) as run:
        await (await run.paused()).submit(user="ann", password=SECRET)
        await run.completed()
    assert SECRET not in repr(seen)
    assert "ann" in repr(seen)


def test_decision_that_is_made_again_after_a_loss_has_its_secret() -> None:
    vault = KeyedVault([new_key()])
    run = Simulation(asking(lambda _: "in")).run()
    (requirement,) = run.state.requirements.values()
    before = load(dump(run.state))
    answer = EchoedRequirement(id=requirement.id, user_input={"user": "ann", "password": SECRET})
    decided = decide(run.workflow, run.state, [answer], by=who(), now=0, vault=vault)
    (draft,) = continued(run.workflow, run.state, decided, resolved_by="ann", now=5)
    assert SECRET not in json.dumps([draft.event, draft.private])
    fold(run.state, draft.event, draft.private)
    row = Decision("run-1", requirement.id, with_private(decided[0].decision, decided[0].private), "ann", 5, 1, 9)
    assert parted(row.decision)[0] == draft.event["decision"]
    _decide_again(before, [row])
    (node,) = before.nodes.values()
    assert node.form.sealed == run.state.nodes["sign in"].form.sealed
    purpose = purpose_of("run-1", requirement.facts, "password")
    assert vault.opened(node.form.sealed["password"], purpose) == SECRET


def test_secret_shows_nothing_of_itself_before_it_is_given() -> None:
    for wrong in ({"default": "x"}, {"allowed_values": ["x"]}, {"field_type": "int"}):
        with pytest.raises(DeclarationError, match="secret"):
            UserInputField("password", secret=True, **wrong)


def test_tool_asks_for_no_secret_because_its_arguments_are_logged() -> None:
    with pytest.raises(DeclarationError, match="secret"):
        ToolRequest(Tool("1", "login"), user_input=[UserInputField("password", secret=True)])


def test_server_without_a_key_takes_no_secret() -> None:
    run = Simulation(asking(lambda _: "in")).run()
    with pytest.raises(Refusal, match="INTERLOCK_SECRETS_KEYS") as refused:
        run.answer("sign in", user_input={"user": "ann", "password": SECRET})
    assert refused.value.code is ErrorCode.UNAVAILABLE


class Teller:
    """An agent that pauses with what it was given in the arguments of a tool, or in what it keeps."""

    id, name = "teller", "Teller"
    type: Literal["agent", "team"] = "agent"

    def __init__(self, *, keeps: bool) -> None:
        self._keeps = keeps

    async def run(self, step_input: StepInput, stream: AgentStream) -> Any:
        secret = password_of(step_input)
        args: JsonObject = {} if self._keeps else {"with": [secret]}
        return AgentPause([ToolRequest(Tool("c1", "login", args))], {"history": secret if self._keeps else ""})

    async def resume(
        self, state: JsonValue, decisions: Sequence[ToolDecision], step_input: StepInput, stream: AgentStream
    ) -> Any:
        return "in"


@pytest.mark.parametrize("keeps", [False, True], ids=["arguments", "state"])
async def test_pause_of_an_agent_that_would_tell_the_secret_is_an_error_of_its_step(keeps: bool) -> None:
    step = Step("sign in", agent=Teller(keeps=keeps), human_review=Ask(FIELDS))
    async with running(Workflow("login", steps=[step])) as run:
        await (await run.paused()).submit(user="ann", password=SECRET)
        await run.failed()
        assert "secret" in run.events[-1]["error"]
        await assert_nowhere(run, SECRET)


async def test_secret_that_is_longer_than_an_error_may_be_is_not_told_in_part() -> None:
    long = "".join(chr(97 + number * 7 % 26) for number in range(3_000))

    def sign_in(step_input: StepInput) -> str:
        raise ValueError("context " * 900 + password_of(step_input))

    async with running(asking(sign_in, FIELDS)) as run:
        await (await run.paused()).submit(user="ann", password=long)
        await run.failed()
        await assert_nowhere(run, long[:200])


async def test_secret_that_is_called_as_a_field_of_events_leaves_them_as_they_are() -> None:
    def sign_in(step_input: StepInput) -> Any:
        yield CustomEvent("progress", {"name": "ann"})

    async with running(asking(sign_in, FIELDS)) as run:
        await (await run.paused()).submit(user="ann", password="name")
        await run.completed()
        (event,) = [each for each in run.events if each["event"] == "CustomEvent"]
        assert event["name"] == "progress"


async def test_code_beside_a_step_that_has_the_secret_does_not_see_it() -> None:
    seen: list[Any] = []
    has_it, was_looked_at = asyncio.Event(), asyncio.Event()

    async def sign_in(step_input: StepInput) -> str:
        password_of(step_input)
        has_it.set()
        await was_looked_at.wait()
        return "in"

    def looks(step_input: StepInput) -> bool:
        seen.append(step_input.user_input)
        was_looked_at.set()
        return True

    beside = Condition("look", looks, steps=[Step("next", lambda _: "done")], human_review=Confirm("Look?"))
    asks = Step("sign in", sign_in, human_review=Ask(FIELDS))
    async with running(Workflow("login", steps=[Parallel("both", [asks, beside])])) as run:
        await (await run.paused("sign in")).submit(user="ann", password=SECRET)
        await has_it.wait()
        await (await run.paused("look")).confirm()
        await run.completed()
    assert seen == [{"user": "ann", "password": STRUCK}]
