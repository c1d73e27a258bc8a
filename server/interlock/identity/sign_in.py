"""Signing in: by a password, an identity provider, a refresh token or a service account's secret; and signing out.

Laws:
- Whoever is refused learns nothing of who exists: an unknown name, a wrong password and a disabled user get the same
  answer, after the same work.
- After five wrong passwords in a row, the next one of the same user from the same address has to wait, longer each
  time, up to a minute; from elsewhere, the user signs in as ever. Nobody is locked out by strangers.
- A refresh token is used once, and gives one successor. Used again within 20 seconds, it gives the same one, because
  two tabs, or a lost answer, do that; later it was stolen, and everything that came of its sign-in ends.
- A refresh token and a service account's secret have 256 random bits; of both, only digests are kept.
- Tokens never have more scopes than their member.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol

import jwt
import structlog

from interlock.auth import AuthError
from interlock.auth.principal import ALL_SCOPES
from interlock.identity.directory import Directory
from interlock.identity.names import LONGEST, compared
from interlock.identity.passwords import Busy, Passwords
from interlock.identity.signing import DAY_MS, TOKEN_SECONDS, CannotIssue, SigningKeys
from interlock.store.ports.directory import OWN_ISSUER, DirectoryStore, Member
from interlock.store.ports.grants import Grant, Grants, Outcome, Waits
from interlock_protocol.namespaces import UnusableName, check_account
from interlock_protocol.types import JsonObject

logger = structlog.get_logger(__name__)

GRANT_MS: Final = 30 * DAY_MS
"""How long a sign-in lasts, with all its refreshes."""

GRACE_MS: Final = 20_000
WAITS: Final = Waits(free=5, first=4_000, most=60_000, kept=DAY_MS)

_REFRESH: Final = "rt_"
_SECRET: Final = "cs_"  # noqa: S105 - how one begins
_LONGEST_TOKEN: Final = 128
_WRONG: Final = "The name or the password isn't right."
_ENDED: Final = "The sign-in has ended; sign in again."


class Why(StrEnum):
    """The `error` of RFC 6749, section 5.2, and of what may go wrong besides."""

    INVALID_REQUEST = "invalid_request"
    INVALID_CLIENT = "invalid_client"
    INVALID_GRANT = "invalid_grant"
    INVALID_SCOPE = "invalid_scope"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"
    UNSUPPORTED_TOKEN_TYPE = "unsupported_token_type"  # noqa: S105 - a code
    SLOW_DOWN = "slow_down"
    TEMPORARILY_UNAVAILABLE = "temporarily_unavailable"


class NotIssued(Exception):  # noqa: N818 - turned into an answer
    """No token is issued.

    Args:
        sentence: for people: what to do.
        retry_after: after how many seconds to try again.
    """

    def __init__(self, why: Why, sentence: str, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.why = why
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Issued:
    """A token, with the refresh token for the next one if there is one."""

    token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    scopes: frozenset[str]
    expires_in: int = TOKEN_SECONDS


class SignInStore(DirectoryStore, Grants, Protocol):
    """The ports that are used here."""


class SignIn:
    """Issues and revokes this server's own tokens.

    Args:
        clock: returns the time in milliseconds since 1970.
    """

    def __init__(
        self,
        store: SignInStore,
        keys: SigningKeys,
        passwords: Passwords,
        directory: Directory,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._keys = keys
        self._passwords = passwords
        self._directory = directory
        self._clock = clock

    # ── Signing in ──────────────────────────────────────────────────────────────────────────────────────

    async def by_password(
        self, account: str, name: str, password: str, address: str, scope: str | None = None
    ) -> Issued:
        """Sign a person in.

        Args:
            address: where the request comes from.
            scope: the scopes to ask for, with spaces between them; by default all that the person has.

        Raises:
            NotIssued, StoreUnavailable: no.
        """
        member = await self._checked(account, name, password, address)
        scopes = _asked(scope, member.scopes)
        return await self._granted(member, None if scope is None else scopes, scopes)

    async def as_member(self, member: Member, said: Mapping[str, Any]) -> Issued:
        """Sign a person in whom an identity provider has proven.

        Args:
            said: what the provider said of them, as far as it is trusted with that.

        Raises:
            NotIssued, StoreUnavailable: no.
        """
        if member.disabled_at is not None or member.kind != "user":
            raise NotIssued(Why.INVALID_GRANT, _ENDED)
        return await self._granted(member, None, member.scopes & ALL_SCOPES, said)

    async def _checked(self, account: str, name: str, password: str, address: str) -> Member:
        account, subject = _place(account), compared(name[: 2 * LONGEST])
        key = _attempts_of(account, subject, address)
        wait = await self._store.begin_attempt(key, self._clock(), WAITS)
        if wait:
            seconds = wait / 1000
            sentence = f"Too many wrong passwords; try again in {max(1, round(seconds))} s."
            raise NotIssued(Why.SLOW_DOWN, sentence, seconds)
        member = await self._store.member_of(account, OWN_ISSUER, subject)
        known = None if member is None or member.kind != "user" else member.secret
        try:
            is_right = await self._passwords.matches(password, known)
        except Busy:
            raise _busy() from None
        if member is None or not is_right or member.disabled_at is not None:
            raise NotIssued(Why.INVALID_GRANT, _WRONG)
        await self._store.end_attempts(key)
        await self._rehash(member, password)
        return member

    async def _rehash(self, member: Member, password: str) -> None:
        if member.secret is None or not self._passwords.is_outdated(member.secret):
            return
        try:
            new = await self._passwords.hashed(password)
        except Busy:
            return
        await self._store.rehash(*member.person, member.secret, new)

    async def check_own(self, member: Member, password: str, address: str) -> Member | None:
        """Return the member as they were when this was their password; None if it isn't. Waits are those of signing in.

        Raises:
            NotIssued: a wait, or too many passwords are being checked.
        """
        try:
            found = await self._checked(member.account, member.subject, password, address)
        except NotIssued as error:
            if error.why is Why.INVALID_GRANT:
                return None
            raise
        return found if found.person == member.person else None

    async def _granted(
        self,
        member: Member,
        most: frozenset[str] | None,
        scopes: frozenset[str],
        said: Mapping[str, Any] | None = None,
    ) -> Issued:
        now, refresh_token = self._clock(), _REFRESH + secrets.token_urlsafe(32)
        ids = f"grant_{secrets.token_hex(16)}", member.account, member.user_id
        grant = Grant(*ids, most, member.generation, now, now + GRANT_MS, said or None)
        token = await self._token(member, scopes, grant.grant_id)  # before anything is kept: it may not be possible
        await self._store.keep_grant(grant, _digest(refresh_token))
        logger.info("signed_in", account=member.account, user_id=member.user_id)
        return Issued(token, refresh_token, scopes)

    async def by_refresh(self, refresh_token: str, scope: str | None = None) -> Issued:
        """Give the next token of a sign-in.

        Raises:
            NotIssued, StoreUnavailable: no.
        """
        if len(refresh_token) > _LONGEST_TOKEN:
            raise NotIssued(Why.INVALID_GRANT, _ENDED)
        nonce = secrets.token_hex(32)
        digest, next_one = _digest(refresh_token), _digest(_successor(refresh_token, nonce))
        before = await self._store.grant_of(digest)
        member = None if before is None else await self._store.member(before.account, before.user_id)
        scopes = frozenset[str]()
        if before is not None and member is not None:  # what is refused for its scope uses nothing up
            scopes = _asked(scope, member.scopes & (member.scopes if before.scopes is None else before.scopes))
        used = await self._store.refresh(digest, nonce, next_one, self._clock(), GRACE_MS)
        if used.outcome is Outcome.REUSED:
            assert used.grant is not None
            logger.warning("refresh_token_reused", account=used.grant.account, user_id=used.grant.user_id)
            await self._directory.changed()
        if used.grant is None or used.nonce is None or member is None:
            raise NotIssued(Why.INVALID_GRANT, _ENDED)
        if member.disabled_at is not None or member.generation != used.grant.generation:
            await self._store.revoke_grant(used.grant.grant_id, self._clock())
            raise NotIssued(Why.INVALID_GRANT, _ENDED)
        token = await self._token(member, scopes, used.grant.grant_id)
        return Issued(token, _successor(refresh_token, used.nonce), scopes)

    async def by_client(self, client_id: str, secret: str, scope: str | None = None) -> Issued:
        """Give a token to a service account.

        Raises:
            NotIssued, StoreUnavailable: no.
        """
        short = len(client_id) <= LONGEST and len(secret) <= _LONGEST_TOKEN
        member = await self._store.client(client_id) if short else None
        known = "" if member is None or member.secret is None else member.secret
        is_right = hmac.compare_digest(digest_of_secret(secret), known)
        if member is None or not is_right or member.disabled_at is not None:
            raise NotIssued(Why.INVALID_CLIENT, "There is no such client, or its secret isn't right.")
        scopes = _asked(scope, member.scopes)
        return Issued(await self._token(member, scopes, None), None, scopes)

    async def _token(self, member: Member, scopes: frozenset[str], grant: str | None) -> str:
        claims: JsonObject = {
            "sub": member.user_id,
            "account": member.account,
            "client_id": member.user_id if member.kind == "service" else "interlock",
            "kind": member.kind,
            "scope": " ".join(sorted(scopes)),
            "groups": [*sorted(member.groups)],
            "gen": member.generation,
        }
        if grant is not None:
            claims["sid"] = grant
        try:
            return await self._keys.signed(claims)
        except CannotIssue as error:
            logger.warning("tokens_cant_be_issued", reason=str(error))
            sentence = "This server can't sign anybody in yet: whoever runs it has to set INTERLOCK_SECRETS_KEYS."
            raise NotIssued(Why.TEMPORARILY_UNAVAILABLE, sentence) from None

    # ── Signing out ─────────────────────────────────────────────────────────────────────────────────────

    async def revoke(self, token: str) -> None:
        """End the sign-in of a refresh token or an access token; of any other text, do nothing.

        Raises:
            NotIssued: a service account's token, which ends with the account or by its time.
            StoreUnavailable: it isn't done.
        """
        grant_id = await self._grant_of(token)
        if grant_id is not None:
            await self._store.revoke_grant(grant_id, self._clock())
            await self._directory.changed()

    async def _grant_of(self, token: str) -> str | None:
        if token.startswith(_REFRESH):
            grant = await self._store.grant_of(_digest(token)) if len(token) <= _LONGEST_TOKEN else None
            return None if grant is None else grant.grant_id
        if not self._keys.is_ours(token):
            return None
        try:
            claims = await self._keys.verified(token)
        except (AuthError, jwt.PyJWTError):
            return None
        if not isinstance(claims.get("sid"), str):
            sentence = "A service account's token can't be revoked alone; revoke the account."
            raise NotIssued(Why.UNSUPPORTED_TOKEN_TYPE, sentence)
        return str(claims["sid"])


def new_client_secret() -> str:
    """A secret for a service account."""
    return _SECRET + secrets.token_urlsafe(32)


def digest_of_secret(secret: str) -> str:
    """What is kept of a service account's secret."""
    return _digest(secret)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _successor(refresh_token: str, nonce: str) -> str:
    """The refresh token after this one: only who has this one can say it."""
    made = hmac.digest(bytes.fromhex(nonce), refresh_token.encode("utf-8", "surrogatepass"), hashlib.sha256)
    return _REFRESH + base64.urlsafe_b64encode(made).decode().rstrip("=")


def _asked(scope: str | None, most: frozenset[str]) -> frozenset[str]:
    """The scopes that are asked for; all, if none are named."""
    if scope is None:
        return most & ALL_SCOPES
    asked = frozenset(scope.split())
    if not asked <= most & ALL_SCOPES:
        raise NotIssued(Why.INVALID_SCOPE, "Ask for scopes that you have, or leave `scope` out.")
    return asked


def _place(account: str) -> str:
    """The account, or one that nobody can have."""
    try:
        return check_account(account)
    except UnusableName:
        return ""


def _attempts_of(account: str, subject: str, address: str) -> str:
    """The key under which the wrong passwords of a user from an address count. It reveals neither."""
    whole = "\0".join((account, subject, network_of(address)))
    return hashlib.blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def network_of(address: str) -> str:
    """What an address counts as: of IPv6 its network of 64 bits, which is one household's or machine's."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        mapped = ip.ipv4_mapped
        return str(ipaddress.ip_network((ip, 64), strict=False)) if mapped is None else str(mapped)
    return str(ip)


def _busy() -> NotIssued:
    return NotIssued(Why.TEMPORARILY_UNAVAILABLE, "Too many sign-ins at once; try again in a moment.", 2.0)
