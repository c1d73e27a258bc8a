"""The guarded transport: whatever is asked of it, and whatever servers and name servers answer, it connects to no inner
address that isn't allowed, and tells other origins nothing that isn't for them."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from tests.outgoing.conftest import serving
from tests.support.foreign import OTHER, PUBLIC, PUBLIC_V6, Internet, Received, foreign, http, redirect
from tests.support.live import eventually
from tests.support.spellings import SPELLINGS

from interlock.addresses import Allowed
from interlock.outgoing import guarded
from interlock.outgoing.guarded import Forbidden, GuardedTransport, Resolver, request_to, send

OK = http(body=b"secret of the inside")
cases = pytest.mark.parametrize
TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@asynccontextmanager
async def transport_on(
    internet: Internet, *allowed: str, tls: ssl.SSLContext | None = None
) -> AsyncIterator[GuardedTransport]:
    transport = GuardedTransport(
        Allowed(allowed), resolve=internet.resolve, network=internet, ssl_context=tls or TRUSTS_NOBODY
    )
    try:
        yield transport
    finally:
        await transport.aclose()


@asynccontextmanager
async def real(*allowed: str) -> AsyncIterator[GuardedTransport]:
    """A transport on this machine's own network and names."""
    transport = GuardedTransport(Allowed(allowed), ssl_context=TRUSTS_NOBODY)
    try:
        yield transport
    finally:
        await transport.aclose()


async def text(transport: GuardedTransport, url: str, method: str = "GET", content: bytes | None = None) -> str:
    answer = await send(transport, request_to(method, url, content=content))
    try:
        return (await answer.aread()).decode()
    finally:
        await answer.aclose()


# ── Inner addresses, however they are written ───────────────────────────────────────────────────────────


@cases("spelling", [each for each in SPELLINGS if "example.com" not in each])
async def test_no_spelling_of_an_inner_address_is_reached(spelling: str) -> None:
    async with foreign(OK) as inside, real() as transport:
        with pytest.raises((Forbidden, httpx.ConnectError)) as refused:
            await text(transport, spelling.replace("{port}", str(inside.port)))
        assert inside.connections == 0
        assert "127.0.0.1" not in str(refused.value)


@cases("spelling", SPELLINGS)
async def test_spelling_of_an_inner_address_opens_no_connection_to_one(spelling: str) -> None:
    """Not even where the network would let it, such as on a machine in a cloud."""
    internet = Internet({"example.com": [PUBLIC], "localhost": ["127.0.0.1"]})
    async with transport_on(internet) as transport:
        with pytest.raises((Forbidden, httpx.ConnectError)):
            await text(transport, spelling.replace("{port}", "8080"))
    assert {address for address, _ in internet.connected} <= ({PUBLIC} if "example.com" in spelling else set())


def test_there_are_spellings_enough() -> None:
    assert len(set(SPELLINGS)) == len(SPELLINGS) > 40


# ── Names ───────────────────────────────────────────────────────────────────────────────────────────────

INNER_ANSWERS = (
    ["127.0.0.1"],
    ["10.0.0.5"],
    ["169.254.169.254"],
    ["::1"],
    ["fe80::1%eth0"],
    ["::ffff:10.0.0.1"],
    ["64:ff9b::a00:1"],
    ["0.0.0.0"],
    [PUBLIC, "127.0.0.1"],
    ["127.0.0.1", PUBLIC],
    [PUBLIC, PUBLIC_V6, "fd00::1"],
    [PUBLIC, OTHER, "100.64.0.1", PUBLIC],
)


@cases("addresses", INNER_ANSWERS)
async def test_name_with_an_inner_address_among_its_addresses_is_not_reached(addresses: list[str]) -> None:
    internet = Internet({"inner.example": addresses})
    async with transport_on(internet) as transport:
        with pytest.raises(Forbidden, match="isn't on the public internet"):
            await text(transport, "http://inner.example/")
    assert internet.connected == []


