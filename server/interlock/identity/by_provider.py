"""Signing in by an identity provider: from a browser that is sent there and comes back, to a session like any other.

Laws:
- Whoever comes back has to be the browser that was sent (`interlock.outgoing.away`). So nobody is signed in by somebody
  else's link.
- A person is (account, issuer, `sub`), never an address of e-mail or a name. Who comes for the first time gets an id,
  which never changes, and the scopes of the settings; from then on the directory says what they may do.
- Groups, namespaces and the kind count as the operator maps them, for the time of this sign-in.
- Where tokens of the same issuer are accepted as bearers, a person's id is the one that those give them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

import structlog

from interlock.auth.principal import check_user_id
from interlock.auth.token_list import parse_kind, parse_strings
from interlock.errors import SettingsError
from interlock.identity.directory import Directory
from interlock.identity.names import LONGEST, checked_name, compared, new_user_id
from interlock.identity.provider import NotProven, Provider
from interlock.identity.sign_in import Issued, NotIssued, SignIn, SignInStore, Why
from interlock.outgoing import away
from interlock.outgoing.code_flow import Flow, Refused, Unanswered
from interlock.secrets.vault import KeyedVault
from interlock.store.ports.directory import OWN_ISSUER, By, Member, NewMember, Taken
from interlock_protocol.namespaces import UnusableName, check_namespace
from interlock_protocol.types import JsonObject

logger = structlog.get_logger(__name__)

MOST_CLAIMED: Final = 1000
"""How many groups, and how many namespaces, a provider may name."""

BY: Final = "system:sign-in"
_ABOUT: Final = "sign-in by a provider"
_LONGEST_CODE: Final = 4096

Mapped: TypeAlias = Mapping[str, str]
"""Which claim says what: of `groups`, `namespaces` and `kind`, the name of the claim."""


class Fault(StrEnum):
    """Why nobody was signed in; the sign-in page has a sentence for each."""

    STALE = "stale"
    """It isn't this browser that was sent, or it took too long."""
    DENIED = "denied"
    """The person, or the provider, didn't want to."""
    AWAY = "away"
    """The provider can't be asked."""
    NOT_PROVEN = "not_proven"
    """What the provider says isn't accepted."""
    NOT_ALLOWED = "not_allowed"
    """The person is disabled here, or can't be one."""
    TOO_OFTEN = "too_often"
    UNAVAILABLE = "unavailable"
    """This server can't sign anybody in at the moment."""


