"""Passwords: what may be one, and that hashing is bounded and costs nobody else the loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from tests.support.live import PATIENCE, eventually

from interlock.identity import passwords
from interlock.identity.names import checked_name, compared
from interlock.identity.passwords import PARALLEL, WAITING, Busy, Passwords, UnusablePassword, check_password


@pytest.fixture
def hasher() -> Iterator[Passwords]:
    made = Passwords()
    yield made
    made.close()


async def test_a_password_matches_its_own_hash_however_it_is_typed_and_no_other(hasher: Passwords) -> None:
    known = await hasher.hashed("Pässwort für alle")
    assert known.startswith("$argon2id$")
    assert await hasher.matches("Pa\u0308sswort für alle", known)
    for wrong in ("pässwort für alle", "Pässwort für alle ", "", "x" * 5000, "\ud800"):
        assert not await hasher.matches(wrong, known)
    for broken in ("", "$argon2id$", "plain"):
        assert not await hasher.matches("", broken)
    assert not await hasher.matches("the password of nobody", None)
    assert not hasher.is_outdated(known)
    assert hasher.is_outdated("$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$aGFzaGhhc2hoYXNo")


async def test_nobodys_password_is_checked_as_a_real_one_is(hasher: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    verify = passwords._verify

    def noted(known: str, given: str) -> bool:
        checked.append(known.rpartition("$")[0].rpartition("$")[0])
        return verify(known, given)

    monkeypatch.setattr(passwords, "_verify", noted)
    await hasher.matches("some password", await hasher.hashed("another one"))
    await hasher.matches("some password", None)
    assert checked[0] == checked[1]  # the same algorithm, with the same costs


async def test_only_so_many_are_hashed_at_once_and_the_loop_goes_on(
    hasher: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, running, most = threading.Event(), 0, 0
    lock = threading.Lock()

    def slow(known: str, given: str) -> bool:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        go.wait(PATIENCE)
        with lock:
            running -= 1
        return False

    await hasher.matches("warm up", None)
    monkeypatch.setattr(passwords, "_verify", slow)
    tasks = [asyncio.create_task(hasher.matches("x", "known")) for _ in range(PARALLEL + WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await hasher.matches("x", "known")
    await eventually(lambda: running == PARALLEL)
    go.set()
    assert await asyncio.gather(*tasks) == [False] * len(tasks)
    assert most == PARALLEL
    assert not await hasher.matches("x", "known")


@pytest.mark.parametrize("text", ["short", "x" * 257, "aaaaaaaaaa", "Alice Alice", ""])
def test_what_is_too_short_too_long_or_too_easy_is_no_password(text: str) -> None:
    with pytest.raises(UnusablePassword) as refused:
        check_password(text, "alice alice")
    assert text == "" or text not in str(refused.value)


def test_names_that_look_the_same_are_the_same() -> None:
    same = ["Straße", "STRASSE", "strasse", "\uff33trasse"]
    assert {compared(each) for each in same} == {"strasse"}
    assert compared("e\u0301") == compared("é")


@pytest.mark.parametrize("name", ["", " x", "x ", "timeout", "GROUP:x", "System:x", "a\x00b", "a\u202eb", "x" * 129])
def test_reserved_and_invisible_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"name|id"):
        checked_name(name)