@cases("name", ["metadata.google.internal", "metadata", "instance-data", "localhost", "x.localhost", "printer.local"])
async def test_name_that_means_this_network_is_not_even_looked_up(name: str) -> None:
    internet = Internet({name: [PUBLIC]})
    async with transport_on(internet) as transport:
        for url in (f"http://{name}/", f"http://{name.upper()}./"):
            with pytest.raises(Forbidden):
                await text(transport, url)
    assert (internet.asked, internet.connected) == ([], [])


async def test_transport_that_was_never_used_has_nothing_to_close() -> None:
    transport = GuardedTransport(Allowed())
    await transport.aclose()
    assert "_pool" not in vars(transport)


@cases("addresses", [[], ["nonsense"], ["1.2.3"], [""], [PUBLIC] * 3 + ["x"]])
async def test_name_with_an_answer_that_is_no_address_is_not_reached(addresses: list[str]) -> None:
    internet = Internet({"odd.example": [addresses]})
    async with transport_on(internet) as transport:
        with pytest.raises(httpx.ConnectError, match="can't be resolved"):
            await text(transport, "http://odd.example/")
    assert internet.connected == []


async def test_checked_address_is_the_one_connected_to_however_the_name_changes() -> None:
    async with foreign(OK) as server, foreign(OK) as inside:
        internet = Internet(
            {"rebinding.example": [[PUBLIC], ["127.0.0.1"]]},
            {(PUBLIC, 80): server.port, ("127.0.0.1", 80): inside.port},
        )
        async with transport_on(internet) as transport:
            await text(transport, "http://rebinding.example/")
            assert internet.asked == ["rebinding.example"], "it was looked up once, and so was checked once"
            with pytest.raises(Forbidden):
                await text(transport, "http://rebinding.example/")
        assert internet.connected == [(PUBLIC, 80)]
        assert inside.connections == 0


async def test_redirect_to_the_same_name_is_looked_up_and_checked_again() -> None:
    async with foreign({"/": redirect(307, "/again"), "/again": OK}) as server:
        internet = Internet({"rebinding.example": [[PUBLIC], ["127.0.0.1"]]}, {(PUBLIC, 80): server.port})
        async with transport_on(internet) as transport:
            with pytest.raises(Forbidden):
                await text(transport, "http://rebinding.example/")
    assert internet.connected == [(PUBLIC, 80)]


async def test_name_keeps_its_host_header_and_is_looked_up_in_its_one_spelling() -> None:
    async with foreign(OK) as server:
        internet = Internet({"example.com": [PUBLIC]}, {(PUBLIC, 8080): server.port})
        async with transport_on(internet) as transport:
            await text(transport, "http://EXAMPLE.com.:8080/a?b=c#d")
    assert internet.asked == ["example.com"]
    assert server.last.headers["host"] == "example.com:8080"
    assert server.last.target == "/a?b=c"


async def test_next_address_is_tried_when_one_does_not_answer() -> None:
    async with foreign(OK) as server:
        internet = Internet({"two.example": [OTHER, PUBLIC]}, {(PUBLIC, 80): server.port})
        async with transport_on(internet) as transport:
            assert await text(transport, "http://two.example/") == "secret of the inside"
    assert internet.connected == [(OTHER, 80), (PUBLIC, 80)]


async def test_address_that_nobody_answers_at_is_an_error_of_connecting() -> None:
    async with transport_on(Internet({"nobody.example": [PUBLIC, OTHER]})) as transport:
        with pytest.raises(httpx.ConnectError, match="can't be reached"):
            await text(transport, "http://nobody.example/")


async def test_name_servers_that_never_answer_hold_up_nothing_but_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = threading.Event()
    begun: list[str] = []

    def look_up(host: str, *_: object, **__: object) -> list[object]:
        begun.append(host)
        silent.wait()
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(guarded, "MAX_LOOKUPS", 2)
    resolver = Resolver()
    waiting = [asyncio.create_task(resolver(f"{number}.example", 80)) for number in range(3)]
    try:
        await eventually(lambda: len(begun) == 2)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        another = asyncio.create_task(resolver("another.example", 80))
        assert (await asyncio.wait([another], timeout=0.05))[1], "the two threads are still at work"
    finally:
        silent.set()
    with pytest.raises(OSError, match=r".*"):
        await another
    assert len(begun) == 3, "the third was given up before its turn"


