"""The secrets of workflows on the server: set, listed without their values, deleted.

Law: a value goes to the server, and never comes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from interlock_client.machines import Answer, listed
from interlock_client.rest import Call, Rest, path


class SecretInfo(Answer):
    """A secret without its value.

    Attributes:
        namespace: where it may be used; None for the whole account.
        hosts: where it may be sent; `*` is every host.
        workflows: which workflows may use it; `*` is all of them.
        script: whether scripts are given it.
        source: `stored`, or `environment` for one of the server's operator.
    """

    name: str
    namespace: str | None = None
    hosts: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    script: bool = False
    source: str = "stored"
    created_at: str | None = None
    updated_at: str | None = None
    updated_by: str | None = None


class Secrets:
    """The secrets of this user's account. `Client.secrets`."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def set(
        self,
        name: str,
        value: str,
        *,
        hosts: Sequence[str] | None = None,
        workflows: Sequence[str] | None = None,
        script: bool | None = None,
        namespace: str | None = None,
    ) -> SecretInfo:
        """Stores a secret, or replaces it. What is left out stays as it is; of a new secret it is everything, or false.

        Args:
            name: of `A` to `Z`, `0` to `9` and `_`.
            namespace: by default it is for the whole account.

        Raises:
            ActionRefused: `invalid_request`, with each wrong field in `details`; `forbidden`; `no_secrets_key`.
        """
        body: dict[str, Any] = {"value": value}
        body |= {} if hosts is None else {"hosts": list(hosts)}
        body |= {} if workflows is None else {"workflows": list(workflows)}
        body |= {} if script is None else {"script": script}
        query = {"namespace": namespace}
        call = Call(method="PUT", path=path("secrets", name), query=query, body=body, repeatable=True)
        return SecretInfo.model_validate(await self._rest.send(call))

    async def list(self, *, namespace: str | None = None) -> tuple[SecretInfo, ...]:
        """The account's secrets, or those of one namespace, without their values."""
        data = await self._rest.send(Call(method="GET", path=path("secrets"), query={"namespace": namespace}))
        return tuple(SecretInfo.model_validate(each) for each in listed(data, "secrets"))

    async def delete(self, name: str, *, namespace: str | None = None) -> None:
        """Deletes a stored secret.

        Raises:
            NotFound: `secret_not_found`.
        """
        await self._rest.send(Call(method="DELETE", path=path("secrets", name), query={"namespace": namespace}))
