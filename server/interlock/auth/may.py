"""The one function that decides who may do what: `may(principal, verb, run, requirement)`.

Laws:
- The account comes first: nothing of another account exists, not even for admins.
- Everything that is allowed is a line of `RULES`, or done by an admin. Everything else is refused.
- A line is a scope *and* a standing; more scopes and more standings never take anything away.
- The owner of a run's namespace has the standing of the run's owner.
- A requirement that names assignees is theirs: the run's owner decides it only if named among them, and so does an
  admin, who may decide on behalf of one who is.
- To a principal that may not `read` a run, the run does not exist; the caller answers `run_not_found`, not `forbidden`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final, Protocol

from interlock.auth.principal import (
    ASK,
    DECIDE,
    EXECUTE,
    FILES,
    GRAPHS,
    READ,
    RESPOND,
    SECRETS,
    USERS,
    WEBHOOKS,
    WRITE,
    Kind,
    Principal,
)
from interlock_protocol.namespaces import DEFAULT_ACCOUNT


class Verb(StrEnum):
    """What a principal asks to do."""

    START = "start"
    """Start the run, which doesn't exist yet; without a run, any in a namespace of one's own."""
    LIST = "list"
    """See a list of runs; for each run in it, `READ` is asked."""
    READ = "read"
    DECIDE = "decide"
    DECIDE_FOR = "decide_for"
    """Decide on behalf of somebody whom the requirement names."""
    CANCEL = "cancel"
    READ_INBOX = "read_inbox"
    """See what waits for oneself, and interactions; for each of them, more is asked."""
    ASK = "ask"
    """Ask people by an interaction, which doesn't exist yet; without one, in any namespace of one's own."""
    SIGNAL = "signal"
    """Send signals to the run."""
    ACT_FOR = "act_for"
    """Give another user's `user_id` in a message."""
    OPERATE = "operate"
    """See the state of the server itself, across all accounts: its metrics."""
    READ_DEFINITIONS = "read_definitions"
    """See the stored definitions of one's account, and check new ones."""
    WRITE_DEFINITIONS = "write_definitions"
    """Store, publish and delete definitions of one's account."""
    READ_INSTANCES = "read_instances"
    """Ask for instances of machines; for each of them, `READ` is asked too."""
    EXECUTE_INSTANCES = "execute_instances"
    """Create, resume or cancel instances of machines; for each, `START`, `DECIDE` or `CANCEL` is asked too."""
    RUN_GRAPHS = "run_graphs"
    """Run a graph in a session, which may not exist yet, see that session, or cancel it; without one, in any namespace
    of one's own."""
    WRITE_FILES = "write_files"
    """Upload files, or delete them; for each deletion, `OWN_FILE` is asked too."""
    READ_FILES = "read_files"
    """Ask for files; for each of them, `OWN_FILE` is asked, or `READ` of a run that uses it."""
    OWN_FILE = "own_file"
    """See a file, give it in a decision, or delete it. It stands in for the run: its uploader's, where they live."""
    MANAGE_USERS = "manage_users"
    """See and change the people, groups and service accounts of one's account; `may_give` is asked too."""

    MANAGE_SECRETS = "manage_secrets"
    """See, store and delete secrets, providers and integrations, but never a value: those of a namespace, or, without a
    run, those of one's whole account."""

    MANAGE_WEBHOOKS = "manage_webhooks"
    """See, make, change and delete subscriptions, and replay what they were told: those that tell of a namespace, or,
    in a place without a name, of a whole account. Without a run: of any namespace of one's own."""


class Standing(StrEnum):
    """The relation of a principal to a run, or to one requirement of it."""

    ANYONE = "anyone"
    RESIDENT = "owner of the run's namespace, if it has one yet"
    OWNER = "owner of the run or of its namespace"
    RUN_ASSIGNEE = "assignee of a requirement of the run, past or present"
    ASSIGNEE = "assignee of this requirement"
    DECIDING_OWNER = "such an owner, and this requirement names nobody, or names the owner too"