async def test_names_are_looked_up_as_this_machine_does() -> None:
    assert "127.0.0.1" in await Resolver()("127.0.0.1", 80)
    with pytest.raises(OSError, match=r".*"):
        await Resolver()("no-such-host.invalid", 80)


# ── What is allowed ─────────────────────────────────────────────────────────────────────────────────────


@cases("entry", ["127.0.0.1", "127.0.0.1:{port}", "127.0.0.0/8", "127.0.0.0/8:{port}", "::ffff:127.0.0.1"])
async def test_inner_address_that_is_allowed_is_reached(entry: str) -> None:
    async with foreign(OK) as server, real(entry.replace("{port}", str(server.port))) as transport:
        assert await text(transport, f"http://127.0.0.1:{server.port}/") == "secret of the inside"


@cases("entry", ["127.0.0.1:1", "127.0.0.2", "localhost", "10.0.0.0/8", "[::1]"])
async def test_inner_address_that_another_entry_allows_is_not_reached(entry: str) -> None:
    async with foreign(OK) as server, real(entry) as transport:
        with pytest.raises(Forbidden):
            await text(transport, f"http://127.0.0.1:{server.port}/")


async def test_allowed_name_is_reached_wherever_it_is_and_its_address_is_not_by_itself() -> None:
    async with foreign(OK) as server:
        internet = Internet({"billing": ["10.0.0.5"], "other": ["10.0.0.5"]}, {("10.0.0.5", 80): server.port})
        async with transport_on(internet, "billing:80") as transport:
            assert await text(transport, "http://Billing/") == "secret of the inside"
            for url in ("http://10.0.0.5/", "http://other/", "http://billing:81/"):
                with pytest.raises(Forbidden):
                    await text(transport, url)


async def test_localhost_is_reached_when_it_is_allowed_by_name() -> None:
    async with foreign(OK) as server, real(f"localhost:{server.port}") as transport:
        assert await text(transport, f"http://localhost:{server.port}/") == "secret of the inside"


# ── Redirects ───────────────────────────────────────────────────────────────────────────────────────────

KINDS = (301, 302, 303, 307, 308)
LOCATIONS = (
    "http://127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "http://0x7f.1:{port}/",
    "http://[::1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://localhost:{port}/",
    "http://inner.example:{port}/",
    "http://user@127.0.0.1:{port}/",
    "http://169.254.169.254/",
    "file:///etc/passwd",
    "ftp://127.0.0.1/",
    "\\\\127.0.0.1:{port}/",
    "http://%31%32%37.0.0.1:{port}/",
    "http://a b/",
)


@cases("kind", KINDS)
@cases("location", LOCATIONS)
async def test_redirect_to_an_inner_address_is_not_followed(kind: int, location: str) -> None:
    async with foreign(OK) as inside:
        to = location.replace("{port}", str(inside.port))
        async with foreign(
            {"/": redirect(kind, to), "//127.0.0.1/": OK, f"/\\\\127.0.0.1:{inside.port}/": OK}
        ) as server:
            internet = Internet(
                {"outer.example": [PUBLIC], "inner.example": ["127.0.0.1"]},
                {(PUBLIC, 80): server.port, ("127.0.0.1", inside.port): inside.port, ("::1", inside.port): inside.port},
            )
            async with transport_on(internet) as transport:
                if location.startswith("\\"):  # a path on the same host, to whoever doesn't take \ for /
                    await text(transport, "http://outer.example/")
                else:
                    with pytest.raises(Forbidden):
                        await text(transport, "http://outer.example/", "POST", b"x")
    assert {address for address, _ in internet.connected} == {PUBLIC}
    assert inside.connections == 0


