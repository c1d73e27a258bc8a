"""Ending tasks for sure.

Law: a cancellation may be swallowed: by a library that takes it for the end of its own timeout, or that cleans up and
returns. So it is asked for again until the task has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

AGAIN_SECONDS = 0.25
"""How long a task has for its cleaning up before it is asked again."""


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Return when all of these have ended; what they raise is nobody's any more."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        done, left = await asyncio.wait(left, timeout=AGAIN_SECONDS)
        for task in done:
            if not task.cancelled():
                task.exception()
