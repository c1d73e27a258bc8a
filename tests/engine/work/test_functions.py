"""User code in every form, and what becomes of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any, TypeAlias

import pytest
from pydantic import BaseModel
from tests.support.live import PATIENCE, eventually

from interlock import CustomEvent, StepInput, StepOutput
from interlock.aio.threads import in_thread
from interlock.engine.work.functions import THREAD_AHEAD, execute
from interlock.workflow.declare.errors import OutputError
from interlock.workflow.declare.io import Content
from interlock_protocol.limits import MAX_OUTPUT_BYTES


class Recorder:
    """A stream that keeps what it hears. While it is `full`, whoever emits waits for `way`."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.is_full = False
        self.way = asyncio.Event()
        self.waits = 0

    def content(self, text: str) -> None:
        self.heard.append(text)

    def custom(self, name: str, data: Any) -> None:
        self.heard.append((name, data))

    async def room(self) -> None:
        self.waits += 1
        await self.way.wait()


# ── Forms ───────────────────────────────────────────────────────────────────────────────────────────────


def plain(step_input: StepInput) -> str:
    return f"{step_input.input}!"


async def coroutine(step_input: StepInput) -> str:
    await asyncio.sleep(0)
    return f"{step_input.input}!"


def generator(step_input: StepInput) -> Iterator[str]:
    yield step_input.input
    yield "!"


async def async_generator(step_input: StepInput) -> AsyncIterator[str]:
    yield step_input.input
    await asyncio.sleep(0)
    yield "!"


class Plain:
    def __call__(self, step_input: StepInput) -> str:
        return plain(step_input)

    def method(self, step_input: StepInput) -> str:
        return plain(step_input)

    async def coroutine_method(self, step_input: StepInput) -> str:
        return await coroutine(step_input)


class Coroutine:
    async def __call__(self, step_input: StepInput) -> str:
        return await coroutine(step_input)


class Generator:
    def __call__(self, step_input: StepInput) -> Iterator[str]:
        yield from generator(step_input)


class AsyncGenerator:
    async def __call__(self, step_input: StepInput) -> AsyncIterator[str]:
        async for word in async_generator(step_input):
            yield word


class Words:
    """An async iterator that isn't a generator."""

    def __init__(self, words: list[str]) -> None:
        self._words = iter(words)

    def __aiter__(self) -> Words:
        return self

    async def __anext__(self) -> str:
        for word in self._words:
            return word
        raise StopAsyncIteration


def shouted(step_input: StepInput, *, mark: str) -> str:
    return f"{step_input.input}{mark}"


async def shouted_async(mark: str, step_input: StepInput) -> str:
    return f"{step_input.input}{mark}"


Executor: TypeAlias = Callable[[StepInput], Any]

RETURNING: dict[str, Executor] = {
    "function": plain,
    "coroutine function": coroutine,
    "lambda": lambda given: f"{given.input}!",
    "lambda around a coroutine": lambda given: coroutine(given),
    "method": Plain().method,
    "coroutine method": Plain().coroutine_method,
    "callable object": Plain(),
    "async callable object": Coroutine(),
    "partial": partial(shouted, mark="!"),
    "partial of a coroutine function": partial(shouted_async, "!"),
    "partial of a partial of an async callable": partial(partial(Coroutine())),
}
YIELDING: dict[str, Executor] = {
    "generator": generator,
    "async generator": async_generator,
    "callable generator": Generator(),
    "callable async generator": AsyncGenerator(),
    "partial of a generator": partial(generator),
    "partial of an async generator": partial(async_generator),
    "function that returns a generator": lambda given: generator(given),
    "function that returns an async generator": lambda given: async_generator(given),
    "function that returns an async iterator": lambda given: Words([given.input, "!"]),
}


@pytest.mark.parametrize("form", RETURNING)
async def test_what_is_returned_is_the_output(form: str) -> None:
    stream = Recorder()
    assert await execute(RETURNING[form], StepInput("hello"), stream) == Content("hello!", "str")
    assert stream.heard == []


@pytest.mark.parametrize("form", YIELDING)
async def test_what_is_yielded_is_streamed_and_together_the_output(form: str) -> None:
    stream = Recorder()
    assert await execute(YIELDING[form], StepInput("hello"), stream) == Content("hello!", "str")
    assert stream.heard == ["hello", "!"]


