"""What `Bundles` promises."""

from __future__ import annotations

import asyncio

from interlock.store.port import Store
from interlock.store.ports.widgets import Bundle


def bundle(version: str, name: str = "review", at: int = 1000) -> Bundle:
    return Bundle(name, version, f"text of {version}", "root", at)


async def test_bundle_added_last_is_current_and_every_version_stays(store: Store) -> None:
    assert await store.current_bundle("review") is None
    assert await store.keep_bundle(bundle("a"))
    assert not await store.keep_bundle(bundle("a", at=2000))
    assert await store.keep_bundle(bundle("b"))
    assert await store.current_bundle("review") == "b"
    assert await store.keep_bundle(bundle("a", at=3000))
    assert [(each.version, each.added_at) for each in await store.bundles("review")] == [("a", 3000), ("b", 1000)]
    assert await store.bundle_source("review", "b") == "text of b"
    assert await store.bundle_source("review", "c") is None
    assert await store.keep_bundle(bundle("a", "other"))
    assert [(each.name, each.version) for each in await store.bundles()] == [
        ("other", "a"),
        ("review", "a"),
        ("review", "b"),
    ]
    assert (await store.bundles("other"))[0].bytes == len("text of a")


async def test_versions_added_at_once_are_all_kept_and_one_is_current(store: Store) -> None:
    await asyncio.gather(*(store.keep_bundle(bundle(each)) for each in "ab"))
    listed = await store.bundles("review")
    assert sorted(each.version for each in listed) == ["a", "b"]
    assert await store.current_bundle("review") == listed[0].version
