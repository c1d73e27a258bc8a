"""Stored definitions, as the nodes of a cluster find them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.support.live import PATIENCE, eventually
from tests.support.storage import Storage
from tests.support.stored import Node

from interlock.aio.tasks import end
from interlock.definitions import currents as currents_module
from interlock.definitions import stored as stored_module
from interlock.definitions.port import ServedStep
from interlock.store.port import StoreUnavailable
from interlock.store.ports.definitions import VersionRow
from interlock.store.sql import SqlStore

ABSENT = "v_" + "0" * 20


class Watched(SqlStore):
    """A store that counts what is read from it, can be away, and can hold an answer back."""

    def __init__(self, storage: Storage) -> None:
        super().__init__(storage.store._database)
        self.reads: list[str] = []
        self.is_away = False
        self.way = asyncio.Event()
        self.way.set()

    async def _read(self, work: Any, **options: Any) -> Any:
        if self.is_away:
            raise StoreUnavailable("It can't be reached.")
        return await super()._read(work, **options)

    async def current_id(self, account: str, name: str) -> str | None:
        self.reads.append(name)
        found = await super().current_id(account, name)
        await self.way.wait()
        return found

    async def current_ids(self, account: str, *, after: str = "", limit: int = 1000) -> Sequence[tuple[str, str]]:
        self.reads.append(account)
        found = await super().current_ids(account, after=after, limit=limit)
        await self.way.wait()
        return found

    async def version(self, account: str, name: str, version_id: str) -> VersionRow | None:
        self.reads.append(version_id)
        return await super().version(account, name, version_id)


def node_on(storage: Storage) -> tuple[Node, Watched]:
    store = Watched(storage)
    return Node(store), store


@asynccontextmanager
async def learning(node: Node, every: float = 3600) -> AsyncIterator[None]:
    """A node that reads the feed of publications: when it begins, and then as often as that."""
    running = asyncio.create_task(node.definitions.run(every))
    try:
        await eventually(lambda: node.definitions._currents._fresh_until > 0)
        yield
    finally:
        await end((running,))


@pytest.fixture
def for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine does meanwhile, what was read counts."""
    monkeypatch.setattr(currents_module, "FRESH_SECONDS", 3600.0)


async def test_a_version_is_found_by_its_id_name_and_account_and_the_published_one_without(storage: Storage) -> None:
    node, _ = node_on(storage)
    first, second = await node.publish("one"), await node.publish("two")
    assert [await node.says(version) for version in (first, second, None)] == ["one", "two", "two"]
    assert await node.says(first, account="other") is None
    assert await node.says(first, name="letters") is None
    assert await node.says(ABSENT) is None
    assert await node.says("1.0") is None
    assert await node.says(account="other") is None
    assert await node.says(name="no name\x00") is None


async def test_a_version_of_one_account_that_is_cached_is_not_found_by_another(storage: Storage) -> None:
    node, _ = node_on(storage)
    mine = await node.publish("mine", account="acme")
    await node.publish("yours", account="other")
    assert await node.says(mine) == "mine"
    assert await node.says(mine, account="other") is None
    assert [await node.says(account=account) for account in ("acme", "other")] == ["mine", "yours"]


async def test_a_draft_is_not_found_until_it_is_published(storage: Storage) -> None:
    node, store = node_on(storage)
    draft = await node.draft("draft")
    assert await node.says(draft) is None
    assert await node.says() is None
    await store.publish("acme", "orders", draft, 1)
    assert [await node.says(draft), await node.says()] == ["draft", "draft"]


async def test_a_version_is_read_and_compiled_once_however_many_ask(storage: Storage) -> None:
    node, store = node_on(storage)
    version = await node.publish("one")
    assert set(await asyncio.gather(*(node.says(version) for _ in range(20)))) == {"one"}
    assert await node.says(version) == "one"
    assert (node.compiled, store.reads) == ([version], [version])


