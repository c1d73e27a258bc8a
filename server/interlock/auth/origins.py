"""Which web pages may talk to the server.

A browser lets every page on the internet open a WebSocket to a server on the visitor's own machine; by the
`Origin` header, which a page can't forge, the server tells its own pages from others.

Laws:
- A request without `Origin` comes from a program, not a page: it is allowed, and its token decides.
- A configured list is complete: exactly these origins, or `*` for all of them.
- Without a list, a page may talk to the server that served it, and a page on this machine to a server on this
  machine.
- Without a list, a server that is bound to loopback answers only pages that reached it under a loopback
  name. A page of evil.example whose name was made to resolve to 127.0.0.1 (DNS rebinding) sends `Host:
  evil.example` and so is same-origin with the server: matching headers prove nothing. An operator who puts a
  proxy in front of a loopback server has to list the origins.
- An origin that can't be parsed is refused. `null` (sandboxed frames, files, of any site) is allowed by `*` only.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_HOST = r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?"
_HOST_HEADER: Final = re.compile(_HOST)
_ORIGIN: Final = re.compile(rf"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://{_HOST}")


class Origin(NamedTuple):
    """A parsed origin; equal tuples are the same origin."""

    scheme: str
    host: str
    port: int | None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port in (None, _DEFAULT_PORTS.get(self.scheme)) else f":{self.port}"
        return f"{self.scheme}://{host}{port}"


def origin_allowed(
    origin: str | None, host: str | None, allowed: Sequence[str] = (), *, bound: str = "127.0.0.1"
) -> bool:
    """Return True if a request with these `Origin` and `Host` headers may be served.

    Args:
        origin: the `Origin` header.
        host: the `Host` header.
        allowed: the configured origins (`INTERLOCK_ALLOWED_ORIGINS`), or none.
        bound: the address that the server is bound to (`INTERLOCK_HOST`).
    """
    if origin is None or "*" in allowed:
        return True
    page = parse_origin(origin)
    if page is None:
        return False
    if allowed:
        return page in map(parse_origin, allowed)
    return _is_near(page, host, bound)


def is_own_page(
    origin: str | None,
    host: str | None,
    allowed: Sequence[str] = (),
    *,
    bound: str = "127.0.0.1",
    public_url: str | None = None,
) -> bool:
    """Return True if a request says that it comes from a page of exactly the server's own origin.

    That is the origin of `public_url`; or the host and port that the request was sent to, if such a page may talk to
    the server at all (`origin_allowed`, with the same arguments). Where `public_url` is of that host, it says which
    scheme a page has: one that was changed on its way, without encryption, isn't the server's.
    """
    page = None if origin is None else parse_origin(origin)
    if page is None or page.scheme not in _DEFAULT_PORTS:
        return False
    if public_url is not None and (known := _ORIGIN.match(public_url)):
        public = parse_origin(known[0])
        if page == public or (public is not None and page.host == public.host and page.scheme != public.scheme):
            return page == public
    if not (match := _HOST_HEADER.fullmatch(host or "")):
        return False
    port = int(match["port"]) if match["port"] else _DEFAULT_PORTS[page.scheme]
    is_exact = (page.host, page.port) == (_canonical_host(match["host"]), port)
    return is_exact and origin_allowed(origin, host, allowed, bound=bound)


def parse_origin(text: str) -> Origin | None:
    """Parse `scheme://host[:port]` to its canonical form; `None` for anything else."""
    if not (match := _ORIGIN.fullmatch(text)):
        return None
    scheme = match["scheme"].lower()
    host = _canonical_host(match["host"])
    port = int(match["port"]) if match["port"] else _DEFAULT_PORTS.get(scheme)
    return None if host is None else Origin(scheme, host, port)


def is_loopback(host: str) -> bool:
    """Return True if `host` (a name or an address, IPv6 with or without brackets) is always this machine."""
    name = _canonical_host(host) or host
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_near(page: Origin, host: str | None, bound: str) -> bool:
    if page.scheme not in _DEFAULT_PORTS or not (match := _HOST_HEADER.fullmatch(host or "")):
        return False
    name = _canonical_host(match["host"])
    if name is None:
        return False
    if is_loopback(name):
        return is_loopback(page.host)
    if is_loopback(bound):
        return False
    # The Host header has no scheme, and a proxy may have ended TLS: the page's scheme gives the default port.
    port = int(match["port"]) if match["port"] else _DEFAULT_PORTS[page.scheme]
    return (page.host, page.port) == (name, port)


def _canonical_host(host: str) -> str | None:
    """Lower case, and IPv6 without brackets in its shortest form; `None` for a malformed address."""
    if not (host.startswith("[") or ":" in host):
        return host.lower()
    try:
        return ipaddress.IPv6Address(host.removeprefix("[").removesuffix("]")).compressed
    except ValueError:
        return None
