"""Runs user code, in every form that a step may have, on the event loop or in a thread.

Laws:
- Coroutines and async generators run on the event loop, everything else in a worker thread.
- One yield is one event. A generator that runs ahead waits until the log has caught up.
- A cancelled coroutine ends at its current await. A step in a thread learns of it from `is_cancelled()`, and its result
  is dropped; but `Threads` counts the thread as busy until it has ended.

Source: `docs/workflows.md`, "Steps" and "What a step gives back".
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import inspect
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Generator, Iterator
from typing import Any, Protocol

from interlock.aio.threads import Begin, in_thread, unseen
from interlock.workflow.activities import (
    Content,
    CustomEvent,
    OutputError,
    StepInput,
    StepOutput,
    content_of,
    json_ready,
)
from interlock_protocol.limits import MAX_NAME
from interlock_protocol.types import JsonValue
from interlock_protocol.values import is_text

THREAD_AHEAD = 256
"""How many yields a generator in a thread may be ahead of the event loop."""


class Stream(Protocol):
    """Where a running step's events go."""

    def content(self, text: str) -> None:
        """One piece of streamed content."""

    def custom(self, name: str, data: JsonValue) -> None:
        """One custom event of the step."""

    @property
    def is_full(self) -> bool:
        """True if the caller must wait for `room` before the next event."""

    async def room(self) -> None:
        """Wait until events may be added again."""


class Threads:
    """The threads of this process that work for steps, including abandoned ones whose result nobody waits for."""

    def __init__(self) -> None:
        self._of_run: dict[str, dict[str, set[asyncio.Future[None]]]] = {}

    def begin(self, run_id: str, step_id: str) -> Callable[[], None]:
        """Note that a thread starts to work for a step: see `Begin`."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._of_run.setdefault(run_id, {}).setdefault(step_id, set()).add(ended)
        return functools.partial(self._end, run_id, step_id, ended)

    def _end(self, run_id: str, step_id: str, ended: asyncio.Future[None]) -> None:
        ended.set_result(None)
        steps = self._of_run[run_id]
        steps[step_id].remove(ended)
        if not steps[step_id]:
            del steps[step_id]
        if not steps:
            del self._of_run[run_id]

    def of(self, run_id: str) -> Collection[str]:
        """The ids of the run's steps for which a thread is working."""
        return self._of_run.get(run_id, ())

    async def ended(self, run_id: str, step_id: str) -> None:
        """Wait until no thread works for the step."""
        while at_work := self._of_run.get(run_id, {}).get(step_id):
            await asyncio.wait(tuple(at_work))


async def execute(
    executor: Callable[[StepInput], Any], step_input: StepInput, stream: Stream, *, begin: Begin = unseen
) -> Content:
    """Run a step's executor to its end and return its output.

    Raises:
        OutputError: it returned or yielded something that can't be an output.
        Exception: whatever the executor raised.
    """
    result = await call(executor, step_input, begin=begin)
    if inspect.isasyncgen(result):
        async with contextlib.aclosing(result):
            return await _drain(result, stream)
    if isinstance(result, AsyncIterator):
        return await _drain(result, stream)
    if inspect.isgenerator(result):
        async with _ThreadedGenerator(result, begin) as items:
            return await _drain(items, stream)
    return content_of(result)


class TimeLimitExceeded(Exception):  # noqa: N818 - clients see this name
    """A step took longer than its `time_limit`."""


@contextlib.asynccontextmanager
async def time_limited(seconds: float | None) -> AsyncIterator[asyncio.Timeout]:
    """Cancel the body after `seconds`.

    Raises:
        TimeLimitExceeded: the body took longer.
    """
    try:
        async with asyncio.timeout(seconds) as limit:
            yield limit
    except TimeoutError:
        if not limit.expired():
            raise
        raise TimeLimitExceeded(f"it took longer than its time limit of {seconds:g} s") from None


