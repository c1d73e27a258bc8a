"""The secrets of workflows that this process has opened: no line of its log shows one.

Laws:
- A secret is known from the moment when it is opened, before anybody can be given it.
- How long it takes to strike them out of a text doesn't grow with how many they are.
- What has been known for longest is forgotten first, so that memory is bounded.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Final

from interlock.secrets.encodings import encodings_of
from interlock.secrets.port import Striker

MOST: Final = 20_000
"""How many are known at a time."""


class Known:
    """The secrets that were opened, for texts from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._secrets: dict[str, frozenset[str]] = {}
        self._striker: Striker | None = None

    def __repr__(self) -> str:
        return f"<Known: {len(self._secrets)}>"

    def learn(self, secrets: Iterable[str]) -> None:
        """Strike these out of every text from now on."""
        with self._lock:
            for secret in secrets:
                if secret not in self._secrets:
                    self._secrets[secret] = encodings_of(secret)
                    self._striker = None
            while len(self._secrets) > MOST:
                del self._secrets[next(iter(self._secrets))]

    def strike(self, text: str) -> str:
        """Return a text without them."""
        with self._lock:
            if self._striker is None:
                self._striker = Striker(frozenset[str]().union(*self._secrets.values()))
        return self._striker.text(text)
