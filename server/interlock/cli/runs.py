"""`interlock runs`: shows the runs that this user may see, as a table.

Laws:
- Pages are fetched until there are as many runs as asked for; no run is shown twice.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from interlock.cli.http import get_json
from interlock.cli.target import Target
from interlock.cli.words import harmless

_PAGE = 100
_STYLES = {"PAUSED": "magenta", "COMPLETED": "green", "ERROR": "red", "CANCELLED": "yellow", "RUNNING": "cyan"}


def list_runs(
    target: Target, *, status: str | None, workflow: str | None, limit: int, namespace: str | None = None
) -> list[dict[str, Any]]:
    """Return the newest `limit` runs.

    Raises:
        Failure: the server can't be reached, or refuses.
    """
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    of = {"status": status, "workflow_id": workflow, "namespace": namespace}
    while len(found) < limit:
        page = get_json(target, "/runs", **of, limit=min(limit - len(found), _PAGE), cursor=cursor)
        found += page.get("runs", [])
        cursor = page.get("next_cursor")
        if not cursor:
            break
    return found[:limit]


def show_runs(console: Console, runs: list[dict[str, Any]], now: datetime | None = None) -> None:
    """Print the table; in a pipe, columns aren't truncated."""
    if not runs:
        console.print("No runs. Start one: interlock chat WORKFLOW", markup=False, highlight=False)
        return
    table = Table("run", "workflow", "status", "waits for", "user", "age", box=None, pad_edge=False)
    for run in runs:
        table.add_row(*_row(run, now or datetime.now(UTC)))
    if not console.is_terminal:
        console.width = 1000
    console.print(table)


def _row(run: dict[str, Any], now: datetime) -> list[Text]:
    status = str(run.get("status", ""))
    cells = [
        (run.get("run_id"), "bold"),
        (run.get("workflow_id"), ""),
        (status, _STYLES.get(status, "")),
        (_waits_for(run.get("pending")), ""),
        (run.get("user_id"), "dim"),
        (_age(run.get("created_at"), now), "dim"),
    ]
    return [Text(harmless("" if value is None else str(value)), style, no_wrap=True) for value, style in cells]


def _waits_for(pending: Any) -> str:
    names = [
        str(each.get("step_name") or each.get("kind") or "?") if isinstance(each, dict) else str(each)
        for each in (pending if isinstance(pending, list) else [])
    ]
    return ", ".join(dict.fromkeys(names))


def _age(created_at: Any, now: datetime) -> str:
    moment = _moment(created_at)
    if moment is None:
        return ""
    seconds = max((now - moment).total_seconds(), 0)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _moment(value: Any) -> datetime | None:
    """Parse a time in milliseconds since 1970, or in ISO 8601."""
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value / 1000, UTC)
    if isinstance(value, str):
        parsed = datetime.fromisoformat(value)
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return None
