"""The errors of workflows.

InterlockError
├── DeclarationError   the workflow is misdeclared: raised at construction, with a sentence that names the place
├── MissingExtra       an adapter's framework isn't installed: raised where it is imported, with the extra's name
├── OutputError        a step returned or yielded what can't be an output: a step error like any other
└── LogicError         the logic of a state failed: a step error with a stable code
    └── TaskFailed     a task failed for good
"""

from __future__ import annotations

from collections.abc import Sequence

from interlock_protocol.errors import InterlockError


class DeclarationError(InterlockError, ValueError):
    """The workflow is misdeclared."""


class MissingExtra(InterlockError, ModuleNotFoundError):  # noqa: N818 - what is wrong, not that something is
    """The framework of an adapter isn't installed."""


class OutputError(InterlockError, TypeError):
    """A step returned or yielded what can't be an output."""


class LogicError(InterlockError):
    """The logic of a state failed.

    Attributes:
        code: stable: `script_error`, `script_timeout`, `http_error`, `http_timeout`, `data_too_large`,
            `secret_not_allowed`, or what a task says.
        logs: what it logged before.
        may_retry: whether another try may succeed; if it is false, there is none.
        retry_after: the least wait before it, in seconds.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        logs: Sequence[str] = (),
        may_retry: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.logs = tuple(logs)
        self.may_retry = may_retry
        self.retry_after = retry_after


class TaskFailed(LogicError):  # noqa: N818 - what became of the task
    """A task failed for good: it isn't tried again, unless `may_retry` says so.

    Args:
        message: a sentence for people.
        code: what links, and whoever handles errors, know it by.
    """

    def __init__(
        self,
        message: str,
        code: str = "task_failed",
        *,
        logs: Sequence[str] = (),
        may_retry: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(code, message, logs=logs, may_retry=may_retry, retry_after=retry_after)
