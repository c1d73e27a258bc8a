from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.support.idp import (
    CURVE_KEY,
    OTHER_RSA_KEY,
    RSA_KEY,
    SECRET,
    claims,
    forge,
    hmac_with,
    pem,
    private_pem,
    token,
)

from interlock.auth import ExpiredToken, InvalidToken, Principal
from interlock.auth.keys import key_from_secret
from interlock.auth.tokens import JwtTokens, OneKey


def tokens(secret: str = SECRET, **more: Any) -> JwtTokens:
    return JwtTokens(OneKey(key_from_secret(secret)), **more)


async def test_a_token_is_its_subject_with_scopes_groups_and_an_end() -> None:
    payload = claims(scope="workflows:read workflows:decide", groups=["ops", "dev"])
    expected = Principal(
        "ada",
        frozenset({"workflows:read", "workflows:decide"}),
        frozenset({"ops", "dev"}),
        datetime.fromtimestamp(payload["exp"], UTC),
    )
    assert await tokens().authenticate(token(SECRET, "HS256", payload)) == expected


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
async def test_a_shared_secret_verifies_hs(algorithm: str) -> None:
    assert (await tokens().authenticate(token(SECRET, algorithm))).user_id == "ada"


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
async def test_an_rsa_key_verifies_rs_and_ps(algorithm: str) -> None:
    assert (await tokens(pem(RSA_KEY)).authenticate(token(RSA_KEY, algorithm))).user_id == "ada"


@pytest.mark.parametrize(
    ("curve", "algorithm"), [(ec.SECP256R1(), "ES256"), (ec.SECP384R1(), "ES384"), (ec.SECP521R1(), "ES512")]
)
async def test_a_curve_verifies_its_es(curve: ec.EllipticCurve, algorithm: str) -> None:
    key = ec.generate_private_key(curve)
    assert (await tokens(pem(key)).authenticate(token(key, algorithm))).user_id == "ada"
    assert key_from_secret(pem(key)).algorithms == {algorithm}


async def test_a_pem_on_one_line_is_a_pem() -> None:
    one_line = pem(RSA_KEY).replace("\n", "\\n")
    assert (await tokens(one_line).authenticate(token(RSA_KEY, "RS256"))).user_id == "ada"


async def test_a_certificate_is_its_public_key() -> None:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, RSA_KEY.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(RSA_KEY, hashes.SHA256())
    )
    secret = certificate.public_bytes(Encoding.PEM).decode()
    assert (await tokens(secret).authenticate(token(RSA_KEY, "RS256"))).user_id == "ada"


@pytest.mark.parametrize("secret", [pem(RSA_KEY), pem(RSA_KEY).strip(), pem(CURVE_KEY)])
async def test_an_hs_token_signed_with_the_public_key_is_refused(secret: str) -> None:
    forged = forge({"alg": "HS256", "typ": "JWT"}, claims(scope="admin"), hmac_with(secret))
    with pytest.raises(InvalidToken, match="accepts tokens signed with"):
        await tokens(secret).authenticate(forged)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "HS255", None, 5, ["HS256"]])
@pytest.mark.parametrize("secret", [SECRET, pem(RSA_KEY)])
async def test_a_token_without_a_real_algorithm_is_refused(secret: str, algorithm: Any) -> None:
    for forged in (forge({"alg": algorithm}, claims()), forge({"typ": "JWT"}, claims())):
        with pytest.raises(InvalidToken):
            await tokens(secret).authenticate(forged)


async def test_a_token_signed_by_another_key_is_refused() -> None:
    with pytest.raises(InvalidToken):
        await tokens().authenticate(token("t" * 64, "HS256"))
    with pytest.raises(InvalidToken):
        await tokens(pem(RSA_KEY)).authenticate(token(OTHER_RSA_KEY, "RS256"))


async def test_a_key_offered_by_the_token_itself_is_ignored() -> None:
    header = {"alg": "HS256", "jwk": {"kty": "oct", "k": "dGVzdA"}, "jku": "http://127.0.0.1:9/"}
    with pytest.raises(InvalidToken):
        await tokens().authenticate(forge(header, claims(), hmac_with("test")))


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "a" * 100,
        "e30.e30.",
        "bnVsbA.bnVsbA.",
        "\ud800.\ud800.",
        "ö.ö.ö",
        "W10.W10.W10",
        " ",
    ],
)
async def test_what_is_no_jwt_is_refused(garbage: str) -> None:
    with pytest.raises(InvalidToken):
        await tokens().authenticate(garbage)


async def test_a_changed_token_is_refused_at_every_place() -> None:
    good = token(SECRET, "HS256")
    for place in range(0, len(good), 7):
        changed = good[:place] + ("A" if good[place] != "A" else "B") + good[place + 1 :]
        with pytest.raises(InvalidToken):
            await tokens().authenticate(changed)


