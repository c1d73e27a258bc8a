"""Widgets in steps and in state machines: what is asked, what counts, and where it leads."""

from __future__ import annotations

from typing import Any

import pytest
from tests.workflow.simulation import Simulation

from interlock import (
    DeclarationError,
    Halting,
    Machine,
    Ports,
    State,
    Step,
    StepInput,
    Steps,
    Transition,
    Widget,
    Workflow,
)
from interlock_protocol.errors import ErrorCode, Refusal

DATA = {
    "approvedItems": [{"id": "item-1", "amount": 450.00}],
    "rejectedItems": [],
    "totalApproved": 450.00,
    "notes": "All receipts verified",
}
PORTS = {"approve": "approved", "reject": "rejected", "requestAmendment": "amendment"}


def expenses(**more: Any) -> Widget:
    return Widget("w", **{"ports": PORTS, **more})


def run_of(*steps: Any, **more: Any) -> Simulation:
    return Simulation(Workflow("run", steps=list(steps)), **more).run()


def done(run: Simulation, event: Any, data: Any = None, **more: Any) -> Simulation:
    run.decide({"id": asked(run)["id"], "interaction_event": event, "interaction_data": data}, **more)
    return run.run()


def asked(run: Simulation) -> Any:
    (requirement,) = run.state.requirements.values()
    return requirement.facts


def told(name: str) -> Step:
    return Step(name, lambda given: f"{name} after {given.previous_step_content}")


def names(run: Simulation) -> list[str]:
    return [event["step_name"] for event in run.of("StepCompleted")]


# ── What is asked ───────────────────────────────────────────────────────────────────────────────────────


def test_widget_is_asked_with_the_version_there_is_then_and_its_props() -> None:
    def props(given: StepInput) -> dict[str, Any]:
        return {"order": given.input, "before": given.previous_step_content}

    run = run_of(Step("draft", lambda _: "drafted"), Step("review", widget=expenses(props=props, message="Look.")))
    facts = asked(run)
    assert facts["requires_interaction"] is True
    assert facts["user_input_message"] == "Look."
    assert facts["widget"] == {
        "bundle": "w",
        "version": "v1",
        "props": {"order": "hello", "before": "drafted"},
        "events": ["approve", "reject", "requestAmendment"],
    }
    (paused,) = run.of("StepPaused")
    assert paused["widget"] == facts["widget"]
    run.bundles = {"w": "v2"}
    run.crash()
    run.run()
    assert asked(run)["widget"]["version"] == "v1"


def test_step_fails_whose_widget_or_props_are_not_there() -> None:
    run = run_of(Step("review", widget=expenses()), bundles={})
    assert run.last["error_type"] == "widget_not_found"
    assert "interlock widgets add w" in run.last["error"]
    for wrong in ("text", {"at": object()}, {"long": "x" * 300_000}):
        run = run_of(Step("review", widget=expenses(props=lambda _, wrong=wrong: wrong)))
        assert (run.last["event"], run.last["error_type"]) == ("WorkflowError", "OutputError")


# ── What counts ─────────────────────────────────────────────────────────────────────────────────────────


def test_output_is_the_data_with_what_was_done_by_whom_and_when() -> None:
    run = run_of(Step("review", widget=expenses()))
    run.clock = 1779719400999
    done(run, "approve", {**DATA, "_interactedBy": "somebody else", "_interactionOther": 1})
    assert run.last["content"] == {
        **DATA,
        "_interactionEvent": "approve",
        "_interactedBy": "ada",
        "_interactedAt": "2026-05-25T14:30:01Z",
    }
    assert run.refolded() == run.state


def test_step_with_an_executor_is_given_what_was_done() -> None:
    run = run_of(Step("review", lambda given: sorted(given.widget or ()), widget=expenses()))
    done(run, "reject")
    assert run.last["content"] == ["_interactedAt", "_interactedBy", "_interactionEvent"]


def test_event_that_is_not_expected_is_refused_with_those_that_are() -> None:
    run = run_of(Step("review", widget=expenses()))
    with pytest.raises(Refusal) as refused:
        done(run, "delete", {})
    assert refused.value.code is ErrorCode.UNKNOWN_INTERACTION
    assert refused.value.details == {"expected": ["approve", "reject", "requestAmendment"]}


