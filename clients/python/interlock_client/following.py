"""The part of the client that follows lists, and says who it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Literal, TypeVar

from interlock_client.inbox import Inbox
from interlock_client.link import Link
from interlock_client.lists import FollowedList, ListOwner, RunList, runs_that
from interlock_client.questions import FollowedInbox
from interlock_protocol.messages import FollowInbox, FollowRuns, InboxFilter

L = TypeVar("L", bound=FollowedList[Any])


class Following(ListOwner, ABC):
    """What a client offers beside runs and actions."""

    _link: Link

    @abstractmethod
    def _list_name(self, kind: str) -> str:
        """A name that no list of the connection has."""

    @abstractmethod
    def _inbox(self) -> Inbox:
        """What was received of a list and isn't taken."""

    @abstractmethod
    async def _begin_list(self, followed: L) -> L:
        """Return it when the server has accepted to send it."""

    @property
    def user_id(self) -> str | None:
        """Who the server says this client is; None where it asks nobody."""
        return self._link.user.user_id if self._link.user else None

    @property
    def scopes(self) -> tuple[str, ...]:
        """What the server says this client may do."""
        return tuple(self._link.user.scopes) if self._link.user else ()

    @property
    def groups(self) -> tuple[str, ...] | None:
        """The groups that the server says this client is in; None where it doesn't say."""
        return tuple(user.groups) if (user := self._link.user) and user.groups is not None else None

    @property
    def account(self) -> str | None:
        """The account whose user this is."""
        return self._link.user.account if self._link.user else None

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces that are this user's; behind a `*`, which says that all of the account are."""
        return tuple(self._link.user.namespaces or ()) if self._link.user else ()

    async def follow_runs(
        self,
        *,
        workflow_id: str | None = None,
        session_id: str | None = None,
        namespace: str | None = None,
        status: Iterable[str] = (),
        waiting_for_me: bool = False,
        cursor: int | None = None,
        limit: int = 50,
    ) -> RunList:
        """Follows a list of runs: the current ones, and then what changes; or what has changed since `cursor`.

        Args:
            status: only runs that stand so; none asks for any.
            waiting_for_me: only runs that wait for a decision that this user may make.
            cursor: the `seq` of an earlier list.
            limit: how many runs the current list has at most, the newest.

        Raises:
            ActionRefused: the server doesn't let this client follow it.
            ConnectionEnded: there is no connection any more.
        """
        which = runs_that(
            workflow_id=workflow_id,
            session_id=session_id,
            namespace=namespace,
            status=status,
            waiting_for_me=waiting_for_me,
        )
        asked = FollowRuns(list=self._list_name("list"), filter=which, cursor=cursor, limit=limit)
        return await self._begin_list(RunList(self, asked, self._inbox()))

    async def inbox(
        self,
        *,
        scope: Literal["mine", "groups", "all"] | None = None,
        workflow_id: str | None = None,
        namespace: str | None = None,
        kind: str | None = None,
        limit: int = 50,
    ) -> FollowedInbox:
        """Follows what waits for an answer by this user, question by question: what there is, and then what changes.

        Args:
            scope: what is for oneself (`mine`), or for one's `groups`; without it, both.
            kind: only questions of this kind: `confirmation`, `response`, …
            limit: how many questions there are at first at most, of the newest runs.

        Raises:
            ActionRefused: the server doesn't let this client follow it.
            ConnectionEnded: there is no connection any more.
        """
        which = InboxFilter(scope=scope, workflow_id=workflow_id, namespace=namespace, kind=kind)
        asked = FollowInbox(list=self._list_name("inbox"), filter=which, limit=limit)
        return await self._begin_list(FollowedInbox(self, asked, self._inbox()))
