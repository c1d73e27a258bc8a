"""What an identity provider has to prove of a person, held against one that lies: each line is one lie."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import pytest
from tests.support.idp import OTHER_RSA_KEY, RSA_KEY, jwk

from interlock.identity.provider import KEPT_SECONDS, NotProven, Provider
from interlock.outgoing.code_flow import Client, Flow, Refused, Unanswered

ISSUER = "https://id.example"
CLIENT = Client("interlock", "a-secret", "https://app.example/session/provider/callback", "openid")
FLOW = Flow("state", "verifier", "nonce")
DOCUMENT = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/auth",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/jwks",
}
NOW = int(time.time())
A_DAY = 24 * 3600  # these tokens are made when tests are collected, perhaps long before a test gets them
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": "interlock",
    "sub": "ada",
    "exp": NOW + A_DAY,
    "iat": NOW,
    "nonce": "nonce",
}


def provider(token: Any, **document: Any) -> Provider:
    """A provider that gives this ID token."""
    answers: dict[str, Any] = {
        "/.well-known/openid-configuration": {**DOCUMENT, **document},
        "/jwks": {"keys": [jwk(RSA_KEY, "first")]},
        "/token": {"access_token": "opaque", "token_type": "Bearer", "id_token": token},
    }

    def answer(request: httpx.Request) -> httpx.Response:
        found = answers[request.url.path]
        return found if isinstance(found, httpx.Response) else httpx.Response(200, json=found)

    return Provider(ISSUER, CLIENT, httpx.MockTransport(answer))


def signed(key: Any = RSA_KEY, algorithm: str = "RS256", kid: str = "first", **claims: Any) -> str:
    said = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    return jwt.encode(said, key, algorithm, headers={"kid": kid})


async def test_true_id_token_gives_the_claims_of_a_person() -> None:
    assert (await provider(signed(groups=["ops"])).person("code", FLOW, None))["groups"] == ["ops"]
    assert (await provider(signed(aud=["interlock"], azp="interlock")).person("code", FLOW, ISSUER))["sub"] == "ada"


@pytest.mark.parametrize(
    "token",
    [
        None,
        7,
        "x",
        "x" * 20_000,
        signed(nonce="another"),
        signed(nonce=None),
        signed(iss="https://evil.example"),
        signed(iss=ISSUER + "/"),
        signed(iss=None),
        signed(aud="another"),
        signed(aud=["another"]),
        signed(aud=["interlock", "another"]),
        signed(aud=["interlock", "another"], azp="another"),
        signed(azp="another"),
        signed(aud=None),
        signed(exp=NOW - 60),
        signed(exp=None),
        signed(exp="soon"),
        signed(iat=NOW + A_DAY),
        signed(iat=None),
        signed(sub=None),
        signed(at_hash="AAAA"),
        signed(OTHER_RSA_KEY),
        signed(kid="second"),
        signed("a-secret" * 8, "HS256"),
        jwt.encode(CLAIMS, "", "none"),
    ],
)
async def test_what_is_no_proof_signs_nobody_in(token: Any) -> None:
    with pytest.raises((NotProven, Unanswered)):
        await provider(token).person("code", FLOW, None)


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://id.example/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": None},
        {"authorization_endpoint": "javascript:alert(1)"},
    ],
)
async def test_document_that_leads_astray_is_none(document: dict[str, Any]) -> None:
    with pytest.raises(Unanswered):
        await provider(signed(), **document).address(FLOW)


async def test_browser_from_another_issuer_isnt_the_one_that_was_sent() -> None:
    with pytest.raises(NotProven):
        await provider(signed()).person("code", FLOW, "https://evil.example")
    says_so = provider(signed(), authorization_response_iss_parameter_supported=True)
    with pytest.raises(NotProven):
        await says_so.person("code", FLOW, None)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.Response(400, json={"error": "invalid_grant"}), Refused),
        (httpx.Response(302, headers={"Location": "https://evil.example"}), Unanswered),
        (httpx.Response(500), Unanswered),
        (httpx.Response(200, content=b"["), Unanswered),
        (httpx.Response(200, content=b"[]"), Unanswered),
        (httpx.Response(200, content=b" " * 1024 * 1024), Unanswered),
    ],
)
async def test_answer_that_cant_be_read_signs_nobody_in(answer: httpx.Response, expected: type[Exception]) -> None:
    def ask(request: httpx.Request) -> httpx.Response:
        return answer if request.url.path == "/token" else httpx.Response(200, content=json.dumps(DOCUMENT))

    with pytest.raises(expected):
        await Provider(ISSUER, CLIENT, httpx.MockTransport(ask)).person("code", FLOW, None)


async def test_where_to_ask_stays_known_while_the_provider_doesnt_say() -> None:
    told, now = [httpx.Response(200, json=DOCUMENT)], [0.0]

    def ask(_: httpx.Request) -> httpx.Response:
        return told[-1]

    asked = Provider(ISSUER, CLIENT, httpx.MockTransport(ask), lambda: now[0])
    before = urlsplit(await asked.address(FLOW)).path
    for away in (
        httpx.Response(503),
        httpx.Response(404),
        httpx.Response(200, json={"issuer": "https://evil.example"}),
    ):
        told.append(away)
        now[0] += KEPT_SECONDS + 1
        assert urlsplit(await asked.address(FLOW)).path == before
    told.append(httpx.Response(200, json={**DOCUMENT, "authorization_endpoint": f"{ISSUER}/moved"}))
    assert urlsplit(await asked.address(FLOW)).path == "/moved"
