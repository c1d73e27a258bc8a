"""Who is waited for is told on a real engine: once per person and channel, later if a channel is away, and nobody who
isn't asked any more. Nothing leaves here but to a list."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.support.live import eventually

from interlock import Confirm, Parallel, Step, Workflow
from interlock.app import Interlock
from interlock.auth import Principal
from interlock.auth.principal import USER_SCOPES
from interlock.auth.tokens import StaticTokens
from interlock.engine.upkeep import outbox
from interlock.outgoing.channels import Channel
from interlock.outgoing.letters import Letter, NotSent
from interlock.services import Services
from interlock.settings import Settings
from interlock.store.ports.directory import By, Group, NewMember
from interlock.testing.server import MovedClock
from interlock_protocol.messages import ContinueWorkflow, StartWorkflow
from interlock_protocol.requirements import EchoedRequirement
from interlock_protocol.types import RunStatus

OWNER = Principal("olga", USER_SCOPES)
ROOT = Principal("root", frozenset({"admin"}))
BY = By("root", 1)
CHANNELS = {
    "mail": "mailto://smtp.example.com?from=robot@example.com&to={address}",
    "phone": "ntfys://ntfy.example.com/{address}",
    "pager": {"url": "ntfys://pager.example.com/{address}", "for": ["group:ops"]},
    "foreign": {"url": "ntfys://ntfy.example.com/x/{address}", "account": "acme"},
    "room": {"url": "gotify://gotify.example.com/AbCdEfGh12345", "for": ["group:ops", "bob"]},
    "all": {"url": "json://ops.example.com/all", "for": ["*"]},
    "far": {"url": "json://ops.example.com/far", "for": ["*"], "account": "acme"},
}


def asking(workflow_id: str, *assignees: str) -> Workflow:
    review = Confirm(f"{workflow_id}?", assignees=[*assignees] or None)
    return Workflow(workflow_id, steps=[Step("ask", lambda _: "x", human_review=review)])


WORKFLOWS = [
    asking("owners"),
    asking("bobs", "bob"),
    asking("ops", "group:ops", "ada", "nobody", "group:none"),
    Workflow(
        "two",
        steps=[
            Parallel(
                "both",
                [Step(name, lambda _: "x", human_review=Confirm(name, assignees=["bob"])) for name in ("one", "other")],
            )
        ],
    ),
]
PEOPLE: dict[str, tuple[str, ...]] = {"ada": ("ops",), "bob": (), "cy": ("ops",), "dis": ("ops",)}
ADDRESSES = {
    "ada": {"mail": "ada@example.com", "pager": "ada-p"},
    "bob": {"mail": "bob@example.com", "phone": "bob-1", "pager": "bob-p", "gone": "x"},
    "cy": {"phone": "cy-1", "foreign": "cy-f"},
    "dis": {"mail": "dis@example.com"},
    "olga": {"mail": "olga@example.com"},
}


class Sent:
    """In place of what sends: it keeps what it is given, and fails for whom it is told to."""

    def __init__(self, *_: Any) -> None:
        self.letters: list[tuple[str, str, Letter]] = []
        self.trouble: set[str] = set()
        self.hangs: set[str] = set()
        self.tries = 0

    async def send(self, channel: Channel, address: str, letter: Letter) -> None:
        self.tries += 1
        if channel.name in self.hangs:
            await asyncio.Event().wait()
        if channel.name in self.trouble:
            raise NotSent("the server is away")
        self.letters.append((channel.name, address, letter))

    async def aclose(self) -> None:
        pass

    @property
    def to(self) -> list[tuple[str, str]]:
        return sorted((channel, address) for channel, address, _ in self.letters)

    def is_to(self, expected: list[tuple[str, str]]) -> Callable[[], bool]:
        return lambda: self.to == expected

    def has_told(self, *told: tuple[str, str]) -> bool:
        return set(told) <= set(self.to)


class Desk:
    """A server with these people, and its clock."""

    def __init__(self, interlock: Interlock, clock: MovedClock) -> None:
        self.interlock = interlock
        self.clock = clock

    @property
    def services(self) -> Services:
        return self.interlock.services()

    async def start(self, workflow_id: str) -> str:
        run = await self.services.engine.start(OWNER, StartWorkflow(workflow_id=workflow_id))

        async def waits() -> bool:
            return (await self.services.engine.runs.state(run.run_id)).status is RunStatus.PAUSED

        await eventually(waits)
        return run.run_id

    async def decide(self, run_id: str, workflow_id: str) -> None:
        state = await self.services.engine.runs.state(run_id)
        echoed = [EchoedRequirement(id=each, confirmed=True) for each in state.requirements]
        message = ContinueWorkflow(
            workflow_id=workflow_id, run_id=run_id, step_requirements=echoed, on_behalf_of="ada", reason="she is away"
        )
        await self.services.engine.continue_run(ROOT, message)

    def later(self, **time: float) -> None:
        self.clock.move(timedelta(**time))
        self.services.engine.clock_moved()

    def counted(self, outcome: str) -> int:
        return self.interlock.counters.notices[outcome]

    def has_failed(self, count: int) -> bool:
        return self.counted("failed") == count

    async def addresses(self, user_id: str, **addresses: str) -> None:
        await self.services.store.keep_notice_addresses("default", user_id, addresses, by="root", at=1)


@asynccontextmanager
async def desk(folder: Path, sent: Sent, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr("interlock.app.Notifier", lambda *_: sent)
    monkeypatch.setattr("interlock.notices.service.check", _fine)
    settings = Settings(
        data_dir=folder,
        public_url="https://desk.example.com",
        shutdown_grace_seconds=0.01,
        notifiers=json.dumps(CHANNELS),
    )
    clock = MovedClock()
    interlock = Interlock(WORKFLOWS, settings, StaticTokens({}), clock=clock)
    await interlock.start()
    try:
        yield Desk(interlock, clock)
    finally:
        await interlock.stop()


async def _fine(_: Channel) -> None:
    pass


async def settle_in(store: Any) -> None:
    """Put the people into the directory."""
    await store.add_group(Group("default", "ops", "", 1, "root"), BY)
    for user_id, groups in PEOPLE.items():
        new = NewMember(
            account="default", user_id=user_id, subject=user_id, name=user_id, created_at=1, created_by="root"
        )
        member = await store.add_member(new, BY)
        for group in groups:
            await store.join("default", group, user_id, BY, revision=member.revision)
    for user_id, addresses in ADDRESSES.items():
        await store.keep_notice_addresses("default", user_id, addresses, by="root", at=1)
    await disable(store, "dis")


async def disable(store: Any, user_id: str) -> None:
    from interlock.store.ports.directory import Edit

    member = await store.member("default", user_id)
    await store.edit_member("default", user_id, Edit(is_disabled=True), BY, revision=member.revision)


async def test_all_who_are_asked_are_told_once_by_each_of_their_channels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = Sent()
    async with desk(tmp_path, sent, monkeypatch) as at:
        await settle_in(at.services.store)
        told = {
            "owners": [("all", ""), ("mail", "olga@example.com")],
            "bobs": [("all", ""), ("mail", "bob@example.com"), ("phone", "bob-1"), ("room", "")],
            "ops": [("all", ""), ("mail", "ada@example.com"), ("pager", "ada-p"), ("phone", "cy-1"), ("room", "")],
        }
        for workflow_id, expected in told.items():
            sent.letters.clear()
            run_id = await at.start(workflow_id)
            await eventually(sent.is_to(expected))
            for _, _, letter in sent.letters:
                assert letter.link == f"https://desk.example.com/#/runs/{workflow_id}/{run_id}"
                assert letter.subject == f"{workflow_id} waits for you: {workflow_id}?"
            assert len({letter.key for _, _, letter in sent.letters}) == 1
        sent.letters.clear()
        await at.start("two")
        await eventually(lambda: len(sent.letters) == 8, seconds=20)
        assert sorted(sent.to) == sorted(told["bobs"] * 2)
        assert len({letter.key for _, _, letter in sent.letters}) == 2, "each pause by itself"
        at.later(days=2)
        await asyncio.sleep(0)
        assert at.counted("sent") == 2 + 4 + 5 + 8
        assert at.counted("failed") == at.counted("given_up") == 0


async def test_a_channel_that_is_away_is_tried_later_and_later_for_a_day_and_delays_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = Sent()
    sent.trouble, sent.hangs = {"mail"}, {"phone"}
    async with desk(tmp_path, sent, monkeypatch) as at:
        await settle_in(at.services.store)
        await at.start("bobs")
        others = [("all", ""), ("room", "")]
        await eventually(lambda: sent.to == others and at.counted("failed") == 1)
        for failed, wait in enumerate((31, 32, 65), 2):
            at.later(seconds=wait)
            await eventually(partial(at.has_failed, failed))
        sent.trouble.clear()
        at.later(hours=1)
        await eventually(lambda: sent.to == [*others[:1], ("mail", "bob@example.com"), *others[1:]])

        sent.letters.clear()
        sent.trouble = {"mail"}
        with capture_logs() as logs:
            await at.start("owners")
            await eventually(lambda: at.counted("failed") == 5)
            at.later(hours=24)
            await eventually(lambda: at.counted("given_up") == 1)
        given_up = [each for each in logs if each["event"] == "notice_given_up"]
        assert [(each["channel"], each["user_id"], each["why"]) for each in given_up] == [
            ("mail", "olga", "the server is away")
        ]
        assert "olga@example.com" not in str(logs)
        sent.trouble.clear()
        at.later(hours=24)
        sent.letters.clear()
        await at.start("bobs")
        await eventually(lambda: ("mail", "bob@example.com") in sent.to)
        assert ("mail", "olga@example.com") not in sent.to, "what was given up is over"


Change = Callable[[Desk, str], Any]
CHANGES: dict[str, tuple[Change, list[tuple[str, str]]]] = {
    "decided": (lambda at, run_id: at.decide(run_id, "ops"), []),
    "disabled": (lambda at, _: disable(at.services.store, "ada"), [("phone", "cy-1")]),
    "another address": (
        lambda at, _: at.addresses("ada", mail="ada@new.example.com"),
        [("mail", "ada@new.example.com"), ("phone", "cy-1")],
    ),
    "no address": (lambda at, _: at.addresses("ada"), [("phone", "cy-1")]),
    "left the group": (lambda at, _: leave(at, "cy"), [("mail", "ada@example.com")]),
}


async def leave(at: Desk, user_id: str) -> None:
    member = await at.services.store.member("default", user_id)
    assert member is not None
    await at.services.store.leave("default", "ops", user_id, BY, revision=member.revision)


async def test_what_changes_before_a_notice_goes_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, (change, expected) in CHANGES.items():
        sent = Sent()
        sent.trouble = set(CHANNELS)
        folder = tmp_path / name
        folder.mkdir()
        async with desk(folder, sent, monkeypatch) as at:
            await settle_in(at.services.store)
            await at.addresses("ada", mail="ada@example.com")
            run_id = await at.start("ops")
            await eventually(partial(at.has_failed, 4))
            await change(at, run_id)
            sent.trouble = {"room", "all"}
            at.later(hours=1)
            await eventually(sent.is_to(expected))
            await at.start("bobs")
            await eventually(partial(sent.has_told, ("phone", "bob-1"), ("mail", "bob@example.com")))
            assert [each for each in sent.to if "bob" not in each[1]] == expected, name


async def test_who_was_not_told_before_a_crash_is_told_by_the_next_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "HOLD_MS", 0)
    sent = Sent()
    sent.hangs = set(CHANNELS)
    async with desk(tmp_path, sent, monkeypatch) as at:
        await settle_in(at.services.store)
        await at.start("bobs")
        await eventually(lambda: sent.tries >= 4)
    after = Sent()
    async with desk(tmp_path, after, monkeypatch):
        await eventually(
            lambda: after.to == [("all", ""), ("mail", "bob@example.com"), ("phone", "bob-1"), ("room", "")]
        )
