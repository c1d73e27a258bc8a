"""Calls that block, each in a thread of its own.

Law: a thread isn't a pool's: nothing that blocks forever delays other calls, or the end of the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from typing import Any, TypeAlias

Begin: TypeAlias = Callable[[], Callable[[], None]]
"""Called on the event loop when a thread starts; the function that it returns is called there when the thread ends."""


def unseen() -> Callable[[], None]:
    return lambda: None


async def in_thread(function: Callable[[Any], Any], given: Any, *, begin: Begin = unseen) -> Any:
    """Call `function` in a new thread.

    It isn't a pool's thread, because a pool's size would bound how many runs can wait in blocking code, and its threads
    would delay the process's exit. These threads are daemons: a step that ignores its cancellation is left behind.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def deliver(result: Any, error: BaseException | None) -> None:
        end()
        if future.done():  # the step was cancelled
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def run() -> None:
        try:
            outcome: tuple[Any, BaseException | None] = context.run(function, given), None
        except StopIteration as error:  # a future doesn't accept it
            outcome = None, RuntimeError(f"the step raised {error!r}")
        except BaseException as error:
            outcome = None, error
        with contextlib.suppress(RuntimeError):  # the event loop is closed; nobody waits for the result
            loop.call_soon_threadsafe(deliver, *outcome)

    threading.Thread(target=run, daemon=True, name="interlock-step").start()
    end = begin()  # after `start`: if the thread can't be started, it never ends
    return await future
