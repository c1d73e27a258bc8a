"""Which hosts are inner: whatever isn't known to be on the public internet, however it is written."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.addresses import Allowed, host_of, is_inner, is_inner_name

OUTER = ("1.1.1.1", "93.184.216.34", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1", "223.255.255.255")
OUTER_V6 = ("2606:4700::1111", "2a00:1450:4001::1", "::ffff:1.1.1.1", "64:ff9b::101:101", "2400:cb00::")

INNER = {
    "this network": ("0.0.0.0", "0.1.2.3"),
    "private": ("10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255"),
    "carrier-grade NAT": ("100.64.0.1", "100.127.255.255"),
    "loopback": ("127.0.0.1", "127.255.255.255", "::1"),
    "link-local": ("169.254.0.1", "fe80::1", "fe80::1%eth0", "febf::1"),
    "metadata": (
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "fd00:ec2::254",
    ),
    "documentation": ("192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"),
    "benchmarks": ("198.18.0.1", "198.19.255.255", "2001:2::1"),
    "multicast": ("224.0.0.1", "239.255.255.250", "ff02::1", "ff0e::1"),
    "reserved": ("240.0.0.1", "255.255.255.255", "192.0.0.1", "192.88.99.1", "4000::1", "e000::1", "100::1"),
    "unspecified": ("::",),
    "unique local": ("fc00::1", "fd12:3456::1"),
    "site-local": ("fec0::1",),
    "mapped": ("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:7f00:1"),
    "compatible": ("::127.0.0.1", "::10.0.0.1", "::1.1.1.1"),
    "NAT64": ("64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1"),
    "6to4": ("2002:7f00:1::", "2002:a00:1::1", "2002:c0a8:101::"),
    "Teredo": ("2001:0:4136:e378:8000:63bf:80ff:fffe", "2001::1"),
}


@pytest.mark.parametrize("text", [*OUTER, *OUTER_V6])
def test_public_address_is_outer(text: str) -> None:
    assert not is_inner(ip_address(text))


@pytest.mark.parametrize("text", [each for kind in INNER.values() for each in kind])
def test_address_of_any_other_kind_is_inner(text: str) -> None:
    assert is_inner(ip_address(text))


@given(st.integers(0, 2**32 - 1))
def test_ipv4_address_is_inner_whenever_the_standard_library_knows_it_as_special(number: int) -> None:
    address = IPv4Address(number)
    if not address.is_global or address.is_multicast or address.is_reserved:
        assert is_inner(address)
    assert is_inner(IPv6Address(0xFFFF_0000_0000 + number)) == is_inner(address), "mapped"
    assert is_inner(IPv6Address((0x64FF9B << 96) + number)) == is_inner(address), "through NAT64"


@given(st.integers(0, 2**128 - 1))
def test_ipv6_address_is_inner_whenever_the_standard_library_knows_it_as_special(number: int) -> None:
    address = IPv6Address(number)
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_site_local:
        assert is_inner(address)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Example.COM", "example.com"),
        ("example.com.", "example.com"),
        ("a_b.example", "a_b.example"),
        ("xn--strae-oqa.de", "xn--strae-oqa.de"),
        ("1.2.3.4", "1.2.3.4"),
        ("1.2.3.4.", "1.2.3.4"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("1.example", "1.example"),
        ("0x1.example", "0x1.example"),
    ],
)
def test_host_has_one_spelling(text: str, host: str) -> None:
    assert host_of(text) == host


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "..", "a..b", "-a.b", "a-.b", "a b", "a/b", "a@b", "a%2eb", "é.com", "\uff11.com", "x" * 64),
        *(
            "127.1",
            "127.0.1",
            "0177.0.0.1",
            "0x7f.0.0.1",
            "0x7f000001",
            "2130706433",
            "127.0.0.1.1",
            "127.0.0.0x1",
            "0x",
        ),
        *("256.1.1.1", "1.2.3.04", "fe80::1%eth0", "fe80::1%25eth0", "::1%", ":::", "1::2::3", "[::1]", "a:b", "a\n"),
        "a." * 127 + "a",
    ],
)
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        host_of(text)


@given(st.text(max_size=40))
def test_any_text_is_a_host_in_its_one_spelling_or_refused(text: str) -> None:
    try:
        host = host_of(text)
    except ValueError:
        return
    assert host_of(host) == host
    assert host.isascii()


@pytest.mark.parametrize("name", ["localhost", "a.localhost", "metadata.google.internal", "printer.local", "metadata"])
def test_name_that_means_this_network_is_inner(name: str) -> None:
    assert is_inner_name(name)
    assert not is_inner_name(f"{name}.example.com")


ENTRIES = Allowed(["build.internal", "build:8080", "10.1.0.0/16", "10.2.0.3:443", "[fd00::1]:80", "fd01::/16"])


@pytest.mark.parametrize(
    ("host", "port", "is_allowed"),
    [
        ("build.internal", 1, True),
        ("a.build.internal", 1, False),
        ("build", 8080, True),
        ("build", 8081, False),
        ("10.1.2.3", 5, True),
        ("10.2.0.3", 443, True),
        ("10.2.0.3", 80, False),
        ("10.3.0.3", 443, False),
        ("::ffff:10.1.2.3", 5, True),
        ("64:ff9b::a01:203", 5, True),
        ("fd00::1", 80, True),
        ("fd00::1", 81, False),
        ("fd01::9", 81, True),
        ("127.0.0.1", 80, False),
    ],
)
def test_entry_allows_exactly_what_it_names(host: str, port: int, is_allowed: bool) -> None:
    try:
        assert ENTRIES.has(ip_address(host), port) == is_allowed
    except ValueError:
        assert ENTRIES.has(host, port) == is_allowed


def test_address_as_the_text_of_a_name_is_no_address() -> None:
    assert not ENTRIES.has("10.1.2.3", 5)


@pytest.mark.parametrize(
    "entry",
    [
        *(
            "",
            "a b",
            "http://a",
            "a/b",
            "*.a",
            "a:0",
            "a:65536",
            "a:",
            "a:b",
            "[::1",
            "::1]",
            "10.0.0.1/8",
            "10.0.0.0/33",
        ),
        *("::ffff:0:0/96", "64:ff9b::/96", "[a]:1:2", "0x7f.1", "[::1]:99999999999", "a:٣"),
    ],
)
def test_entry_that_names_nothing_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Allowed([entry])


@given(st.lists(st.text(max_size=30), max_size=3))
def test_any_entries_are_taken_or_refused(entries: list[str]) -> None:
    with contextlib.suppress(ValueError):
        Allowed(entries).has("a", 1)
