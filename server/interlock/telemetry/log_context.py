"""What log lines are about: bound to the task that does something, said by each line that comes of it.

Laws:
- A task that is made goes on being about what its maker was about, but for a run's: that one is about its run alone.
- Only ids are bound, never what somebody said.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from structlog.contextvars import bind_contextvars, bound_contextvars, clear_contextvars


def run(run_id: str) -> None:
    """What this task logs from here on is about a run, and about nothing that it was about before."""
    clear_contextvars()
    bind_contextvars(run_id=run_id)


def connection(connection_id: str) -> None:
    """What this task and those that it makes log from here on is about a connection."""
    bind_contextvars(connection_id=connection_id)


def request(message: Any) -> AbstractContextManager[None]:
    """What is logged in the block is about a client's message."""
    return bound_contextvars(**_of(message))


def this_request(message: Any) -> None:
    """What this task logs from here on is about a client's message."""
    bind_contextvars(**_of(message))


def _of(message: Any) -> dict[str, str]:
    found = {name: getattr(message, name, None) for name in ("request_id", "run_id")}
    return {name: value for name, value in found.items() if value is not None}
