"""The keys that sign this server's own tokens (ES256), and what stands in a token.

Laws:
- A private key is in the database only sealed, and in memory only while it signs; a public one is published as long as
  a token that it signed may live.
- A new key is published a day before it signs, so that everybody who checks tokens knows it; only the first key of all
  signs at once, because there is none before it.
- A token is accepted only with a key of ours, as `at+jwt`, from this issuer and for it; its header chooses no more than
  which of our keys.
- However many nodes there are, one of them makes the next key.
- A key that nobody can unseal any more is replaced; the tokens that it signed go on until they expire.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm

from interlock.audit.checkpoints import STATEMENT
from interlock.auth.errors import AuthUnavailable, ExpiredToken, InvalidToken
from interlock.auth.token_list import MAX_TOKEN_BYTES
from interlock.errors import SettingsError
from interlock.secrets.port import SecretUnreadable, Vault
from interlock.secrets.vault import KeyedVault
from interlock.store.port import StoreUnavailable
from interlock.store.ports.grants import Grants, SigningKey
from interlock_protocol.types import JsonObject

logger = structlog.get_logger(__name__)

ALGORITHM: Final = "ES256"
TYPE: Final = "at+jwt"
TOKEN_SECONDS: Final = 3600
"""How long an access token lives."""

HOUR_MS: Final = 60 * 60 * 1000
DAY_MS: Final = 24 * HOUR_MS
SIGNS_MS: Final = 30 * DAY_MS
"""For how long a key signs."""

PUBLISHED_BEFORE_MS: Final = DAY_MS
"""How long before it signs a key is published."""

VERIFIES_AFTER_MS: Final = 2 * HOUR_MS
"""How long after its last signature a key is published."""

COOLDOWN_SECONDS: Final = 1.0
"""How often, at most, the store is asked because of a key that isn't known."""

_ABOUT: Final = "signing key "

# The times are compared with the server's own clock, by which they were made.
_CHECKED: Final[Any] = {"require": ["sub", "exp", "aud", "iss"], "verify_exp": False, "verify_iat": False}


class CannotIssue(Exception):  # noqa: N818 - a state of the world, not a programming error
    """This server can't issue tokens: it has no key to seal with; the message says why."""


@dataclass(frozen=True, slots=True)
class _Signer:
    kid: str
    key: ec.EllipticCurvePrivateKey


