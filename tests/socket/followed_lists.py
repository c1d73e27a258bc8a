"""What the tests of followed lists share."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from tests.support.live import (
    JWT_SECRET,
    Message,
    Talk,
)

_users = itertools.count(1)


class User:
    """Somebody whom no other test knows."""

    def __init__(self, *groups: str, scope: str = "workflows:execute workflows:read workflows:decide") -> None:
        self.id = f"user-{next(_users)}"
        self._claims = {"sub": self.id, "groups": list(groups), "scope": scope}

    def token(self, seconds: float = 3600) -> str:
        expires_at = datetime.now(UTC) + timedelta(seconds=seconds)
        return jwt.encode({**self._claims, "exp": expires_at}, JWT_SECRET, "HS256")


async def follow(talk: Talk, name: str = "runs", **fields: Any) -> list[Message]:
    """What comes of the list up to and including its `runs_listed`."""
    await talk.send(action="follow-runs", list=name, request_id="follow", **fields)
    return [each for each in await talk.until("runs_listed", list=name) if each.get("list") == name]


async def paused(talk: Talk, workflow_id: str, message: Any = "", **fields: Any) -> Message:
    run_id = await talk.start(workflow_id, message, **fields)
    return (await talk.until_pause(run_id))[-1]


def run_ids(messages: list[Message]) -> list[str]:
    return [each["run"]["run_id"] for each in messages if each["event"] == "run_changed"]


class Page:
    """A list as a program keeps it, from nothing but what it was sent."""

    def __init__(self) -> None:
        self.seq = 0
        self.runs: dict[str, str] = {}
        self.told: dict[str, str] = {}  # of every run, also of one that left the list
        self._fresh: dict[str, str] = {}

    def take(self, message: Message) -> None:
        if message["event"] == "run_changed":
            self.told[message["run"]["run_id"]] = message["run"]["status"]
            runs = self.runs if message["seq"] else self._fresh
            runs.pop(message["run"]["run_id"], None)
            if message["matches"]:
                runs[message["run"]["run_id"]] = message["run"]["status"]
        elif message["event"] == "runs_listed" and not message["resumed"]:
            self.runs, self._fresh = self._fresh, {}
        if "list" in message:
            self.seq = max(self.seq, message["seq"])

    async def until(self, talk: Talk, runs: dict[str, str]) -> None:
        while self.runs != runs:
            self.take(await talk.next())
