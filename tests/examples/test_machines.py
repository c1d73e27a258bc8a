"""The machines of `examples/machines`, on a real server, over the socket: each is played to each of its ends."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from examples.receiver import PORT, Notifications
from tests.support.live import ALICE, PATIENCE, Live, Served, live_server, served

from interlock.definitions.machine_checks import check
from interlock_client import Run, connect

FOLDER = Path(__file__).parents[2] / "examples/machines"
DEFINITIONS: dict[str, Any] = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}

Given = dict[str, Any]
Answers = Mapping[str, list[Given]]
"""What is filled in at each state, visit by visit."""


@pytest.fixture(scope="module")
def receiver() -> Iterator[Notifications]:
    """The receiver that the examples bring along, on a free port."""
    with Notifications(0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join(PATIENCE)


@pytest.fixture(scope="module")
def settings(receiver: Notifications, tmp_path_factory: pytest.TempPathFactory) -> Given:
    """The settings of a server with the machines, which send their notifications to that receiver."""
    folder = tmp_path_factory.mktemp("machines")
    for path in FOLDER.glob("*.json"):
        text = path.read_text().replace(f"127.0.0.1:{PORT}", f"127.0.0.1:{receiver.server_port}")
        (folder / path.name).write_text(text)
    widgets = FOLDER.parent / "widgets/bundles"
    return {"definitions": folder, "widgets": widgets, "http_allow": f"127.0.0.1:{receiver.server_port}"}


@pytest.fixture(scope="module")
def live(settings: Given, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_server([], data_dir=tmp_path_factory.mktemp("data"), **settings) as server:
        yield server


# ── Playing ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Play:
    """A run that was played as far as there were answers.

    Attributes:
        way: the states that each thread came through.
        shown: what a person was shown at each state the last time.
        content: what it came to.
    """

    run_id: str
    way: dict[str, list[str]] = field(default_factory=dict)
    triggers: list[str] = field(default_factory=list)
    shown: dict[str, Any] = field(default_factory=dict)
    content: Any = None

    @property
    def main(self) -> list[str]:
        return self.way["thread_main"]


async def played(live: Live, name: str, message: Given, answers: Answers) -> Play:
    """Start a machine, and answer what it asks, until it has ended or nobody has an answer."""
    async with asyncio.timeout(3 * PATIENCE), connect(live.http_url, token=ALICE) as client:
        return await _along(await client.start(name, message=message), answers)


async def followed(live: Live, run_id: str, answers: Answers) -> Play:
    """The same for a run that was started before."""
    async with asyncio.timeout(3 * PATIENCE), connect(live.http_url, token=ALICE) as client:
        return await _along(await client.follow(run_id), answers)


async def _along(run: Run, answers: Answers) -> Play:
    play, left = Play(run.run_id), {state: list(given) for state, given in answers.items()}
    answered: set[str] = set()
    async for event in run:
        said: Any = event
        if said.event == "ThreadStarted":
            play.way[said.thread_id] = [said.state]
        elif said.event == "StateChanged":
            play.way[said.thread_id].append(said.to_state)
            play.triggers.append(said.trigger)
        if run.behind:
            continue
        for pause in run.pending:
            if pause.id in answered or pause.requirement is None:
                continue
            answered.add(pause.id)
            told: Any = pause.requirement
            play.shown[pause.step_name] = told.presentation or told.halted_options
            if not left.get(pause.step_name):
                return play
            given = left[pause.step_name].pop(0)
            if told.widget is None:
                await pause.submit(**given)
            else:
                await pause.interact(**given)
    play.content = run.result
    return play


def ends_of(name: str) -> set[str]:
    return {state for state, each in DEFINITIONS[name]["states"].items() if each["type"] == "terminal"}


def test_machines_have_no_fault_and_no_warning_and_the_names_of_their_files() -> None:
    assert sorted(DEFINITIONS) == ["expense_claim", "onboarding", "order", "purchase_approval", "support_escalation"]
    for name, definition in DEFINITIONS.items():
        assert check(definition) == []
        assert definition["name"] == name


# ── Purchase approval ───────────────────────────────────────────────────────────────────────────────────

YES, NO = {"approved": True}, {"approved": False, "comment": "Not this year"}
PURCHASE = {"id": "PO-1", "requester": "ada@example.org", "description": "Laptops"}


@pytest.mark.parametrize(
    ("amount", "answers", "between", "status"),
    [
        (500, {}, ["auto_approved"], "approved"),
        (1000, {}, ["auto_approved"], "approved"),
        (1000.01, {"manager_approval": [YES]}, ["manager_approval", "approved"], "approved"),
        (10000, {"manager_approval": [YES]}, ["manager_approval", "approved"], "approved"),
        (5000, {"manager_approval": [NO]}, ["manager_approval", "rejected"], "rejected"),
        (
            15000,
            {"manager_approval": [YES], "vp_approval": [{**YES, "budget_code": "B-7"}]},
            ["manager_approval", "vp_approval", "approved"],
            "approved",
        ),
        (
            15000,
            {"manager_approval": [YES], "vp_approval": [NO]},
            ["manager_approval", "vp_approval", "rejected"],
            "rejected",
        ),
        (15000, {"manager_approval": [NO]}, ["manager_approval", "rejected"], "rejected"),
    ],
)
async def test_purchase_goes_to_whom_its_amount_asks_and_its_requester_is_told(
    live: Live, receiver: Notifications, amount: float, answers: Answers, between: list[str], status: str
) -> None:
    play = await played(live, "purchase_approval", {**PURCHASE, "amount": amount}, answers)
    assert play.main == ["submit", *between, "notify_requester", "complete"]
    assert play.content["status"] == status
    assert play.content.get("approved_by") == (None if answers else "auto")
    assert receiver.received[-1] == {
        "type": "purchase_decision",
        "email": "ada@example.org",
        "status": status,
        "amount": amount,
    }


async def test_purchase_shows_what_is_to_be_bought(live: Live) -> None:
    play = await played(live, "purchase_approval", {**PURCHASE, "amount": 5000}, {})
    assert play.shown["manager_approval"]["description"] == "Purchase request for Laptops - $5000"


async def test_purchase_fails_where_nobody_receives_its_notification(settings: Given, tmp_path: Path) -> None:
    closed = {**settings, "http_allow": ""}
    with live_server([], data_dir=tmp_path, **closed) as server:
        async with asyncio.timeout(PATIENCE), connect(server.http_url, token=ALICE) as client:
            run = await client.start("purchase_approval", message={**PURCHASE, "amount": 5})
            events: list[Any] = [each async for each in run]
            assert events[-1].error_type == "http_error"
            assert "INTERLOCK_HTTP_ALLOW" in str(run.error)


# ── Onboarding ──────────────────────────────────────────────────────────────────────────────────────────

PERSON = {"name": "Ada", "earliest": "2030-03-01"}
PAPERS = {"start_date": "2030-03-04", "contract": "CONTRACT"}


async def with_files(live: Live, papers: Given) -> Given:
    """These papers, with the id of a file for each name in capitals."""
    async with connect(live.http_url, token=ALICE) as client:

        async def given(value: Any) -> Any:
            if isinstance(value, list):
                return [await given(each) for each in value]
            is_file = isinstance(value, str) and value.isupper()
            return (await client.files.upload(b"%PDF-1.7", name=f"{value}.pdf")).id if is_file else value

        return {name: await given(value) for name, value in papers.items()}


@pytest.mark.parametrize(
    ("papers", "decisions", "end"),
    [
        ([PAPERS], ["complete"], "onboarded"),
        ([PAPERS, PAPERS], ["again", "complete"], "onboarded"),
        ([PAPERS], ["withdraw"], "withdrawn"),
        ([PAPERS] * 3, ["again"] * 3, "withdrawn"),
    ],
)
async def test_papers_are_asked_for_until_they_are_complete_or_for_the_third_time(
    live: Live, papers: list[Given], decisions: list[str], end: str
) -> None:
    reviews = [{"decision": each, "note": "The second page"} for each in decisions]
    papers = [await with_files(live, each) for each in papers]
    play = await played(live, "onboarding", PERSON, {"papers": papers, "review": reviews})
    asked = ["papers", "review"] * len(decisions)
    assert play.main == ["invite", *asked, *(["prepare"] if end == "onboarded" else []), end]
    assert play.content["rounds"] == len(decisions)
    assert play.content["contract"] == [papers[-1]["contract"]]
    if len(papers) > 1:
        assert play.shown["papers"]["description"] == "The second page"


async def test_onboarding_prepares_what_the_papers_say(live: Live) -> None:
    papers = await with_files(live, {**PAPERS, "certificates": ["SCHOOL", "DRIVING"], "computer": "desktop"})
    answers: Answers = {"papers": [papers], "review": [{"decision": "complete"}]}
    play = await played(live, "onboarding", PERSON, answers)
    assert play.content["to_do"] == ["a desktop on 2030-03-04", "an introduction of 2 day(s)"]
    assert play.shown["review"]["description"] == 'They start on 2030-03-04. Contract: ["' + papers["contract"] + '"].'


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"start_date": "2030-02-28"}, "start_date: This must be 2030-03-01 or later."),
        ({"start_date": "2030-02-30"}, "start_date: This must be a date"),
        ({"contract": []}, "contract: This field is required"),
        ({"certificates": [f"file_{each}" for each in range(6)]}, "certificates: These are 6 files"),
        ({"computer": "tablet"}, "computer: This must be one of: laptop, desktop"),
    ],
)
async def test_papers_that_do_not_fit_are_refused(live: Live, wrong: Given, sentence: str) -> None:
    with pytest.raises(Exception, match=re.escape(sentence)):
        await played(live, "onboarding", PERSON, {"papers": [{**PAPERS, **wrong}]})


# ── Order ───────────────────────────────────────────────────────────────────────────────────────────────

ORDER = {"customer": "Ada", "items": [{"name": "pears", "price": 2.5, "count": 4}]}


@pytest.mark.parametrize(("is_paid", "end", "status"), [(True, "sent", "sent"), (False, "cancelled", "put back")])
async def test_order_is_paid_for_and_packed_at_once_and_goes_on_when_both_are_done(
    live: Live, is_paid: bool, end: str, status: str
) -> None:
    answers: Answers = {"await_payment": [{"paid": is_paid}], "pack": [{"parcels": 2}]}
    play = await played(live, "order", ORDER, answers)
    assert play.way == {
        "thread_main": ["receive", "fulfil", "ship" if is_paid else "put_back", end],
        "thread_payment": ["await_payment", "paid" if is_paid else "unpaid"],
        "thread_packing": ["pack", "label", "packed"],
    }
    assert (play.content["total"], play.content["status"]) == (10, status)
    assert play.content["labels"] == (["Ada 1/2", "Ada 2/2"] if is_paid else [])


async def test_order_without_items_is_not_started(live: Live) -> None:
    with pytest.raises(Exception, match="items"):
        await played(live, "order", {**ORDER, "items": []}, {})


# ── Expense claim ───────────────────────────────────────────────────────────────────────────────────────

CLAIM = {"employee": "Ada", "items": [{"id": "item-1", "description": "Hotel", "amount": 450}]}


@pytest.mark.parametrize(
    ("event", "data", "end"),
    [
        ("approve", {"totalApproved": 450}, "paid"),
        ("reject", {}, "refused"),
        ("requestAmendment", {"notes": "The receipt?"}, "sent_back"),
    ],
)
async def test_claim_goes_where_the_event_of_its_widget_leads(live: Live, event: str, data: Given, end: str) -> None:
    play = await played(live, "expense_claim", CLAIM, {"review": [{"event": event, "data": data}]})
    assert play.main == ["review", end]
    assert play.content["_interactionEvent"] == event


# ── Support escalation ──────────────────────────────────────────────────────────────────────────────────

TICKET = {"ticket": "T-1", "subject": "The lift stands still"}
LOOKED = {"cause": "A fuse", "can_be_solved": False}


@pytest.mark.parametrize(
    ("urgent", "answers", "way"),
    [
        (False, {"first_level": [{"choice": "solved"}]}, ["first_level", "solved"]),
        (
            False,
            {"first_level": [{"choice": "escalate"}], "second_level": [{**LOOKED, "can_be_solved": True}]},
            ["first_level", "second_level", "solved"],
        ),
        (
            True,
            {"second_level": [LOOKED], "manager": [{"choice": "refund"}]},
            ["second_level", "manager", "refunded"],
        ),
        (True, {"second_level": [LOOKED], "manager": [{"choice": "close"}]}, ["second_level", "manager", "closed"]),
    ],
)
async def test_ticket_goes_up_as_people_decide(live: Live, urgent: bool, answers: Answers, way: list[str]) -> None:
    play = await played(live, "support_escalation", {**TICKET, "urgent": urgent}, answers)
    assert play.main == ["triage", *way]


async def test_manager_is_told_what_is_known_where_no_model_writes(live: Live) -> None:
    play = await played(live, "support_escalation", {**TICKET, "urgent": True}, {"second_level": [LOOKED]})
    told = play.shown["manager"]
    assert (told["generated"], told["instruction"].splitlines()) == (
        False,
        ["A customer waits for a decision.", "ticket: T-1", "subject: The lift stands still", "cause: A fuse"],
    )
    assert [each["key"] for each in told["choices"]] == ["refund", "close"]


@pytest.mark.long
async def test_ticket_that_nobody_looks_at_goes_up_to_its_end_by_itself(settings: Given, tmp_path: Path) -> None:
    server = served("examples:workflows", tmp_path, **settings)
    with server.start():
        play = await played(server, "support_escalation", TICKET, {})
        assert play.main == ["triage", "first_level"]
    for ahead, state in ((3600, "second_level"), (3600 + 14400, "manager"), (3600 + 14400 + 86400, "unanswered")):
        play = await later(server, ahead + 600, play.run_id, state)
        assert (play.main[-1], play.triggers[-1]) == (state, "timeout")
    assert play.main == ["triage", "first_level", "second_level", "manager", "unanswered"]
    assert play.content == {**TICKET, "urgent": False, "level": 3}


async def later(server: Served, ahead: int, run_id: str, state: str) -> Play:
    """The run once it has come to a state, on the same server started again so many seconds later."""
    server.clock_ahead = ahead
    with server.start():
        async with asyncio.timeout(3 * PATIENCE), connect(server.http_url, token=ALICE) as client:
            run = await client.follow(run_id)
            async for event in run:
                if getattr(event, "to_state", None) == state:
                    break
        return await followed(server, run_id, {})


# ── All of them ─────────────────────────────────────────────────────────────────────────────────────────

PLAYED = {
    "expense_claim": {"paid", "refused", "sent_back"},
    "purchase_approval": {"complete"},
    "onboarding": {"onboarded", "withdrawn"},
    "order": {"paid", "unpaid", "packed", "sent", "cancelled"},
    "support_escalation": {"solved", "refunded", "closed", "unanswered"},
}
"""The ends that the tests above come to."""


@pytest.mark.parametrize("name", DEFINITIONS)
def test_every_end_is_played(name: str) -> None:
    assert PLAYED[name] == ends_of(name)


def test_make_run_publishes_the_machines_and_allows_only_their_receiver() -> None:
    recipe = (FOLDER.parents[1] / "Makefile").read_text().partition("\nrun: ")[2].partition("\n\n")[0]
    assert "INTERLOCK_DEFINITIONS:-examples/machines" in recipe
    assert f"INTERLOCK_HTTP_ALLOW:-127.0.0.1:{PORT}" in recipe
