"""Any interleaving of writers, against a model of the head, held against every adapter on its real store."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.contract.log.fixtures import (
    RedisRig,
    Rig,
    eventually,
    redis_rig,
    rig,
)
from tests.contract.log.samples import _numbers, append, everything, refused

from interlock.log.port import (
    REMEMBERED_APPENDS,
    Append,
    Appended,
    Claimed,
    Entry,
    Head,
    LogUnavailable,
    Reason,
    Refused,
)
from interlock_protocol.types import RunStatus

__all__ = ["redis_rig", "rig"]


class Model:
    """What the port says, in the fewest words."""

    def __init__(self, run_id: str, has_leases: bool, has_archive: bool) -> None:
        self.head: Head | None = None
        self.run_id = run_id
        self.has_leases = has_leases
        self.has_archive = has_archive
        self.owner: str | None = None
        self.dead: set[str] = set()
        self.asleep = False
        self.log: list[Entry] = []
        self.owners: list[tuple[Append, int]] = []
        self.others: list[tuple[Append, int]] = []

    def look(self) -> Head | None:
        return self.head and self._changed(owner=self.live_owner, asleep=self.asleep)

    @property
    def needs_owner(self) -> bool:
        # Leases end for those who wait for it; here nobody does.
        if self.head is None or self.asleep or self.owner is not None:
            return False
        return self.head.status in (RunStatus.PENDING, RunStatus.RUNNING) or (
            self.has_archive and self.head.status.is_final
        )

    @property
    def live_owner(self) -> str | None:
        return None if self.has_leases and self.owner in self.dead else self.owner

    def _changed(self, **changes: Any) -> Head:
        assert self.head is not None
        return Head(**{name: changes.get(name, getattr(self.head, name)) for name in Head.__slots__})

    def claim(self, owner: str) -> Reason | int:
        if self.head is None:
            self.head = Head(self.run_id, 1, 0, RunStatus.PENDING, frozenset(), None, 0)
        if self.head.status.is_final:
            return Reason.ENDED
        if self.has_leases and self.live_owner not in (None, owner):
            return Reason.OWNED
        self.abandoned, self.asleep = self.owner is not None, False
        self.owner = owner
        self.dead.discard(owner)
        self.head = self._changed(generation=self.head.generation + 1)
        return self.head.generation

    def release(self, generation: int, expect_next: int, asleep: bool) -> Reason | None:
        if self.head is None:
            return Reason.NO_RUN
        if self.head.generation != generation:
            return Reason.NOT_OWNER
        if self.owner is not None and self.head.next_index != expect_next:
            return Reason.TAIL_MOVED
        if self.owner is not None:
            self.asleep = asleep and not self.head.status.is_final
        self.owner = None
        return None

    def append(self, what: Append) -> Reason | Appended:
        if self.head is None:
            return Reason.NO_RUN
        remembered = self.others[-REMEMBERED_APPENDS:] if what.generation is None else self.owners[-1:]
        for before, first in remembered:
            if before.append_id == what.append_id:
                return Appended(1, first, first + len(what.entries), owned=self.live_owner is not None)
        if reason := self._refusal(self.head, what):
            return reason
        first, self.asleep = len(self.log), False
        (self.others if what.generation is None else self.owners).append((what, first))
        self.log += what.entries
        status = what.status or self.head.status
        pending = (self.head.pending - {*what.resolves, *what.withdraws}) | set(what.opens)
        self.head = self._changed(
            next_index=len(self.log), status=status, pending=frozenset() if status.is_final else pending
        )
        return Appended(1, first, len(self.log), owned=what.generation is not None or self.live_owner is not None)

    def _refusal(self, head: Head, what: Append) -> Reason | None:
        if what.generation is not None and (self.owner is None or what.generation != head.generation):
            return Reason.NOT_OWNER
        if head.status.is_final:
            return Reason.ENDED
        if not set(what.resolves) <= head.pending:
            return Reason.NOT_PENDING
        if what.expect_next is not None and what.expect_next != head.next_index:
            return Reason.TAIL_MOVED
        return None


ACTORS = st.sampled_from(["one", "two", "three"])


REQUIREMENTS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=2)


STATUSES = st.none() | st.sampled_from([RunStatus.RUNNING, RunStatus.PAUSED])


EXPECTED = st.sampled_from([None, None, None, 0, -1])
"""Nothing; the tail as it is; something else."""


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("claim"), ACTORS),
        st.tuples(st.just("own"), ACTORS, st.integers(1, 3), REQUIREMENTS, REQUIREMENTS, STATUSES, EXPECTED),
        st.tuples(st.just("own"), ACTORS, st.integers(1, 3), REQUIREMENTS, REQUIREMENTS, STATUSES, EXPECTED),
        st.tuples(st.just("decide"), REQUIREMENTS, EXPECTED),
        st.tuples(st.just("decide"), REQUIREMENTS, EXPECTED),
        st.tuples(st.just("lose reply of"), REQUIREMENTS, EXPECTED),
        st.tuples(st.just("repeat"), st.integers(1, 20)),
        st.tuples(st.just("release"), ACTORS, st.sampled_from([0, 0, 0, -1]), st.booleans()),
        st.tuples(st.just("crash"), ACTORS),
        st.tuples(st.sampled_from(["cancel", "look", "look"])),
    ),
    min_size=12,
    max_size=60,
)


class Interleaving:
    """Does each step with the log and with the model, and compares."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.log = rig.log
        self.run_id = f"run-{next(_numbers)}"
        self.model = Model(self.run_id, rig.has_leases, rig.has_archive)
        self.generations = dict.fromkeys(["one", "two", "three"], 0)
        self.sent: list[Append] = []

    async def do(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("claim", owner):
                await self.claim(owner)
            case ("own", owner, size, opens, withdraws, status, expected):
                conditions = {"opens": opens, "withdraws": withdraws, "status": status}
                what = self.new(size, expected, generation=self.generations[owner], **conditions)
                await self.append(what)
            case ("decide", resolves, expected):
                await self.append(self.new(1, expected, resolves=resolves, status=RunStatus.RUNNING))
            case ("lose reply of", resolves, expected):
                await self.append(self.new(1, expected, resolves=resolves), losing=True)
            case ("repeat", back):
                if len(self.sent) >= back:
                    await self.append(self.sent[-back])
            case ("release", owner, off, asleep):
                await self.release(owner, len(self.model.log) + off, asleep)
            case ("crash", owner):
                self.model.dead.add(owner)
                await self.rig.let_lease_end(owner)
            case ("cancel",):
                await self.append(self.new(1, None, status=RunStatus.CANCELLED))
            case _:
                assert await self.log.head(self.run_id) == self.model.look()

    def new(self, size: int, expected: int | None, **conditions: Any) -> Append:
        expect_next = None if expected is None else len(self.model.log) + expected
        batch = [f"{next(_numbers)}" for _ in range(size)]
        return append(*batch, run_id=self.run_id, expect_next=expect_next, **conditions)

    async def claim(self, owner: str) -> None:
        wanted = self.model.claim(owner)
        result = await self.log.claim(self.run_id, owner, create_epoch=1)
        if isinstance(wanted, int) and refused(result) == Reason.OWNED:
            # Its process hasn't been in touch with Redis for a whole lease: ask one that has, or soon will have.
            result = await self.claim_with_brief_leases(owner)
        if isinstance(wanted, Reason):
            assert refused(result) == wanted
        else:
            assert result == Claimed(wanted, self._head(), self.model.abandoned)
            self.generations[owner] = wanted

    async def claim_with_brief_leases(self, owner: str) -> Claimed | Refused:
        assert isinstance(self.rig, RedisRig)
        brief = self.rig.brief
        result = await eventually(
            lambda: brief.claim(self.run_id, owner, create_epoch=1), lambda result: refused(result) is None
        )
        await self.log.renew(owner)
        return result

    def _head(self) -> Head:
        head = self.model.look()
        assert head is not None
        return head

    async def append(self, what: Append, *, losing: bool = False) -> None:
        wanted = self.model.append(what)
        if losing:
            with self.rig.losing_a_reply(), pytest.raises(LogUnavailable):
                await self.log.append(what)
        result = await self.log.append(what)
        if isinstance(wanted, Reason):
            assert refused(result) == wanted
            assert isinstance(result, Refused)
            assert result.head == self.model.look()
        else:
            self.sent.append(what)
            assert result == wanted

    async def release(self, owner: str, expect_next: int, asleep: bool) -> None:
        generation = self.generations[owner]
        wanted = self.model.release(generation, expect_next, asleep)
        result = await self.log.release(self.run_id, generation, expect_next=expect_next, asleep=asleep)
        assert refused(result) == wanted

    async def check(self) -> None:
        head = self.model.look()
        assert await self.log.head(self.run_id) == head
        assert (self.run_id in await self.log.ownerless()) == self.model.needs_owner
        assert await everything(self.log, self.run_id) == self.model.log


async def do_all(rig: Rig, steps: list[tuple[Any, ...]]) -> None:
    interleaving = Interleaving(rig)
    for step in steps:
        await interleaving.do(step)
    await interleaving.check()


OF_A_RUN = settings(deadline=None, suppress_health_check=list(HealthCheck))


FIXED = [
    [("claim", "one"), ("own", "one", 1, ["a"], [], None, None), ("decide", ["a"], None), ("decide", ["a"], None)],
    [("claim", "one"), ("crash", "one"), ("claim", "two"), ("own", "one", 1, [], [], None, None), ("repeat", 1)],
    [("claim", "one"), ("lose reply of", [], None), ("release", "one", 0, False), ("cancel",), ("repeat", 1)],
    [("claim", "one"), ("release", "one", 0, True), ("look",), ("claim", "two"), ("release", "two", 0, False)],
    [("claim", "one"), ("own", "one", 1, ["a"], [], None, None), ("release", "one", 0, True), ("decide", ["a"], None)],
]


@pytest.mark.parametrize("rig", ["sqlite"], indirect=True)
@settings(OF_A_RUN, max_examples=125)
@given(steps=STEPS)
async def test_any_interleaving_goes_as_the_model_says(rig: Rig, steps: list[tuple[Any, ...]]) -> None:
    await do_all(rig, steps)


@pytest.mark.parametrize("rig", ["postgresql", "redis"], indirect=True)
@settings(OF_A_RUN, max_examples=25)
@example(FIXED[0])
@example(FIXED[1])
@example(FIXED[2])
@example(FIXED[3])
@example(FIXED[4])
@given(steps=STEPS)
async def test_servers_go_as_the_model_says(rig: Rig, steps: list[tuple[Any, ...]]) -> None:
    await do_all(rig, steps)