@pytest.mark.parametrize(
    ("widget", "expected"),
    [
        (expenses(), ["approve", "reject", "requestAmendment"]),
        (Widget("w", schema={"save": {}}), ["save"]),
        (Widget("w", ports={"a": "p"}, default="rest", schema={"b": {}}), ["a", "b"]),
        (Widget("w", ports={"a": "p"}, default="rest"), None),
    ],
)
def test_events_are_those_of_ports_and_schemas_or_any_with_a_default_port(widget: Widget, expected: Any) -> None:
    assert widget.events == expected


def test_data_is_judged_by_the_schema_of_its_event() -> None:
    schema = {"approve": {"type": "object", "required": ["total"], "properties": {"total": {"type": "number"}}}}
    run = run_of(Step("review", widget=expenses(schema=schema)))
    for data, field in (({"total": "1"}, "interaction_data.total"), ({"long": "x" * 300_000}, "interaction_data")):
        with pytest.raises(Refusal) as refused:
            done(run, "approve", data)
        assert refused.value.code is ErrorCode.INVALID_DECISION
        assert [each["field"] for each in refused.value.details] == [field]
    with pytest.raises(Refusal, match="interaction_event"):
        run.decide({"id": asked(run)["id"], "interaction_data": {"total": 1}})
    done(run, "approve", {"total": 1})
    assert run.last["content"]["total"] == 1


def test_the_same_again_changes_nothing_and_another_event_is_refused_with_the_winner() -> None:
    run = run_of(Step("review", widget=expenses()), Step("wait", widget=expenses()))
    first = asked(run)["id"]
    done(run, "approve", DATA)
    assert run.decide({"id": first, "interaction_event": "approve", "interaction_data": DATA}) == ()
    for event, data in (("reject", DATA), ("approve", {})):
        with pytest.raises(Refusal) as refused:
            run.decide({"id": first, "interaction_event": event, "interaction_data": data})
        assert refused.value.code is ErrorCode.CONFLICT
        assert refused.value.details == {
            "decision": {"interaction_event": "approve", "interaction_data": DATA},
            "resolved_by": "ada",
        }


def test_widget_that_nobody_answers_in_time_skips_or_cancels() -> None:
    run = run_of(Step("review", widget=expenses(timeout=1, on_timeout="skip")), told("after"))
    run.expire(2000)
    assert run.run().last["content"] == "after after None"
    run = run_of(Step("review", widget=expenses(timeout=1)))
    run.expire(2000)
    assert run.run().last["event"] == "WorkflowCancelled"


def test_several_decide_by_the_same_event_and_data() -> None:
    people = {"assignees": ["bo", "cy"], "policy": "unanimous", "timeout": 60}
    run = run_of(Step("review", widget=expenses(**people)))
    assert asked(run)["widget"]["version"] == "v1"
    done(run, "approve", DATA, by="bo")
    assert run.waiting == ["review"]
    done(run, "approve", DATA, by="cy")
    assert run.last["content"]["_interactionEvent"] == "approve"


# ── Where it leads ──────────────────────────────────────────────────────────────────────────────────────


BRANCHES = {"approved": [told("pay")], "rejected": [told("tell")]}


@pytest.mark.parametrize(
    ("event", "default", "ran"),
    [
        ("approve", None, ["review", "pay"]),
        ("reject", None, ["review", "tell"]),
        ("requestAmendment", [told("amend")], ["review", "amend"]),
        ("requestAmendment", None, ["review"]),
    ],
)
def test_ports_run_the_branch_of_the_step_before(event: str, default: Any, ran: list[str]) -> None:
    run = run_of(Step("review", widget=expenses()), Ports("way", BRANCHES, default=default))
    done(run, event, DATA)
    assert names(run) == ran
    assert run.refolded() == run.state


