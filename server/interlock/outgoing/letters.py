"""What is sent to people, and that it wasn't."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from interlock.outgoing.guarded import Forbidden


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What somebody is told, ready to be sent.

    Args:
        key: names what it tells of: the same when it is sent again.
        subject: one line.
        text: as plain text.
        html: the same as a page.
        link: the page that it leads to, as it stands in the texts.
        chat_subject, chat_text: the same for rooms, where some signs would call people or begin links.
    """

    key: str
    subject: str
    text: str
    html: str
    link: str
    chat_subject: str
    chat_text: str


class NotSent(Exception):  # noqa: N818 - a state of the world, not a programming error
    """A letter wasn't taken. The message says why, and quotes no URL, no address and nothing that was received."""


def sentence_of(error: Exception) -> str:
    """Why nothing could be sent, for an error of the guarded transport."""
    if isinstance(error, Forbidden):
        return "the host isn't on the public internet; INTERLOCK_NOTIFIERS_ALLOW says what else may be reached"
    if isinstance(error, TimeoutError):
        return "the server took too long"
    if isinstance(error, httpx.HTTPError):
        return str(error)
    return "it can't be sent"
