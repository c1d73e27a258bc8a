"""A real store, on a SQLite file of the test's own."""

from __future__ import annotations

from tests.engine.conftest import storage as storage
