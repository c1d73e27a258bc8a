"""The store's writes on the hot path, in the cheapest form for each dialect.

Laws:
- SQLite executes one statement after the other, in the transaction around them: a statement costs microseconds.
- PostgreSQL gets each whole write as one statement, which is its own transaction: a round trip costs more than
  the work.
- Both take the same parameters and leave the same rows; one test suite checks both.
"""

from __future__ import annotations

from .port import NOTHING_PENDING, Parameters, Writes
from .postgres import PostgresWrites
from .sqlite import SqliteWrites

__all__ = ["NOTHING_PENDING", "WRITES", "Parameters", "Writes"]

WRITES: dict[str, Writes] = {"sqlite": SqliteWrites(), "postgresql": PostgresWrites()}
