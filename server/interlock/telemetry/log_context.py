"""The context of log lines: ids bound to a task, and added to each line that it logs.

Laws:
- A new task inherits its creator's context, except a run's task, whose context is its run alone.
- Only ids are bound, never what somebody wrote.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from structlog.contextvars import bind_contextvars, bound_contextvars, clear_contextvars


def run(run_id: str) -> None:
    """Bind this task's log lines to a run, and drop the earlier context."""
    clear_contextvars()
    bind_contextvars(run_id=run_id)


def connection(connection_id: str) -> None:
    """Bind the log lines of this task, and of tasks that it creates, to a connection."""
    bind_contextvars(connection_id=connection_id)


def request(message: Any) -> AbstractContextManager[None]:
    """Bind the log lines within the block to a client's message."""
    return bound_contextvars(**_of(message))


def this_request(message: Any) -> None:
    """Bind this task's log lines to a client's message."""
    bind_contextvars(**_of(message))


def _of(message: Any) -> dict[str, str]:
    found = {name: getattr(message, name, None) for name in ("request_id", "run_id")}
    return {name: value for name, value in found.items() if value is not None}
