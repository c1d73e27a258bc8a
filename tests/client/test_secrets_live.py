"""Secrets by the Python client, on a real server."""

from __future__ import annotations

import pytest
from tests.support.live import ROOT, Live

from interlock_client import ActionRefused, NotFound, connect


async def test_secrets_are_set_listed_without_their_values_and_deleted(live: Live) -> None:
    async with connect(live.http_url, token=ROOT) as client:
        made = await client.secrets.set("CLIENT_KEY", "a value of the tests", hosts=["api.example.com"])
        assert (made.hosts, made.workflows, made.script) == (("api.example.com",), ("*",), False)
        again = await client.secrets.set("CLIENT_KEY", "another value", script=True)
        assert (again.hosts, again.script) == (("api.example.com",), True)
        assert "CLIENT_KEY" in {each.name for each in await client.secrets.list()}
        assert await client.secrets.list(namespace="user_root") == ()
        with pytest.raises(ActionRefused) as refused:
            await client.secrets.set("CLIENT_KEY", "short")
        assert refused.value.code == "invalid_request"
        await client.secrets.delete("CLIENT_KEY")
        with pytest.raises(NotFound):
            await client.secrets.delete("CLIENT_KEY")
