"""Passwords: what may be one, and their hashes.

Laws:
- A hash is argon2id's, by a library. Hashing never runs on the event loop; only so many hashes are computed at a time,
  and only so many wait for that: beyond, `Busy` is raised at once.
- Checking the password of nobody takes as long as checking a wrong one of somebody.
- No error and no repr shows a password.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

T = TypeVar("T")

SHORTEST: Final = 10
LONGEST: Final = 256
"""How many characters a password has."""

PARALLEL: Final = 2
WAITING: Final = 64
"""How many hashes are computed at a time, and how many may wait. A hash takes 19 MiB, and some 0.05 s."""

# The second choice of OWASP's password storage cheat sheet, whose memory allows for several at a time.
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


class UnusablePassword(ValueError):  # noqa: N818 - says what it is about
    """The text can't be a password."""


class Busy(Exception):  # noqa: N818 - a state of the world, not a programming error
    """Too many passwords are being checked."""


def check_password(text: str, name: str) -> str:
    """Return the text as it is hashed, if it can be the password of the user with this name.

    Raises:
        UnusablePassword: it can't; the message says why.
    """
    password = _normal(text)
    if not SHORTEST <= len(password) <= LONGEST:
        raise UnusablePassword(f"A password has {SHORTEST} to {LONGEST} characters.")
    if password.casefold() == name.casefold() or len(set(password)) < 4:
        raise UnusablePassword("This password is too easy to guess; take another one.")
    return password


class Passwords:
    """Computes and checks hashes, in threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(PARALLEL, thread_name_prefix="interlock-passwords")
        self._at_work = 0
        self._nobodys: str | None = None

    def close(self) -> None:
        """End the threads, once they are idle."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def hashed(self, password: str) -> str:
        """Return a new hash of a password.

        Raises:
            Busy: too many others wait.
        """
        return await self._run(partial(_HASHER.hash, _normal(password)))

    async def matches(self, password: str, known: str | None) -> bool:
        """Return whether this is the password with the hash `known`; with None, False after the same time.

        Raises:
            Busy: too many others wait.
        """
        if self._nobodys is None:
            self._nobodys = await self.hashed("the password of nobody")
        given = _normal(password) if len(password) <= LONGEST else ""
        is_right = await self._run(partial(_verify, known or self._nobodys, given))
        return is_right and known is not None and given != ""

    def is_outdated(self, known: str) -> bool:
        """Return True if a hash was computed in an earlier manner."""
        return _HASHER.check_needs_rehash(known)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._at_work >= PARALLEL + WAITING:
            raise Busy
        self._at_work += 1
        future = self._threads.submit(work)
        # Counted until the thread is done: a caller who left still costs it.
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._done))
        return await asyncio.wrap_future(future)

    def _done(self) -> None:
        self._at_work -= 1


def _verify(known: str, given: str) -> bool:
    try:
        return _HASHER.verify(known, given)
    except (VerificationError, InvalidHashError):
        return False


def _normal(text: str) -> str:
    """A password as every keyboard spells it; lone surrogates, which nothing can encode, are dropped."""
    return unicodedata.normalize("NFKC", text).encode("utf-8", "ignore").decode()
