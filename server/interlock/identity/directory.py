"""From a token to a principal as the directory has it: whoever is in it has its groups, and is refused once disabled.

Laws:
- Own tokens count as long as their member is enabled, has the token's generation, and its grant isn't revoked. Their
  scopes are those of the token that the member still has.
- What an identity provider said at a sign-in adds to the directory for as long as that sign-in lasts.
- A token of an issuer is its subject's: a member of that issuer has their own id and groups. A token whose subject is
  another member's id is refused.
- A group has one source. What a token of another source says of it isn't read; what the operator's settings say is.
- Whoever holds something open learns of a change of their member at once if it was made here, and within `every` else.
- What is known of members is bounded, and never outlives a change: what was read before one isn't kept after it.
- A server without a directory asks no database who somebody is.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol, TypeAlias, TypeVar

import structlog

from interlock.auth import AuthUnavailable, InvalidToken, Kind, Principal
from interlock.auth.principal import ALL_SCOPES
from interlock.auth.token_list import parse_scopes
from interlock.auth.tokens import Authenticator
from interlock.identity.signing import HOUR_MS, SigningKeys
from interlock.store.port import StoreUnavailable
from interlock.store.ports.directory import OWN_ISSUER, DirectoryChange, DirectoryStore, Member
from interlock.store.ports.grants import Grants
from interlock_protocol.types import JsonObject

logger = structlog.get_logger(__name__)

K = TypeVar("K")
V = TypeVar("V")
Person: TypeAlias = tuple[str, str]
"""An account, and a user of it."""

KEPT: Final = 10_000
"""How many members, and the groups of how many accounts, are kept in memory."""

PAGE: Final = 1000

PATIENCE_SECONDS: Final = 0.25
"""How long the next look waits for those who are told of a change."""

REMEMBERED_MS: Final = 2 * HOUR_MS
"""How long a revoked grant is remembered: longer than its last token lives."""

_NOT_ANY_MORE: Final = "The token counts no more: it was revoked, or its user was disabled. Sign in again."
_ANOTHERS: Final = "The token's `sub` is the id of somebody else on this server; ask whoever runs it."


@dataclass(frozen=True, slots=True)
class OwnToken:
    """What a token of this server says."""

    person: Person
    scopes: frozenset[str]
    generation: int
    grant: str | None
    expires_at: datetime


class KnownStore(DirectoryStore, Grants, Protocol):
    """The ports that are used here."""


class Directory:
    """An authenticator: `given` for others' tokens, and the directory for all.

    Args:
        given: finds the principals of tokens that aren't this server's own.
        clock: returns the time in milliseconds since 1970.
    """

    def __init__(self, store: KnownStore, keys: SigningKeys, given: Authenticator, clock: Callable[[], int]) -> None:
        self._store = store
        self._keys = keys
        self._given = given
        self._clock = clock
        self._revision = 0
        self._forgotten = 0
        self._members: OrderedDict[Person, Member | None] = OrderedDict()
        self._ids: OrderedDict[tuple[str, str, str], str | None] = OrderedDict()
        self._groups: OrderedDict[str, Mapping[str, str]] = OrderedDict()
        self._said: OrderedDict[str, Mapping[str, Any]] = OrderedDict()
        self._revoked: dict[str, int] = {}
        self._watching: dict[Person, set[Callable[[], Awaitable[None]]]] = {}
        self._looking = asyncio.Lock()
        self._telling: set[asyncio.Task[None]] = set()

    # ── Tokens ──────────────────────────────────────────────────────────────────────────────────────────

    async def authenticate(self, token: str) -> Principal:
        """As `Authenticator.authenticate`."""
        if self._keys.is_ours(token):
            own = _said(await self._keys.verified(token), self._clock())
            return await self._judged(lambda: self._own(own))
        given = await self._given.authenticate(token)
        return await self._judged(lambda: self._known(given))

    async def renewed(self, principal: Principal) -> Principal:
        """Return the principal as the directory has it now.

        Raises:
            InvalidToken: their token counts no more.
            AuthUnavailable: that can't be found out now.
        """
        given = principal.given
        if isinstance(given, OwnToken):
            return await self._judged(lambda: self._own(given))
        before = given if isinstance(given, Principal) else principal
        return await self._judged(lambda: self._known(before))

    async def standing(self, facts: JsonObject) -> Principal:
        """Return somebody whose facts were kept (`facts_of`) with what they may do now, whatever became of the token
        with which they came then: it ends, but what they asked for goes on.

        Nobody has more than they had then, but for what the directory has given to them.

        Raises:
            InvalidToken: they are disabled, or aren't in the directory any more.
            AuthUnavailable: that can't be found out now.
        """
        given = _given_by(facts)
        if facts["is_own"]:
            return await self._judged(lambda: self._own_member(given))
        return await self._judged(lambda: self._known(given))

    async def _own_member(self, then: Principal) -> Principal:
        member = await self._member(then.account, then.user_id)
        if member is None or member.disabled_at is not None:
            raise InvalidToken(_NOT_ANY_MORE)
        place = then.account, member.namespaces, Kind(member.kind)
        scopes = member.scopes & then.scopes & ALL_SCOPES
        return Principal(then.user_id, scopes, member.groups, None, *place, issuer=OWN_ISSUER)

    async def _judged(self, judge: Callable[[], Awaitable[Principal]]) -> Principal:
        """The principal by what is known at the moment of returning: whoever watches from then on misses nothing."""
        while True:
            forgotten = self._forgotten
            principal = await judge()
            if forgotten == self._forgotten:
                return principal

    async def _own(self, token: OwnToken) -> Principal:
        account, user_id = token.person
        member = await self._member(account, user_id)
        if member is None or member.disabled_at is not None or member.generation != token.generation:
            raise InvalidToken(_NOT_ANY_MORE)
        if token.grant is not None and token.grant in self._revoked:
            raise InvalidToken(_NOT_ANY_MORE)
        said = await self._said_of(member, token.grant)
        groups = frozenset(said.get("groups", ()))
        if groups:
            sources = await self._sources(account)
            groups = frozenset(each for each in groups if _is_source(member.issuer, sources.get(each)))
        return Principal(
            user_id,
            member.scopes & token.scopes & ALL_SCOPES,
            member.groups | groups,
            token.expires_at,
            account,
            member.namespaces.union(said.get("namespaces", ())),
            Kind(said.get("kind", member.kind)),
            issuer=OWN_ISSUER,
            given=token,
        )

    async def _known(self, given: Principal) -> Principal:
        """The principal of somebody else's token, with what the directory adds."""
        if self._revision == 0:
            return given
        try:
            return await self._added_to(given)
        except AuthUnavailable:
            if given.issuer is None:
                return given  # the operator's own word counts also while the store is away
            raise

    async def _added_to(self, given: Principal) -> Principal:
        groups, member = given.groups, await self._member_behind(given)
        if given.issuer is not None:
            sources = await self._sources(given.account)
            groups = frozenset(each for each in groups if _is_source(given.issuer, sources.get(each)))
        if member is None:
            return given if groups == given.groups else replace(given, groups=groups, given=given)
        if member.disabled_at is not None:
            raise InvalidToken(_NOT_ANY_MORE)
        return replace(
            given,
            user_id=member.user_id,
            scopes=given.scopes | (member.scopes if given.issuer else frozenset()),
            groups=groups | member.groups,
            namespaces=given.namespaces | (member.namespaces if given.issuer else frozenset()),
            given=given,
        )

    async def _member_behind(self, given: Principal) -> Member | None:
        """The member that a token of somebody else stands for."""
        if given.issuer:
            user_id = await self._id_of(given.account, given.issuer, given.user_id)
            if user_id is not None:
                return await self._member(given.account, user_id)
        member = await self._member(given.account, given.user_id)
        if member is not None and given.issuer is not None:
            raise InvalidToken(_ANOTHERS)
        return member

    # ── What is known ───────────────────────────────────────────────────────────────────────────────────

    async def _member(self, account: str, user_id: str) -> Member | None:
        return await self._cached(self._members, (account, user_id), lambda: self._store.member(account, user_id))

    async def _id_of(self, account: str, issuer: str, subject: str) -> str | None:
        """The id of the member whom an issuer calls so, which never changes; None if there is none yet."""

        async def read() -> str | None:
            found = await self._store.member_of(account, issuer, subject)
            return None if found is None else found.user_id

        return await self._cached(self._ids, (account, issuer, subject), read)

    async def _said_of(self, member: Member, grant_id: str | None) -> Mapping[str, Any]:
        """What an identity provider said of a member at the sign-in that a token came of."""
        if member.issuer == OWN_ISSUER or grant_id is None:
            return {}

        async def read() -> Mapping[str, Any]:
            grant = await self._store.grant(grant_id)
            return (None if grant is None else grant.said) or {}

        return await self._cached(self._said, grant_id, read)

    async def _sources(self, account: str) -> Mapping[str, str]:
        """The issuer of each group that the account's directory names."""

        async def read() -> Mapping[str, str]:
            return {each.name: each.issuer for each in await self._store.groups(account)}

        return await self._cached(self._groups, account, read)

    async def _cached(self, known: OrderedDict[K, V], key: K, read: Callable[[], Awaitable[V]]) -> V:
        """What is known, or is read now; what was read while something changed is read again."""
        if key in known:
            known.move_to_end(key)
            return known[key]
        while True:
            forgotten = self._forgotten
            try:
                found = await read()
            except StoreUnavailable:
                raise AuthUnavailable from None
            if forgotten == self._forgotten:
                break
        known[key] = found
        if len(known) > KEPT:
            known.popitem(last=False)
        return found

    # ── Changes ─────────────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Learn where the record of changes stands, and which grants were revoked lately."""
        self._revision = await self._store.directory_revision()
        now = self._clock()
        self._revoked = dict.fromkeys(await self._store.revoked_grants(now - REMEMBERED_MS), now + REMEMBERED_MS)

    async def changed(self) -> None:
        """Learn of a change that this process made, before its author is answered."""
        with contextlib.suppress(StoreUnavailable):
            await self.look()

    async def run(self, every: float) -> None:
        """Learn of changes, forever: of other processes' every `every` seconds."""
        while True:
            await asyncio.sleep(every)
            try:
                await self.look()
            except StoreUnavailable:
                continue  # nobody else could change anything either, and the next look finds what was missed
            except Exception:
                logger.exception("directory_failed")

    async def look(self) -> None:
        """Learn of the changes since the last look, and tell whoever watches."""
        async with self._looking:
            while changes := await self._store.directory_changes(self._revision, PAGE):
                touched = self._forget(changes)
                self._revision = changes[-1].revision
                await self._tell(touched)
                if len(changes) < PAGE:
                    return

    def _forget(self, changes: Sequence[DirectoryChange]) -> list[Person]:
        """Forget what changed; return whom that may concern, of those who are watched."""
        self._forgotten += 1
        now = self._clock()
        while self._revoked and next(iter(self._revoked.values())) <= now:
            del self._revoked[next(iter(self._revoked))]
        people, accounts = set[Person](), set[str]()
        for change in changes:
            if change.what == "grant_revoked":
                self._revoked[str(change.detail.get("grant"))] = now + REMEMBERED_MS
            if change.user_id:
                people.add((change.account, change.user_id))
            if not change.user_id or "issuer" in change.detail:  # somebody may be another one now
                accounts.add(change.account)
                self._groups.pop(change.account, None)
        for person in people:
            self._members.pop(person, None)
        if not accounts:
            return [person for person in people if person in self._watching]
        for key in [key for key, user_id in self._ids.items() if user_id is None and key[0] in accounts]:
            del self._ids[key]
        return [person for person in self._watching if person in people or person[0] in accounts]

    async def _tell(self, people: Sequence[Person]) -> None:
        """Tell all watchers at once; one that takes long goes on by itself, and holds nobody else up."""
        calls = [call for person in people for call in self._watching.get(person, ())]
        if not calls:
            return
        tasks = {asyncio.create_task(_told(call)) for call in calls}
        self._telling |= tasks
        for task in tasks:
            task.add_done_callback(self._telling.discard)
        await asyncio.wait(tasks, timeout=PATIENCE_SECONDS)

    def watch(self, person: Person, call: Callable[[], Awaitable[None]]) -> Callable[[], None]:
        """Have `call` called after each change of this person; return what ends that."""
        self._watching.setdefault(person, set()).add(call)

        def undo() -> None:
            watching = self._watching.get(person, set())
            watching.discard(call)
            if not watching:
                self._watching.pop(person, None)

        return undo


