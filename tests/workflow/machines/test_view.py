"""Views of machines' runs, and histories: random machines, whose events say what their states are."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.workflow.machines.random_machines import machines
from tests.workflow.machines.test_machine_properties import Play
from tests.workflow.simulation import Simulation

from interlock import Halting, Handler, Machine, ScriptLogic, State, Transition, Workflow
from interlock.workflow.activities import Returned
from interlock.workflow.declare.errors import LogicError
from interlock.workflow.run.history import KINDS, entry_of, id_of, place_of
from interlock.workflow.run.lifetimes import EXPIRED_BY
from interlock.workflow.run.machine_view import MAX_SAID, STATUS_OF, View
from interlock_protocol.types import RunStatus


def events_of(run: Simulation) -> list[dict[str, Any]]:
    return [{**event, "event_index": index, "epoch": 1} for index, (event, _, _) in enumerate(run.log)]


def view_of(run: Simulation) -> View:
    view = View()
    for event in events_of(run):
        view.fold(event)
    return view


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(states=machines(), data=st.data())
def test_events_say_what_the_state_of_a_machine_is(states: dict[str, State], data: st.DataObject) -> None:
    """After any move, the view of the events is the view of the state, also if it begins with a state in between."""
    Seen(states, data).run()


class Seen(Play):
    def __init__(self, states: dict[str, State], data: st.DataObject) -> None:
        super().__init__(states, data)
        self.follows: View | None = None

    def _compare(self) -> None:
        super()._compare()
        run = self.run_
        view = view_of(run)
        assert view.status == STATUS_OF[run.state.status]
        assert view.next_index == run.state.next_index
        for event in events_of(run):
            if self.follows is not None and event["event_index"] >= self.follows.next_index:
                self.follows.fold(event)
        if run.state.status.is_final:
            if run.state.status is RunStatus.COMPLETED:
                assert view.data == run.state.content
                assert view.threads["thread_main"].status == "completed"  # another may have failed, which was handled
                assert {each.status for each in view.threads.values()} <= {"completed", "cancelled", "failed"}
            assert self.follows is None or _ids(self.follows) <= _ids(view)
            return
        known = View.of(run.state)
        assert (view.data, view.halts) == (known.data, known.halts)
        forgotten = {name: each for name, each in view.threads.items() if name not in known.threads}
        assert {name: view.threads[name] for name in known.threads} == known.threads
        assert {each.status for each in forgotten.values()} <= {"failed", "cancelled", "completed"}
        if self.follows is None:
            self.follows = known
        assert (self.follows.data, self.follows.halts) == (view.data, view.halts)
        assert _ids(self.follows) <= _ids(view)


def _ids(view: View) -> set[tuple[str, str, str]]:
    return {(each.id, each.state, each.status) for each in view.threads.values()}


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(states=machines(), data=st.data())
def test_changes_in_a_history_make_up_the_data(states: dict[str, State], data: st.DataObject) -> None:
    play = Play(states, data)
    play.run()
    told: dict[str, Any] = {}
    ids: list[str] = []
    for event in events_of(play.run_):
        entry = entry_of(event)
        if entry is None:
            continue
        ids.append(str(entry["id"]))
        assert entry["type"] in KINDS
        changes: Any = entry.get("changes") or {}
        assert not changes.get("added", {}).keys() & told.keys()
        assert all(told[key] == each["from"] for key, each in changes.get("updated", {}).items())
        told |= changes.get("added", {}) | {key: each["to"] for key, each in changes.get("updated", {}).items()}
    assert told == view_of(play.run_).data
    assert len(ids) == len(set(ids))
    assert ids == sorted(ids, key=lambda id_: place_of(id_) or (0, 0))


# ── One by one ──────────────────────────────────────────────────────────────────────────────────────────

STORY = {
    "work": State(
        ScriptLogic("work"), [Transition("ask")], on_error=[Handler("ask")], on_enter=ScriptLogic("work:enter")
    ),
    "ask": State(halt=Halting(), transitions=[Transition("end")]),
    "end": State(is_terminal=True),
}


def story(logic: Any) -> Simulation:
    run = Simulation(Workflow("m", steps=[Machine("m", STORY, initial_state="work")]), {}, logic=logic)
    run.settle()
    while run.running:
        run.finish(next(iter(run.running.values())))
        run.settle()
    return run


def told(run: Simulation) -> list[tuple[str, str]]:
    entries = [entry for event in events_of(run) if (entry := entry_of(event)) is not None]
    return [(str(each["type"]), str(each["subtype"])) for each in entries]


def entry(run: Simulation, type_: str, subtype: str) -> dict[str, Any]:
    """The last entry of a kind, without what all have."""
    found = [each for event in events_of(run) if (each := entry_of(event)) is not None]
    last: dict[str, Any] = [each for each in found if (each["type"], each["subtype"]) == (type_, subtype)][-1]
    return {key: value for key, value in last.items() if key not in ("id", "type", "subtype", "timestamp")}


def test_history_tells_a_machine_s_story() -> None:
    run = story(lambda _: Returned({"a": 1}, logs=("said",)))
    (halt_id,) = run.state.requirements
    run.decide({"id": halt_id, "user_input": {"b": 2}})
    run.settle()
    assert told(run) == [
        ("lifecycle", "created"),
        *[("step", "started"), ("step", "completed"), ("step", "data_merged")],
        *[("step", "started"), ("step", "completed"), ("transition", "state_change")],
        *[("halt", "entered"), ("halt", "resumed"), ("transition", "state_change")],
        ("lifecycle", "completed"),
    ]
    assert entry(run, "lifecycle", "created") == {"initial_state": "work"}
    step = entry(run, "step", "completed")
    assert (step["state"], step["thread"], step["logs"]) == ("work", "thread_main", ["said"])
    assert entry(run, "halt", "resumed") == {
        "thread": "thread_main",
        "state": "ask",
        "halt_id": halt_id,
        "input_received": {"b": 2},
        "resumed_by": "ada",
    }
    assert entry(run, "transition", "state_change") == {
        "thread": "thread_main",
        "from_state": "ask",
        "to_state": "end",
        "trigger": "resume",
        "changes": {"added": {"b": 2}},
    }
    visits = view_of(run).visits
    assert [(each.state, each.transition) for each in visits] == [("work", "ask"), ("ask", "end"), ("end", None)]
    assert visits[0].logs == ["said", "said"]
    assert (visits[1].input_received, visits[1].resumed_by) == ({"b": 2}, "ada")


def test_view_keeps_no_more_of_what_was_said_than_its_bound() -> None:
    rounds, lines = 40, ("x" * 1000,) * 100
    more = Transition("work", {"field": "n", "operator": "lt", "value": rounds})
    states = {"work": State(ScriptLogic("work"), [more, Transition("end")]), "end": State(is_terminal=True)}
    count = iter(range(1, rounds + 1))
    workflow = Workflow("m", steps=[Machine("m", states, initial_state="work")])
    run = Simulation(workflow, {}, logic=lambda _: Returned({"n": next(count)}, logs=lines))
    run.settle()
    while run.running:
        run.finish(next(iter(run.running.values())))
        run.settle()
    view = view_of(run)
    assert (view.status, view.current_state) == ("completed", "end")
    said = [len(line) for visit in view.visits for line in visit.logs]
    assert MAX_SAID - 100_000 <= sum(said) == view.said <= MAX_SAID
    assert len(view.visits) == sum(said) // 100_000 + 1


def test_failed_logic_is_an_error_with_its_code() -> None:
    def fails(_: Any) -> Any:
        raise LogicError("script_error", "no good", logs=("said",))

    run = story(fails)
    failed = entry(run, "error", "failed")
    assert (failed["code"], failed["message"], failed["logs"]) == ("script_error", "no good", ["said"])
    assert entry(run, "transition", "state_change")["trigger"] == "error"


def test_cancelled_and_expired_are_told_apart() -> None:
    for by, subtype in (("ada", "cancelled"), (EXPIRED_BY, "expired")):
        event = {"event": "WorkflowCancelled", "created_at": 1, "event_index": 2, "epoch": 1, "cancelled_by": by}
        found = entry_of(event)
        assert found is not None
        assert (found["type"], found["subtype"], found["cancelled_by"]) == ("lifecycle", subtype, by)


def test_a_halt_that_nobody_answered_was_resumed_by_nobody() -> None:
    halt = Halting(presentation={"type": "message", "message": "?"}, timeout=10, on_timeout="end")
    states = {"a": State(halt=halt, transitions=[Transition("end")]), "end": State(is_terminal=True)}
    run = Simulation(Workflow("m", steps=[Machine("m", states, initial_state="a")]), {}).run()
    run.expire(10_000)
    run.run()
    entries = [found for event in events_of(run) if (found := entry_of(event)) is not None]
    assert ("halt", "resumed") not in {(each["type"], each["subtype"]) for each in entries}
    assert [each["trigger"] for each in entries if each["type"] == "transition"] == ["timeout"]
    visit = view_of(run).visits[0]
    assert (visit.state, visit.input_received, visit.resumed_by) == ("a", None, None)


def test_place_of_an_entry_is_its_id() -> None:
    assert place_of(id_of(3, 17)) == (3, 17)
    assert [place_of(each) for each in ("evt_1", "evt_1-2-3", "x_1-2", "evt_-1-2", "evt_1-" + "9" * 30)] == [None] * 5


def test_a_thread_that_failed_has_not_stopped_while_something_handles_its_error() -> None:
    def broken(_: Any) -> Any:
        raise LogicError("script_error", "no")

    states = {
        "a": State(threads={"one": "b"}, transitions=[Transition("end")], on_error=[Handler("asks")]),
        "b": State(ScriptLogic("b"), [Transition("end")]),
        "asks": State(halt=Halting(accepts={}), transitions=[Transition("end")]),
        "end": State(is_terminal=True),
    }
    run = Simulation(Workflow("m", steps=[Machine("m", states, initial_state="a")]), {}, logic=broken).run()
    view = View()
    for event in events_of(run):
        view.fold(event)
        if event["event"] == "StepError":
            assert not view.has_stopped("thread_one")
    assert view.status == "halted"
