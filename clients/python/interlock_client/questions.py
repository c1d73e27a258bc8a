"""An inbox as one client follows it: the questions that wait for this user, and what one does to them.

Laws:
- Those of `lists.py`. Whoever comes back is told what has changed; what they had of other runs stays.
- What one looks at, one looks at again on the next connection.
- A draft has a higher revision than any that this client knows of its question.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TypeAlias

from interlock_client.inbox import Inbox
from interlock_client.lists import FollowedList, ListOwner
from interlock_client.pauses import OnBehalfOf
from interlock_protocol.messages import (
    Claim,
    Delegate,
    Draft,
    FollowInbox,
    InboxChanged,
    InboxDraft,
    InboxItem,
    InboxListed,
    InboxPresence,
    Release,
    Respond,
    Seen,
    UnfollowInbox,
)
from interlock_protocol.types import JsonValue

InboxMessage: TypeAlias = InboxChanged | InboxListed | InboxDraft | InboxPresence


class InboxQuestion:
    """A question that waits for this user.

    Attributes:
        item: what a card shows of it, as of the last change that was taken.
        people: who looks at it, this user too, as long as one looks at it oneself.
        draft: what this user has half-written, here or on another device; None if that is nothing.
    """

    def __init__(self, owner: ListOwner, item: InboxItem) -> None:
        self.item = item
        self.people: tuple[str, ...] = ()
        self.draft: JsonValue = None
        self._owner = owner
        self._revision = 0
        self._looks = False

    def __repr__(self) -> str:
        return f"<InboxQuestion {self.id}: {self.item.message!r}>"

    @property
    def id(self) -> str:
        """Its address, `interaction_id`."""
        return self.item.interaction_id

    async def respond(
        self, response: Mapping[str, JsonValue], *, on_behalf_of: OnBehalfOf | None = None, key: str | None = None
    ) -> None:
        """Answers it: an interaction by its response, anything else by the fields of its decision.

        Args:
            on_behalf_of: for whom an admin answers, and why.
            key: an idempotency key of one's own.

        Raises:
            ActionRefused: the server doesn't take it: `InvalidDecision`, `Conflict`, `TooLate`, …
        """
        represented = {"on_behalf_of": on_behalf_of.user_id, "reason": on_behalf_of.reason} if on_behalf_of else {}
        said = {"interaction_id": self.id, "response": dict(response), "idempotency_key": key or uuid.uuid4().hex}
        await self._owner.act(Respond.model_validate({**said, **represented}))

    async def seen(self) -> None:
        """Says that this user has seen it, for the audit."""
        await self._owner.act(Seen(interaction_id=self.id))

    async def look(self) -> None:
        """Says so, and looks at it from now on: `people` is who else does."""
        self._looks = True
        await self._owner.act(Seen(interaction_id=self.id, looking=True))

    async def look_away(self) -> None:
        """Looks at it no more."""
        self._looks, self.people = False, ()
        await self._owner.act(Seen(interaction_id=self.id, looking=False))

    async def save_draft(self, content: JsonValue) -> None:
        """Keeps a half-written answer, for this user's other devices; None throws it away."""
        self._revision, self.draft = self._revision + 1, content
        await self._owner.act(Draft(interaction_id=self.id, revision=self._revision, content=content))

    async def claim(self) -> None:
        """Says that one is on it, so that nobody else decides it: for 15 minutes, and for 2 hours at most."""
        await self._owner.act(Claim(interaction_id=self.id))

    async def release(self) -> None:
        """Gives up a claim."""
        await self._owner.act(Release(interaction_id=self.id))

    async def delegate(self, to: str, reason: str | None = None) -> None:
        """Hands it over to a user, or `group:NAME`."""
        await self._owner.act(Delegate(interaction_id=self.id, to=to, reason=reason))

    # ── For the inbox ───────────────────────────────────────────────────────────────────────────────────

    @property
    def again(self) -> Seen | None:
        """What is said again on another connection."""
        return Seen(interaction_id=self.id, looking=True) if self._looks else None

    def drafted(self, told: InboxDraft) -> None:
        """A draft has come; one that is older than one's own isn't taken."""
        if told.revision >= self._revision:
            self._revision, self.draft = told.revision, told.content


class FollowedInbox(FollowedList[InboxMessage]):
    """A followed inbox. Made by `Client.inbox`."""

    def __init__(self, owner: ListOwner, asked: FollowInbox, inbox: Inbox) -> None:
        super().__init__(owner, asked, inbox)
        self._known: dict[str, InboxQuestion] = {}
        self._listing: dict[str, InboxItem] = {}
        self._drafts: dict[str, InboxDraft] = {}

    def __repr__(self) -> str:
        return f"<FollowedInbox of {len(self._known)}>"

    @property
    def questions(self) -> tuple[InboxQuestion, ...]:
        """What waits for this user, of the newest runs first."""
        order = sorted(self._known.values(), key=lambda each: (each.item.created_at, each.id), reverse=True)
        return tuple(order)

    def question(self, interaction_id: str) -> InboxQuestion | None:
        """The question with this address, if it waits for this user."""
        return self._known.get(interaction_id)

    @property
    def leaving(self) -> UnfollowInbox:
        return UnfollowInbox(list=self.name)

    def acknowledged(self) -> None:
        super().acknowledged()
        for each in self._known.values():
            if (again := each.again) is not None:
                self._owner.say(again)

    def _is_part(self, message: InboxMessage) -> bool:
        if isinstance(message, InboxDraft | InboxPresence):
            return len(self._current) > 1  # amid what is current
        return isinstance(message, InboxChanged) and not message.seq

    def _apply(self, message: InboxMessage) -> None:
        match message:
            case InboxListed():
                self._listed(message)
            case InboxChanged():
                self._changed(message)
            case InboxDraft():
                self._drafted(message)
            case InboxPresence():
                if (question := self._known.get(message.interaction_id)) is not None:
                    question.people = tuple(message.people)

    def _listed(self, message: InboxListed) -> None:
        changed = set(message.changed_runs or ())
        for address, question in list(self._known.items()):
            is_known_anew = not message.resumed or question.item.run_id in changed
            if is_known_anew and address not in self._listing:
                del self._known[address]
        for item in self._listing.values():
            self._take(item)
        self._listing = {}
        self.seq = message.seq

    def _changed(self, message: InboxChanged) -> None:
        if message.seq:
            self.seq = message.seq
            if message.item is None:
                self._known.pop(message.interaction_id, None)
                self._drafts.pop(message.interaction_id, None)
            else:
                self._take(message.item)
        elif message.item is not None:
            self._listing[message.interaction_id] = message.item

    def _take(self, item: InboxItem) -> None:
        question = self._known.get(item.interaction_id)
        if question is None:
            question = self._known[item.interaction_id] = InboxQuestion(self._owner, item)
            if (draft := self._drafts.pop(item.interaction_id, None)) is not None:
                question.drafted(draft)
        question.item = item

    def _drafted(self, message: InboxDraft) -> None:
        """A draft may come before its question, which another message brings."""
        question = self._known.get(message.interaction_id)
        if question is None:
            self._drafts[message.interaction_id] = message
        else:
            question.drafted(message)
