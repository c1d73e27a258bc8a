"""The errors of runs, newest first, for whoever may read the runs.

Laws:
- Errors come with the settlements of their runs, and an error is there once, whoever settles how often: it is known by
  its run, epoch and index. Those in epoch 0, which no event has, are about what was to be delivered: see `webhooks`.
- An error belongs where its run does: to its account, namespace and owner, and to whom the run ever named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from interlock_protocol.namespaces import DEFAULT_ACCOUNT


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundError:
    """An error of a run: the place of its event, and what it says. `at` is in milliseconds since 1970.

    Args:
        step_id: the step that failed; None if that was no step.
        state: the state of a machine, or else the step's name.
        is_fatal: it ended the run.
        repeats: it only tells that the latest error of that step ended the run; that one becomes fatal. If there is
            none, it is an error of its own.
    """

    epoch: int
    index: int
    at: int
    code: str
    message: str
    step_id: str | None = None
    state: str | None = None
    thread_id: str | None = None
    is_fatal: bool = False
    repeats: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedError:
    """An error, and the run that it is of."""

    run_id: str
    workflow_id: str
    version: str | None
    namespace: str
    epoch: int
    index: int
    at: int
    state: str | None
    thread_id: str | None
    code: str
    message: str
    is_fatal: bool


@dataclass(frozen=True, slots=True)
class ErrorFilter:
    """Which errors of an account to list. None is no filter. `cursor` is the previous page's `next_cursor`.

    Args:
        user_id, or_namespaces, or_assignees: as in a `RunFilter`.
        since, until: only errors after, or before, this time, in milliseconds since 1970.
    """

    account: str = DEFAULT_ACCOUNT
    user_id: str | None = None
    or_namespaces: frozenset[str] = frozenset()
    or_assignees: frozenset[str] = frozenset()
    workflow_id: str | None = None
    code: str | None = None
    namespace: str | None = None
    since: int | None = None
    until: int | None = None
    cursor: str | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """A page of errors, newest first, and the cursor of the next one (None: this was the last)."""

    errors: tuple[ListedError, ...]
    next_cursor: str | None


class Errors(Protocol):
    """All errors of runs."""

    async def errors(self, which: ErrorFilter) -> ErrorPage:
        """The errors that match a filter.

        Raises:
            ValueError: the cursor is not from this store.
        """

    async def forget_errors(self, run_id: str) -> None:
        """Delete the errors of a run."""
