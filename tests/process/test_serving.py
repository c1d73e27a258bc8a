"""What a server says of itself when it listens."""

from __future__ import annotations

import pytest

from interlock import Workflow
from interlock.definitions.code import CodeDefinitions
from interlock.process.banner import banner
from interlock.process.serving import named
from interlock.settings import Settings
from interlock.store.port import StoreUnavailable


async def test_database_that_goes_away_just_then_ends_no_server_that_has_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    definitions = CodeDefinitions([Workflow("one", steps=[lambda _: "done"])])
    assert await named(definitions) == ("one",)

    async def away(account: str) -> None:
        raise StoreUnavailable("the database is away")

    monkeypatch.setattr(definitions, "served", away)
    assert await named(definitions) == ()
    assert "http://127.0.0.1:7777" in banner((), Settings(), 7777, None)
