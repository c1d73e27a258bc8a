"""Readiness: whether the database accepts writes, the log answers, and the server isn't shutting down.

Laws:
- Checks are cheap, because they are frequent: a result is reused for a second, and a part has one check at a time.
- The answer is public: the failing part, and how it fails; no address, no name, no driver's message. Those go to the
  process's own log.
- The database has to accept a write: one that only answers, because its disk is full or its file is gone, isn't ready.
- A log of which some shards are unavailable is ready: no other server would have more of it.
- A server that is shutting down isn't ready from the start of that on, whatever the state of its parts.

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
"""For how long the result of a check is reused, in seconds."""

PATIENCE_SECONDS: Final = 2.0
"""How long a part may take to answer, in seconds."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A part that keeps the server from being ready, and a sentence about it."""

    part: str
    sentence: str


_HOW: Final = {"database": "can't be reached, or can't be written to", "log": "can't be reached"}
"""The sentences about each kind of failure."""

DRAINING: Final = Problem("server", "The server is shutting down.")


class Readiness:
    """Checks the parts of a server.

    Args:
        services: returns the services of a started server.
        keep: for how many seconds a result is reused.
        patience: how long a part may take to answer, in seconds.
    """

    def __init__(
        self, services: Callable[[], Services], *, keep: float = KEEP_SECONDS, patience: float = PATIENCE_SECONDS
    ) -> None:
        def remembered(ask: Callable[[], Coroutine[Any, Any, Any]]) -> Cached[Any]:
            return Cached(ask, keep=keep, patience=patience)

        self._parts = {
            "database": remembered(lambda: services().store.check()),
            "log": remembered(lambda: services().engine.log.ownerless(limit=1)),  # it queries every shard
        }
        self._patience = patience
        self._known: dict[str, str] = {}
        self._draining = False

    def drain(self) -> None:
        """Make the server not ready from now on: it is about to stop."""
        self._draining = True

    @property
    def is_draining(self) -> bool:
        """Whether the server is about to stop."""
        return self._draining

    async def problems(self) -> tuple[Problem, ...]:
        """Why the server shouldn't be sent work; empty if it should."""
        if self._draining:
            return (DRAINING,)
        found = [problem for part in self._parts if (problem := await self._look(part)) is not None]
        # The server may have begun to stop meanwhile.
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
        """A problem, logged if it is new."""
        if self._known.get(part) != why:
            self._known[part] = why
            logger.warning("part_fails", part=part, why=why, **more)
        return Problem(part, sentence)