@cases(
    ("kind", "method", "then"),
    [
        *(
            (301, "POST", "GET"),
            (302, "POST", "GET"),
            (303, "POST", "GET"),
            (307, "POST", "POST"),
            (308, "POST", "POST"),
        ),
        *((301, "PUT", "PUT"), (302, "DELETE", "DELETE"), (303, "PUT", "GET"), (307, "PATCH", "PATCH")),
        *((303, "HEAD", "HEAD"), (301, "GET", "GET"), (308, "GET", "GET")),
    ],
)
async def test_redirect_keeps_method_and_content_as_browsers_do(kind: int, method: str, then: str) -> None:
    content = None if method in ("GET", "HEAD", "DELETE") else b'{"a": 1}'
    headers = [("Content-Type", "application/json"), ("Idempotency-Key", "k"), ("X-Own", "1")]
    async with foreign({"/": redirect(kind, "/next?x=1"), "/next": OK}) as server:
        internet = Internet({"outer.example": [PUBLIC]}, {(PUBLIC, 80): server.port})
        async with transport_on(internet) as transport:
            answer = await send(transport, request_to(method, "http://outer.example/", headers, content))
            await answer.aclose()
    first, last = server.received
    assert (first.method, first.body) == (method, content or b"")
    assert (last.method, last.target) == (then, "/next?x=1")
    assert last.body == (content or b"" if then == method else b"")
    assert ("content-type" in last.headers) == ("idempotency-key" in last.headers) == (then == method)
    assert last.headers["x-own"] == "1"


@cases("kind", KINDS)
async def test_five_redirects_are_followed_and_no_sixth(kind: int) -> None:
    def answer(request: Received) -> bytes:
        number = int(request.target[1:])
        return OK if number == 0 else redirect(kind, f"/{number - 1}")

    async with foreign(answer) as server:
        internet = Internet({"outer.example": [PUBLIC]}, {(PUBLIC, 80): server.port})
        async with transport_on(internet) as transport:
            assert await text(transport, "http://outer.example/5") == "secret of the inside"
            with pytest.raises(httpx.TooManyRedirects, match="more than 5 times"):
                await text(transport, "http://outer.example/6")
    assert server.connections == 12


@cases("status", [300, 304, 305, 306])
async def test_answer_that_is_no_redirect_is_an_answer(status: int) -> None:
    reason = b"HTTP/1.1 %d Odd\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n" % status
    async with foreign(reason) as server:
        internet = Internet({"outer.example": [PUBLIC]}, {(PUBLIC, 80): server.port})
        async with transport_on(internet) as transport:
            assert await text(transport, "http://outer.example/") == ""


PRIVATE = [("Authorization", "Bearer t"), ("Cookie", "a=b"), ("X-Api-Key", "k"), ("X-Public", "p")]


@cases(
    ("location", "host", "is_foreign"),
    [
        ("/same", "one.example", False),
        ("http://one.example/", "one.example", False),
        ("http://one.example:80/", "one.example", False),
        ("http://ONE.example./", "one.example", False),
        ("http://one.example:8080/", "one.example:8080", True),
        ("http://two.example/", "two.example", True),
        ("//two.example/", "two.example", True),
        ("http://sub.one.example/", "sub.one.example", True),
        ("http://user:password@two.example/", "two.example", True),
        (f"http://{PUBLIC}/", PUBLIC, True),
    ],
)
async def test_credentials_and_private_headers_do_not_reach_another_origin(
    location: str, host: str, is_foreign: bool
) -> None:
    def answer(request: Received) -> bytes:
        return redirect(307, location) if request.target == "/first" else OK

    async with foreign(answer) as server:
        names = {name: [PUBLIC] for name in ("one.example", "two.example", "sub.one.example")}
        internet = Internet(names, {(PUBLIC, 80): server.port, (PUBLIC, 8080): server.port})
        async with transport_on(internet) as transport:
            request = request_to("GET", "http://one.example/first", PRIVATE)
            await (await send(transport, request, private={"x-api-key"})).aclose()
    first, last = server.received
    assert {"authorization", "cookie", "x-api-key", "x-public"} <= first.headers.keys()
    assert last.headers["x-public"] == "p"
    assert ({"authorization", "cookie", "x-api-key"} & last.headers.keys() == set()) == is_foreign
    assert last.headers["host"] == host


async def test_what_was_dropped_on_the_way_stays_dropped_on_the_way_back() -> None:
    def answer(request: Received) -> bytes:
        return {"/1": redirect(307, "http://two.example/2"), "/2": redirect(307, "http://one.example/3")}.get(
            request.target, OK
        )

    async with foreign(answer) as server:
        internet = Internet({"one.example": [PUBLIC], "two.example": [PUBLIC]}, {(PUBLIC, 80): server.port})
        async with transport_on(internet) as transport:
            await (await send(transport, request_to("GET", "http://one.example/1", PRIVATE))).aclose()
    assert ["authorization" in each.headers for each in server.received] == [True, False, False]


