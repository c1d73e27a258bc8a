"""Names in graphs."""

from __future__ import annotations

import re
from typing import Final

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def is_name_of_task(name: str) -> bool:
    """Return True if a task, a graph or a blank may be called so: a template can name it."""
    return _NAME.fullmatch(name) is not None
