"""The errors that keep a server from starting with its settings.

InterlockError
└── SettingsError    raised where a setting is read, at the start: correct the environment and start again
"""

from __future__ import annotations

from interlock_protocol.errors import InterlockError


class SettingsError(InterlockError):
    """The settings can't be used; correct the environment and start again."""