def test_port_comes_through_containers_and_is_gone_after_another_step() -> None:
    inside = Steps("around", [Step("review", widget=expenses())])
    run = done(run_of(inside, Steps("next", [Ports("way", BRANCHES)])), "reject")
    assert names(run) == ["review", "tell"]
    run = done(run_of(inside, told("between"), Ports("way", BRANCHES, default=[told("rest")])), "reject")
    assert names(run) == ["review", "between", "rest"]


def test_event_without_a_port_takes_the_default_one() -> None:
    run = run_of(Step("review", widget=expenses(default="approved")), Ports("way", BRANCHES))
    assert names(done(run, "anything")) == ["review", "pay"]


# ── In state machines ───────────────────────────────────────────────────────────────────────────────────


def machine(**more: Any) -> Machine:
    widget = expenses(props={"claim": "${workflow_data.amount}"}, **more)
    ways = [
        Transition("paid", port="approved"),
        Transition("gone", port="rejected", condition={"field": "notes", "operator": "exists"}),
        Transition("open"),
    ]
    states = {
        "begin": State(lambda _: {"amount": 450}, [Transition("review")]),
        "review": State(halt=Halting(widget=widget), transitions=ways),
        **{name: State(is_terminal=True) for name in ("paid", "gone", "open")},
    }
    return Machine("claim", states, initial_state="begin")


@pytest.mark.parametrize(
    ("event", "data", "state"),
    [("approve", {}, "paid"), ("reject", DATA, "gone"), ("reject", {}, "open"), ("requestAmendment", {}, "open")],
)
def test_machine_goes_by_the_port_of_the_event_and_keeps_its_data(event: str, data: Any, state: str) -> None:
    run = run_of(machine())
    assert asked(run)["widget"]["props"] == {"claim": 450}
    assert asked(run)["requires_interaction"] is True
    done(run, event, data)
    (ended,) = run.of("ThreadCompleted")
    assert ended["state"] == state
    by = {"_interactionEvent": event, "_interactedBy": "ada", "_interactedAt": "1970-01-01T00:00:01Z"}
    assert run.last["content"] == {"amount": 450, **data, **by}
    assert run.refolded() == run.state


def test_machine_refuses_an_event_that_leads_nowhere() -> None:
    states = {
        "review": State(halt=Halting(widget=expenses()), transitions=[Transition("paid", port="approved")]),
        "paid": State(is_terminal=True),
    }
    run = run_of(Machine("claim", states, initial_state="review"))
    with pytest.raises(Refusal) as refused:
        done(run, "reject")
    assert refused.value.code is ErrorCode.INVALID_TRANSITION
    with pytest.raises(Refusal, match="no event 'other'"):
        done(run, "other")


def bad(value: Any) -> Any:
    """A value of a type that mypy would refuse."""
    return value


# ── Declarations ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Step("s"), "exactly one"),
        (lambda: Step("s", print, agent=print, widget=expenses()), "exactly one"),
        (lambda: Step("s", widget=Widget("Not a name", default="p")), "bundle"),
        (lambda: Step("s", widget=Widget("w")), "has no events"),
        (lambda: Step("s", widget=expenses(ports={"an event": "p"})), "name of an event"),
        (lambda: Step("s", widget=expenses(ports={"a": "no port"})), "name of a port"),
        (lambda: Step("s", widget=expenses(schema={"a": {"type": "no type"}})), "schema"),
        (lambda: Step("s", widget=expenses(props=[1])), "props"),
        (lambda: Step("s", widget=expenses(props={"x": "x" * 300_000})), "over 256 KiB"),
        (lambda: Step("s", widget=expenses(on_timeout="approve", timeout=1)), "nothing to approve"),
        (lambda: Step("s", widget=bad("w")), "must be a Widget"),
        (lambda: Ports("p", {}), "each port"),
        (lambda: Ports("p", {"a": [told("x")], "b": [told("x")]}), "two steps"),
        (lambda: Ports("p", {"default": [told("x")]}), "isn't 'default'"),
        (lambda: Halting(widget=expenses(), instruction={"message": "m"}), "all that is asked"),
        (
            lambda: Machine("m", {"a": State(print, [Transition("a", port="p")])}, initial_state="a"),
            "halts with a widget",
        ),
    ],
)
def test_impossible_declaration_is_refused_where_it_is_made(make: Any, said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        make()
