"""Reminders and escalations on a real engine: durable, each told once, to whom it is for, and in the audit."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.notices import test_telling as telling
from tests.support.live import eventually

from interlock import BusinessTime, Confirm, Step, Workflow
from interlock.auth import Principal
from interlock.auth.principal import USER_SCOPES
from interlock.workflow.program import next_timer
from interlock_protocol.messages import Delegate

LADDER = Workflow(
    "ladder",
    steps=[
        Step(
            "ask",
            lambda _: "x",
            human_review=Confirm(
                "ladder?",
                assignees=["bob"],
                reminders=[3600, 10 * 3600],
                escalate=[(7200, "group:ops")],
                due=BusinessTime(200),
            ),
        )
    ],
)
FIRST = [("all", ""), ("mail", "bob@example.com"), ("phone", "bob-1"), ("room", "")]


async def test_each_is_told_again_in_time_over_a_restart_and_nobody_after_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "WORKFLOWS", [LADDER])
    sent = telling.Sent()
    async with telling.desk(tmp_path, sent, monkeypatch) as at:
        await telling.settle_in(at.services.store)
        run_id = await at.start("ladder")
        await eventually(sent.is_to(FIRST))
        sent.letters.clear()
        at.later(hours=1)
        await eventually(sent.is_to(FIRST))
        assert {letter.subject for _, _, letter in sent.letters} == {"Reminder: ladder waits for you: ladder?"}
        [row] = [await at.services.store.run(run_id)]
        assert row is not None
        assert row.pending[0]["due_at"]
    sent.letters.clear()
    async with telling.desk(tmp_path, sent, monkeypatch) as at:
        at.later(hours=2.5)
        ops = [("all", ""), ("mail", "ada@example.com"), ("pager", "ada-p"), ("phone", "cy-1"), ("room", "")]
        await eventually(sent.is_to(ops))
        assert {letter.subject for _, _, letter in sent.letters} == {"Escalated to you: ladder waits for you: ladder?"}
        sent.letters.clear()
        state = await at.services.engine.runs.logged(run_id)
        [id_] = state.requirements
        handing = Delegate(run_id=run_id, requirement_id=id_, to="cy")
        await at.services.engine.attend(Principal("bob", USER_SCOPES), handing)
        await eventually(sent.is_to([("all", ""), ("phone", "cy-1")]))
        audited = [each.content for each in await at.services.store.audit_entries(run_id)]
        assert [each["kind"] for each in audited if each] == ["reminded", "escalated", "delegated"]
        sent.letters.clear()
        await at.decide(run_id, "ladder")
        at.later(days=365)
        ended = await at.services.engine.runs.logged(run_id)
        assert (next_timer(ended), sent.to) == (None, [])
