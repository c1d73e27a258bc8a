"""What of lists and inboxes one connection follows.

Law: a name is taken once for lists of runs, and once for inboxes; together they are bounded.

Source: `docs/protocol.md`, "Lists of runs" and "Inboxes".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from interlock.auth import Principal
from interlock.following.feed import Feed
from interlock.following.followed import Followed, Listed
from interlock.following.inbox import FollowedInbox
from interlock.following.lists import FollowedList, check_may_follow
from interlock.following.sights import Sights
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import FollowInbox, FollowRuns

MAX_LISTS = 8
"""How many lists and inboxes a connection may follow."""

Kind: TypeAlias = Literal["runs", "inbox"]


class Lists:
    """The lists of runs, and the inboxes, that one connection follows, by kind and name.

    Args:
        wake: called on the event loop when one of them may have something new. It must not block.
        sights: notes what the client is sent of what it may decide.
    """

    __slots__ = ("_feed", "_followed", "_sights", "_store", "_wake")

    def __init__(self, feed: Feed, store: Listed, wake: Callable[[], None], sights: Sights | None = None) -> None:
        self._feed = feed
        self._store = store
        self._wake = wake
        self._sights = sights
        self._followed: dict[tuple[Kind, str], Followed] = {}

    def follow(self, principal: Principal, asked: FollowRuns | FollowInbox) -> None:
        """Follow a list, in place of the one that has this name now.

        Raises:
            Refusal: `forbidden`, or `invalid_message` if there are too many.
        """
        check_may_follow(principal, "inbox" if isinstance(asked, FollowInbox) else "runs")
        kind: Kind = "inbox" if isinstance(asked, FollowInbox) else "runs"
        if (kind, asked.list) not in self._followed and len(self._followed) >= MAX_LISTS:
            sentence = f"A connection follows at most {MAX_LISTS} lists; send unfollow-{kind} for one of them first."
            raise Refusal(ErrorCode.INVALID_MESSAGE, sentence, details=[{"field": "list", "error": sentence}])
        self.unfollow(kind, asked.list)
        self._followed[kind, asked.list] = self._begun(principal, asked)
        self._wake()

    def _begun(self, principal: Principal, asked: FollowRuns | FollowInbox) -> Followed:
        if isinstance(asked, FollowInbox):
            return FollowedInbox(self._feed, self._store, principal, asked, self._wake, self._sights)
        return FollowedList(self._feed, self._store, principal, asked, self._wake, self._sights)

    def unfollow(self, kind: Kind, name: str) -> None:
        """Stop following the list of this kind and name, if there is one."""
        followed = self._followed.pop((kind, name), None)
        if followed is not None:
            followed.close()

    def clear(self) -> None:
        """Stop following all lists."""
        for kind, name in list(self._followed):
            self.unfollow(kind, name)

    def renew(self, principal: Principal) -> None:
        """Switch to a fresh token; runs that its bearer may not read are no longer delivered.

        Raises:
            Refusal: `forbidden`: its bearer may not list runs; all lists are closed.
        """
        try:
            for kind, _ in self._followed:
                check_may_follow(principal, kind)
        except Refusal:
            self.clear()
            raise
        for followed in self._followed.values():
            followed.renew(principal)

    def with_news(self) -> list[Followed]:
        """The lists that may have something to deliver."""
        return [followed for followed in self._followed.values() if followed.has_news]
