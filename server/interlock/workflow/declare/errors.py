"""The errors of workflows.

InterlockError
├── DeclarationError   the workflow is misdeclared: raised at construction, with a sentence that names the place
├── MissingExtra       an adapter's framework isn't installed: raised where it is imported, with the extra's name
└── OutputError        a step returned or yielded what can't be an output: a step error like any other
"""

from __future__ import annotations

from interlock_protocol.errors import InterlockError


class DeclarationError(InterlockError, ValueError):
    """The workflow is misdeclared."""


class MissingExtra(InterlockError, ModuleNotFoundError):  # noqa: N818 - what is wrong, not that something is
    """The framework of an adapter isn't installed."""


class OutputError(InterlockError, TypeError):
    """A step returned or yielded what can't be an output."""
