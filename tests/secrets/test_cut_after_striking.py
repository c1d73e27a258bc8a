"""Whatever is said of a secret is cut only after the secret was struck out: of half of one nobody finds it any more."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr, field_serializer, field_validator

from interlock import Ask, Step, StepInput, StepOutput, UserInputField, Workflow
from interlock.secrets.port import SHORTEST
from interlock.testing import ErrorCode, Refusal, running
from interlock.workflow.declare.agents import AgentStream, Tool
from interlock.workflow.declare.form_models import MAX_SENTENCE, Misfit, instance_of, sentence
from interlock.workflow.declare.forms import check_input, fields_of
from interlock.workflow.declare.values import MAX_ERROR_CHARACTERS, said
from interlock_protocol.limits import MAX_QUOTED
from interlock_protocol.values import NotWire

SECRET = "".join(f"<{number}>" for number in range(100))


def halves(text: str, secret: str = SECRET) -> list[str]:
    """The parts of the secret that stand in a text; a part is what stands before any cut."""
    return [secret[:end] for end in range(SHORTEST, len(secret) + 1) if secret[:end] in text]


@pytest.fixture(params=[MAX_QUOTED, MAX_SENTENCE // 2, MAX_SENTENCE, MAX_ERROR_CHARACTERS])
def before(request: pytest.FixtureRequest) -> str:
    """What is said before it, so that the secret stands where something might be cut."""
    return "x" * (int(request.param) - len(SECRET) // 2)


@settings(deadline=None)
@given(st.integers(0, 2 * MAX_SENTENCE), st.sampled_from([ValueError, KeyError, OSError, AssertionError]))
def test_no_model_says_half_a_secret(length: int, error: Callable[[str], Exception]) -> None:
    class Login(BaseModel):
        password: SecretStr

        @field_validator("password")
        @classmethod
        def check(cls, value: SecretStr) -> SecretStr:
            raise error("x" * length + value.get_secret_value())

    _, wrong = check_input([each.to_wire() for each in fields_of(Login)], {"password": SECRET}, Login)
    assert wrong
    assert not halves(json.dumps(wrong))
    with pytest.raises(Misfit) as misfit:
        instance_of(Login, {"password": SECRET}, [SECRET])
    assert not halves(str(misfit.value))


@given(st.integers(0, 2 * MAX_SENTENCE))
def test_no_sentence_says_half_a_secret(length: int) -> None:
    assert not halves(sentence("x" * length + SECRET, [SECRET]))


@given(st.lists(st.text(max_size=MAX_QUOTED), max_size=3), st.text(max_size=MAX_QUOTED))
def test_no_path_says_half_a_secret(path: list[str], fault: str) -> None:
    assert not halves(said(NotWire(fault, [*path, SECRET]), [SECRET]))


class Mute(BaseModel):
    text: str

    @field_serializer("text")
    def write(self, text: str) -> str:
        raise RuntimeError(text)


def raises(text: str) -> Any:
    raise ValueError(text)


SAYS: dict[str, Callable[[str], Any]] = {
    "an error": raises,
    "an output's error": lambda text: StepOutput("x", success=False, error=text),
    "a serializer": lambda text: Mute(text=text),
    "a key": lambda text: {"a": {text: object()}},
    "a key by itself": lambda text: {"a": {text[text.index("<") :]: object()}},
}


@pytest.mark.parametrize("way", SAYS)
async def test_no_step_says_half_a_secret(way: str, before: str) -> None:
    def step(given: StepInput) -> Any:
        return SAYS[way](before + given.user_input["password"].get_secret_value())

    ask = Ask([UserInputField("password", secret=True)], "?")
    async with running(Workflow("w", steps=[Step("s", step, human_review=ask)])) as run:
        await (await run.paused()).submit(password=SECRET)
        await run.until("StepCompleted" if way == "an output's error" else "StepError")
        assert not halves(json.dumps(run.events))


class Agent:
    id = name = "agent"
    type = "agent"

    def __init__(self, before: str) -> None:
        self._before = before

    async def run(self, given: StepInput, stream: AgentStream) -> Any:
        tool = Tool("1", "fetch")
        stream.tool_started(tool)
        stream.tool_failed(tool, self._before + given.user_input["password"].get_secret_value())
        return "done"

    async def resume(self, _: Any, __: Any, ___: StepInput, ____: AgentStream) -> Any:
        return "resumed"


async def test_no_tool_says_half_a_secret(before: str) -> None:
    ask = Ask([UserInputField("password", secret=True)], "?")
    async with running(Workflow("w", steps=[Step("s", agent=Agent(before), human_review=ask)])) as run:
        await (await run.paused()).submit(password=SECRET)
        await run.completed()
        assert not halves(json.dumps(run.events))
        (event,) = [each for each in run.events if each["event"] == "ToolCallError"]
        assert len(event["tool"]["error"]) <= MAX_ERROR_CHARACTERS


# ── The words of faults ─────────────────────────────────────────────────────────────────────────────────


class Order(BaseModel):
    fruit: str
    boxes: int = 1

    @field_validator("boxes")
    @classmethod
    def few(cls, boxes: int) -> int:
        if boxes == 13:
            raise LookupError("unlucky")
        if boxes == 14:
            raise SystemExit(1)
        if boxes > 20:
            raise ValueError("20 boxes at most")
        return boxes


@pytest.mark.parametrize("values", [{}, {"fruit": "fig", "boxes": 21}, {"fruit": "fig", "boxes": 13}])
async def test_input_and_form_say_the_same_of_the_same_fault(values: Any) -> None:
    with pytest.raises(Misfit) as misfit:
        instance_of(Order, values)
    with pytest.raises(Refusal) as refused:
        async with running(Workflow("w", steps=[Step("s", lambda _: 1)], input_schema=Order), message=values):
            raise AssertionError
    assert refused.value.code is ErrorCode.INVALID_MESSAGE
    expected = [{**each, "field": f"message.{each['field']}"} for each in misfit.value.wrong]
    assert refused.value.details == expected


async def test_validator_of_an_input_that_wants_to_end_the_process_is_a_refusal() -> None:
    with pytest.raises(Refusal):
        async with running(
            Workflow("w", steps=[Step("s", lambda _: 1)], input_schema=Order), message={"fruit": "a", "boxes": 14}
        ):
            raise AssertionError
