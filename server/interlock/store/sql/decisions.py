"""The audit in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Connection

from interlock.audit.chain import Noted
from interlock.store.ports.decisions import Decision
from interlock.store.ports.keys import IdempotencyKey
from interlock.store.statements import decisions as sql
from interlock.store.writes import Parameters

from .audit import add_entries
from .keys import key_row
from .rows import text_of
from .transactions import SqlTransactions


class SqlDecisions(SqlTransactions):
    """`Decisions`."""

    async def record(
        self, run_id: str, epoch: int, decisions: Sequence[Decision], key: IdempotencyKey | None = None
    ) -> bool:
        is_one = not any(each.noted for each in decisions)
        return await self._write(partial(self._record, run_id, epoch, decisions, key), one_statement=is_one)

    async def decision(self, run_id: str, requirement_id: str) -> Decision | None:
        return await self._read(partial(_decision, run_id, requirement_id), one_statement=True)

    async def decisions(self, run_id: str) -> Sequence[Decision]:
        return await self._read(partial(_decisions, run_id), one_statement=True)

    def _record(
        self, run_id: str, epoch: int, decisions: Sequence[Decision], key: IdempotencyKey | None, connection: Connection
    ) -> bool:
        made = {"of_run": run_id, "made_in": epoch}
        remembered = key_row(key, run_id, self._clock()) if key else None
        rows = [_decision_row(decision) for decision in decisions]
        if not self._writes.record(connection, made, rows, remembered):
            return False
        if noted := [Noted(each.requirement_id, each.epoch, each.noted) for each in decisions if each.noted]:
            add_entries(connection, run_id, noted, recorded=len({each.requirement_id for each in decisions}))
        return True


def _decision(run_id: str, requirement_id: str, connection: Connection) -> Decision | None:
    parameters = {"of_run": run_id, "of_requirement": requirement_id}
    row = connection.execute(sql.DECISION, parameters).one_or_none()
    return _decision_of(row) if row else None


def _decisions(run_id: str, connection: Connection) -> Sequence[Decision]:
    return [_decision_of(row) for row in connection.execute(sql.DECISIONS, {"of_run": run_id})]


def _decision_row(decision: Decision) -> Parameters:
    return {
        "run_id": decision.run_id,
        "requirement_id": decision.requirement_id,
        "decision": text_of(decision.decision),
        "resolved_by": decision.resolved_by,
        "decided_at": decision.decided_at,
        "epoch": decision.epoch,
        "event_index": decision.event_index,
    }


def _decision_of(row: Sequence[Any]) -> Decision:
    run_id, requirement_id, text, *rest = row
    return Decision(run_id, requirement_id, from_json(text), *rest)
