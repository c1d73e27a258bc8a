"""Who may know of a run is told without loading it, for whoever it doesn't concern."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.engine.driving.test_lost_log import ADA, RUN, clerk, drive
from tests.support.storage import Storage

from interlock import Confirm, Step, StepInput, Workflow
from interlock.auth import Principal
from interlock.auth.principal import USER_SCOPES
from interlock.store.port import Settlement
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.types import RunStatus


def nothing(_: StepInput) -> None:
    """Does nothing."""


NAMING = Workflow("naming", steps=[Step("send", nothing, human_review=Confirm("Send it?", assignees=["bob"]))])
BOB, EVE = (Principal(name, frozenset({"workflows:decide"})) for name in ("bob", "eve"))
STRANGERS = [
    pytest.param(replace(ADA, account="acme"), id="same name in another account"),
    pytest.param(replace(BOB, account="acme"), id="assignee's name in another account"),
    pytest.param(Principal("root", frozenset({"admin"}), account="acme"), id="admin of another account"),
    pytest.param(EVE, id="not named"),
    pytest.param(Principal("eve", USER_SCOPES), id="not the owner"),
    pytest.param(Principal("bob", frozenset()), id="without a scope"),
]


async def paused(storage: Storage) -> None:
    await storage.create(NAMING, RUN)
    await drive(storage, NAMING)
    storage.store.loaded.clear()


async def row_falls_behind(storage: Storage) -> None:
    """The row is as it was before the pause."""

    def work(connection: Any) -> None:
        connection.exec_driver_sql("UPDATE runs SET next_index = 1, pending = '[]', status = 'RUNNING'")
        connection.exec_driver_sql("DELETE FROM run_assignees")

    await storage.store._database.write(work)


@pytest.mark.parametrize("stranger", STRANGERS)
async def test_run_of_others_is_not_found_and_not_loaded(storage: Storage, stranger: Principal) -> None:
    await paused(storage)
    with pytest.raises(Refusal) as refused:
        await clerk(storage, NAMING).runs.readable(stranger, RUN)
    assert refused.value.code is ErrorCode.RUN_NOT_FOUND
    assert storage.store.loaded == []


@pytest.mark.parametrize("account", ["acme", "default"])
async def test_row_that_is_behind_the_log_has_nobody_of_another_account_load_the_run(
    storage: Storage, account: str
) -> None:
    await paused(storage)
    await row_falls_behind(storage)
    with pytest.raises(Refusal):
        await clerk(storage, NAMING).runs.readable(replace(EVE, account=account), RUN)
    assert bool(storage.store.loaded) == (account == "default")


@pytest.mark.parametrize("is_behind", [False, True])
async def test_assignee_reads_it_whatever_the_row_says_and_was_known_of_it_before(
    storage: Storage, is_behind: bool
) -> None:
    await storage.create(NAMING, RUN)
    engine = clerk(storage, NAMING)
    with pytest.raises(Refusal):
        await engine.runs.readable(BOB, RUN)
    await drive(storage, NAMING)
    if is_behind:
        await row_falls_behind(storage)
    assert (await engine.runs.readable(BOB, RUN)).run_id == RUN
    assert await engine.runs.readable(ADA, RUN)


async def test_who_was_named_once_goes_on_reading(storage: Storage) -> None:
    await paused(storage)
    row = await storage.store.run(RUN)
    assert row is not None
    await storage.store.settle(Settlement(RUN, RunStatus.RUNNING, row.epoch, row.next_index, 9))
    assert await clerk(storage, NAMING).runs.readable(BOB, RUN)
