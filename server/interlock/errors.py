"""What keeps a server from being what its settings say.

InterlockError
└── SettingsError    raised by whoever reads a setting, at the start: correct the environment and start again
"""

from __future__ import annotations

from interlock_protocol.errors import InterlockError


class SettingsError(InterlockError):
    """The settings can't be used; correct the environment and start again."""
