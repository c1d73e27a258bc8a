"""Accounts and namespaces, as programs see them."""

from __future__ import annotations

import pytest
from tests.client.test_lists import client_of, listed, states, until
from tests.support.live import CAROL, ROOT, Live

from interlock_client import Forbidden


async def test_a_client_knows_its_account_and_its_namespaces(live: Live) -> None:
    async with client_of(live, CAROL) as carol, client_of(live, ROOT) as root:
        assert (carol.account, carol.namespaces) == ("default", ("org_reviewers", "user_carol"))
        assert root.namespaces[0] == "*"
    offline = client_of(live)
    assert (offline.account, offline.namespaces) == (None, ())


async def test_a_run_is_started_in_a_namespace_and_listed_by_it(live: Live) -> None:
    async with client_of(live, CAROL) as carol, client_of(live, CAROL) as watching:
        followed = await watching.follow_runs(namespace="org_reviewers")
        before = (await listed(followed)).count
        at_home = await carol.start("confirmed")
        run = await carol.start("confirmed", namespace="org_reviewers")
        changed = await until(followed, run.run_id, "PAUSED")
        assert (changed.run.namespace, changed.run.user_id) == ("org_reviewers", "carol")
        assert at_home.run_id not in states(followed)
        assert len(states(followed)) == before + 1
        with pytest.raises(Forbidden):
            await carol.start("confirmed", namespace="user_alice")
