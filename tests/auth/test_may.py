"""The whole matrix: every verb, from every standing, under every set of scopes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import pytest

from interlock.auth.may import RULES, Standing, Verb, may, scopes_for
from interlock.auth.principal import ALL_SCOPES, Principal
from interlock_protocol.namespaces import DEFAULT_ACCOUNT, home_of


@dataclass(frozen=True)
class Run:
    user_id: str
    assignees: frozenset[str] = frozenset()
    account: str = DEFAULT_ACCOUNT

    @property
    def namespace(self) -> str:
        return home_of(self.user_id)


@dataclass(frozen=True)
class Requirement:
    assignees: Sequence[str] | None = None


# Who asks is always ada, of the group ops.
SITUATIONS: dict[str, tuple[Run | None, Requirement | None]] = {
    "no run": (None, None),
    "stranger": (Run("bob"), Requirement()),
    "stranger, someone assigned": (Run("bob", frozenset({"eve"})), Requirement(["eve"])),
    "owner, no requirement": (Run("ada"), None),
    "owner, nobody assigned": (Run("ada"), Requirement()),
    "owner, empty list": (Run("ada"), Requirement([])),
    "owner, someone assigned": (Run("ada", frozenset({"eve"})), Requirement(["eve"])),
    "owner, assigned too": (Run("ada", frozenset({"ada", "eve"})), Requirement(["eve", "ada"])),
    "owner, group assigned": (Run("ada", frozenset({"group:ops"})), Requirement(["group:ops"])),
    "assignee": (Run("bob", frozenset({"ada"})), Requirement(["ada"])),
    "assignee by group": (Run("bob", frozenset({"group:ops"})), Requirement(["eve", "group:ops"])),
    "assignee of another": (Run("bob", frozenset({"ada", "eve"})), Requirement(["eve"])),
    "assignee, no requirement": (Run("bob", frozenset({"ada"})), None),
    "the group's name as a user": (Run("bob", frozenset({"ops"})), Requirement(["ops"])),
    "the user's name as a group": (Run("bob", frozenset({"group:ada"})), Requirement(["group:ada"])),
}

SCOPES = {
    "x": "workflows:execute",
    "d": "workflows:decide",
    "r": "workflows:read",
    "w": "workflows:write",
    "f": "files:write",
    "h": "webhooks:manage",
    "u": "users:manage",
    "s": "secrets:manage",
    "m": "interactions:manage",
    "p": "interactions:respond",
    "g": "graphs:execute",
    "a": "admin",
}

# Which scopes suffice, each by itself; runs are in their owners' own namespaces. `list`, `act_for` and `operate` don't
# depend on the run.
MATRIX = """
                           | start | list  | read   | decide | cancel | act_for | operate | manage_secrets | own_file
