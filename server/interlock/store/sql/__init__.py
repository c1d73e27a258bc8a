"""The store in SQL, for both dialects: a file for each of its ports, and one for transactions."""

from __future__ import annotations

from .feed import NUMBERED
from .store import SqlStore

__all__ = ["NUMBERED", "SqlStore"]
