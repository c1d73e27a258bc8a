"""Statements that run with every run, without SQLAlchemy where it would take most of their time.

Law: SQLite gets them as text, compiled once; there, SQLAlchemy's work for each execution takes longer than the
statement does. Their results are what the driver returns: no column may need a conversion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import sqlite


class Compiled:
    """A statement, as SQLite's text and as an SQLAlchemy object.

    Args:
        columns: the columns that an INSERT without values of its own fills.
    """

    def __init__(self, statement: Any, columns: Sequence[str] | None = None) -> None:
        dialect: Any = sqlite.dialect(paramstyle="named")
        compiled = statement.compile(dialect=dialect, column_keys=columns, compile_kwargs={"render_postcompile": True})
        self._statement = statement
        self._text = str(compiled)
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}

    def rows(self, connection: Connection, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Execute it, and return its rows."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self._statement, parameters).all()
        raw: Any = connection.connection.driver_connection
        rows: list[tuple[Any, ...]] = raw.execute(self._text, {**self._constants, **parameters}).fetchall()
        return rows

    def each(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute it once for each row, on SQLite only: a statement without constants that returns nothing."""
        raw: Any = connection.connection.driver_connection
        raw.executemany(self._text, rows)