class NotSignedIn(Exception):  # noqa: N818 - turned into an answer
    """Nobody is signed in."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Terms:
    """What the operator says about people of the provider.

    Args:
        account: theirs.
        scopes: what whoever comes for the first time may do.
        mapped: the claims that count.
        keeps_subjects: whether tokens of the issuer are bearers here, whose `sub` is the person's id.
    """

    account: str
    scopes: frozenset[str]
    mapped: Mapped
    keeps_subjects: bool


class ByProvider:
    """Signs people in who come from one provider.

    Args:
        vault: as `Keeper` has it.
        clock: returns the time in milliseconds since 1970.
    """

    def __init__(
        self,
        provider: Provider,
        terms: Terms,
        store: SignInStore,
        sign_in: SignIn,
        directory: Directory,
        vault: Callable[[], KeyedVault],
        clock: Callable[[], int],
    ) -> None:
        self._provider = provider
        self._terms = terms
        self._store = store
        self._sign_in = sign_in
        self._directory = directory
        self._vault = vault
        self._clock = clock

    async def begin(self, *, stays: bool) -> tuple[str, str]:
        """Return where a browser is sent, and what it has to bring back.

        Args:
            stays: whether the session outlives the browser's.

        Raises:
            NotSignedIn: no.
        """
        flow = Flow.new()
        try:
            address = await self._provider.address(flow)
            return address, away.kept(self._vault, _ABOUT, flow, self._clock() / 1000, {"stays": stays})
        except Unanswered as error:
            logger.warning("identity_provider_away", issuer=self._provider.issuer, why=str(error))
            raise NotSignedIn(Fault.AWAY) from None
        except SettingsError as error:
            logger.warning("tokens_cant_be_issued", reason=str(error))
            raise NotSignedIn(Fault.UNAVAILABLE) from None

    async def finish(self, kept: str | None, came: Mapping[str, str]) -> tuple[Issued, bool]:
        """Sign a person in, who comes back; return also whether the session outlives the browser's.

        Args:
            kept: what the browser was given.
            came: what it comes back with: `state`, and `code` or `error`, and perhaps `iss`.

        Raises:
            NotSignedIn: no.
            StoreUnavailable: it can't be done now.
        """
        try:
            flow, more = away.brought(self._vault, _ABOUT, kept, came.get("state", ""), self._clock() / 1000)
        except away.Stale:
            raise NotSignedIn(Fault.STALE) from None
        code = came.get("code", "")
        if "error" in came or not 0 < len(code) <= _LONGEST_CODE:
            raise NotSignedIn(Fault.DENIED)
        try:
            claims = await self._provider.person(code, flow, came.get("iss"))
            said = self._said(claims)
        except Unanswered as error:
            logger.warning("identity_provider_away", issuer=self._provider.issuer, why=str(error))
            raise NotSignedIn(Fault.AWAY) from None
        except (Refused, NotProven) as error:
            logger.warning("identity_not_proven", issuer=self._provider.issuer, why=str(error))
            raise NotSignedIn(Fault.NOT_PROVEN) from None
        member = await self._member(claims)
        try:
            return await self._sign_in.as_member(member, said), more["stays"] is True
        except NotIssued as error:
            fault = Fault.NOT_ALLOWED if error.why is Why.INVALID_GRANT else Fault.UNAVAILABLE
            raise NotSignedIn(fault) from None

    def _said(self, claims: Mapping[str, Any]) -> JsonObject:
        """What counts of the claims.

        Raises:
            NotProven: it can't be read.
        """
        said: JsonObject = {}
        try:
            for what, claim in self._terms.mapped.items():
                value = claims.get(claim)
                if value is None:
                    continue
                if what == "kind":
                    said[what] = parse_kind(value).value
                    continue
                names = parse_strings([value] if isinstance(value, str) else value)
                if len(names) > MOST_CLAIMED or not all(0 < len(name) <= LONGEST for name in names):
                    raise NotProven(f"the claim {claim} has too much")
                if what == "namespaces":
                    names = frozenset(map(check_namespace, names))
                said[what] = [*sorted(names)]
        except (TypeError, UnusableName):
            raise NotProven(f"the claim {claim} isn't what it is mapped to") from None
        return said

    # ── People ──────────────────────────────────────────────────────────────────────────────────────────

    async def _member(self, claims: Mapping[str, Any]) -> Member:
        """The person in the directory, who is added if it is their first time."""
        account, issuer = self._terms.account, self._provider.issuer
        try:
            subject = check_user_id(claims["sub"])
        except (ValueError, TypeError):
            raise NotSignedIn(Fault.NOT_ALLOWED) from None
        for _ in range(3):
            known = await self._store.member_of(account, issuer, subject)
            if known is not None:
                return known
            at = self._clock()
            new = NewMember(
                account=account,
                user_id=subject if await self._is_id(subject) else new_user_id(),
                issuer=issuer,
                subject=subject,
                name=await self._name(claims, subject),
                scopes=self._terms.scopes,
                created_at=at,
                created_by=BY,
            )
            try:
                member = await self._store.add_member(new, By(BY, at))
            except Taken:
                continue  # who came in another window was faster
            await self._directory.changed()
            return member
        raise NotSignedIn(Fault.UNAVAILABLE)

    async def _is_id(self, subject: str) -> bool:
        """Whether somebody goes on with the id that bearers of their own have given them."""
        return self._terms.keeps_subjects and await self._store.member(self._terms.account, subject) is None

    async def _name(self, claims: Mapping[str, Any], subject: str) -> str:
        """What the person is called: nobody is shown by a name that somebody else signs in with."""
        for text in (claims.get("preferred_username"), claims.get("name"), claims.get("email"), subject):
            try:
                name = checked_name(text if isinstance(text, str) else "")
            except ValueError:
                continue
            if await self._store.member_of(self._terms.account, OWN_ISSUER, compared(name)) is None:
                return name
        return f"user {compared(subject)[:16].strip()} of {self._provider.issuer}"[:LONGEST].strip()
