"""The refusals of commands, and the translation of unavailable storage into a refusal."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import TypeVar

from interlock.log.port import LogUnavailable
from interlock.store.port import StoreUnavailable
from interlock_protocol.errors import ErrorCode, Refusal

T = TypeVar("T")

MOST_NAMED = 50
"""How many workflows a refusal names."""


async def or_unavailable(awaitable: Awaitable[T]) -> T:
    """Await and return the result.

    Raises:
        Refusal: `unavailable`, if the log or the database can't be reached.
    """
    try:
        return await awaitable
    except (LogUnavailable, StoreUnavailable) as error:
        raise unavailable("The server can't reach its storage at the moment; send it again in a while.") from error


def forbidden(sentence: str, run_id: str | None = None) -> Refusal:
    """The refusal of something that the caller may not do."""
    return Refusal(ErrorCode.FORBIDDEN, sentence, run_id=run_id)


def unavailable(sentence: str, run_id: str | None = None) -> Refusal:
    """The refusal of something that can't be done now."""
    return Refusal(ErrorCode.UNAVAILABLE, sentence, run_id=run_id)


def used_otherwise(run_id: str) -> Refusal:
    """The refusal of an idempotency key that another message had."""
    return Refusal(
        ErrorCode.CONFLICT,
        "This idempotency_key was used with another message; use a new key for a new request.",
        run_id=run_id,
    )


def no_run(run_id: str) -> Refusal:
    """The refusal for a run that doesn't exist, or that the caller may not know of."""
    return Refusal(ErrorCode.RUN_NOT_FOUND, "There is no such run; check run_id (and session_id).", run_id=run_id)


def no_workflow(workflow_id: str, served: Iterable[str]) -> Refusal:
    """The refusal for a workflow that isn't served."""
    names = sorted(served)
    known = ", ".join(names[:MOST_NAMED]) + (f", and {len(names) - MOST_NAMED} more" if names[MOST_NAMED:] else "")
    return Refusal(
        ErrorCode.WORKFLOW_NOT_FOUND, f"There is no workflow {workflow_id!r} here; this server has: {known}."
    )