@cases("kind", [307, 308])
async def test_private_content_is_not_carried_to_another_origin(kind: int) -> None:
    async with foreign(redirect(kind, "http://two.example/")) as server:
        internet = Internet({"one.example": [PUBLIC], "two.example": [OTHER]}, {(PUBLIC, 80): server.port})
        async with transport_on(internet) as transport:
            with pytest.raises(Forbidden, match="would carry a secret"):
                await send(
                    transport, request_to("POST", "http://one.example/", content=b"token"), is_content_private=True
                )
    assert internet.connected == [(PUBLIC, 80)]


async def test_user_and_password_of_an_address_are_credentials_of_its_origin_only() -> None:
    async with foreign({"/": redirect(302, "http://two.example/2"), "/2": OK}) as server:
        internet = Internet({"one.example": [PUBLIC], "two.example": [PUBLIC]}, {(PUBLIC, 80): server.port})
        async with transport_on(internet) as transport:
            await text(transport, "http://ada:p%40ss@one.example/")
    first, last = server.received
    assert first.headers["authorization"] == f"Basic {b64encode(b'ada:p@ss').decode()}"
    assert first.headers["host"] == "one.example"
    assert "authorization" not in last.headers


async def test_header_of_the_sender_wins_over_the_password_of_an_address() -> None:
    request = request_to("GET", "http://ada:pass@one.example/", [("AUTHORIZATION", "Bearer x")])
    assert request.headers["authorization"] == "Bearer x"
    assert "ada" not in str(request.url)


# ── Nothing of the environment, and nothing of other requests ───────────────────────────────────────────


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with foreign(OK) as proxy, foreign(http(body=b"direct")) as server:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login ada password p\n")
        monkeypatch.setenv("NETRC", str(netrc))
        async with real("127.0.0.1") as transport:
            assert await text(transport, f"http://127.0.0.1:{server.port}/") == "direct"
    assert proxy.connections == 0
    assert "authorization" not in server.last.headers


async def test_cookies_and_connections_are_not_kept() -> None:
    async with foreign(http(set_cookie="a=b", body=b"x")) as server, real("127.0.0.1") as transport:
        for _ in range(3):
            await text(transport, f"http://127.0.0.1:{server.port}/")
        assert server.connections == 3
        assert all("cookie" not in each.headers for each in server.received)


async def test_socket_files_are_not_reached() -> None:
    async with real() as transport:
        with pytest.raises(Forbidden):
            await transport._network.connect_unix_socket("/var/run/docker.sock")


# ── TLS ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_tls_is_about_the_name_while_the_connection_is_to_the_checked_address(certificate: Path) -> None:
    async with foreign(OK, tls=serving(certificate)) as server:
        internet = Internet({"secure.example": [PUBLIC]}, {(PUBLIC, 443): server.port})
        async with transport_on(internet, tls=ssl.create_default_context(cafile=certificate)) as transport:
            assert await text(transport, "https://SECURE.example./") == "secret of the inside"
    assert internet.connected == [(PUBLIC, 443)]
    assert server.last.server_name == "secure.example"
    assert server.last.headers["host"] == "secure.example"


async def test_certificate_for_another_name_or_of_no_authority_is_an_error(certificate: Path) -> None:
    async with foreign(OK, tls=serving(certificate)) as server:
        internet = Internet({"secure.example": [PUBLIC], "other.example": [PUBLIC]}, {(PUBLIC, 443): server.port})
        async with transport_on(internet, tls=ssl.create_default_context(cafile=certificate)) as transport:
            with pytest.raises(httpx.ConnectError, match="certificate isn't valid"):
                await text(transport, "https://other.example/")
        async with transport_on(internet) as transport:
            with pytest.raises(httpx.ConnectError, match="certificate isn't valid"):
                await text(transport, "https://secure.example/")
    assert server.received == []
