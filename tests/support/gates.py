"""Files that steps of tests wait for: in a server of this process, and in one of its own alike."""

from __future__ import annotations

import asyncio
from pathlib import Path

_SHORTEST, _LONGEST, _GROWTH = 0.002, 0.1, 1.1


async def until_open(gate: str | None) -> None:
    """Return when the file exists; at once when there is none to wait for.

    The longer that takes, the less often it is looked for. Servers are shared, and many a test leaves a run that waits
    on: to look for each of these files all the time would be most of the work of the tests that follow.
    """
    if gate is None:
        return
    is_there, pause = Path(gate).exists, _SHORTEST
    while not is_there():
        await asyncio.sleep(pause)
        pause = min(pause * _GROWTH, _LONGEST)