async def call(function: Callable[[Any], Any], given: Any, *, begin: Begin = unseen) -> Any:
    """Call `function` on the event loop if it is asynchronous, otherwise in a worker thread.

    A plain generator function is only called, which runs none of its code; `execute` iterates it in a thread.
    """
    if _is_async(function):
        result = function(given)
    elif _is_generator(function):
        return function(given)
    else:
        result = await in_thread(function, given, begin=begin)
    return await result if inspect.isawaitable(result) else result


def _is_async(function: Callable[..., Any]) -> bool:
    return any(inspect.iscoroutinefunction(form) or inspect.isasyncgenfunction(form) for form in _forms(function))


def _is_generator(function: Callable[..., Any]) -> bool:
    return any(inspect.isgeneratorfunction(form) for form in _forms(function))


def _forms(function: Callable[..., Any]) -> tuple[Any, ...]:
    """The function behind partials, and a callable object's `__call__`."""
    while isinstance(function, functools.partial):
        function = function.func
    return (function, getattr(function, "__call__", None))  # noqa: B004 - the method itself is needed


async def _drain(items: AsyncIterator[Any], stream: Stream) -> Content:
    """Pass on a generator's items and return its output: its last item if that is a `StepOutput`, else all its text."""
    text: list[str] = []
    output: StepOutput | None = None
    async for item in items:
        if output is not None:
            raise OutputError("a step yielded something after its StepOutput; a StepOutput comes last")
        if isinstance(item, str):
            if not is_text(item):
                raise OutputError("a step's text must be valid Unicode; this has half a surrogate pair")
            text.append(item)
            stream.content(item)
        elif isinstance(item, StepOutput):
            output = item
        elif isinstance(item, CustomEvent):
            stream.custom(_event_name(item), json_ready(item.data, "the data of a CustomEvent")[0])
        else:
            raise OutputError(f"a step yields str, CustomEvent or, last, StepOutput; not {type(item).__name__}")
        if stream.is_full:
            await stream.room()
    return content_of("".join(text) if output is None else output)


def _event_name(event: CustomEvent) -> str:
    if not isinstance(event.name, str) or len(event.name) > MAX_NAME:
        raise OutputError(f"the name of a CustomEvent is a text of at most {MAX_NAME} characters")
    return event.name


class _ThreadedGenerator:
    """Iterates a plain generator in a thread, at most `THREAD_AHEAD` items ahead of the event loop."""

    def __init__(self, generator: Generator[Any, Any, Any], begin: Begin) -> None:
        self._generator = generator
        self._loop = asyncio.get_running_loop()
        self._items: deque[Any] = deque()
        self._wake = asyncio.Event()
        self._ahead = threading.Semaphore(THREAD_AHEAD)
        self._stopped = False
        self._error: BaseException | None = None
        self._begin = begin
        self._done = False

    async def __aenter__(self) -> AsyncIterator[Any]:
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._run,), daemon=True, name="interlock-step").start()
        self._end = self._begin()
        return self._iterate()

    async def __aexit__(self, *_: object) -> None:
        self._stopped = True
        self._ahead.release(THREAD_AHEAD)

    def _run(self) -> None:
        try:
            self._produce(self._generator)
        except BaseException as error:
            self._error = error
        finally:
            self._notify(self._finished)

    def _finished(self) -> None:
        self._end()
        self._done = True
        self._wake.set()

    def _produce(self, generator: Iterator[Any]) -> None:
        for item in generator:
            self._ahead.acquire()
            if self._stopped:
                self._generator.close()
                return
            self._items.append(item)
            if len(self._items) == 1:
                self._notify(self._wake.set)

    def _notify(self, told: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(told)
        except RuntimeError:  # the event loop is closed; nobody waits for the items
            self._stopped = True

    async def _iterate(self) -> AsyncIterator[Any]:
        while True:
            while self._items:
                yield self._items.popleft()
                self._ahead.release()
            if self._done and not self._items:
                break
            await self._wake.wait()
            self._wake.clear()
        if self._error is not None:
            raise self._error
