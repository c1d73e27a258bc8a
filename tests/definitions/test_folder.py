"""A folder of definitions, published by servers that start."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.definitions.test_stored import node_on
from tests.support.storage import Storage
from tests.support.stored import definition

from interlock.definitions.folder import definitions_in, publish_all
from interlock.errors import SettingsError
from interlock.store.ports.definitions import Page
from interlock.workflow.activities import LogicError
from interlock.workflow.declare.checks import Fault


async def check(given: Any) -> Sequence[Fault]:
    """Two kinds of faults, and a warning."""
    faults = [Fault("states", "Write some states.", is_warning=True)]
    if not isinstance(given.get("name"), str):
        faults.append(Fault("name", "Give it a name."))
    if not given.get("steps"):
        faults.append(Fault("steps[0]", "Write a step."))
    return faults


def in_folder(folder: Path, **files: Any) -> Path:
    for name, value in files.items():
        (folder / f"{name}.json").write_text(value if isinstance(value, str) else json.dumps(value))
    return folder


async def read(folder: Path) -> Any:
    return await definitions_in(folder, check, lambda name: name == "letters")


async def versions(storage: Storage, name: str) -> list[str]:
    store = node_on(storage)[1]
    return [each.version_id for each in (await store.versions("default", name, Page())).versions]


async def test_all_that_is_wrong_in_all_files_is_told_at_once(tmp_path: Path) -> None:
    in_folder(
        tmp_path,
        a={"name": 1},
        b="{",
        c=definition("letters", "x"),
        d=definition("fine", "x"),
        e=definition("fine", "y"),
    )
    with pytest.raises(SettingsError) as refused:
        await read(tmp_path)
    first, *lines = str(refused.value).splitlines()
    assert first.startswith("INTERLOCK_DEFINITIONS ")
    a, b, c, e = (tmp_path / f"{name}.json" for name in "abce")
    assert lines == [
        f"{a}: name: Give it a name.",
        f"{a}: steps[0]: Write a step.",
        f"{b}: It isn't JSON: Expecting property name enclosed in double quotes, in line 1, column 2.",
        f"{c}: name: A workflow in Python has the name 'letters'; give one of them another name.",
        f"{e}: name: {tmp_path / 'd.json'} has the name 'fine' too; give one of them another name.",
    ]


@pytest.mark.parametrize("name", ["nothing", "file"])
async def test_a_folder_that_can_not_be_read_is_a_fault_of_its_setting(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="INTERLOCK_DEFINITIONS must be the path of a folder"):
        await read(tmp_path / name)


async def test_a_server_that_can_not_check_scripts_now_says_so(tmp_path: Path) -> None:
    async def failing(given: Any) -> Sequence[Fault]:
        raise LogicError("script_error", "no process could be started", may_retry=True)

    with pytest.raises(SettingsError, match=r"one\.json, which can't be checked now: no process"):
        await definitions_in(in_folder(tmp_path, one=definition("orders", "one")), failing, lambda _: False)


async def test_what_differs_from_the_current_version_is_published_and_nothing_else(
    storage: Storage, tmp_path: Path
) -> None:
    node, store = node_on(storage)
    in_folder(tmp_path, one=definition("orders", "one"), two=definition("notes", "one"))
    await publish_all(store, await read(tmp_path), 1000)
    assert [await node.says(name=name, account="default") for name in ("orders", "notes")] == ["one", "one"]
    assert await node.says(account="acme") is None
    await publish_all(store, await read(tmp_path), 2000)
    in_folder(tmp_path, one=definition("orders", "two"))
    await publish_all(store, await read(tmp_path), 3000)
    assert [await node.says(name=name, account="default") for name in ("orders", "notes")] == ["two", "one"]
    in_folder(tmp_path, one=definition("orders", "one"))
    await publish_all(store, await read(tmp_path), 4000)
    assert await node.says(account="default") == "one"
    assert len(await versions(storage, "orders")) == 2  # the earlier one is the current one again
    (tmp_path / "two.json").unlink()
    await publish_all(store, await read(tmp_path), 5000)
    assert await node.says(name="notes", account="default") == "one"


async def test_of_several_servers_that_start_at_once_one_publishes(storage: Storage, tmp_path: Path) -> None:
    in_folder(tmp_path, one=definition("orders", "one"), two=definition("notes", "one"))
    definitions = await read(tmp_path)
    await asyncio.gather(*(publish_all(node_on(storage)[1], definitions, 1000) for _ in range(4)))
    assert [len(await versions(storage, name)) for name in ("orders", "notes")] == [1, 1]


async def test_what_stands_in_an_account_s_folder_is_published_for_that_account(
    storage: Storage, tmp_path: Path
) -> None:
    node, store = node_on(storage)
    acme = tmp_path / "accounts" / "acme" / "orders"
    acme.mkdir(parents=True)
    (tmp_path / "more").mkdir()
    in_folder(tmp_path, one=definition("orders", "ours"))
    in_folder(tmp_path / "more", two=definition("notes", "ours"))
    in_folder(acme, one=definition("orders", "theirs"))
    await publish_all(store, await read(tmp_path), 1000)
    found = {
        (name, account): await node.says(name=name, account=account)
        for name in ("orders", "notes")
        for account in ("default", "acme")
    }
    assert found == {
        ("orders", "default"): "ours",
        ("orders", "acme"): "theirs",
        ("notes", "default"): "ours",
        ("notes", "acme"): None,
    }


async def test_a_folder_that_can_be_no_account_s_is_told(tmp_path: Path) -> None:
    accounts = tmp_path / "accounts"
    (accounts / "_odd").mkdir(parents=True)
    in_folder(accounts / "_odd", one=definition("orders", "x"))
    in_folder(accounts, two=definition("notes", "x"))
    with pytest.raises(SettingsError) as refused:
        await read(tmp_path)
    _, odd, bare = str(refused.value).splitlines()
    assert odd.startswith(f"{accounts / '_odd' / 'one.json'}: An account's name has 1 to 64")
    assert bare.startswith(f"{accounts / 'two.json'}: It stands in the folder 'accounts' itself")
