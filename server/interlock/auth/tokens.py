"""From a token to a `Principal`: the authenticators, and their choice by the settings.

Laws:
- A token is never stored, logged or repeated: static ones are kept as keyed hashes, and no repr shows one.
- The time that a refusal takes reveals nothing about which tokens exist.
- A JWT is verified only as its key allows (`interlock.auth.keys`); its header is never trusted.
- A JWT without `exp`, or with one that isn't a number, is refused: a token that never expires can't be withdrawn. `exp`
  is exact; only `nbf` and `iat` may lie a little ahead, as a provider's clock may be fast.
- A JWT's claims of account, namespaces and kind count only as far as its issuer is trusted with them (`Trust`); other
  claims aren't read.
- If an audience is configured, a JWT has to name it; if not, a JWT that names any is refused as meant for another
  server.
- An ID token says to a client who signed in there: it is no bearer here, whoever shows it (`_is_id_token`).
- A token that can't be valid (malformed, too long, wrong algorithm) never causes a request to a provider.
- A server always has authentication: if none is configured, it generates a token and stays on loopback.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

import jwt
from pydantic import SecretStr

from interlock.auth.errors import AuthError, AuthUnavailable, ExpiredToken, InvalidToken
from interlock.auth.jwks import JwksKeys
from interlock.auth.keys import VerifyingKey, key_from_secret
from interlock.auth.local_token import local_token
from interlock.auth.origins import is_loopback
from interlock.auth.principal import ALL_SCOPES, Kind, Principal, UnusableUserId
from interlock.auth.token_list import (
    DEFAULT_USER,
    MAX_TOKEN_BYTES,
    parse_account,
    parse_kind,
    parse_scopes,
    parse_strings,
    parse_tokens,
    token_bytes,
)
from interlock.errors import SettingsError
from interlock_protocol.namespaces import DEFAULT_ACCOUNT, UnusableName

CLOCK_SKEW_SECONDS: Final = 30


class Authenticator(Protocol):
    """Finds the principal of a token."""

    async def authenticate(self, token: str) -> Principal:
        """Return the holder of this token.

        Raises:
            InvalidToken: this server never accepts the token.
            ExpiredToken: the token has expired.
            AuthUnavailable: the token can't be checked at the moment.
        """


class StaticTokens:
    """A fixed set of tokens."""

    def __init__(self, tokens: Mapping[str, Principal]) -> None:
        # The hash is keyed, so that nobody outside of this process knows which tokens have similar hashes.
        self._hash_key = secrets.token_bytes(32)
        self._principals = [(self._hash(token_bytes(token)), who) for token, who in tokens.items()]

    def __repr__(self) -> str:
        return f"<StaticTokens: {len(self._principals)}>"

    async def authenticate(self, token: str) -> Principal:
        given = self._hash(_checked(token))
        found = None
        for known, principal in self._principals:  # always all of them: the time taken must not reveal which
            if hmac.compare_digest(known, given):
                found = principal
        if found is None:
            raise InvalidToken
        return found

    @property
    def principals(self) -> Sequence[Principal]:
        """The holders of the tokens."""
        return [who for _, who in self._principals]

    def _hash(self, token: bytes) -> bytes:
        return hashlib.blake2b(token, key=self._hash_key, digest_size=32).digest()


class Keys(Protocol):
    """The source of the keys that verify JWTs."""

    @property
    def algorithms(self) -> frozenset[str]:
        """Every algorithm that any of the keys could have."""

    async def key_for(self, kid: str | None, algorithm: str) -> VerifyingKey:
        """Return the key of that name for that algorithm; raise `InvalidToken` or `AuthUnavailable`."""


class OneKey:
    """A configured key. It is used whatever name a token gives."""

    def __init__(self, key: VerifyingKey) -> None:
        self._key = key
        self.algorithms: Final = key.algorithms

    async def key_for(self, kid: str | None, algorithm: str) -> VerifyingKey:
        return self._key


@dataclass(frozen=True, slots=True)
class Trust:
    """What the operator trusts an issuer with.

    Args:
        account: the account of its users; if the issuer may choose, of users whose token names none.
        claims: which of `account`, `namespaces` and `kind` it may choose.
    """

    account: str = DEFAULT_ACCOUNT
    claims: frozenset[str] = frozenset()

    def place(self, claims: Mapping[str, Any]) -> dict[str, Any]:
        """Return a bearer's account, namespaces and kind; raise `UnusableName` or `TypeError`."""
        said = {name: claims[name] for name in self.claims if claims.get(name) is not None}
        if said.get("account") == DEFAULT_ACCOUNT != self.account:
            raise UnusableName(f"The account {DEFAULT_ACCOUNT!r}, whose admins run the server, is nobody's to choose.")
        return {
            "account": parse_account(said.get("account", self.account)),
            "namespaces": parse_strings(said.get("namespaces", [])),
            "kind": parse_kind(said.get("kind", Kind.USER)),
        }