async def test_what_may_block_has_a_thread_of_its_own_and_the_rest_the_loop() -> None:
    def where(_: StepInput) -> int:
        return threading.get_ident()

    def where_yielded(_: StepInput) -> Iterator[Any]:
        yield StepOutput(threading.get_ident())

    async def where_async(_: StepInput) -> int:
        return threading.get_ident()

    async def where_yielded_async(_: StepInput) -> AsyncIterator[Any]:
        yield StepOutput(threading.get_ident())

    here = threading.get_ident()
    for executor, is_here in (
        (where, False),
        (where_yielded, False),
        (where_async, True),
        (where_yielded_async, True),
    ):
        ran_in = (await execute(executor, StepInput(""), Recorder())).content
        assert (ran_in == here) is is_here, executor


async def test_blocking_steps_don_t_wait_for_each_other() -> None:
    together = threading.Barrier(50, timeout=PATIENCE)

    def meet(_: StepInput) -> str:
        together.wait()
        return "met"

    await asyncio.gather(*(execute(meet, StepInput(""), Recorder()) for _ in range(50)))


class Model(BaseModel):
    """An output with a name."""

    answer: int


@pytest.mark.parametrize(
    ("value", "content", "content_type"),
    [
        ({"a": [1, None]}, {"a": [1, None]}, "json"),
        (None, None, "json"),
        (Model(answer=42), {"answer": 42}, "Model"),
        (StepOutput(Model(answer=42)), {"answer": 42}, "Model"),
    ],
)
async def test_output_keeps_its_type(value: Any, content: Any, content_type: str) -> None:
    found = await execute(lambda _: value, StepInput(""), Recorder())
    assert (found.content, found.content_type) == (content, content_type)


@pytest.mark.parametrize("in_thread_too", [False, True])
async def test_last_step_output_is_the_output_instead_of_the_text(in_thread_too: bool) -> None:
    items = ["thinking", CustomEvent("progress", {"percent": 50}), StepOutput("done", stop=True)]
    stream = Recorder()
    assert await execute(_yielding(items, in_thread_too), StepInput(""), stream) == Content("done", "str", stop=True)
    assert stream.heard == ["thinking", ("progress", {"percent": 50})]


def _yielding(items: list[Any], in_a_thread: bool) -> Callable[[StepInput], Any]:
    def generate(_: StepInput) -> Iterator[Any]:
        yield from items

    async def generate_async(_: StepInput) -> AsyncIterator[Any]:
        for item in items:
            yield item

    return generate if in_a_thread else generate_async


# ── Bad outputs, and errors ─────────────────────────────────────────────────────────────────────────────

DEEP: list[Any] = []
for _ in range(70):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "value",
    [object(), float("nan"), [float("inf")], "\ud800", {"key": "\ud800"}, DEEP, StepOutput(object())],
    ids=["object", "nan", "inf", "surrogate", "surrogate inside", "deep", "StepOutput"],
)
async def test_what_json_can_t_carry_is_refused(value: Any) -> None:
    with pytest.raises(OutputError):
        await execute(lambda _: value, StepInput(""), Recorder())


async def test_output_that_is_too_large_is_refused() -> None:
    with pytest.raises(OutputError, match="at most 32 MiB"):
        await execute(lambda _: "x" * (MAX_OUTPUT_BYTES + 1), StepInput(""), Recorder())


@pytest.mark.parametrize("in_a_thread", [False, True])
@pytest.mark.parametrize(
    ("items", "sentence"),
    [
        ([3], "a step yields str, CustomEvent or, last, StepOutput; not int"),
        ([StepOutput("done"), "more"], "yielded something after its StepOutput"),
        (["\ud800"], "valid Unicode"),
        ([CustomEvent("bad", object())], "isn't"),
    ],
)
async def test_what_can_t_be_yielded_is_refused(items: list[Any], sentence: str, in_a_thread: bool) -> None:
    stream = Recorder()
    with pytest.raises(OutputError, match=sentence):
        await execute(_yielding(items, in_a_thread), StepInput(""), stream)
    assert stream.heard == []