async def test_an_over_long_token_is_refused_although_it_is_genuine() -> None:
    with pytest.raises(InvalidToken, match="16384 bytes"):
        await tokens().authenticate(token(SECRET, "HS256", claims(note="x" * 16_384)))


async def test_an_expired_token_is_expired_not_invalid() -> None:
    with pytest.raises(ExpiredToken):
        await tokens().authenticate(token(SECRET, "HS256", claims(exp=int(time.time()) - 600)))


async def test_the_end_of_a_token_is_exact() -> None:
    with pytest.raises(ExpiredToken):
        await tokens().authenticate(token(SECRET, "HS256", claims(exp=int(time.time()) - 1)))


async def test_a_forged_expired_token_is_invalid_not_expired() -> None:
    with pytest.raises(InvalidToken):
        await tokens().authenticate(token("t" * 64, "HS256", claims(exp=int(time.time()) - 600)))


async def test_an_issuer_whose_clock_is_a_little_fast_is_forgiven() -> None:
    soon = int(time.time()) + 10
    assert await tokens().authenticate(token(SECRET, "HS256", claims(nbf=soon, iat=soon)))


async def test_a_token_from_the_future_is_refused() -> None:
    with pytest.raises(InvalidToken, match="isn't valid yet"):
        await tokens().authenticate(token(SECRET, "HS256", claims(nbf=int(time.time()) + 600)))


@pytest.mark.parametrize("claim", ["sub", "exp"])
async def test_a_token_needs_a_subject_and_an_end(claim: str) -> None:
    payload = claims()
    del payload[claim]
    with pytest.raises(InvalidToken, match=f"no `{claim}`"):
        await tokens().authenticate(token(SECRET, "HS256", payload))


@pytest.mark.parametrize(
    "wrong",
    [
        {"sub": 5},
        {"sub": ""},
        {"sub": None},
        {"sub": "group:ops"},
        {"sub": "a\x00"},
        {"sub": ["ada"]},
        {"exp": "soon"},
        {"exp": "4102444800"},
        {"exp": None},
        {"exp": [1]},
        {"exp": {}},
        {"exp": 1e300},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"exp": 10**17},
        {"scope": 5},
        {"scope": {"admin": True}},
        {"scopes": [["admin"]]},
        {"scopes": [None]},
        {"groups": "ops"},
        {"groups": {"ops": 1}},
        {"groups": [1]},
        {"groups": ["\ud800"]},
        {"nbf": "x"},
        {"iat": []},
    ],
)
async def test_a_claim_of_the_wrong_kind_is_refused_and_breaks_nothing(wrong: dict[str, Any]) -> None:
    forged = forge({"alg": "HS256"}, claims(**wrong), hmac_with(SECRET))
    with pytest.raises(InvalidToken):
        await tokens().authenticate(forged)


@pytest.mark.parametrize("payload", [[], "ada", 5, None])
async def test_claims_that_are_no_object_are_refused(payload: Any) -> None:
    with pytest.raises(InvalidToken):
        await tokens().authenticate(forge({"alg": "HS256"}, payload, hmac_with(SECRET)))


@pytest.mark.parametrize(
    ("given", "scopes"),
    [
        ({"scope": "workflows:read admin"}, {"workflows:read", "admin"}),
        ({"scope": None, "scopes": "workflows:read  admin"}, {"workflows:read", "admin"}),
        ({"scope": None, "scopes": ["workflows:read", "admin"]}, {"workflows:read", "admin"}),
        ({"scope": "workflows:read", "scopes": ["admin"]}, {"workflows:read", "admin"}),
        ({"scope": "openid profile workflows:read"}, {"workflows:read"}),
        ({"scope": "workflows:read,admin"}, set()),
        ({"scope": "ADMIN"}, set()),
        ({"scope": ""}, set()),
        ({"scope": None}, set()),
    ],
)
async def test_scopes_are_a_string_or_a_list_and_only_ours_count(given: dict[str, Any], scopes: set[str]) -> None:
    principal = await tokens().authenticate(token(SECRET, "HS256", claims(**given)))
    assert principal.scopes == scopes


@pytest.mark.parametrize("aud", ["interlock", ["other", "interlock"]])
async def test_the_right_audience_is_let_in(aud: Any) -> None:
    assert await tokens(audience="interlock").authenticate(token(SECRET, "HS256", claims(aud=aud)))


@pytest.mark.parametrize("aud", ["other", ["other"], [], None, "interlock2", ["inter", "lock"]])
async def test_another_audience_or_none_is_refused(aud: Any) -> None:
    with pytest.raises(InvalidToken):
        await tokens(audience="interlock").authenticate(token(SECRET, "HS256", claims(aud=aud)))


