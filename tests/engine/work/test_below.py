"""An integration's credential goes to its address and below it, however a path is written."""

from __future__ import annotations

import pytest
from tests.support.calls import call, calling
from tests.support.foreign import foreign, http, redirect

from interlock.engine.work.http_call import _is_below
from interlock.engine.work.integrations import Authority
from interlock.outgoing.guarded import Forbidden, request_to

BASE = "https://api.example.com/v1/tenants/a"


def is_below(url: str) -> bool:
    try:
        return _is_below(request_to("GET", url).url, BASE)
    except Forbidden:
        return False


@pytest.mark.parametrize(
    "url",
    [
        BASE,
        f"{BASE}/",
        f"{BASE}/x?next=/../..",
        f"{BASE}/x/..y/...",
        f"{BASE}/a%2Fb/%C3%A4;v=1",
        "https://API.example.com.:443/v1/tenants/a/x",
        "https://ada:pw@api.example.com/v1/tenants/a",
    ],
)
def test_address_and_what_is_below_it_is_reached(url: str) -> None:
    assert is_below(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com/v1/tenants/ab",
        "https://api.example.com/v1/tenants%2Fa/x",
        "https://api.example.com/v1//tenants/a",
        "http://api.example.com/v1/tenants/a",
        "https://api.example.com:8443/v1/tenants/a",
        "https://api.example.com@evil.example/v1/tenants/a",
        "https://api.example.com\\@evil.example/v1/tenants/a",
        "https://evil.example#@api.example.com/v1/tenants/a",
        "https://\u0430pi.example.com/v1/tenants/a",
        "//api.example.com/v1/tenants/a",
        *(
            f"{BASE}/{climb}b"
            for climb in (
                *("../", "%2e%2e/", "..%2f", "..\\", "..%5c", "%2e.%5C", "..;/", "..;x=1/", "..%3b/"),
                *("%252e%252e/", "..%252f", "..%09/", "..%00/"),
            )
        ),
        f"{BASE}/..",
        f"{BASE}/%2e%2e",
        f"{BASE}/..;?x",
    ],
)
def test_nothing_beside_it_or_above_is(url: str) -> None:
    assert not is_below(url)


async def test_redirect_to_above_it_takes_no_credential_along() -> None:
    answers = {"/v1/a": redirect(302, "/v1/inside"), "/v1/inside": redirect(302, "/outside"), "/outside": http()}
    async with foreign(answers) as server, calling() as calls:
        base = f"http://127.0.0.1:{server.port}/v1"
        authority = Authority(base, {"X-Api-Key": "a-secret-key"}, secrets=frozenset({"a-secret-key"}))
        await calls.run(call("/a", integration="shop"), {}, authority=authority)
    keys = [(each.target, each.headers.get("x-api-key")) for each in server.received]
    assert keys == [("/v1/a", "a-secret-key"), ("/v1/inside", "a-secret-key"), ("/outside", None)]
