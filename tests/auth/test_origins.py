from __future__ import annotations

import pytest

from interlock.auth import is_loopback, origin_allowed

LISTED = [
    "https://app.example.com",
    "http://Dev.example.com:8080",
    "https://[2001:DB8::1]",
    "tauri://localhost",
]
PUBLIC = "0.0.0.0"


@pytest.mark.parametrize("allowed", [[], LISTED, ["*"]])
@pytest.mark.parametrize("host", [None, "localhost:7777", "evil.example"])
def test_a_program_without_an_origin_is_allowed(host: str | None, allowed: list[str]) -> None:
    assert origin_allowed(None, host, allowed)


@pytest.mark.parametrize("origin", ["https://anything.example", "null", "chrome-extension://abc", "??"])
def test_a_star_allows_every_page(origin: str) -> None:
    assert origin_allowed(origin, "evil.example", ["*"])


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.com",
        "https://app.example.com:443",
        "HTTPS://APP.example.COM",
        "http://dev.example.com:8080",
        "https://[2001:db8:0:0::1]",
        "tauri://localhost",
    ],
)
def test_a_listed_origin_is_allowed_however_it_is_spelled(origin: str) -> None:
    assert origin_allowed(origin, "whatever", LISTED)


@pytest.mark.parametrize(
    "origin",
    [
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com.evil.example",
        "https://evil.example/https://app.example.com",
        "https://sub.app.example.com",
        "https://dev.example.com:8080",
        "null",
        "",
    ],
)
def test_an_origin_that_is_only_like_a_listed_one_is_refused(origin: str) -> None:
    assert not origin_allowed(origin, "whatever", LISTED)


def test_a_list_replaces_the_default_rule() -> None:
    assert not origin_allowed("http://localhost:7777", "localhost:7777", LISTED)
    assert not origin_allowed("https://own.example", "own.example", LISTED, bound=PUBLIC)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:7777", "127.0.0.1:7777", "127.8.8.8", "[::1]:7777", "[0::1]"])
@pytest.mark.parametrize("origin", ["http://localhost:5173", "https://127.0.0.1", "http://[::1]:7777"])
@pytest.mark.parametrize("bound", ["127.0.0.1", "localhost", "::1", PUBLIC])
def test_a_page_on_this_machine_may_talk_to_a_server_on_this_machine(origin: str, host: str, bound: str) -> None:
    assert origin_allowed(origin, host, [], bound=bound)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://localhost.evil.example",
        "http://192.168.0.2",
        "null",
        "tauri://localhost",
    ],
)
@pytest.mark.parametrize("bound", ["127.0.0.1", PUBLIC])
def test_a_page_from_elsewhere_may_not_talk_to_a_server_on_this_machine(origin: str, bound: str) -> None:
    assert not origin_allowed(origin, "localhost:7777", [], bound=bound)


@pytest.mark.parametrize("bound", ["127.0.0.1", "localhost", "::1"])
def test_a_rebound_name_is_refused_by_a_loopback_server_although_it_is_same_origin(bound: str) -> None:
    assert not origin_allowed("http://evil.example:7777", "evil.example:7777", [], bound=bound)
    assert origin_allowed("http://evil.example:7777", "evil.example:7777", ["http://evil.example:7777"])


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://own.example", "own.example"),
        ("https://own.example", "own.example:443"),
        ("http://own.example", "own.example:80"),
        ("http://own.example:80", "OWN.example"),
        ("http://own.example:7777", "own.example:7777"),
        ("http://[2001:db8::1]:7777", "[2001:DB8:0::1]:7777"),
    ],
)
def test_a_page_may_talk_to_the_server_that_served_it(origin: str, host: str) -> None:
    assert origin_allowed(origin, host, [], bound=PUBLIC)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://evil.example", "own.example"),
        ("https://own.example:8443", "own.example"),
        ("http://own.example", "own.example:443"),
        ("https://own.example", None),
        ("https://own.example", ""),
        ("https://own.example", "user@own.example"),
        ("https://own.example", "own.example, evil.example"),
        ("https://own.example/path", "own.example"),
        ("https://own.example https://evil.example", "own.example"),
        ("https://user@own.example", "own.example"),
        ("https://own.example\n", "own.example"),
        ("ftp://own.example", "own.example"),
        ("null", "null"),
        ("https://[::zz]", "[::zz]"),
        ("https://[1.2.3.4]", "[1.2.3.4]"),
        ("http://localhost", "own.example"),
        ("https://öwn.example", "öwn.example"),
    ],
)
def test_a_page_from_elsewhere_or_a_malformed_header_is_refused(origin: str, host: str | None) -> None:
    assert not origin_allowed(origin, host, [], bound=PUBLIC)


@pytest.mark.parametrize("host", ["localhost", "Localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"])
def test_loopback_never_leaves_the_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "10.0.0.1", "localhost.evil.example", "127.0.0.1.nip.io", "[::2"]
)
def test_nothing_else_is_loopback(host: str) -> None:
    assert not is_loopback(host)