async def test_a_token_without_an_audience_is_refused_where_one_is_configured() -> None:
    assert "aud" not in claims()
    with pytest.raises(InvalidToken, match="no `aud`"):
        await tokens(audience="interlock").authenticate(token(SECRET, "HS256", claims()))


async def test_a_token_for_an_audience_is_refused_where_none_is_configured() -> None:
    with pytest.raises(InvalidToken, match="INTERLOCK_JWT_AUDIENCE"):
        await tokens().authenticate(token(SECRET, "HS256", claims(aud="another-service")))


async def test_the_right_issuer_is_let_in() -> None:
    good = token(SECRET, "HS256", claims(iss="https://id.example"))
    assert await tokens(issuer="https://id.example").authenticate(good)
    assert await tokens().authenticate(good)


@pytest.mark.parametrize("iss", ["https://id.example/", "https://id", "", None])
async def test_another_issuer_or_none_is_refused(iss: str | None) -> None:
    payload = claims() if iss is None else claims(iss=iss)
    with pytest.raises(InvalidToken):
        await tokens(issuer="https://id.example").authenticate(token(SECRET, "HS256", payload))


@pytest.mark.parametrize("sub", ["timeout", "system:ttl", "group:ops", "Timeout"])
async def test_a_token_of_nobody_is_told_why(sub: str) -> None:
    with pytest.raises(InvalidToken, match="one of the server's own names"):
        await tokens().authenticate(token(SECRET, "HS256", claims(sub=sub)))


async def test_no_refusal_repeats_the_token() -> None:
    for bad in (token("t" * 64, "HS256"), token(RSA_KEY, "RS256"), token(SECRET, "HS256", {"sub": "ada"})):
        with pytest.raises(InvalidToken) as refusal:
            await tokens().authenticate(bad)
        assert not any(part in str(refusal.value) for part in bad.split("."))


def test_no_key_is_shown() -> None:
    assert SECRET not in repr(tokens()) + repr(key_from_secret(SECRET))
    assert repr(tokens("s" * 32)) == "<JwtTokens: HS256>"


@pytest.mark.parametrize(
    ("length", "algorithms"),
    [
        (32, {"HS256"}),
        (47, {"HS256"}),
        (48, {"HS256", "HS384"}),
        (64, {"HS256", "HS384", "HS512"}),
    ],
)
def test_a_secret_has_the_algorithms_it_is_long_enough_for(length: int, algorithms: set[str]) -> None:
    assert key_from_secret("s" * length).algorithms == algorithms


def ssh_key() -> str:
    return RSA_KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def ed25519_pem() -> str:
    public = ed25519.Ed25519PrivateKey.generate().public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize(
    ("secret", "says"),
    [
        ("", "too short"),
        ("s" * 31, "too short"),
        (ssh_key(), "public key in PEM form"),
        (private_pem(RSA_KEY), "is a private key"),
        (pem(RSA_KEY)[:-60], "not a readable PEM"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "not a readable PEM"),
        ("prefix " + pem(RSA_KEY)[:200], "not a readable PEM"),
        (ed25519_pem(), "can't be used"),
        (pem(rsa.generate_private_key(65537, 1024)), "can't be used"),
        (pem(ec.generate_private_key(ec.SECP256K1())), "can't be used"),
    ],
)
def test_a_secret_that_can_verify_nothing_safely_is_refused(secret: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refusal:
        key_from_secret(secret)
    assert not secret or secret not in str(refusal.value)


@pytest.mark.parametrize(
    "said",
    [
        {"nonce": "n", "scope": None},
        {"at_hash": "AAAA"},
        {"c_hash": "AAAA", "scope": "workflows:read"},
        {"typ": "ID"},
        {"token_use": "id"},
        {"aud": "interlock", "scope": None},
        {"aud": ["interlock"], "scope": None},
        {"aud": "interlock", "nonce": "n"},
    ],
)
async def test_id_token_is_no_bearer(said: dict[str, Any]) -> None:
    payload = {name: value for name, value in {**claims(), **said}.items() if value is not None}
    taken = tokens(audience="interlock" if "aud" in payload else None, client_id="interlock")
    with pytest.raises(InvalidToken, match="ID token"):
        await taken.authenticate(token(SECRET, "HS256", payload))


@pytest.mark.parametrize("said", [{}, {"nonce": "n"}, {"typ": "Bearer", "nonce": "n"}, {"token_use": "access"}])
async def test_access_token_with_a_scope_is_a_bearer_whatever_else_it_says(said: dict[str, Any]) -> None:
    payload = {**claims(), **said}
    assert (await tokens(client_id="interlock").authenticate(token(SECRET, "HS256", payload))).user_id == "ada"
