"""An integration that is replaced while it is used."""

from __future__ import annotations

from typing import Any

from interlock.addresses import Allowed
from interlock.engine.work.integrations import Integrations
from interlock.outgoing.guarded import GuardedTransport
from interlock.secrets.integrations import Integration
from interlock.secrets.providers import Auth


def integration(auth: Auth, **credentials: str) -> Integration:
    return Integration("shop", "http", "https://api.example.com", auth, None, ("*",), credentials)


class Replaced:
    """What is kept: by now an integration of another kind."""

    async def current(self, _: Integration) -> Integration:
        return integration(Auth(type="bearer"), token="a-token-of-now")


async def test_request_that_began_before_gets_what_is_kept_by_now() -> None:
    kept: Any = Replaced()
    before = Auth(type="oauth2_client_credentials", token_url="https://id.example.com/token")
    used = Integrations(kept, GuardedTransport(Allowed()))
    authority = await used.authority(integration(before, client_id="shop", client_secret="a-client-secret"))
    assert authority.headers == {"Authorization": "Bearer a-token-of-now"}