no run                     | x.a   | xdr.a | a      | a      | a      | a       | a       | s.a            | a
stranger                   | a     | xdr.a | a      | a      | a      | a       | a       | a              | a
stranger, someone assigned | a     | xdr.a | a      | .      | a      | a       | a       | a              | a
owner, no requirement      | x.a   | xdr.a | xr.a   | x.a    | x.a    | a       | a       | s.a            | xdrf.a
owner, nobody assigned     | x.a   | xdr.a | xr.a   | x.a    | x.a    | a       | a       | s.a            | xdrf.a
owner, empty list          | x.a   | xdr.a | xr.a   | x.a    | x.a    | a       | a       | s.a            | xdrf.a
owner, someone assigned    | x.a   | xdr.a | xr.a   | .      | x.a    | a       | a       | s.a            | xdrf.a
owner, assigned too        | x.a   | xdr.a | xdrp.a | xdp.a  | x.a    | a       | a       | s.a            | xdrf.a
owner, group assigned      | x.a   | xdr.a | xdrp.a | xdp.a  | x.a    | a       | a       | s.a            | xdrf.a
assignee                   | a     | xdr.a | drp.a  | dp.a   | a      | a       | a       | a              | a
assignee by group          | a     | xdr.a | drp.a  | dp.a   | a      | a       | a       | a              | a
assignee of another        | a     | xdr.a | drp.a  | .      | a      | a       | a       | a              | a
assignee, no requirement   | a     | xdr.a | drp.a  | a      | a      | a       | a       | a              | a
the group's name as a user | a     | xdr.a | a      | .      | a      | a       | a       | a              | a
the user's name as a group | a     | xdr.a | a      | .      | a      | a       | a       | a              | a
"""


# The same for what no run has a say in.
ANYWHERE = """
read_definitions  | r.a
write_definitions | w.a
read_instances    | r.a
execute_instances | x.a
decide_for        | a
manage_users      | u.a
write_files       | f.a
read_files        | xdrf.a
read_inbox        | xdrmp.a
"""


ALIKE = {Verb.SIGNAL: Verb.CANCEL}
"""Verbs that whoever may do the other one may do: to send a run signals is no smaller thing than to end it."""


def read_matrix() -> dict[tuple[str, Verb], frozenset[str]]:
    header, *rows = ([cell.strip() for cell in line.split("|")] for line in MATRIX.strip("\n").splitlines())
    anywhere = [[cell.strip() for cell in line.split("|")] for line in ANYWHERE.strip("\n").splitlines()]
    column = header.index("manage_secrets")
    for verb, letter in (("manage_webhooks", "h"), ("ask", "m")):  # the same for another scope
        header.append(verb)
        for row in rows:
            row.append(row[column].replace("s", letter))
    column = header.index("start")
    header.append("run_graphs")  # as to start anything, and for a scope of its own
    for row in rows:
        row.append(row[column].replace("x", "xg"))
    return {
        (row[0], Verb(verb)): frozenset(SCOPES[letter] for letter in cell if letter != ".")
        for row in rows
        for verb, cell in [*zip(header[1:], row[1:], strict=True), *anywhere]
    }


EXPECTED = read_matrix()
EXPECTED |= {(situation, verb): EXPECTED[situation, other] for situation in SITUATIONS for verb, other in ALIKE.items()}
SIZES = range(len(ALL_SCOPES) + 1)
SCOPE_SETS = [frozenset(chosen) for size in SIZES for chosen in combinations(sorted(ALL_SCOPES), size)]


def test_the_matrix_is_whole() -> None:
    assert EXPECTED.keys() == {(situation, verb) for situation in SITUATIONS for verb in Verb}
    assert set(SCOPES.values()) == ALL_SCOPES
    assert len(SCOPE_SETS) == 2 ** len(ALL_SCOPES)


@pytest.mark.parametrize("verb", Verb)
@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_principal_may_do_what_one_of_their_scopes_allows_and_nothing_else(situation: str, verb: Verb) -> None:
    run, requirement = SITUATIONS[situation]
    for scopes in SCOPE_SETS:
        ada = Principal("ada", scopes, frozenset({"ops"}))
        allowed = not scopes.isdisjoint(EXPECTED[situation, verb])
        assert may(ada, verb, run, requirement) is allowed, (situation, verb, sorted(scopes))


def test_every_verb_has_its_rules() -> None:
    assert RULES.keys() == set(Verb)


def test_a_refusal_can_name_the_scope_that_would_do() -> None:
    assert {verb: list(scopes_for(verb)) for verb in Verb if verb.value.endswith(("definitions", "instances"))} == {
        Verb.READ_DEFINITIONS: ["workflows:read"],
        Verb.WRITE_DEFINITIONS: ["workflows:write"],
        Verb.READ_INSTANCES: ["workflows:read"],
        Verb.EXECUTE_INSTANCES: ["workflows:execute"],
    }


def test_every_rule_is_made_of_scopes_that_exist_and_standings_that_are_used() -> None:
    rules = [rule for lines in RULES.values() for rule in lines]
    assert {scope for scope, _ in rules} <= ALL_SCOPES
    assert {standing for _, standing in rules} == set(Standing)


def test_an_unknown_scope_allows_nothing() -> None:
    ada = Principal("ada", frozenset({"*", "workflows:*", "ADMIN", ""}))
    assert not any(may(ada, verb, Run("ada", frozenset({"ada"})), Requirement(["ada"])) for verb in Verb)


def test_an_owner_whose_id_looks_like_a_group_is_not_every_member() -> None:
    ada = Principal("ada", frozenset({"workflows:read"}), frozenset({"ops"}))
    assert not may(ada, Verb.READ, Run("group:ops"))
