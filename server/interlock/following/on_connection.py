"""What of lists and inboxes one connection follows, and which questions it looks at.

Law: a name is taken once for lists of runs, and once for inboxes; together they are bounded.

Source: `docs/protocol.md`, "Lists of runs" and "Inboxes".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from interlock.auth import Principal
from interlock.following.drafts import Drafts, FollowedDrafts
from interlock.following.feed import Feed
from interlock.following.followed import Followed, Listed
from interlock.following.inbox import FollowedInbox
from interlock.following.lists import FollowedList, check_may_follow
from interlock.following.looks import Looks
from interlock.following.presence import Presence
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
        presence: knows who looks at what.
        drafts: what the client has half-written, of which it is told as long as it follows an inbox.
        sights: notes what the client is sent of what it may decide.

    Attributes:
        looks: the questions that it looks at.
        drafts: its own drafts, while it follows an inbox.
    """

    __slots__ = ("_drafts", "_feed", "_followed", "_sights", "_store", "_wake", "drafts", "looks")

    def __init__(
        self,
        feed: Feed,
        store: Listed,
        wake: Callable[[], None],
        presence: Presence,
        drafts: Drafts,
        sights: Sights | None = None,
    ) -> None:
        self.looks = Looks(presence, wake)
        self.drafts: FollowedDrafts | None = None
        self._drafts = drafts
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
        if kind == "inbox":
            self._end_drafts()
            self.drafts = self._drafts.follow(principal.person, self._wake)
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
        if not any(each == "inbox" for each, _ in self._followed):
            self._end_drafts()

    def _end_drafts(self) -> None:
        if self.drafts is not None:
            self.drafts.close()
            self.drafts = None

    def clear(self) -> None:
        """Stop following all lists, and look at nothing any more."""
        self.looks.clear()
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

    def with_news(self) -> list[Followed | Looks | FollowedDrafts]:
        """What may have something to deliver."""
        drafts = () if self.drafts is None else (self.drafts,)
        every: list[Followed | Looks | FollowedDrafts] = [*self._followed.values(), *drafts, self.looks]
        return [each for each in every if each.has_news]
