"""Where a definition can go: what nothing leads to, what never ends, and what threads may enter."""

from __future__ import annotations

from typing import Any

import pytest
from tests.definitions.test_machine_checks import SMALL, THREADS, errors, warnings
from tests.support.machines import GONE, changed, fixture


def test_a_state_that_nothing_leads_to_is_a_warning() -> None:
    definition = changed(SMALL, "states.island", {"type": "terminal"})
    assert errors(definition) == []
    assert warnings(definition) == ["states.island"]


def test_a_transition_behind_an_unconditional_one_is_a_warning_and_leads_nowhere() -> None:
    definition = changed(SMALL, "states.start.transitions[1]", {"target": "late"})
    definition = changed(definition, "states.late", {"type": "terminal"})
    assert errors(definition) == []
    assert warnings(definition) == ["states.start.transitions[1]", "states.late"]


def test_states_from_which_nothing_ends_are_faults() -> None:
    a_loop = changed(SMALL, "states.again", {"type": "action", "transitions": [{"target": "once"}]})
    a_loop = changed(a_loop, "states.once", {"type": "action", "transitions": [{"target": "again"}]})
    to_it = {"target": "again", "condition": {"field": "a", "equals": 1}}
    a_loop = changed(a_loop, "states.start.transitions", [to_it, {"target": "end"}])
    assert errors(a_loop) == ["states.again", "states.once"]
    a_way_out = changed(a_loop, "states.once.on_error", {"target": "end"})
    assert errors(a_way_out) == []


def test_a_definition_without_a_terminal_state_is_a_fault_said_once() -> None:
    again = {"type": "action", "transitions": [{"target": "start"}]}
    assert errors({**SMALL, "states": {"start": again}}) == ["states"]


def test_a_thread_needs_an_end_of_its_own() -> None:
    definition = changed(fixture(THREADS), "states.pack.transitions", [{"target": "pack"}])
    assert errors(changed(definition, "states.pack.on_timeout", GONE)) == ["states.pack"]


def test_threads_have_names_of_their_own_in_the_whole_definition() -> None:
    another = {"type": "parallel", "threads": {"packing": "packed"}, "transitions": [{"target": "complete"}]}
    definition = changed(fixture(THREADS), "states.settle.transitions[0].to", "further")
    assert errors(changed(definition, "states.further", another)) == ["states.further.threads.packing"]


def test_a_parallel_state_may_be_entered_again_by_the_thread_that_it_stands_in() -> None:
    definition = changed(fixture(THREADS), "states.settle.transitions[0].to", "both")
    assert errors(definition) == []


@pytest.mark.parametrize("begin", ["inner", "around"])
def test_two_threads_do_not_begin_at_once_in_a_state_that_starts_others(begin: str) -> None:
    def parallel(**threads: str) -> Any:
        return {"type": "parallel", "threads": threads, "transitions": [{"target": "end"}]}

    inner, around = parallel(three="end"), parallel(four="inner")
    states = {"start": parallel(one="inner", two=begin), "inner": inner, "around": around}
    definition = {**SMALL, "states": {**states, "end": {"type": "terminal"}}}
    assert errors(definition) == ["states.start.threads.two"]


def test_no_more_threads_begin_at_once_than_an_instance_may_have() -> None:
    def nested(inner: int) -> Any:
        threads = {**{f"t{number}": "end" for number in range(5)}, "p": "p"}
        first = {"type": "parallel", "threads": threads, "transitions": [{"target": "end"}]}
        second = {**first, "threads": {f"u{number}": "end" for number in range(inner)}}
        return {"name": "m", "initial_state": "a", "states": {"a": first, "p": second, "end": {"type": "terminal"}}}

    assert errors(nested(4)) == []
    assert errors(nested(5)) == ["states.a.threads"]
