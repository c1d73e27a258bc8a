"""The built-in types that tell somebody something: e-mail, and posts by providers.

Law: what a provider refuses is a failure with the provider's own word for it, and is tried again only where that may
help.

Source: https://docs.slack.dev/reference/methods/chat.postMessage; https://docs.x.com/x-api/posts/create-post;
https://docs.github.com/rest/issues/issues#create-an-issue; `docs/graphs.md`, "Task types".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar

from pydantic import Field

from interlock.tasks.builtin.inputs import Inputs, gives, marked
from interlock.tasks.context import Mail, TaskContext
from interlock.workflow.declare.errors import TaskFailed
from interlock.workflow.declare.task_types import TaskType
from interlock_protocol.types import JsonObject

T = TypeVar("T")

MOST_PEOPLE: Final = 100
"""To how many people an e-mail goes at most."""

_WORD: Final = re.compile(r"[a-z0-9_.-]{1,64}")
_TRY_AGAIN: Final = frozenset(
    {"fatal_error", "internal_error", "ratelimited", "request_timeout", "service_unavailable"}
)

Address = Annotated[str, Field(min_length=3, max_length=320)]
Addresses = Annotated[list[Address], Field(max_length=MOST_PEOPLE)] | Annotated[str, Field(max_length=8192)]


class Email(Inputs):
    """A message by e-mail."""

    to: Addresses = Field(title="To", description="Addresses: a list, or a text with commas between them.")
    cc: Addresses = Field([], title="Cc", description="Who else gets it.")
    subject: str = Field(title="Subject", min_length=1, max_length=998)
    text: str = Field(
        title="Text", description="As plain text.", max_length=1_000_000, json_schema_extra=marked(form="textarea")
    )
    html: str | None = Field(
        None,
        title="HTML",
        description="The same as a page, for programs that show one.",
        max_length=1_000_000,
        json_schema_extra=marked(form="textarea"),
    )
    sender: str | None = Field(
        None,
        title="From",
        description="The address that it is from; by default the user of the integration.",
        max_length=320,
    )
    reply_to: str | None = Field(None, title="Reply to", description="Where answers go.", max_length=320)


class Tweet(Inputs):
    """A post on X."""

    text: str = Field(title="Text", min_length=1, max_length=25_000, json_schema_extra=marked(form="textarea"))
    reply_to: str | None = Field(None, title="In reply to", description="The id of a post.", pattern=r"^[0-9]{1,19}$")


class SlackMessage(Inputs):
    """A message in Slack."""

    channel: str = Field(title="Channel", description="Its id, or #name.", min_length=1, max_length=256)
    text: str = Field(title="Text", min_length=1, max_length=40_000, json_schema_extra=marked(form="textarea"))
    blocks: list[dict[str, Any]] | None = Field(
        None, title="Blocks", description="How it is laid out, as Slack's Block Kit has it.", max_length=50
    )
    thread_ts: str | None = Field(None, title="Thread", description="The ts of the message that it answers.")


class GithubIssue(Inputs):
    """An issue on GitHub."""

    repository: str = Field(
        title="Repository", description="owner/name", pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9_.-]{1,100}$"
    )
    title: str = Field(title="Title", min_length=1, max_length=256)
    body: str | None = Field(
        None, title="Text", description="In Markdown.", max_length=65_000, json_schema_extra=marked(form="textarea")
    )
    labels: list[str] = Field([], title="Labels", max_length=100)
    assignees: list[str] = Field([], title="Assignees", description="Users of GitHub.", max_length=10)


async def email(inputs: Email, context: TaskContext) -> JsonObject:
    """Send the message."""
    to = _addresses(inputs.to)
    cc = [each for each in _addresses(inputs.cc) if each not in to]
    if not to:
        raise TaskFailed("an e-mail goes to at least one address", "invalid_input")
    sent = await context.by.mail(
        Mail(
            to=to,
            cc=cc,
            subject=inputs.subject,
            text=inputs.text,
            html=inputs.html,
            sender=inputs.sender,
            reply_to=inputs.reply_to,
        )
    )
    return {
        "message_id": sent.message_id,
        "to": [each for each in (*to, *cc) if each not in sent.refused],
        "refused": [*sent.refused],
    }


def _addresses(given: list[str] | str) -> list[str]:
    listed = given.split(",") if isinstance(given, str) else given
    found = [*dict.fromkeys(each.strip() for each in listed if each.strip())]
    if len(found) > MOST_PEOPLE:
        raise TaskFailed(f"an e-mail goes to at most {MOST_PEOPLE} addresses", "invalid_input")
    return found


async def send_tweet(inputs: Tweet, context: TaskContext) -> JsonObject:
    """Post it."""
    body: JsonObject = {"text": inputs.text}
    if inputs.reply_to is not None:
        body["reply"] = {"in_reply_to_tweet_id": inputs.reply_to}
    answer = await context.request("POST", "/tweets", body=body)
    said = _object(answer.body).get("data")
    post_id = _given(_object(said), "id", str, "X")
    return {"id": post_id, "text": _given(_object(said), "text", str, "X"), "url": f"https://x.com/i/status/{post_id}"}


async def slack_message(inputs: SlackMessage, context: TaskContext) -> JsonObject:
    """Post it."""
    body: JsonObject = {"channel": inputs.channel, "text": inputs.text}
    if inputs.blocks is not None:
        body["blocks"] = [*inputs.blocks]
    if inputs.thread_ts is not None:
        body["thread_ts"] = inputs.thread_ts
    headers = {"Content-Type": "application/json; charset=utf-8"}
    said = _object((await context.request("POST", "/chat.postMessage", body=body, headers=headers)).body)
    if said.get("ok") is not True:  # it says so with 200
        word = said.get("error")
        known = word if isinstance(word, str) and _WORD.fullmatch(word) else "no reason"
        raise TaskFailed(f"Slack didn't take the message: {known}", "slack_error", may_retry=known in _TRY_AGAIN)
    return {"channel": _given(said, "channel", str, "Slack"), "ts": _given(said, "ts", str, "Slack")}


async def github_issue(inputs: GithubIssue, context: TaskContext) -> JsonObject:
    """Open it, unless an earlier try has: GitHub knows no keys, so the issue has one in its text, which isn't shown."""
    path = f"/repos/{inputs.repository}/issues"
    headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
    mark = f"<!-- interlock: {hashlib.sha256(context.idempotency_key.encode()).hexdigest()[:40]} -->"
    if context.attempt > 1:
        latest = await context.request(
            "GET", f"{path}?state=all&sort=created&direction=desc&per_page=30", headers=headers
        )
        listed = latest.body if isinstance(latest.body, list) else []
        opened = next((each for each in listed if mark in str(_object(each).get("body"))), None)
        if opened is not None:
            return _issue(opened)
    text = mark if inputs.body is None else f"{inputs.body}\n\n{mark}"
    body: JsonObject = {"title": inputs.title, "body": text, "labels": [*inputs.labels]}
    body["assignees"] = [*inputs.assignees]
    return _issue((await context.request("POST", path, body=body, headers=headers)).body)