class JwtTokens:
    """JSON Web Tokens with the claims `sub`, `exp`, `scope` or `scopes`, and `groups`.

    Args:
        keys: the keys that verify the signature.
        audience: what `aud` has to contain. Without it, a token that has an `aud` is refused as meant for others.
        issuer: the required `iss`; any, if None.
        trust: the claims that the issuer is trusted with.
        client_id: what the web app is called at an identity provider: ID tokens for it are known by that, too.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        audience: str | None = None,
        issuer: str | None = None,
        trust: Trust | None = None,
        client_id: str | None = None,
    ) -> None:
        self._client_id = client_id
        self._keys = keys
        self._trust = trust or Trust()
        self._audience = audience
        self._issuer = issuer

    def __repr__(self) -> str:
        return f"<JwtTokens: {', '.join(sorted(self._keys.algorithms))}>"

    async def authenticate(self, token: str) -> Principal:
        _checked(token)
        kid, algorithm = self._header(token)
        key = await self._keys.key_for(kid, algorithm)
        claims = self._verified(token, key)
        if _is_id_token(jwt.get_unverified_header(token), claims, self._client_id):
            raise InvalidToken("This is an ID token, which only tells a client who signed in; send an access token.")
        return _principal(claims, self._trust)

    def _header(self, token: str) -> tuple[str | None, str]:
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise InvalidToken from None
        kid, algorithm = header.get("kid"), header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in self._keys.algorithms:
            names = ", ".join(sorted(self._keys.algorithms))
            raise InvalidToken(f"This server accepts tokens signed with {names}; get one of these.")
        if not (kid is None or isinstance(kid, str)):
            raise InvalidToken
        return kid, algorithm

    def _verified(self, token: str, key: VerifyingKey) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                key.key,
                algorithms=sorted(key.algorithms),
                audience=self._audience,
                issuer=self._issuer,
                leeway=CLOCK_SKEW_SECONDS,
                options={"require": ["sub", "exp", *(["aud"] if self._audience else [])]},
            )
        except jwt.ExpiredSignatureError:
            raise ExpiredToken from None
        except jwt.PyJWTError as error:
            raise InvalidToken(_advice(error)) from None
        except (ValueError, TypeError, OverflowError, RecursionError):
            raise InvalidToken from None  # claims of the wrong type, where the library doesn't check


class FirstMatch:
    """Several authenticators; the first that recognizes the token answers."""

    def __init__(self, authenticators: Sequence[Authenticator]) -> None:
        self._authenticators = tuple(authenticators)

    def __repr__(self) -> str:
        return f"<FirstMatch: {', '.join(map(repr, self._authenticators))}>"

    @property
    def parts(self) -> Sequence[Authenticator]:
        """The authenticators."""
        return self._authenticators

    async def authenticate(self, token: str) -> Principal:
        refusals: list[AuthError] = []
        for authenticator in self._authenticators:
            try:
                return await authenticator.authenticate(token)
            except ExpiredToken:
                raise  # this authenticator recognized the token, so no other can
            except AuthError as error:
                refusals.append(error)
        raise _most_telling(refusals)


def principals_of(authenticator: Authenticator) -> Sequence[Principal]:
    """The holders of tokens that an authenticator knows before they come: those in the settings."""
    if isinstance(authenticator, FirstMatch):
        return [who for each in authenticator.parts for who in principals_of(each)]
    return authenticator.principals if isinstance(authenticator, StaticTokens) else []


class TokenSettings(Protocol):
    """The settings that say which tokens are accepted (`settings/`)."""

    @property
    def tokens(self) -> SecretStr | None: ...
    @property
    def jwt_secret(self) -> SecretStr | None: ...
    @property
    def jwt_jwks_url(self) -> str | None: ...
    @property
    def jwt_audience(self) -> str | None: ...
    @property
    def jwt_issuer(self) -> str | None: ...
    @property
    def jwt_account(self) -> str: ...
    @property
    def jwt_trusted_claims(self) -> tuple[str, ...]: ...
    @property
    def oidc_client_id(self) -> str | None: ...
    @property
    def host(self) -> str: ...
    @property
    def data_dir(self) -> Path: ...


def authenticator_from(settings: TokenSettings) -> tuple[Authenticator, str | None]:
    """Return the authenticator for these settings, and the token that was generated if they configure none.

    Raises:
        SettingsError: a server that others can reach would have no authentication.
    """
    configured = tuple(_configured(settings))
    if not configured:
        return _made_up(settings)
    return (configured[0] if len(configured) == 1 else FirstMatch(configured)), None


def _configured(settings: TokenSettings) -> Iterator[Authenticator]:
    if settings.tokens:
        yield StaticTokens(parse_tokens(settings.tokens.get_secret_value()))
    if keys := _keys(settings):
        trust = Trust(settings.jwt_account, frozenset(settings.jwt_trusted_claims))
        yield JwtTokens(
            keys,
            audience=settings.jwt_audience or None,
            issuer=settings.jwt_issuer or None,
            trust=trust,
            client_id=settings.oidc_client_id,
        )


def _keys(settings: TokenSettings) -> Keys | None:
    if settings.jwt_secret:
        return OneKey(key_from_secret(settings.jwt_secret.get_secret_value()))
    return JwksKeys(settings.jwt_jwks_url) if settings.jwt_jwks_url else None


def _made_up(settings: TokenSettings) -> tuple[Authenticator, str]:
    if not is_loopback(settings.host):
        raise SettingsError(
            "INTERLOCK_HOST lets others reach this server and nothing guards it: set INTERLOCK_TOKENS,"
            " INTERLOCK_JWT_SECRET or INTERLOCK_JWT_JWKS_URL, or leave INTERLOCK_HOST at 127.0.0.1."
        )
    token = local_token(settings.data_dir)
    return StaticTokens({token: Principal(DEFAULT_USER, ALL_SCOPES)}), token


def _checked(token: str) -> bytes:
    # Characters are counted first: counting bytes copies the whole token.
    if len(token) > MAX_TOKEN_BYTES or len(encoded := token_bytes(token)) > MAX_TOKEN_BYTES:
        raise InvalidToken(f"A token has at most {MAX_TOKEN_BYTES} bytes; check what was sent as one.")
    return encoded


def _is_id_token(header: Mapping[str, Any], claims: Mapping[str, Any], client_id: str | None) -> bool:
    """Whether a JWT is an ID token.

    Nothing in the standard marks one, so it is known by what only ID tokens have, or have without any scope; and by the
    words of providers that do mark theirs. What says that it is an access token (RFC 9068) is one.
    """
    typ = str(header.get("typ", "")).lower().removeprefix("application/")
    word = str(claims.get("typ", claims.get("token_use", ""))).lower()
    if typ == "at+jwt" or word in ("bearer", "access"):
        return False
    if word == "id" or any(claims.get(each) is not None for each in ("at_hash", "c_hash", "s_hash")):
        return True
    audience, has_nonce = claims.get("aud"), claims.get("nonce") is not None
    is_for_client = client_id is not None and audience in (client_id, [client_id])
    if any(claims.get(each) is not None for each in ("scope", "scopes", "scp")):
        return is_for_client and has_nonce
    return is_for_client or has_nonce


def _principal(claims: Mapping[str, Any], trust: Trust) -> Principal:
    try:
        expires_at = datetime.fromtimestamp(_number(claims["exp"]), UTC)
        scopes = _claim_scopes(claims, "scope") | _claim_scopes(claims, "scopes")
        groups = frozenset() if claims.get("groups") is None else parse_strings(claims["groups"])
        who = Principal(
            claims["sub"], scopes & ALL_SCOPES, groups, expires_at, **trust.place(claims), issuer=_issuer(claims)
        )
    except UnusableUserId as error:
        raise InvalidToken(f"The token's `sub` can't be a user. {error}") from None
    except UnusableName as error:
        raise InvalidToken(f"The token's claims name what can't be named so. {error}") from None
    except (ValueError, TypeError, OverflowError, OSError):
        raise InvalidToken(
            "The token's claims can't be read: `sub` names a user, `scope` is a string or a list,"
            " `groups` and `namespaces` are lists of strings, and `exp` is a time."
        ) from None
    if expires_at <= datetime.now(UTC):
        raise ExpiredToken
    return who


def _issuer(claims: Mapping[str, Any]) -> str:
    """The issuer that a token names; "" if it names none."""
    issuer = claims.get("iss")
    return issuer if isinstance(issuer, str) else ""


def _number(value: Any) -> int:
    """A time from a claim (RFC 7519: a number, not the text of one), in whole seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("not a number")
    return int(value)


def _claim_scopes(claims: Mapping[str, Any], name: str) -> frozenset[str]:
    return frozenset() if claims.get(name) is None else parse_scopes(claims[name])


def _advice(error: jwt.PyJWTError) -> str | None:
    match error:
        case jwt.MissingRequiredClaimError():
            return f"The token has no `{error.claim}`; get one that has."
        case jwt.InvalidAudienceError():
            return "The token is meant for another audience; get one for this server (INTERLOCK_JWT_AUDIENCE)."
        case jwt.InvalidIssuerError():
            return "The token is from another issuer than this server trusts (INTERLOCK_JWT_ISSUER)."
        case jwt.ImmatureSignatureError():
            return "The token isn't valid yet; try again later, or correct the issuer's clock."
        case _:
            return None


def _most_telling(refusals: Sequence[AuthError]) -> AuthError:
    doubts = [error for error in refusals if isinstance(error, AuthUnavailable)]
    return [InvalidToken(), *refusals, *doubts][-1]
