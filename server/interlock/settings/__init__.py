"""Every setting of the server."""

from interlock.settings.declared import DEFAULT_DATA_DIR, PREFIX
from interlock.settings.settings import Settings

__all__ = ["DEFAULT_DATA_DIR", "PREFIX", "Settings"]
