"""How a command ends: its exit code, and one sentence if it fails.

Laws:
- An expected failure is a `Failure`, shown as one sentence that says what to do. A traceback is a bug.
- The codes are documented (`docs/cli.md`), and scripts rely on them.
"""

from __future__ import annotations

from enum import IntEnum

from interlock_protocol.types import RunStatus


class ExitCode(IntEnum):
    """What a command returns to the shell."""

    COMPLETED = 0
    ERROR = 1
    USAGE = 2
    CANCELLED = 3
    LEFT = 4
    UNREACHABLE = 5
    INTERRUPTED = 130


_BY_STATUS = {
    RunStatus.COMPLETED: ExitCode.COMPLETED,
    RunStatus.ERROR: ExitCode.ERROR,
    RunStatus.CANCELLED: ExitCode.CANCELLED,
}


def exit_code(status: RunStatus) -> ExitCode:
    """Return the exit code for a run's status at the end of the command."""
    return _BY_STATUS.get(status, ExitCode.LEFT)


class Failure(Exception):  # noqa: N818 - shown to a person, who wouldn't call it an error
    """A command can't go on. The message is for people."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code
