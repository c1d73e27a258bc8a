"""Addresses of people: where each wants to be told, by the channels that the operator offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class NoticeAddresses(Protocol):
    """The addresses of all people."""

    async def notice_addresses(self, account: str, user_ids: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """The addresses of these people, by the names of channels; whoever has none isn't in it."""

    async def keep_notice_addresses(
        self, account: str, user_id: str, addresses: Mapping[str, str], *, by: str, at: int
    ) -> None:
        """Make these all the addresses of a person.

        Args:
            by: whose change it is.
            at: in milliseconds since 1970.
        """