class SigningKeys:
    """The keys of all nodes.

    Args:
        issuer: what tokens name as `iss` and `aud`.
        vault: as `Keeper` has it; asked when it is first needed, as a server that signs nobody in needs no key.
        clock: returns the time in milliseconds since 1970.
    """

    def __init__(self, store: Grants, issuer: str, vault: Callable[[], KeyedVault], clock: Callable[[], int]) -> None:
        self.issuer = issuer
        self._store = store
        self._vault = vault
        self._clock = clock
        self._keys: tuple[SigningKey, ...] = ()
        self._public: dict[str, Any] = {}
        self._read_at = float("-inf")
        self._signer: _Signer | None = None
        self._lock = asyncio.Lock()
        self._learning: asyncio.Task[None] | None = None

    # ── Issuing and checking ────────────────────────────────────────────────────────────────────────────

    async def signed(self, claims: JsonObject) -> str:
        """Return a token with these claims, and those that every token has.

        Raises:
            CannotIssue, StoreUnavailable: it can't be made.
        """
        signer = await self._current()
        now = self._clock() // 1000
        every = {"iss": self.issuer, "aud": self.issuer, "iat": now, "exp": now + TOKEN_SECONDS}
        whole = {**claims, **every, "jti": secrets.token_hex(16)}
        return jwt.encode(whole, signer.key, ALGORITHM, headers={"kid": signer.kid, "typ": TYPE})

    async def attested(self, claims: JsonObject) -> str:
        """Return a signed statement of this server with these claims, which is no token: it gives nobody access.

        Raises:
            CannotIssue, StoreUnavailable: it can't be made.
        """
        signer = await self._current()
        whole = {**claims, "iss": self.issuer, "iat": self._clock() // 1000}
        return jwt.encode(whole, signer.key, ALGORITHM, headers={"kid": signer.kid, "typ": STATEMENT})

    def is_ours(self, token: str) -> bool:
        """Return True if a token says that it is of this server, so that nobody else's keys count for it.

        What an identity provider issues under the same name is no such token, unless it is an `at+jwt`, too.
        """
        if not token.startswith("eyJ") or len(token) > MAX_TOKEN_BYTES:
            return False
        try:
            header = jwt.get_unverified_header(token)
            claims = jwt.decode(token, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError, RecursionError):
            return False
        is_named = claims.get("iss") == self.issuer or header.get("kid") in self._public
        return header.get("typ") == TYPE and is_named

    async def verified(self, token: str) -> dict[str, Any]:
        """Return the claims of a token of this server.

        Raises:
            InvalidToken, ExpiredToken, AuthUnavailable: it isn't accepted.
        """
        header = jwt.get_unverified_header(token)
        typ, kid = header.get("typ"), header.get("kid")
        if typ != TYPE or header.get("alg") != ALGORITHM or not isinstance(kid, str):
            raise InvalidToken
        key = await self._key(kid)
        try:
            claims: dict[str, Any] = jwt.decode(
                token, key, [ALGORITHM], audience=self.issuer, issuer=self.issuer, options=_CHECKED
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise InvalidToken from None
        if type(claims["exp"]) is not int:
            raise InvalidToken
        if claims["exp"] * 1000 <= self._clock():
            raise ExpiredToken
        return claims

    async def published(self) -> JsonObject:
        """The public keys, as a JSON Web Key Set."""
        try:
            if self._seconds_left() <= 0:
                await self._learn()
        except StoreUnavailable:
            if not self._keys:
                raise
        return {"keys": [json.loads(each.public) for each in self._keys]}

    async def _key(self, kid: str) -> Any:
        if kid not in self._public or self._is_over(kid):
            try:
                await self._learn()
            except StoreUnavailable:
                raise AuthUnavailable from None
        if kid not in self._public or self._is_over(kid):
            raise InvalidToken("The token is signed with a key that isn't in use; get a new token.")
        return self._public[kid]

    def _is_over(self, kid: str) -> bool:
        return any(each.kid == kid and each.ends_at <= self._clock() for each in self._keys)

    # ── Keys ────────────────────────────────────────────────────────────────────────────────────────────

    async def run(self, every: float) -> None:
        """Make the next key in time, and learn of those of other nodes, forever."""
        while True:
            await asyncio.sleep(every)
            try:
                await self._read()
                if self._keys:
                    await self._rotate()
            except (CannotIssue, StoreUnavailable):
                continue
            except Exception:
                logger.exception("signing_keys_failed")

    async def _current(self) -> _Signer:
        """The key that signs now."""
        async with self._lock:
            if not self._keys:
                await self._read()
            for _ in range(3):
                if (signer := self._opened()) is not None:
                    return signer
                await self._make()
                await self._read()
        raise CannotIssue

    def _opened(self) -> _Signer | None:
        now = self._clock()
        for key in reversed(self._keys):
            if key.signs_from > now or key.ends_at - VERIFIES_AFTER_MS <= now:
                continue
            if self._signer is not None and self._signer.kid == key.kid:
                return self._signer
            try:
                self._signer = _Signer(key.kid, _unsealed(key, self._sealer()))
            except SecretUnreadable:
                logger.warning("signing_key_unreadable", kid=key.kid)
                continue
            return self._signer
        return None

    async def _rotate(self) -> None:
        """Make the next key, if the last one will have signed long enough when that may begin."""
        last = self._keys[-1]
        if last.signs_from + SIGNS_MS - PUBLISHED_BEFORE_MS <= self._clock():
            async with self._lock:
                await self._make(at=max(last.signs_from + SIGNS_MS, self._clock() + PUBLISHED_BEFORE_MS))
                await self._read()

    async def _make(self, at: int | None = None) -> None:
        """Make a key that signs from then on, or at once; no key, if another node did."""
        last = self._keys[-1].kid if self._keys else None
        key = _new_key(self._sealer(), self._clock(), at)
        if await self._store.keep_signing_key(key, after=last):
            logger.info("signing_key_made", kid=key.kid)

    async def reseal(self) -> int:
        """Seal the private keys that an older key sealed with the first one; return how many those were. What none of
        the keys opens stays as it is, and is replaced when somebody signs in.

        Raises:
            SettingsError: there is no key.
        """
        vault, count = self._vault(), 0
        for key in await self._store.signing_keys(self._clock()):
            with contextlib.suppress(SecretUnreadable):
                sealed = vault.rotated(key.sealed)
                if sealed != key.sealed:
                    count += await self._store.reseal_signing_key(key, sealed)
        return count

    async def _learn(self) -> None:
        """Read the keys, after whoever asks now: once for all who ask meanwhile, and not too often."""
        if self._learning is None or self._learning.done():
            self._learning = asyncio.create_task(self._read_in_time(), name="read the signing keys")
            self._learning.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.shield(self._learning)

    async def _read_in_time(self) -> None:
        await asyncio.sleep(max(self._seconds_left(), 0.0))
        await self._read()

    def _seconds_left(self) -> float:
        """How long the store isn't to be asked again."""
        return self._read_at + COOLDOWN_SECONDS - asyncio.get_running_loop().time()

    async def _read(self) -> None:
        self._read_at = asyncio.get_running_loop().time()
        self._take(await self._store.signing_keys(self._clock()))

    def _take(self, keys: Sequence[SigningKey]) -> None:
        self._keys = tuple(keys)
        self._public = {each.kid: ECAlgorithm(ECAlgorithm.SHA256).from_jwk(each.public) for each in keys}

    def _sealer(self) -> Vault:
        try:
            return self._vault()
        except SettingsError as error:
            raise CannotIssue(str(error)) from None


def _new_key(vault: Vault, now: int, at: int | None) -> SigningKey:
    key = ec.generate_private_key(ec.SECP256R1())
    kid = secrets.token_hex(8)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = ECAlgorithm(ECAlgorithm.SHA256).to_jwk(key.public_key(), as_dict=True)
    jwk = json.dumps({**public, "kid": kid, "alg": ALGORITHM, "use": "sig"})
    signs_from = now if at is None else at
    # It may be asked to sign somewhat longer than it should, where its successor is late.
    ends_at = signs_from + SIGNS_MS + DAY_MS + VERIFIES_AFTER_MS
    return SigningKey(kid, jwk, vault.seal(pem, _ABOUT + kid)["value"], now, signs_from, ends_at)


def _unsealed(key: SigningKey, vault: Vault) -> ec.EllipticCurvePrivateKey:
    opened = load_pem_private_key(str(vault.opened(key.sealed, _ABOUT + key.kid)).encode(), None)
    assert isinstance(opened, ec.EllipticCurvePrivateKey)
    return opened
