"""Every setting of the server."""

from interlock.settings.settings import DEFAULT_DATA_DIR, PREFIX, Settings

__all__ = ["DEFAULT_DATA_DIR", "PREFIX", "Settings"]
