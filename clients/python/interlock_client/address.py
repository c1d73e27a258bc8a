"""Where a server is: what people write, and what it means.

Laws:
- A host alone is enough: scheme, port and path have defaults.
- A path that is written is a prefix, unless it ends in `/workflows/ws` already: servers live behind proxies.
- A query and a fragment don't belong to an address: the link that the server prints, token included, works too, and
  its token is read by `token_in`.
"""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit, urlunsplit

from interlock_protocol.errors import ProtocolMisuse

DEFAULT_PORT = 7777
SOCKET_PATH = "/workflows/ws"
_SECURE = {"ws": False, "http": False, "wss": True, "https": True}


def socket_url(address: str) -> str:
    """`ws(s)://HOST[:PORT][/PREFIX]/workflows/ws` for a URL or a bare `host[:port]`."""
    secure, host, prefix = _parse(address)
    return urlunsplit(("wss" if secure else "ws", host, f"{prefix}{SOCKET_PATH}", "", ""))


def http_url(address: str) -> str:
    """`http(s)://HOST[:PORT][/PREFIX]`, without a slash at the end, for the same addresses."""
    secure, host, prefix = _parse(address)
    return urlunsplit(("https" if secure else "http", host, prefix, "", ""))


def token_in(address: str) -> str | None:
    """The token of a link such as `http://127.0.0.1:7777/?token=…`."""
    parts = urlsplit(address.strip())
    found = parse_qs(parts.query).get("token") or parse_qs(parts.fragment).get("token")
    return found[0] if found else None


def _parse(address: str) -> tuple[bool, str, str]:
    text = address.strip()
    bare = "://" not in text
    try:
        parts = urlsplit(f"ws://{text}" if bare else text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _unusable(address) from None
    if parts.scheme not in _SECURE or not host or "@" in parts.netloc or any(map(str.isspace, host)):
        raise _unusable(address)
    named = f"[{host}]" if ":" in host else host
    if port is None and bare:
        port = DEFAULT_PORT
    prefix = parts.path.rstrip("/").removesuffix(SOCKET_PATH)
    return _SECURE[parts.scheme], named if port is None else f"{named}:{port}", prefix


def _unusable(address: str) -> ProtocolMisuse:
    shown = address.partition("?")[0].rpartition("@")[2]
    return ProtocolMisuse(f"{shown!r} isn't the address of a server; write http://127.0.0.1:7777, or a host and a port")