def facts_of(principal: Principal) -> JsonObject:
    """Return what is to be kept of somebody, so that `Directory.standing` knows later what they may do."""
    given = principal.given
    is_own = isinstance(given, OwnToken)
    then = given if isinstance(given, Principal) else principal
    return {
        "user_id": then.user_id,
        "account": then.account,
        "scopes": [*sorted(given.scopes if isinstance(given, OwnToken) else then.scopes)],
        "groups": [*sorted(then.groups)],
        "namespaces": [*sorted(then.namespaces)],
        "kind": then.kind.value,
        "issuer": then.issuer,
        "is_own": is_own,
    }


def _given_by(facts: Mapping[str, Any]) -> Principal:
    return Principal(
        facts["user_id"],
        frozenset(facts["scopes"]),
        frozenset(facts["groups"]),
        account=facts["account"],
        namespaces=frozenset(facts["namespaces"]),
        kind=Kind(facts["kind"]),
        issuer=facts["issuer"],
    )


def _is_source(issuer: str, source: str | None) -> bool:
    """Whether an issuer's tokens say who is in a group with this source; None is one that the directory doesn't name.

    A token that names no issuer isn't the directory's own.
    """
    return source is None or (source == issuer and source != OWN_ISSUER)


async def _told(call: Callable[[], Awaitable[None]]) -> None:
    try:
        await call()
    except Exception:
        logger.exception("directory_watcher_failed")


def _said(claims: Mapping[str, Any], now: int) -> OwnToken:
    """What a verified token of this server says.

    Args:
        now: the time by the clock that it was made by, which needn't be this machine's.

    Raises:
        InvalidToken: not what this version understands.
    """
    account, user_id, grant = claims.get("account"), claims.get("sub"), claims.get("sid")
    generation = claims.get("gen")
    if not (isinstance(account, str) and isinstance(user_id, str) and isinstance(generation, int)):
        raise InvalidToken
    scopes = parse_scopes(str(claims.get("scope", "")))
    expires_at = datetime.now(UTC) + timedelta(milliseconds=claims["exp"] * 1000 - now)
    return OwnToken((account, user_id), scopes, generation, grant if isinstance(grant, str) else None, expires_at)
