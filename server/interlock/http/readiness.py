"""Whether a server should be sent work: its database takes writes, its log answers, and it isn't on its way out.

Laws:
- Looking is cheap, and looked at often: an answer counts for a second, and one question is under way at a time.
- What is told is for anybody to hear: which part, and how it fails; no address, no name, nothing that a driver said.
  That is for the log.
- The database has to take a write: one that only answers, because its disk is full or its file is gone, isn't ready.
- A log of which a part is away is ready: no other server would know more of it.
- A server that stops isn't ready from that moment on, whatever else is well.

Source: `docs/operations.md`, "Health".
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

import structlog

from interlock.aio.cached import Cached
from interlock.services import Services

logger = structlog.get_logger(__name__)

KEEP_SECONDS: Final = 1.0
"""For how long the answer of a part counts."""

PATIENCE_SECONDS: Final = 2.0
"""How long a part may take to answer."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A part that keeps the server from being ready, and a sentence about it."""

    part: str
    sentence: str


_HOW: Final = {"database": "can't be reached, or can't be written to", "log": "can't be reached"}
"""How a part fails."""

DRAINING: Final = Problem("server", "The server is shutting down.")


class Readiness:
    """Looks at the parts of a server.

    Args:
        services: those of a server that has started.
        keep: for how many seconds an answer counts.
        patience: how long a part may take to answer, in seconds.
    """

    def __init__(
        self, services: Callable[[], Services], *, keep: float = KEEP_SECONDS, patience: float = PATIENCE_SECONDS
    ) -> None:
        def remembered(ask: Callable[[], Coroutine[Any, Any, Any]]) -> Cached[Any]:
            return Cached(ask, keep=keep, patience=patience)

        self._parts = {
            "database": remembered(lambda: services().store.check()),
            "log": remembered(lambda: services().engine.log.ownerless(limit=1)),  # which asks every shard
        }
        self._patience = patience
        self._known: dict[str, str] = {}
        self._draining = False

    def drain(self) -> None:
        """From now on the server isn't ready: it is about to stop."""
        self._draining = True

    @property
    def is_draining(self) -> bool:
        """Whether the server is about to stop."""
        return self._draining

    async def problems(self) -> tuple[Problem, ...]:
        """Why the server shouldn't be sent work; nothing, when it should."""
        if self._draining:
            return (DRAINING,)
        found = [problem for part in self._parts if (problem := await self._look(part)) is not None]
        # It may have begun to stop meanwhile.
        return (DRAINING,) if self._draining else tuple(found)

    async def _look(self, part: str) -> Problem | None:
        try:
            await self._parts[part].get()
        except TimeoutError:
            return self._noted(part, "Timeout", f"The {part} doesn't answer within {self._patience:g} s.")
        except Exception as error:
            return self._noted(part, type(error).__name__, f"The {part} {_HOW[part]}.", error=str(error))
        if self._known.pop(part, None) is not None:
            logger.info("part_is_back", part=part)
        return None

    def _noted(self, part: str, why: str, sentence: str, **more: str) -> Problem:
        """A problem, logged when it is new."""
        if self._known.get(part) != why:
            self._known[part] = why
            logger.warning("part_fails", part=part, why=why, **more)
        return Problem(part, sentence)