@pytest.mark.parametrize("error", [ValueError, SystemExit])
async def test_error_of_a_step_is_whoever_s_awaits_it(error: type[BaseException]) -> None:
    def fail(_: StepInput) -> None:
        raise error("no")

    def fail_later(_: StepInput) -> Iterator[str]:
        yield "first"
        raise error("no")

    async def fail_async(_: StepInput) -> None:
        raise error("no")

    for executor in (fail, fail_later, fail_async):
        stream = Recorder()
        with pytest.raises(error, match="no"):
            await execute(executor, StepInput(""), stream)
        assert stream.heard == (["first"] if executor is fail_later else [])


async def test_stop_iteration_is_an_error_like_any_other() -> None:
    def stop(_: StepInput) -> None:
        raise StopIteration

    with pytest.raises(RuntimeError, match="StopIteration"):
        await execute(stop, StepInput(""), Recorder())


# ── Backpressure ────────────────────────────────────────────────────────────────────────────────────────


async def test_generator_in_a_thread_is_a_bounded_number_of_items_ahead() -> None:
    produced = 0

    def hurry(_: StepInput) -> Iterator[str]:
        nonlocal produced
        for _number in range(4 * THREAD_AHEAD):
            produced += 1
            yield "."

    ahead: list[int] = []

    class Slow(Recorder):
        async def room(self) -> None:
            if len(self.heard) % THREAD_AHEAD != 1:
                return
            # As far as it may go; were there no bound, it would go on meanwhile.
            await eventually(lambda: produced >= min(len(self.heard) + THREAD_AHEAD, 4 * THREAD_AHEAD))
            ahead.append(produced - len(self.heard))

    stream = Slow()
    stream.is_full = True
    content = await execute(hurry, StepInput(""), stream)
    assert content.content == "." * 4 * THREAD_AHEAD
    assert THREAD_AHEAD <= max(ahead) <= THREAD_AHEAD + 1


@pytest.mark.parametrize("form", ["generator", "async generator"])
async def test_generator_waits_while_the_stream_is_full(form: str) -> None:
    stream = Recorder()
    stream.is_full = True
    running = asyncio.create_task(execute(YIELDING[form], StepInput("hello"), stream))
    await eventually(lambda: stream.waits == 1)
    assert stream.heard == ["hello"]
    stream.is_full = False
    stream.way.set()
    assert (await running).content == "hello!"
    assert stream.waits == 1


# ── Cancellation ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("yields", [False, True])
async def test_cancelled_coroutine_ends_where_it_awaits_and_cleans_up(yields: bool) -> None:
    reached, said = asyncio.Event(), []

    async def wait(_: StepInput) -> None:
        try:
            reached.set()
            await asyncio.Event().wait()
        finally:
            said.append("cleaned up")

    async def wait_and_yield(step_input: StepInput) -> AsyncIterator[str]:
        yield "first"
        await wait(step_input)

    executor: Executor = wait_and_yield if yields else wait
    running = asyncio.create_task(execute(executor, StepInput(""), Recorder()))
    await reached.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert said == ["cleaned up"]


async def test_async_generator_is_closed_when_it_is_cancelled_between_two_items() -> None:
    said = []

    async def endless(_: StepInput) -> AsyncIterator[str]:
        try:
            while True:
                yield "."
        finally:
            said.append("closed")

    stream = Recorder()
    stream.is_full = True
    running = asyncio.create_task(execute(endless, StepInput(""), stream))
    await eventually(lambda: stream.waits)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert said == ["closed"]


async def test_cancelled_step_in_a_thread_is_told_and_not_waited_for() -> None:
    reached, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    told: list[bool] = []
    cancelled = False

    def block(step_input: StepInput) -> str:
        reached.set()
        go_on.wait(PATIENCE)
        told.append(step_input.is_cancelled())
        ended.set()
        return "nobody hears it"

    running = asyncio.create_task(in_thread(block, StepInput("", _cancelled=lambda: cancelled)))
    await eventually(reached.is_set)
    cancelled = True
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not ended.is_set()
    go_on.set()
    await eventually(ended.is_set)
    assert told == [True]


async def test_cancelled_generator_in_a_thread_is_closed_there() -> None:
    closed = threading.Event()

    def endless(_: StepInput) -> Iterator[str]:
        try:
            while True:
                yield "."
        finally:
            closed.set()

    stream = Recorder()
    stream.is_full = True
    running = asyncio.create_task(execute(endless, StepInput(""), stream))
    await eventually(lambda: stream.waits)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await eventually(closed.is_set)
