"""Where a secret may go, and who may use it.

Laws:
- Everything here is pure.
- A secret is sent to no host, used by no workflow, and given to no script, but those that its fence names. What isn't
  named is refused, even if nothing else is wrong with it.
- Every host (`*`) is every host that a definition writes. One that is chosen elsewhere, by data, an integration or
  another secret, is let in only by its name: whoever starts a run, or manages other secrets, reads none of them so.
- A host is let in as encrypted: unencrypted only if it is written so (`http://…`), or is of this machine or an inner
  network by its name or address, which the server's operator lets requests reach.
- No repr shows a value.

Source: `docs/secrets.md`, "Where a secret may go".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from interlock.addresses import address_in, host_and_port, host_of, is_inner, is_inner_name

ANY: Final = "*"
"""Every host, or every workflow."""

MAX_LISTED: Final = 100
"""How many hosts, or workflows, a fence names at most."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for secrets: a workflow, for a run in a namespace of an account."""

    account: str
    namespace: str = ""
    workflow_id: str = ""


@dataclass(frozen=True, slots=True)
class Fence:
    """Where a secret may go.

    Attributes:
        hosts: names and addresses, each at every port or at one, and for one scheme if it is written before it;
            `*.example.com` is every name below that one.
        workflows: the ids of workflows.
        script: whether scripts are given it, which may tell it to whoever reads what they return.
    """

    hosts: tuple[str, ...] = (ANY,)
    workflows: tuple[str, ...] = (ANY,)
    script: bool = False

    def lets_use(self, workflow_id: str) -> bool:
        """Return True if a workflow may use the secret."""
        return ANY in self.workflows or workflow_id in self.workflows

    def lets_go_to(self, scheme: str, host: str, port: int, *, is_chosen: bool = False) -> bool:
        """Return True if the secret may be sent to a host, as `host_of` writes it, by `http` or `https`.

        Args:
            is_chosen: True unless the definition writes the host.
        """
        return any(_has(each, scheme, host, port) for each in self.hosts if each != ANY or not is_chosen)


OPEN: Final = Fence()


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that an account has.

    Attributes:
        value: None if it can't be opened with the keys that the server has.
    """

    name: str
    value: str | None = field(repr=False)
    fence: Fence = OPEN
    source: Literal["stored", "environment"] = "stored"


class Secrets(Protocol):
    """The secrets of accounts."""

    async def of(self, asker: Asker) -> Mapping[str, Secret]:
        """Return the secrets that the asker's account has in its namespace, by name, whatever their fences say.

        Raises:
            StoreUnavailable: they can't be looked up now.
        """


def hosts_of(given: Iterable[str]) -> tuple[str, ...]:
    """Return hosts as a fence compares them, each once.

    Raises:
        ValueError: one of them is no host; the words complete "hosts …".
    """
    return tuple(dict.fromkeys(map(_host, given)))


def _host(text: str) -> str:
    if text == ANY:
        return ANY
    scheme, rest = _split(text)
    try:
        star, below = ("*.", rest[2:]) if rest.startswith("*.") else ("", rest)
        named, port = host_and_port(below)
        host = host_of(named)
        if star and address_in(host) is not None:
            raise ValueError  # no name is below an address
    except ValueError:
        raise ValueError(
            "must be names such as api.example.com or *.example.com, or addresses, each with or without a port, with"
            " or without http:// or https:// before it; or *"
        ) from None
    shown = f"[{host}]" if ":" in host and port is not None else host
    before = f"{scheme}://" if scheme else ""
    return f"{before}{star}{shown}" if port is None else f"{before}{star}{shown}:{port}"


def _split(text: str) -> tuple[str, str]:
    """The scheme that stands before a host, "" if none does, and the rest."""
    for scheme in ("http", "https"):
        if text.lower().startswith(f"{scheme}://"):
            return scheme, text[len(scheme) + 3 :]
    return "", text


def _is_near(host: str) -> bool:
    address = address_in(host)
    return is_inner_name(host) if address is None else is_inner(address)


def _has(pattern: str, scheme: str, host: str, port: int) -> bool:
    wanted, pattern = _split(pattern)
    if scheme != wanted and (wanted or (scheme != "https" and not _is_near(host))):
        return False
    if pattern == ANY:
        return True
    is_below = pattern.startswith("*.")
    named, at = host_and_port(pattern.removeprefix("*."))
    if at not in (None, port):
        return False
    return host.endswith(f".{named}") if is_below else host == named
