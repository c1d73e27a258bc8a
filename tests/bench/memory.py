"""How much memory a server has to itself (Linux only): what would be free again if it ended."""

import asyncio
import os
import resource
import signal
from pathlib import Path

SETTLE_SECONDS = 1.0
_OWN = ("Private_Clean:", "Private_Dirty:")


async def memory_of(pid: int) -> int:
    """Bytes of a process's own, after it collected its garbage: each server of the bench does that on SIGUSR1."""
    await asyncio.sleep(SETTLE_SECONDS)
    os.kill(pid, signal.SIGUSR1)
    await asyncio.sleep(SETTLE_SECONDS)
    return own_memory(pid)


def own_memory(pid: int) -> int:
    """Bytes of a process's own, as it is."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(_OWN))


def many_files() -> None:
    """Let this process, and what it starts, have as many sockets as it may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