def _issue(body: object) -> JsonObject:
    said = _object(body)
    return {
        "number": _given(said, "number", int, "GitHub"),
        "url": _given(said, "html_url", str, "GitHub"),
        "id": _given(said, "id", int, "GitHub"),
    }


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _given(said: Mapping[str, Any], name: str, kind: type[T], who: str) -> T:
    value = said.get(name)
    if not isinstance(value, kind):
        raise TaskFailed(f"{who} answered without {name}; whether it did it isn't known", "provider_error")
    return value


_TEXT: Final[JsonObject] = {"type": "string"}

MESSAGES: Final = (
    TaskType(
        name="email",
        title="E-mail",
        description="Sends an e-mail by the mail server of an integration.",
        category="messages",
        icon="mail",
        input=Email,
        output_schema=gives(
            {
                "message_id": {"type": "string", "description": "Its Message-ID: the same for every try."},
                "to": {"type": "array", "items": _TEXT, "description": "Who gets it."},
                "refused": {"type": "array", "items": _TEXT, "description": "Whom the mail server doesn't know."},
            }
        ),
        provider="smtp",
        is_integration_needed=True,
        run=email,
    ),
    TaskType(
        name="slack_message",
        title="Slack message",
        description="Posts a message in a channel of Slack.",
        category="messages",
        icon="hash",
        input=SlackMessage,
        output_schema=gives(
            {
                "channel": {"type": "string", "description": "The channel's id."},
                "ts": {"type": "string", "description": "What the message is known by, as for answers in its thread."},
            }
        ),
        provider="slack",
        is_integration_needed=True,
        run=slack_message,
    ),
    TaskType(
        name="send_tweet",
        title="Post on X",
        description="Posts something on X.",
        category="messages",
        icon="megaphone",
        input=Tweet,
        output_schema=gives({"id": _TEXT, "text": _TEXT, "url": {"type": "string", "description": "Its page."}}),
        provider="x",
        is_integration_needed=True,
        run=send_tweet,
    ),
    TaskType(
        name="github_issue",
        title="GitHub issue",
        description="Opens an issue in a repository of GitHub.",
        category="messages",
        icon="circle-dot",
        input=GithubIssue,
        output_schema=gives(
            {
                "number": {"type": "integer"},
                "url": {"type": "string", "description": "Its page."},
                "id": {"type": "integer"},
            }
        ),
        provider="github",
        is_integration_needed=True,
        run=github_issue,
    ),
)
