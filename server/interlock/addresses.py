"""Hosts and addresses of requests that this server sends: which are inner, and which of those may be reached anyway.

Laws:
- Everything here is pure. Looking a name up, and connecting, is `outgoing/guarded.py`.
- An address is outer only if it is global unicast. Whatever isn't known to be outer is inner.
- An IPv6 address that only stands for an IPv4 address (mapped, or NAT64's) is judged as that. The addresses of tunnels
  (6to4, Teredo) are inner, whatever they carry.
- There is one way to write a host: a name of ASCII labels, or an address in its usual form. What other programs read as
  an address (`127.1`, `0x7f000001`, `0177.0.0.1`, `2130706433`) is no host.

Source: `docs/settings.md`, "What HTTP calls may reach"; IANA's registries of special-purpose addresses; RFC 6761, 6890.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
_Network: TypeAlias = IPv4Network | IPv6Network

MAX_HOST: Final = 253
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_BRACKETED: Final = re.compile(r"\[([^\[\]]+)\](?::([0-9]+))?")

_INNER_V4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # carrier-grade NAT; a cloud's metadata
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # a cloud's metadata, at an address that looks like an outer one
            "169.254.0.0/16",  # link-local; most clouds' metadata
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments; a cloud's metadata
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # relays of 6to4
            "192.168.0.0/16",  # private
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
        ),
    )
)
_GLOBAL_V6: Final = IPv6Network("2000::/3")
_INNER_V6: Final = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments, with Teredo
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4
            "3ffe::/16",  # a test network that is no more
            "3fff::/20",  # documentation
        ),
    )
)
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_NAT64: Final = IPv6Network("64:ff9b::/96")

_INNER_NAMES: Final = frozenset({"instance-data", "localhost", "metadata", "metadata.goog"})
_INNER_ENDINGS: Final = (".home.arpa", ".internal", ".local", ".localdomain", ".localhost")
"""Names that mean this machine or this network wherever they are asked, among them those of clouds' metadata."""


def host_of(text: str) -> str:
    """Return a host as it is looked up and compared: in lower case, without the dot at its end.

    Args:
        text: a name in ASCII, or an address; an IPv6 address without its brackets.

    Raises:
        ValueError: it is neither.
    """
    host = text.lower().removesuffix(".")
    if ":" in host:
        if "%" in host:
            raise ValueError("an address with a zone is only understood on one machine")
        return str(IPv6Address(host))
    if len(host) > MAX_HOST or not _NAME.fullmatch(host):
        raise ValueError("a host is a name of letters, digits, hyphens and dots, or an address")
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        return str(IPv4Address(host))
    return host


def address_in(host: str) -> Address | None:
    """Return the address that a host, of `host_of`, is; None if it is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def judged(address: Address) -> Address:
    """Return the address that counts: the IPv4 address that an IPv6 address stands for, else the same."""
    if isinstance(address, IPv6Address) and (address in _MAPPED or address in _NAT64):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def is_inner(address: Address) -> bool:
    """Return True unless an address is one of the public internet."""
    address = judged(address)
    if isinstance(address, IPv4Address):
        return any(address in network for network in _INNER_V4)
    return address not in _GLOBAL_V6 or any(address in network for network in _INNER_V6)


def is_inner_name(host: str) -> bool:
    """Return True if a name, of `host_of`, means this machine or network by itself, whatever it resolves to."""
    return host in _INNER_NAMES or host.endswith(_INNER_ENDINGS)


@dataclass(frozen=True, slots=True)
class _Entry:
    """What may be reached: a name or a network, at one port or (None) at any."""

    name: str | None
    network: _Network | None
    port: int | None

    def has(self, host: str | Address, port: int) -> bool:
        if self.port not in (None, port):
            return False
        if isinstance(host, str):
            return host == self.name
        return self.network is not None and host in self.network


class Allowed:
    """The inner hosts that may be reached all the same.

    Args:
        entries: names, addresses, or networks such as `10.1.0.0/16`, each with an optional port; an IPv6 address or
            network with a port stands in brackets.

    Raises:
        ValueError: an entry is none of these.
    """

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self._entries = tuple(map(_entry, entries))

    def has(self, host: str | Address, port: int) -> bool:
        """Return True if the entries name this host: a name of `host_of`, or an address."""
        host = host if isinstance(host, str) else judged(host)
        return any(entry.has(host, port) for entry in self._entries)


def _entry(text: str) -> _Entry:
    host, port = host_and_port(text)
    if "/" in host:
        network = ip_network(host)
        if isinstance(network, IPv6Network) and (network.subnet_of(_MAPPED) or network.subnet_of(_NAT64)):
            raise ValueError("name an IPv4 network as one: its addresses in IPv6 are judged as IPv4's")
        return _Entry(None, network, port)
    host = host_of(host)
    address = address_in(host)
    return _Entry(host, None, port) if address is None else _Entry(None, ip_network(judged(address)), port)


def host_and_port(text: str) -> tuple[str, int | None]:
    """Return what stands for a host, and the port behind it if there is one; an IPv6 address with a port is in
    brackets.

    Raises:
        ValueError: the port isn't one.
    """
    if match := _BRACKETED.fullmatch(text):
        return match[1], _port(match[2]) if match[2] else None
    if text.count(":") != 1:
        return text, None
    host, _, port = text.partition(":")
    return host, _port(port)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 1 << 16):
        raise ValueError("a port is a number from 1 to 65535")
    return int(text)
