"""`interlock inbox`: what waits for somebody, shown and decided; and `interlock ask`: asking somebody from a script.

Laws:
- What is listed is what the server says waits for this user. An item is named by its address, which no later item has.
- `ask` ends with 0 where it was approved or answered, and with 1 for everything else: it can stand before `&&`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import IO, Any, Final

from interlock.cli.answers import from_json_text
from interlock.cli.exits import ExitCode, Failure
from interlock.cli.target import Target
from interlock.cli.words import in_full, in_short
from interlock_client.interactions import InboxItem, Interaction
from interlock_protocol.interactions import ids_of
from interlock_protocol.types import JsonValue

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_PASSED: Final = ("approved", "completed")


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody says to an item."""

    yes: bool = False
    no: bool = False
    answer: str | None = None
    comment: str | None = None

    @property
    def is_given(self) -> bool:
        """Return True if that is anything at all."""
        return self.yes or self.no or self.answer is not None


async def show(target: Target, project: str | None, *, out: IO[str]) -> ExitCode:
    """List what waits for this user."""
    async with target.connect() as client:
        items = [each async for each in client.interactions.inbox(project)]
    for each in items:
        print(_line(each), file=out)
    if not items:
        print("Nothing waits for you.", file=out)
    return ExitCode.COMPLETED


async def decide(target: Target, address: str, project: str | None, said: Said, *, out: IO[str]) -> ExitCode:
    """Show one item, or decide it.

    Raises:
        Failure: there is no such item, or it isn't answered like this.
    """
    decision = _decision(said)
    try:
        ids_of(address)
    except ValueError:
        raise Failure(f"{address!r} is no address of an item; `interlock inbox` lists them.", ExitCode.USAGE) from None
    async with target.connect() as client:
        where = project
        if where is None:
            found = (each async for each in client.interactions.inbox() if each.interaction_id == address)
            item = await anext(found, None)
            if item is None:
                raise Failure(
                    "Nothing with this address waits for you; `interlock inbox` lists what does.", ExitCode.ERROR
                )
            where = item.namespace
        one = await client.interactions.get(where, address)
        if decision is not None:
            given = decision if one.type is None else {"response": decision}
            one = await client.interactions.decide(where, address, given)
    print(_whole(one), file=out)
    return ExitCode.COMPLETED


async def ask(
    target: Target, project: str, question: str, to: str, timeout: str | None, title: str | None, *, out: IO[str]
) -> ExitCode:
    """Ask somebody for an approval, and wait for the outcome.

    Raises:
        Failure: the time isn't one.
    """
    seconds = None if timeout is None else _seconds(timeout)
    expires_at = None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)
    async with target.connect() as client:
        asked = await client.interactions.create(project, "approval", question, to, title=title, expires_at=expires_at)
        run = await client.follow(asked.own_run_id)
        async for _ in run:
            pass
        one = await client.interactions.get(project, asked.id)
    print(_outcome(one), file=out)
    return ExitCode.COMPLETED if one.outcome in _PASSED else ExitCode.ERROR


def _seconds(text: str) -> float:
    found = re.fullmatch(r"([0-9]+)([smhd])", text)
    if found is None or int(found[1]) == 0:
        raise Failure(f"A time is a number with s, m, h or d, such as 10m, not {text!r}.", ExitCode.USAGE)
    return int(found[1]) * _UNITS[found[2]]


def _decision(said: Said) -> dict[str, JsonValue] | None:
    if not said.is_given:
        return None
    if said.yes + said.no + (said.answer is not None) > 1:
        raise Failure("Give one of --yes, --no and --answer.", ExitCode.USAGE)
    comment: dict[str, JsonValue] = {} if said.comment is None else {"comment": said.comment}
    if said.answer is None:
        return {"confirmed": said.yes, **comment}
    try:
        given = from_json_text(said.answer)
    except ValueError as error:
        raise Failure(f"--answer: {error}", ExitCode.USAGE) from None
    if not isinstance(given, dict):
        example = '{"selected": "a"}'
        raise Failure(f"--answer is an object in JSON, such as {example}.", ExitCode.USAGE)
    return {**given, **comment}


def _line(item: InboxItem) -> str:
    what = item.title or item.message or f"{item.step_name} waits"
    asks = item.mode or item.kind
    due = "" if item.timeout_at is None else f"  until {item.timeout_at}"
    return f"{item.interaction_id}  {in_short(what, 80)}  ({asks}, {item.workflow_id}){due}"


def _whole(one: Interaction) -> str:
    told: dict[str, Any] = one.model_dump(exclude_none=True, exclude={"own_run_id"})
    return in_full({name: value for name, value in told.items() if value not in ((), [])})


def _outcome(one: Interaction) -> str:
    by = "" if one.responded_by in (None, "timeout") else f" by {one.responded_by}"
    comment = (one.response or {}).get("comment")
    return f"{one.outcome}{by}{f': {in_short(comment)}' if comment else ''}"