RULES: Final[Mapping[Verb, frozenset[tuple[str, Standing]]]] = {
    Verb.START: frozenset(
        {
            (EXECUTE, Standing.RESIDENT),
        }
    ),
    Verb.LIST: frozenset(
        {
            (EXECUTE, Standing.ANYONE),
            (DECIDE, Standing.ANYONE),
            (READ, Standing.ANYONE),
        }
    ),
    Verb.READ: frozenset(
        {
            (EXECUTE, Standing.OWNER),
            (READ, Standing.OWNER),
            (DECIDE, Standing.RUN_ASSIGNEE),
            (RESPOND, Standing.RUN_ASSIGNEE),
            (READ, Standing.RUN_ASSIGNEE),
        }
    ),
    Verb.DECIDE: frozenset(
        {
            (EXECUTE, Standing.DECIDING_OWNER),
            (DECIDE, Standing.ASSIGNEE),
            (RESPOND, Standing.ASSIGNEE),
        }
    ),
    Verb.DECIDE_FOR: frozenset(),
    Verb.READ_INBOX: frozenset((scope, Standing.ANYONE) for scope in (EXECUTE, DECIDE, READ, ASK, RESPOND)),
    Verb.ASK: frozenset(
        {
            (ASK, Standing.RESIDENT),
        }
    ),
    Verb.CANCEL: frozenset(
        {
            (EXECUTE, Standing.OWNER),
        }
    ),
    Verb.SIGNAL: frozenset(
        {
            (EXECUTE, Standing.OWNER),
        }
    ),
    Verb.ACT_FOR: frozenset(),
    Verb.OPERATE: frozenset(),
    Verb.READ_DEFINITIONS: frozenset(
        {
            (READ, Standing.ANYONE),
        }
    ),
    Verb.WRITE_DEFINITIONS: frozenset(
        {
            (WRITE, Standing.ANYONE),
        }
    ),
    Verb.READ_INSTANCES: frozenset(
        {
            (READ, Standing.ANYONE),
        }
    ),
    Verb.MANAGE_SECRETS: frozenset(
        {
            (SECRETS, Standing.RESIDENT),
        }
    ),
    Verb.MANAGE_WEBHOOKS: frozenset(
        {
            (WEBHOOKS, Standing.RESIDENT),
        }
    ),
    Verb.EXECUTE_INSTANCES: frozenset(
        {
            (EXECUTE, Standing.ANYONE),
        }
    ),
    Verb.RUN_GRAPHS: frozenset(
        {
            (EXECUTE, Standing.RESIDENT),
            (GRAPHS, Standing.RESIDENT),
        }
    ),
    Verb.WRITE_FILES: frozenset(
        {
            (FILES, Standing.ANYONE),
        }
    ),
    Verb.READ_FILES: frozenset((scope, Standing.ANYONE) for scope in (EXECUTE, DECIDE, READ, FILES)),
    Verb.OWN_FILE: frozenset((scope, Standing.OWNER) for scope in (EXECUTE, DECIDE, READ, FILES)),
    Verb.MANAGE_USERS: frozenset(
        {
            (USERS, Standing.ANYONE),
        }
    ),
}


OPERATORS: Final = DEFAULT_ACCOUNT
"""The account whose admins see the state of the server itself."""


class RunFacts(Protocol):
    """The facts about a run that a decision needs."""

    @property
    def account(self) -> str:
        """The run's account."""

    @property
    def namespace(self) -> str:
        """The run's namespace in that account."""

    @property
    def user_id(self) -> str:
        """The user who started it."""

    @property
    def assignees(self) -> Collection[str]:
        """Every user id, or `group:NAME`, that a requirement of the run names or has named."""


class RequirementFacts(Protocol):
    """The facts about a requirement that a decision needs."""

    @property
    def assignees(self) -> Sequence[str] | None:
        """User ids, or `group:NAME`; none, or an empty list, names nobody."""


def may(
    principal: Principal,
    verb: Verb,
    run: RunFacts | None = None,
    requirement: RequirementFacts | None = None,
) -> bool:
    """Return True if `principal` may do `verb` to `run`, or to `requirement` of it.

    Without a requirement, `Verb.DECIDE` is checked as for one that names nobody. Without a run, a verb that
    needs one is refused to all but admins.
    """
    if run is not None and run.account != principal.account:
        return False
    if principal.is_admin:
        if verb is Verb.DECIDE and requirement is not None and requirement.assignees:
            return not principal.names.isdisjoint(requirement.assignees)
        return verb is not Verb.OPERATE or principal.account == OPERATORS
    standings = frozenset(_standings(principal, run, requirement))
    return any(scope in principal.scopes and standing in standings for scope, standing in RULES[verb])


class Powers(Protocol):
    """What somebody has, or is to have."""

    @property
    def scopes(self) -> frozenset[str]:
        """Scopes."""

    @property
    def groups(self) -> frozenset[str]:
        """Groups."""

    @property
    def namespaces(self) -> frozenset[str]:
        """Namespaces besides one's own and those of one's groups."""

    @property
    def kind(self) -> str:
        """A `Kind`."""


def may_give(principal: Principal, powers: Powers) -> bool:
    """Return True if `principal` has all of these, so that they may give them, and change whoever has them.

    Whoever can set a password has what its owner has: both are one question. An admin has everything in the account.
    """
    if principal.is_admin:
        return True
    if powers.kind == Kind.SERVICE and not principal.owns_all:
        return False
    owns = all(map(principal.owns, powers.namespaces))
    return powers.scopes <= principal.scopes and powers.groups <= principal.groups and owns


def scopes_for(verb: Verb) -> Sequence[str]:
    """The scopes that allow a verb to somebody, besides admin: for a refusal, which names what is missing."""
    return sorted({scope for scope, _ in RULES[verb]})


def _standings(principal: Principal, run: RunFacts | None, requirement: RequirementFacts | None) -> Iterator[Standing]:
    yield Standing.ANYONE
    is_resident = run is None or principal.owns(run.namespace)
    if is_resident:
        yield Standing.RESIDENT
    if run is None:
        return
    named = (requirement.assignees if requirement else None) or ()
    is_owner = is_resident or run.user_id == principal.user_id
    is_assignee = not principal.names.isdisjoint(named)
    if is_owner:
        yield Standing.OWNER
    if not principal.names.isdisjoint(run.assignees):
        yield Standing.RUN_ASSIGNEE
    if is_assignee:
        yield Standing.ASSIGNEE
    if is_owner and (is_assignee or not named):
        yield Standing.DECIDING_OWNER
