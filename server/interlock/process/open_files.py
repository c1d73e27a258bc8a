"""The limit of open files of this process. Each connection is one.

Law: a server raises the limit as far as it may, and the limit decides how many connections it takes, never the reverse.
"""

from __future__ import annotations

import contextlib
import sys

if sys.platform != "win32":  # Windows has no such limit
    import resource

SPARE = 256
"""Files reserved for other uses than connections: databases, logs, files that steps open."""


def raise_limit() -> None:
    """Raise the soft limit to the hard limit."""
    if sys.platform != "win32":
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        # Some systems report an infinite hard limit, but refuse to set it.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def for_connections() -> int | None:
    """Return how many connections the current limit leaves files for, or None if there is no limit."""
    if sys.platform != "win32":
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != resource.RLIM_INFINITY:
            return max(soft - SPARE, soft // 2)
    return None
