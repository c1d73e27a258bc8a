"""A browser that is sent elsewhere to ask a person, and comes back: what it keeps meanwhile.

Laws:
- What was made for it is sealed in a cookie of its own, and its state has to be the one that comes back. So nobody
  finishes what somebody else began.
- It counts for a time, and only for what it was sealed for.

Source: RFC 6749, section 10.12; RFC 9700.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final, TypeAlias

from interlock.errors import SettingsError
from interlock.outgoing.code_flow import Flow
from interlock.secrets.port import SecretUnreadable, Vault
from interlock_protocol.types import JsonObject

AWAY_SECONDS: Final = 10 * 60
"""How long a person may take."""


Vaults: TypeAlias = Callable[[], Vault]
"""Returns the vault; it raises `SettingsError` where there is no key."""


class Stale(Exception):  # noqa: N818 - a state of the world, not a programming error
    """It isn't the browser that was sent, or it took too long."""


def kept(vault: Vaults, about: str, flow: Flow, now: float, more: JsonObject) -> str:
    """Return what a browser keeps until it comes back.

    Args:
        about: what it is sealed for.
        now: in seconds since 1970.
        more: what is needed then.

    Raises:
        SettingsError: there is no key to seal it with.
    """
    return vault().seal({"flow": asdict(flow), "until": now + AWAY_SECONDS, "more": more}, about)["value"]


def brought(vault: Vaults, about: str, value: str | None, state: str, now: float) -> tuple[Flow, Any]:
    """Return the flow, and what was needed besides, of a browser that comes back.

    Args:
        value: what it was given to keep, if it brings that.
        state: what it comes back with.

    Raises:
        Stale: it doesn't count.
    """
    try:
        found: Any = vault().opened(value or "", about)
    except (SecretUnreadable, SettingsError):
        raise Stale from None
    flow = Flow(**found["flow"])
    is_same = hmac.compare_digest(flow.state.encode(), state.encode("utf-8", "surrogatepass"))
    if not is_same or found["until"] <= now:
        raise Stale
    return flow, found["more"]
