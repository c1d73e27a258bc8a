"""Every account, namespace, kind, set of scopes and standing: what `may` says, against the rules said another way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product

import pytest

from interlock.auth import ALL_SCOPES, Kind, Principal, RequirementFacts, Verb, may

ADA = "ada"
NAMESPACES = {
    "her own": "user_ada",
    "her group's": "org_ops",
    "given to her": "project.x",
    "another's": "user_bob",
    "another group's": "org_finance",
}
OWN = {"her own", "her group's", "given to her"}
NAMED: dict[str, list[str]] = {
    "nobody": [],
    "her": [ADA],
    "her group": ["group:ops"],
    "another": ["bob"],
    "another and her": ["bob", ADA],
}
SCOPE_SETS = [frozenset(chosen) for size in range(3) for chosen in combinations(sorted(ALL_SCOPES), size)]


@dataclass(frozen=True)
class Case:
    """Ada of `acme`, in the group ops, asks of a run of `account`."""

    account: str
    namespace: str
    owner: str
    named: str
    kind: Kind
    scopes: frozenset[str]

    @property
    def user_id(self) -> str:
        return self.owner

    @property
    def assignees(self) -> list[str]:
        return NAMED[self.named]


@dataclass(frozen=True)
class Place:
    """The run of a case, as `may` has to know it."""

    account: str
    namespace: str
    user_id: str
    assignees: list[str]


def cases() -> Iterator[Case]:
    accounts = ("acme", "other", "default")
    for values in product(accounts, NAMESPACES, (ADA, "bob"), NAMED, Kind, SCOPE_SETS):
        yield Case(*values)


BY_SCOPE = {
    Verb.READ_DEFINITIONS: "workflows:read",
    Verb.WRITE_DEFINITIONS: "workflows:write",
    Verb.READ_INSTANCES: "workflows:read",
    Verb.EXECUTE_INSTANCES: "workflows:execute",
    Verb.MANAGE_USERS: "users:manage",
    Verb.WRITE_FILES: "files:write",
}
"""What is asked before it is looked for: the scope decides, whatever it is about."""

BY_NAMESPACE = {
    Verb.START: ("workflows:execute",),
    Verb.RUN_GRAPHS: ("workflows:execute", "graphs:execute"),
    Verb.MANAGE_SECRETS: ("secrets:manage",),
    Verb.MANAGE_WEBHOOKS: ("webhooks:manage",),
    Verb.ASK: ("interactions:manage",),
}
"""What is asked about a namespace, to whoever it belongs; each scope does for it."""


RUNS = ("workflows:execute", "workflows:decide", "workflows:read")
ASKED = ("interactions:manage", "interactions:respond")
WITH_ANY_OF = {
    Verb.LIST: RUNS,
    Verb.READ_INBOX: (*RUNS, *ASKED),
    Verb.READ_FILES: (*RUNS, "files:write"),
    Verb.OWN_FILE: (*RUNS, "files:write"),
}
"""What one of several scopes does for; a file, like a run, is somebody's own."""


def expected(verb: Verb, case: Case) -> bool:
    """The rules, as the documents have them: each paragraph a line."""
    can, is_admin = case.scopes.__contains__, "admin" in case.scopes
    if case.account != "acme":
        return False  # nothing of another account exists
    if verb is Verb.OPERATE:
        return False  # the server itself is for the admins of `default`
    is_others = case.named not in ("nobody", "her", "her group", "another and her")
    if is_admin:
        return not (verb is Verb.DECIDE and is_others)  # an admin may everything in its account but others' decisions
    lives_there = case.namespace in OWN or case.kind is Kind.SERVICE
    is_its_own = lives_there or case.owner == ADA
    is_named = case.named in ("her", "her group", "another and her")
    if verb in BY_NAMESPACE:
        return any(map(can, BY_NAMESPACE[verb])) and lives_there
    if verb is Verb.READ:
        as_owner = is_its_own and (can("workflows:execute") or can("workflows:read"))
        return as_owner or (is_named and any(map(can, ("workflows:decide", "workflows:read", "interactions:respond"))))
    if verb in (Verb.CANCEL, Verb.SIGNAL):
        return is_its_own and can("workflows:execute")
    if verb is Verb.DECIDE:
        as_owner = is_its_own and (case.named == "nobody" or is_named) and can("workflows:execute")
        return as_owner or (is_named and (can("workflows:decide") or can("interactions:respond")))
    if verb in WITH_ANY_OF:
        return (is_its_own or verb is not Verb.OWN_FILE) and any(map(can, WITH_ANY_OF[verb]))
    if verb in BY_SCOPE:
        return can(BY_SCOPE[verb])
    assert verb in (Verb.ACT_FOR, Verb.DECIDE_FOR)
    return False


@pytest.mark.parametrize("verb", Verb)
def test_what_may_be_done_is_what_the_rules_say_for_every_account_namespace_kind_scope_and_standing(verb: Verb) -> None:
    for case in cases():
        ada = Principal(
            ADA,
            case.scopes,
            groups=frozenset({"ops"}),
            account="acme",
            namespaces=frozenset({"project.x"}),
            kind=case.kind,
        )
        run = Place(case.account, NAMESPACES[case.namespace], case.owner, case.assignees)
        requirement: RequirementFacts = run
        assert may(ada, verb, run, requirement) is expected(verb, case), (verb, case)


@pytest.mark.parametrize("kind", Kind)
def test_no_scope_kind_or_name_reaches_into_another_account(kind: Kind) -> None:
    twin = Principal(ADA, ALL_SCOPES, frozenset({"ops"}), None, "other", frozenset({"org_ops", "user_ada"}), kind)
    run = Place("acme", "user_ada", ADA, [ADA, "group:ops"])
    assert not any(may(twin, verb, run, run) for verb in Verb)


@pytest.mark.parametrize(("account", "may_operate"), [("default", True), ("acme", False)])
def test_how_the_server_does_is_for_the_admins_of_the_default_account(account: str, may_operate: bool) -> None:
    assert may(Principal("root", ALL_SCOPES, account=account), Verb.OPERATE) is may_operate
    assert not may(Principal("root", ALL_SCOPES - {"admin"}, account=account, kind=Kind.SERVICE), Verb.OPERATE)


@pytest.mark.parametrize("kind", Kind)
def test_without_a_run_starting_is_asked_for_a_namespace_of_ones_own(kind: Kind) -> None:
    assert may(Principal(ADA, frozenset({"workflows:execute"}), kind=kind), Verb.START)
    assert not may(Principal(ADA, frozenset({"workflows:read"}), kind=kind), Verb.START)


@pytest.mark.parametrize("kind", Kind)
def test_what_tells_of_a_whole_account_is_managed_by_who_owns_all_of_it(kind: Kind) -> None:
    ada = Principal(ADA, frozenset({"webhooks:manage"}), frozenset({"ops"}), None, "acme", frozenset({"x"}), kind)
    assert may(ada, Verb.MANAGE_WEBHOOKS, Place("acme", "", "", [])) is (kind is Kind.SERVICE)
