"""How many files this process may have open. Each connection is one.

Law: a server takes all that it may have; what that comes to decides how many connections it takes, never the reverse.
"""

from __future__ import annotations

import contextlib
import sys

if sys.platform != "win32":  # which has no such limit
    import resource

SPARE = 256
"""Files that are kept for all but connections: databases, logs, what steps open."""


def raise_limit() -> None:
    """Have this process take as many files as it may: the soft limit becomes the hard one."""
    if sys.platform != "win32":
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        # Some systems call their hard limit infinite, and refuse it.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def for_connections() -> int | None:
    """How many connections this process has files for, as its limit stands now; None where there is no limit."""
    if sys.platform != "win32":
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != resource.RLIM_INFINITY:
            return max(soft - SPARE, soft // 2)
    return None
