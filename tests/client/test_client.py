"""What a program can do with a client, against a real server."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import jwt
import pytest
from tests.client.workflows import EXECUTIONS
from tests.support.live import ALICE, BOB, JWT_SECRET, PATIENCE, READER, ROOT, Live, eventually

from interlock_client import (
    ActionRefused,
    AuthenticationFailed,
    Client,
    ClientClosed,
    Conflict,
    Disconnected,
    Forbidden,
    InvalidDecision,
    NotFound,
    Pause,
    ProtocolMisuse,
    Run,
    TooLate,
    ToolCall,
    connect,
)
from interlock_client.cursor import event_index
from interlock_protocol.requirements import DecidedExecutorRequirement

Codec = Literal["json", "msgpack"]


def at(live: Live, token: str = ALICE, **options: Any) -> Client:
    return connect(live.http_url, token=token, **options)


async def until_pending(run: Run, count: int = 1) -> tuple[Pause, ...]:
    """The pauses of a run as soon as there are so many, whole."""
    async with asyncio.timeout(PATIENCE):
        while len(run.pending) < count or run.status != "PAUSED":
            await anext(run)
    return run.pending


# ── Runs ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_client_takes_every_event_of_its_run(live: Live, codec: Codec) -> None:
    async with at(live, codec=codec) as client:
        run = await client.start("stream", message=50, session_id="s-1")
        events = [event async for event in run]
    assert [event_index(event) for event in events] == list(range(54))
    assert [events[0].event, events[-1].event] == ["WorkflowStarted", "WorkflowCompleted"]
    assert (run.status, run.session_id, run.workflow_id) == ("COMPLETED", "s-1", "stream")
    assert run.result == "streamed"


async def test_client_drives_many_runs_on_one_connection(live: Live) -> None:
    async with at(live) as client:
        runs = await asyncio.gather(*(client.start("once") for _ in range(20)))
        assert await asyncio.gather(*(run.wait() for run in runs)) == ["done"] * 20
        assert len({run.run_id for run in runs}) == 20


async def test_run_that_fails_says_why(live: Live) -> None:
    async with at(live) as client:
        run = await client.start("broken")
        assert await run.wait() is None
        assert (run.status, run.error) == ("ERROR", "the printer is on fire")


async def test_start_with_the_same_key_is_the_same_run(live: Live) -> None:
    async with at(live) as client:
        run = await client.start("once", idempotency_key="key-1")
        await run.wait()
    async with at(live) as client:
        again = await client.start("once", idempotency_key="key-1")
        assert again.run_id == run.run_id
        assert [event_index(event) async for event in again] == list(range(4))
        assert EXECUTIONS[run.run_id] == 1
        with pytest.raises(Conflict):
            await client.start("once", message="another", idempotency_key="key-1")


async def test_start_of_an_unknown_workflow_is_refused(live: Live) -> None:
    async with at(live) as client:
        with pytest.raises(NotFound) as caught:
            await client.start("nothing")
        assert caught.value.code == "workflow_not_found"
        assert not caught.value.retryable
        assert await (await client.start("once")).wait() == "done"


async def test_cancelled_run_ends(live: Live) -> None:
    async with at(live) as client:
        run = await client.start("forever")
        await run.cancel("no time")
        await run.cancel()
        await run.wait()
        assert (run.status, run.error) == ("CANCELLED", "no time")


async def test_too_large_message_is_refused_before_it_is_sent(live: Live) -> None:
    async with at(live) as client:
        with pytest.raises(ActionRefused, match="the server accepts at most") as caught:
            await client.start("once", message="x" * 1024 * 1024)
        assert caught.value.code == "message_too_large"
        assert await (await client.start("once")).wait() == "done"


# ── Pauses ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_every_pause_can_be_answered(live: Live, codec: Codec) -> None:
    asked = []
    async with at(live, codec=codec) as client:
        run = await client.start("release")
        async for _ in run:
            for pause in run.pending:
                asked.append((pause.kind, pause.message))
                if pause.kind == "user_input":
                    assert [field.name for field in pause.fields] == ["version", "count"]
                    await pause.submit(version="1.0")
                else:
                    assert [choice.key for choice in pause.choices] == ["quick", "deep"]
                    assert pause.multiple
                    await pause.choose("deep", "quick")
    assert asked == [
        ("user_input", "Which version?"),
        ("route_selection", "How?"),
    ]
    assert run.result == "done"


async def test_reviewed_output_is_sent_back_and_edited(live: Live, codec: Codec) -> None:
    async with at(live, codec=codec) as client:
        run = await client.start("reviewed")
        (pause,) = await until_pending(run)
        assert (pause.kind, pause.output, pause.retry_count, pause.max_retries) == ("output_review", "done", 0, 3)
        await pause.reject("more", "retry")
        (pause,) = await until_pending(run)
        assert pause.retry_count == 1
        await pause.confirm(edited_output="mine")
        assert await run.wait() == "mine"


async def test_tools_are_decided_one_by_one_and_the_others_stay(live: Live, codec: Codec) -> None:
    async with at(live, codec=codec) as client, at(live) as elsewhere:
        run = await client.start("office")
        (pause,) = await until_pending(run)
        assert (pause.kind, len(pause.tools)) == ("executor_input", 5)
        delete, rename, send, ask, query = pause.tools
        await pause.deny(delete, "never")
        assert [tool.name for tool in run.pending[0].tools] == ["rename", "send", "ask", "query"]
        await pause.approve(rename, edited_args={"path": "/tmp/z"})
        other = await elsewhere.follow(run.run_id)
        (same,) = await until_pending(other)
        while len(same.tools) > 3:
            await anext(other)
            (same,) = other.pending or (same,)
        await same.hand_in(query, [1, 2])
        while len(run.pending[0].tools) > 2:
            await anext(run)
        assert [tool.name for tool in run.pending[0].tools] == ["send", "ask"]
        await pause.resolve(send.filled(to="bob"), ask.selected({"Which?": ["b"]}))
        assert run.pending == ()
        assert await run.wait() == [
            ["call-1", "denied", "never"],
            ["call-2", "done", {"path": "/tmp/z"}],
            ["call-3", "done", {"to": "bob"}],
            ["call-4", "done", [{"question": "Which?", "selected_options": ["b"]}]],
            ["call-5", "done", [1, 2]],
        ]


async def test_tool_that_somebody_else_decided_is_hidden_and_the_others_stay(live: Live) -> None:
    async with at(live) as first, at(live, ROOT) as second:
        run = await first.start("office")
        (pause,) = await until_pending(run)
        other = await second.follow(run.run_id)
        (same,) = await until_pending(other)
        await same.deny(same.tools[0])
        with pytest.raises(Conflict) as caught:
            await pause.approve(pause.tools[0])
        assert caught.value.resolved_by == "root"
        assert [tool.name for tool in run.pending[0].tools] == ["rename", "send", "ask", "query"]
        await run.cancel()


async def test_failed_step_is_decided_on(live: Live) -> None:
    async with at(live) as client:
        run = await client.start("mended")
        (pause,) = await until_pending(run)
        assert (pause.kind, pause.error, pause.error_type) == (
            "error_decision",
            "the printer is on fire",
            "RuntimeError",
        )
        await pause.decide("retry")
        assert await run.wait() == "printed"


async def test_pause_that_its_timeout_resolved_disappears_and_is_told_to_be_late(live: Live) -> None:
    async with at(live) as client:
        run = await client.start("hasty")
        soon, waits = await until_pending(run, 2)
        assert soon.on_timeout == "skip"
        assert soon.timeout_at is not None
        assert abs(soon.timeout_at - datetime.now(UTC)) < timedelta(minutes=1)
        async with asyncio.timeout(PATIENCE):
            while len(run.pending) > 1:
                await anext(run)
        assert [pause.id for pause in run.pending] == [waits.id]
        with pytest.raises(TooLate) as caught:
            await soon.confirm()
        assert (caught.value.code, caught.value.resolved_by) == ("requirement_expired", "timeout")
        assert caught.value.decision == {"confirmed": False, "on_reject": "skip"}
        await waits.confirm()
        assert await run.wait() == {"waits": "done"}


async def test_timeout_takes_the_tools_that_are_left(live: Live) -> None:
    async with at(live) as client:
        run = await client.start("hasty-office")
        (pause,) = await until_pending(run)
        await pause.approve(pause.tools[0])
        assert await run.wait() == "done"
        with pytest.raises(TooLate):
            await pause.approve(pause.tools[1])


async def test_pause_is_shown_until_it_is_answered_and_not_again(live: Live) -> None:
    async with at(live) as client:
        run = await client.start("both")
        left, right = await until_pending(run, 2)
        assert left.requirement is not None
        assert left.allowed_on_reject == ("skip", "cancel")
        await left.confirm()
        assert [pause.id for pause in run.pending] == [right.id]
        await right.reject()
        assert run.pending == ()
        assert await run.wait() == {"left": "done"}


async def test_pause_is_answered_from_its_first_event_on(live: Live) -> None:
    async with at(live) as client:
        run = await client.start("confirmed")
        while not run.pending:
            event = await anext(run)
        assert event.event == "StepPaused"
        assert run.pending[0].requirement is None
        await run.pending[0].confirm()
        assert await run.wait() == "done"


async def test_wrong_answer_is_refused_with_each_wrong_field(live: Live) -> None:
    async with at(live) as client:
        run = await client.start("release")
        (pause,) = await until_pending(run)
        with pytest.raises(InvalidDecision) as caught:
            await pause.submit(version=3, unknown=True)
        assert {fault["field"] for fault in caught.value.details} >= {"version", "unknown"}
        assert run.pending == (pause,)
        await run.cancel()


async def test_wrong_kind_of_answer_is_the_programs_mistake(live: Live) -> None:
    async with at(live) as client:
        run = await client.start("confirmed")
        (pause,) = await until_pending(run)
        for answer in (
            pause.submit(a=1),
            pause.choose("a"),
            pause.decide("skip"),
            pause.confirm(edited_output="x"),
            pause.resolve(DecidedExecutorRequirement(id="x")),
            pause.approve(ToolCall(id="x", name="x", kind="confirmation", args={})),
        ):
            with pytest.raises(ProtocolMisuse, match="doesn't answer a pause of the kind 'confirmation'"):
                await answer
        await run.cancel()


async def test_second_decision_gets_the_winner(live: Live) -> None:
    async with at(live, ROOT) as first, at(live) as second:
        run = await second.start("confirmed")
        (pause,) = await until_pending(run)
        other = await first.follow(run.run_id)
        (same,) = await until_pending(other)
        await same.reject("no need")
        with pytest.raises(Conflict) as caught:
            await pause.confirm()
        assert caught.value.resolved_by == "root"
        assert caught.value.decision is not None
        assert caught.value.decision["confirmed"] is False
        assert run.pending == ()
        await run.wait()


async def test_same_decision_again_is_no_conflict(live: Live) -> None:
    async with at(live) as client:
        run = await client.start("confirmed")
        (pause,) = await until_pending(run)
        await asyncio.gather(pause.confirm(), pause.confirm())
        await run.wait()
        assert EXECUTIONS[run.run_id] == 1


async def test_decision_of_somebody_else_s_pause_is_forbidden(live: Live) -> None:
    async with at(live) as alice, at(live, BOB) as bob:
        run = await alice.start("confirmed-by-bob")
        (pause,) = await until_pending(run)
        assert pause.assignees == ("bob",)
        with pytest.raises(Forbidden):
            await pause.confirm()
        (his,) = await until_pending(await bob.follow(run.run_id))
        await his.confirm()
        assert await run.wait() == "done"


async def test_admin_decides_on_behalf_of_one_who_is_asked_with_a_reason(live: Live) -> None:
    async with at(live, ROOT) as admin:
        run = await admin.start("confirmed-by-bob")
        (pause,) = await until_pending(run)
        for nobody, why in (("", "He is ill."), ("bob", ""), ("b" * 257, "He is ill."), ("bob", "x" * 4097)):
            with pytest.raises(ProtocolMisuse):
                pause.on_behalf_of(nobody, why)
        with pytest.raises(Forbidden):
            await pause.on_behalf_of("carol", "She is ill.").confirm()
        await pause.on_behalf_of("bob", "He is ill.").confirm()
        assert await run.wait() == "done"


async def test_decision_after_the_end_is_too_late(live: Live) -> None:
    async with at(live) as client:
        run = await client.start("confirmed")
        (pause,) = await until_pending(run)
        await run.cancel()
        with pytest.raises(TooLate):
            await pause.confirm()


# ── Following ───────────────────────────────────────────────────────────────────────────────────────────


async def test_follower_goes_on_where_it_was(live: Live) -> None:
    async with at(live) as client:
        run = await client.start("stream", message=100)
        for _ in range(30):
            await anext(run)
        assert run.last_event_index == 29
    async with at(live) as client:
        same = await client.follow(run.run_id, last_event_index=run.last_event_index, epoch=run.epoch)
        assert [event_index(event) async for event in same] == list(range(30, 104))


async def test_follower_of_a_finished_run_with_nothing_to_miss_ends(live: Live) -> None:
    async with at(live) as client:
        run = await client.start("once")
        await run.wait()
        same = await client.follow(run.run_id, last_event_index=run.last_event_index, epoch=run.epoch)
        assert [event async for event in same] == []
        assert same.status == "COMPLETED"


async def test_snapshot_is_the_state_without_the_past(live: Live) -> None:
    async with at(live) as client, at(live) as other:
        run = await client.start("confirmed")
        (pause,) = await until_pending(run)
        late = await other.follow(run.run_id, snapshot=True)
        assert (await anext(late)).event == "WorkflowRunOutput"
        assert (late.status, late.last_event_index) == ("PAUSED", run.last_event_index)
        assert [each.id for each in late.pending] == [pause.id]
        await late.pending[0].confirm()
        events = [event_index(event) async for event in late]
        assert events[0] == (run.last_event_index or 0) + 1
        assert late.result == "done"


async def test_snapshot_of_a_finished_run_is_all(live: Live) -> None:
    async with at(live) as client:
        run = await client.start("once")
        await run.wait()
        late = await client.follow(run.run_id, snapshot=True)
        assert [event.event async for event in late] == ["WorkflowRunOutput"]
        assert (late.status, late.result) == ("COMPLETED", "done")


@pytest.mark.parametrize("place", [{"last_event_index": 1000}, {"last_event_index": 1, "epoch": 99}])
async def test_gap_is_told_with_a_snapshot_and_then_the_run_goes_on(live: Live, place: dict[str, int]) -> None:
    async with at(live) as client, at(live) as other:
        run = await client.start("confirmed")
        await until_pending(run)
        late = await other.follow(run.run_id, **place)  # type: ignore[arg-type]
        assert [(await anext(late)).event, (await anext(late)).event] == ["gap", "WorkflowRunOutput"]
        assert (late.epoch, late.last_event_index) == (run.epoch, run.last_event_index)
        await late.pending[0].confirm()
        rest = [event_index(event) async for event in late]
        assert rest == list(range((run.last_event_index or 0) + 1, (run.last_event_index or 0) + 1 + len(rest)))
        assert late.result == "done"


async def test_run_of_somebody_else_is_not_found(live: Live) -> None:
    async with at(live) as alice, at(live, BOB) as bob:
        run = await alice.start("confirmed")
        with pytest.raises(NotFound):
            await bob.follow(run.run_id)
        with pytest.raises(NotFound):
            await bob.follow("no-such-run")
        await run.cancel()


async def test_run_is_followed_once_per_client(live: Live) -> None:
    async with at(live) as client:
        run = await client.start("confirmed")
        with pytest.raises(ProtocolMisuse, match="already"):
            await client.follow(run.run_id)
        await run.unfollow()
        await run.unfollow()
        assert [event async for event in run] == []
        again = await client.follow(run.run_id)
        (pause,) = await until_pending(again)
        await pause.confirm()
        assert await again.wait() == "done"


async def test_two_loops_over_one_run_are_a_mistake(live: Live) -> None:
    async with at(live) as client:
        run = await client.start("confirmed")
        await until_pending(run)
        first = asyncio.create_task(anext(run))
        await asyncio.sleep(0)
        with pytest.raises(ProtocolMisuse, match="two loops"):
            await anext(run)
        await run.cancel()
        await first


async def test_waiting_for_an_event_can_be_cancelled_without_losing_one(live: Live) -> None:
    async with at(live) as client:
        run = await client.start("stream", message=200)
        taken = []
        while not run.status.is_final:
            try:
                async with asyncio.timeout(0.0005):
                    taken.append(event_index(await anext(run)))
            except TimeoutError:
                pass
        assert taken == list(range(204))


# ── Slow programs ───────────────────────────────────────────────────────────────────────────────────────


async def test_slow_program_loses_nothing_and_keeps_little(live: Live, codec: Codec) -> None:
    async with at(live, codec=codec, max_buffered_events=100) as client:
        run = await client.start("flood", message=5000)
        taken, most = [], 0
        async for event in run:
            taken.append(event_index(event))
            most = max(most, len(run._inbox))
            if len(taken) % 100 == 0:
                await asyncio.sleep(0.002)
    assert taken == list(range(5004))
    assert most <= 100


async def test_program_that_takes_no_events_can_act(live: Live) -> None:
    async with asyncio.timeout(PATIENCE * 2):
        async with at(live, max_buffered_events=10) as client:
            idle = await client.start("flood", message=500)
            await eventually(lambda: idle._inbox.full)
            other = await client.start("confirmed")
            (pause,) = await until_pending(other)
            await pause.confirm()
            assert await other.wait() == "done"
            assert len(idle._inbox) <= 10
            assert [event_index(event) async for event in idle] == list(range(504))


async def test_lagging_run_can_be_decided(live: Live) -> None:
    async with at(live, max_buffered_events=1) as client, at(live, max_buffered_events=1) as other:
        run = await client.start("both")
        idle = await other.follow(run.run_id)
        for pause in await until_pending(run, 2):
            await pause.confirm()
        assert await run.wait() == {"left": "done", "right": "done"}
        assert await idle.wait() == {"left": "done", "right": "done"}


# ── Tokens ──────────────────────────────────────────────────────────────────────────────────────────────


def new_token(seconds: float, user: str = "alice") -> str:
    expires = (datetime.now(UTC) + timedelta(seconds=seconds)).timestamp()
    return jwt.encode({"sub": user, "exp": expires, "scope": "workflows:execute workflows:read"}, JWT_SECRET)


@pytest.mark.parametrize("token", ["wrong", "", None])
async def test_refused_token_is_an_error_of_its_own(live: Live, token: str | None) -> None:
    with pytest.raises(AuthenticationFailed):
        async with connect(live.http_url, token=token):
            pass


async def test_client_knows_who_it_is(live: Live) -> None:
    async with at(live, READER) as client:
        assert (client.user_id, client.scopes) == ("reader", ("workflows:read",))
        with pytest.raises(Forbidden):
            await client.start("once")


@pytest.mark.parametrize("life", [2.0, 1.2])
async def test_token_is_renewed_before_it_expires(live: Live, life: float) -> None:
    given = []

    async def token() -> str:
        given.append(new_token(life))
        return given[-1]

    async with connect(live.http_url, token=token) as client:
        run = await client.start("confirmed")
        (pause,) = await until_pending(run)
        await eventually(lambda: len(given) > 2)
        await pause.confirm()
        assert await run.wait() == "done"


async def test_expired_token_that_can_t_be_renewed_ends_the_client(live: Live) -> None:
    async with connect(live.http_url, token=new_token(1)) as client:
        run = await client.start("forever")
        with pytest.raises(AuthenticationFailed) as caught:
            await run.wait()
        assert caught.value.code == "expired_token"
        with pytest.raises(AuthenticationFailed):
            await client.start("once")


async def test_address_may_be_the_link_that_the_server_prints(live: Live) -> None:
    async with connect(f"{live.http_url}/?token={ALICE}") as client:
        assert client.user_id == "alice"


# ── Ends ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_closed_client_says_so(live: Live) -> None:
    async with at(live) as client:
        run = await client.start("forever")
        while (await anext(run)).event != "StepStarted":
            pass
        waiting = asyncio.create_task(run.wait())
        await asyncio.sleep(0)
    with pytest.raises(ClientClosed):
        await waiting
    with pytest.raises(ClientClosed):
        await client.start("once")
    with pytest.raises(ClientClosed):
        await run.cancel()


async def test_client_that_wasn_t_entered_says_so(live: Live) -> None:
    client = at(live)
    with pytest.raises(ProtocolMisuse, match="async with"):
        await client.start("once")


async def test_wrong_server_is_an_error(live: Live) -> None:
    with pytest.raises(Disconnected):
        async with connect(f"{live.http_url}/elsewhere", token=ALICE):
            pass
