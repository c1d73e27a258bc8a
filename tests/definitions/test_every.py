"""Workflows in Python and stored definitions, found by one name."""

from __future__ import annotations

import pytest
from tests.definitions.test_stored import ABSENT, Watched, node_on
from tests.support.storage import Storage
from tests.support.stored import Node

from interlock import Step, Workflow
from interlock.definitions.code import CodeDefinitions
from interlock.definitions.every import EveryDefinition
from interlock.definitions.port import program_of_run
from interlock.store.port import StoreUnavailable
from interlock.workflow.program import Program, RunState


def in_python(name: str, version: str | None = None) -> Workflow:
    return Workflow(name, steps=[Step("say", lambda _: "Python")], name="Python", version=version)


def both(storage: Storage, *workflows: Workflow) -> tuple[EveryDefinition, Node, Watched]:
    node, store = node_on(storage)
    return EveryDefinition(CodeDefinitions(workflows or [in_python("letters")]), node.definitions), node, store


async def said(every: EveryDefinition, version: str | None = None, name: str = "orders") -> str | None:
    program = await every.program_of(name, version, "acme")
    return None if program is None else program.name


async def of_run(every: EveryDefinition, version: str | None, account: str = "acme") -> Program | None:
    return await program_of_run(every, RunState("run", "orders", "session", "ada", version=version, account=account))


async def test_a_workflow_in_python_comes_first_and_takes_its_name(storage: Storage) -> None:
    every, node, _ = both(storage, in_python("orders"), in_python("letters"))
    await node.publish("stored")
    await node.publish("stored", "notes")
    assert [await said(every), await said(every, "1.0"), await said(every, None, "notes")] == [
        "Python",
        "Python",
        "notes stored",
    ]
    assert [each.id for each in await every.served("acme")] == ["orders", "letters", "notes"]
    assert [each.id for each in await every.served("other")] == ["orders", "letters"]
    assert [every.is_in_code(name) for name in ("orders", "notes")] == [True, False]


async def test_a_stored_version_goes_on_after_a_workflow_in_python_got_its_name(storage: Storage) -> None:
    every, node, _ = both(storage, in_python("orders"))
    first = await node.publish("one")
    await node.publish("two")
    program = await of_run(every, first)
    assert program is not None
    assert (program.name, program.version) == ("orders one", first)


async def test_a_run_goes_on_in_the_kind_of_definition_that_it_began_with(storage: Storage) -> None:
    every, node, _ = both(storage, in_python("orders"))
    assert await of_run(every, ABSENT) is None  # Python isn't what it began with
    python = await of_run(every, "1.0")
    assert python is not None
    assert python.name == "Python"
    stored_only, node, _ = both(storage)
    version = await node.publish("stored")
    for label in (None, "1.0", "v_1"):
        assert await of_run(stored_only, label) is None  # it began with a workflow in Python, which is gone
    assert await of_run(stored_only, version) is not None
    assert await of_run(stored_only, version, account="other") is None


async def test_a_workflow_in_python_may_have_a_label_like_a_stored_versions_id(storage: Storage) -> None:
    every, _, _ = both(storage, in_python("orders", ABSENT))
    assert await said(every, ABSENT) == "Python"
    assert await of_run(every, ABSENT) is not None
    assert await of_run(every, None) is None  # whatever it was, it wasn't this one


async def test_workflows_in_python_are_found_while_the_store_is_away(storage: Storage) -> None:
    every, node, store = both(storage, in_python("letters"))
    version = await node.publish("stored")
    store.is_away = True
    assert [await said(every, label, "letters") for label in (None, "1.0")] == ["Python", "Python"]
    assert await said(every, "1.0") is None  # no stored version has such an id
    for label in (None, version):
        with pytest.raises(StoreUnavailable):
            await said(every, label)
    with pytest.raises(StoreUnavailable):
        await every.served("acme")