async def test_who_gives_up_waiting_takes_the_answer_from_nobody(storage: Storage) -> None:
    node, _ = node_on(storage)
    version = await node.publish("one")
    first, second = (asyncio.create_task(node.says(version)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == "one"
    assert node.compiled == [version]


async def test_what_is_kept_is_bounded_and_what_was_dropped_is_compiled_again(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_module, "MOST_PROGRAMS", 2)
    node, _ = node_on(storage)
    versions = [await node.publish(f"{number}") for number in range(3)]
    for _ in range(2):
        assert [await node.says(version) for version in versions] == ["0", "1", "2"]
    assert node.compiled == versions * 2


async def test_a_store_that_is_away_is_not_an_absence(storage: Storage, for_long: None) -> None:
    node, store = node_on(storage)
    version, other = await node.publish("one"), await node.draft("two")
    async with learning(node):
        assert await node.says() == "one"
        store.is_away = True
        assert [await node.says(), await node.says(version)] == ["one", "one"]
        for ask in (lambda: node.says(other), lambda: node.says(name="letters"), lambda: node.definitions.served("a")):
            with pytest.raises(StoreUnavailable):
                await ask()
        store.is_away = False
        assert await node.says(name="letters") is None


async def test_a_failure_is_not_kept(storage: Storage) -> None:
    node, store = node_on(storage)
    version = await node.publish("one")
    store.is_away = True
    with pytest.raises(StoreUnavailable):
        await node.says(version)
    store.is_away = False
    assert await node.says(version) == "one"


async def test_current_versions_and_their_absence_cost_no_reads_while_the_feed_is_read(
    storage: Storage, for_long: None
) -> None:
    node, store = node_on(storage)
    await node.publish("one")
    async with learning(node):
        for _ in range(5):
            assert await node.says() == "one"
            assert await node.says(name="letters") is None
            assert len(await node.definitions.served("acme")) == 1
    assert len(store.reads) == 4  # the current id, the version, the absence, the list


async def test_what_one_node_publishes_is_current_on_all(storage: Storage) -> None:
    nodes = [node_on(storage)[0] for _ in range(3)]
    async with learning(nodes[0], 0.05), learning(nodes[1], 0.05), learning(nodes[2], 0.05):
        for number in range(5):
            for node in nodes:
                assert await node.says(name="letters") is None
            await nodes[number % 3].publish(f"{number}")
            assert await nodes[number % 3].says() == f"{number}"  # where it was published, at once
            for node in nodes:
                await _until_said(node, f"{number}")
                assert [each.name for each in await node.definitions.served("acme")] == [f"orders {number}"]


async def _until_said(node: Node, says: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            if await node.says() == says:
                return
            await asyncio.sleep(0.01)


async def test_a_publication_counts_after_a_second_although_the_feed_is_not_read(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    (node, store), (other, _) = node_on(storage), node_on(storage)
    await other.publish("one")
    now = 1000.0
    monkeypatch.setattr(currents_module, "monotonic", lambda: now)
    async with learning(node):
        assert await node.says() == "one"
        await other.publish("two")
        now += currents_module.FRESH_SECONDS - 0.001
        assert await node.says() == "one"
        now += 0.001
        assert await node.says() == "two"
        assert len(await node.definitions.served("acme")) == 1
    assert store.reads.count("orders") == 2


@pytest.mark.parametrize("ask", ["id", "list"])
async def test_an_answer_that_was_outdated_when_it_came_is_not_kept(storage: Storage, for_long: None, ask: str) -> None:
    (node, store), (other, _) = node_on(storage), node_on(storage)
    await other.publish("one")

    async def name() -> str | None:
        if ask == "id":
            return await node.says()
        return (await node.definitions.served("acme"))[0].name.removeprefix("orders ")

    async with learning(node, 0.01):
        store.way.clear()
        asked = asyncio.create_task(name())
        await eventually(lambda: store.reads)
        await other.publish("two")
        revision = await store.last_revision()
        await eventually(lambda: node.definitions._currents._seen == revision)
        store.way.set()
        assert await asked == "one"  # as it was when it was asked for
        assert await name() == "two"


async def test_a_feed_that_was_read_before_a_publication_of_this_process_does_not_outdate_it(
    storage: Storage, for_long: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, store = node_on(storage)
    await node.publish("one")
    read, held = store.last_revision, asyncio.Semaphore(1)
    answers: list[int] = []

    async def late() -> int:
        last = await read()
        answers.append(last)
        await held.acquire()
        return last

    monkeypatch.setattr(store, "last_revision", late)
    async with learning(node, 0.01):
        assert await node.says() == "one"
        await eventually(lambda: len(answers) == 2)  # the feed is being read
        await node.publish("two")
        held.release()
        await eventually(lambda: len(answers) == 3)  # and is being read again
        assert await node.says() == "two"


async def test_a_store_that_is_an_older_copy_of_itself_is_believed(storage: Storage, for_long: None) -> None:
    (node, store), (other, _) = node_on(storage), node_on(storage)
    first = await other.publish("one")
    await other.publish("two")
    async with learning(node, 0.01):
        assert await node.says() == "two"

        def restore(connection: Any) -> None:
            connection.exec_driver_sql(f"UPDATE definitions SET current_version = '{first}', revision = 1")
            connection.exec_driver_sql("UPDATE publications SET last_revision = 1")

        await store._write(restore)
        await eventually(lambda: node.definitions._currents._seen == 1)
        assert await node.says() == "one"


async def test_the_published_definitions_of_an_account_are_listed_by_name(storage: Storage) -> None:
    node, _ = node_on(storage)
    await node.draft("draft", "drafts")
    ids = {name: await node.publish("it", name, "acme", "a", "b?") for name in ("c", "a", "b")}
    await node.publish("theirs", "a", "other")
    served = await node.definitions.served("acme")
    assert [(each.id, each.name, each.version) for each in served] == [(n, f"{n} it", ids[n]) for n in ("a", "b", "c")]
    assert list(served[0].steps) == [ServedStep("a", "Step"), ServedStep("b?", "Step")]
    assert await node.definitions.served("third") == []


async def test_a_definition_that_can_not_be_compiled_spoils_no_list(storage: Storage) -> None:
    node, _ = node_on(storage)
    await node.publish("fine", "fine")
    bad = await node.publish("bad", "bad")
    compile_ = node.definitions._compile

    def failing(definition: Any, *, version_id: str) -> Any:
        if definition["says"] == "bad":
            raise KeyError("a word of a later release")
        return compile_(definition, version_id=version_id)

    node.definitions._compile = failing
    assert [each.id for each in await node.definitions.served("acme")] == ["fine"]
    with pytest.raises(KeyError):  # it isn't absent
        await node.says(bad, "bad")


async def test_what_compiles_to_another_workflow_is_refused(storage: Storage) -> None:
    node, _ = node_on(storage)
    version = await node.publish("one")
    compile_ = node.definitions._compile
    node.definitions._compile = lambda definition, *, version_id: compile_(definition, version_id=ABSENT)
    with pytest.raises(ValueError, match=version):
        await node.says(version)
