"""Questions at a terminal, one kind of pause each, and their answers sent.

Laws:
- The server judges. What it refuses as invalid is asked again, with its sentence, and with the last answers as
  defaults; what somebody else has decided meanwhile is said, and that is the end of it.
- Every question takes one line. The end of the input answers nothing: it leaves the pause as it is.
- A question may be cancelled while it waits for its line, and not while its answer is under way (`sending`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import ClassVar, Final, Literal, TypeVar

from interlock.cli.answers import Left, all_picked, field_value, is_numbered, picked, shown, yes_or_no
from interlock.cli.lines import Lines
from interlock.cli.screen import Screen
from interlock.cli.words import decision, in_short
from interlock_client import ActionRefused, Conflict, InvalidDecision, NotFound, Pause, TooLate
from interlock_protocol.requirements import (
    DecidedExecutorRequirement,
    DecidedField,
    ExecutorRequirement,
    UserInputField,
)
from interlock_protocol.types import JsonValue, OnReject

_T = TypeVar("_T")

_REJECTIONS = {
    "skip": "skip it and go on",
    "cancel": "cancel the run",
    "else": "take the other branch",
    "retry": "do it again",
}


_WAYS: Final[tuple[Literal["retry", "skip", "cancel"], ...]] = ("retry", "skip", "cancel")


class EndOfInput(Exception):  # noqa: N818 - nobody did anything wrong
    """There is nobody to answer any more."""


class Prompter:
    """Asks about one pause at a time.

    Attributes:
        sending: an answer is under way to the server.
    """

    def __init__(self, screen: Screen, lines: Lines) -> None:
        self.sending = False
        self._screen = screen
        self._lines = lines

    async def settle(self, current: Callable[[], Pause]) -> None:
        """Asks, and sends the answer, until the pause needs none any more.

        Args:
            current: the pause as it is known by now; more of it may be known later than its first question.

        Raises:
            EndOfInput: the input has ended; the pause stays.
            Forbidden: this user may not decide it.
        """
        self._screen.pause(current())
        before: dict[str, JsonValue] = {}
        while True:
            try:
                await self._kinds[current().kind](self, current, before)
            except InvalidDecision as refused:
                self._screen.line(_faults(refused), "red")
            except Conflict as refused:
                who, what = refused.resolved_by or "somebody else", decision(refused.decision or {})
                self._screen.line(f"Already decided by {who}: {what}.", "yellow")
                return
            except (TooLate, NotFound) as refused:
                self._screen.line(refused.message, "yellow")
                return
            except ActionRefused as refused:
                if not refused.retryable:
                    raise
                self._screen.line(refused.message, "yellow")
            else:
                return

    # ── The kinds ───────────────────────────────────────────────────────────────────────────────────────

    async def _confirmation(self, current: Callable[[], Pause], before: dict[str, JsonValue]) -> None:
        if await self._until(yes_or_no, "[y/n] "):
            await self._send(current().confirm())
            return
        on_reject = await self._on_reject(current())
        feedback = await self._line("Why? (optional) ")
        await self._send(current().reject(feedback.strip() or None, on_reject))

    async def _on_reject(self, pause: Pause) -> OnReject | None:
        allowed = pause.allowed_on_reject
        if len(allowed) < 2:
            return None
        usual = pause.on_reject if pause.on_reject in allowed else allowed[0]
        self._menu([f"{each}: {_REJECTIONS[each]}" for each in allowed])
        index = await self._until(
            lambda text: picked(allowed, text) if text.strip() else allowed.index(usual), f"What then? [{usual}] "
        )
        return allowed[index]

    async def _user_input(self, current: Callable[[], Pause], before: dict[str, JsonValue]) -> None:
        values = await self._form(current().fields, before)
        before.update(values)
        await self._send(current().submit(**values))

    async def _route_selection(self, current: Callable[[], Pause], before: dict[str, JsonValue]) -> None:
        choices, multiple = current().choices, current().multiple
        keys = [choice.key for choice in choices]
        self._menu([_choice(choice.key, choice.label, choice.description) for choice in choices])
        if multiple:
            chosen = await self._until(lambda text: all_picked(keys, text), "Which? (one or more, with commas) ")
        else:
            chosen = [await self._until(lambda text: picked(keys, text), "Which? ")]
        await self._send(current().choose(*(keys[index] for index in chosen)))

    async def _executor_input(self, current: Callable[[], Pause], before: dict[str, JsonValue]) -> None:
        decided = [await self._tool(tool) for tool in current().tools]
        await self._send(current().resolve(*decided))

    async def _error_decision(self, current: Callable[[], Pause], before: dict[str, JsonValue]) -> None:
        self._menu([f"{each}: {_REJECTIONS[each]}" for each in _WAYS])
        index = await self._until(lambda text: picked(_WAYS, text), "What now? ")
        await self._send(current().decide(_WAYS[index]))

    # ── Their parts ─────────────────────────────────────────────────────────────────────────────────────

    async def _form(self, fields: Sequence[UserInputField], before: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        values: dict[str, JsonValue] = {}
        for field in fields:
            value = await self._field(field, before.get(field.name))
            if not isinstance(value, Left):
                values[field.name] = value
        return values

    async def _field(self, field: UserInputField, before: JsonValue) -> JsonValue | Left:
        if field.description:
            self._screen.line(field.description, "dim", indent=1)
        if field.allowed_values:
            self._menu([shown(value) for value in field.allowed_values])
        default = before if before is not None else field.default
        hint = field.field_type if default is None else f"{field.field_type}, {in_short(shown(default), 60)}"
        mark = "" if field.required or default is not None else ", optional"
        return await self._until(lambda text: field_value(field, text, default=before), f"{field.name} [{hint}{mark}] ")

    async def _tool(self, asked: ExecutorRequirement) -> DecidedExecutorRequirement:
        tool = asked.tool_execution
        name = (tool.tool_name if tool else None) or "tool"
        if tool is not None:
            self._screen.line(f"⚒ {name}({in_short(dict(tool.tool_args or {}))})", indent=1)
        if tool is not None and tool.external_execution_required:
            result = await self._line(f"The result of {name}: ")
            return DecidedExecutorRequirement(id=asked.id, external_execution_result=result)
        if asked.user_feedback_schema:
            return DecidedExecutorRequirement(
                id=asked.id,
                user_feedback_schema=[await self._feedback(dict(item)) for item in asked.user_feedback_schema],
            )
        schema = asked.user_input_schema or (tool.user_input_schema if tool else None)
        if schema:
            values = await self._form(schema, {})
            filled = [DecidedField(name=field, value=value) for field, value in values.items()]
            return DecidedExecutorRequirement(id=asked.id, user_input_schema=filled)
        return await self._approval(asked.id)

    async def _approval(self, requirement_id: str) -> DecidedExecutorRequirement:
        approved = await self._until(yes_or_no, "Let it run? [y/n] ")
        note = None if approved else (await self._line("Why not? (optional) ")).strip() or None
        return DecidedExecutorRequirement(id=requirement_id, confirmation=approved, confirmation_note=note)

    async def _feedback(self, item: dict[str, JsonValue]) -> dict[str, JsonValue]:
        options = item.get("options")
        labels = [_option(option) for option in options] if isinstance(options, list) else []
        self._screen.line(str(item.get("question") or item.get("header") or "Your choice"), indent=1)
        self._menu(labels)
        if item.get("multi_select"):
            chosen = await self._until(lambda text: all_picked(labels, text), "Which? (one or more, with commas) ")
        else:
            chosen = [await self._until(lambda text: picked(labels, text), "Which? ")]
        return {**item, "selected_options": [labels[index] for index in chosen]}

    def _menu(self, labels: Sequence[str]) -> None:
        numbered = is_numbered(labels)
        for number, label in enumerate(labels, 1):
            self._screen.line(f"{number}) {label}" if numbered else label, indent=1)

    async def _until(self, read: Callable[[str], _T], prompt: str) -> _T:
        """Asks until the answer can be read."""
        while True:
            text = await self._line(prompt)
            try:
                return read(text)
            except ValueError as error:
                self._screen.line(str(error), "red")

    async def _line(self, prompt: str) -> str:
        self._lines.discard_typed()
        self._screen.ask(prompt)
        line: str | None = None
        try:
            line = await self._lines.next()
        finally:
            self._screen.answered(typed=line is not None)
        if line is None:
            raise EndOfInput
        return line

    async def _send(self, answer: Awaitable[None]) -> None:
        self.sending = True
        try:
            await answer
        finally:
            self.sending = False

    _kinds: ClassVar[Mapping[str, Callable[[Prompter, Callable[[], Pause], dict[str, JsonValue]], Awaitable[None]]]] = {
        "confirmation": _confirmation,
        "output_review": _confirmation,
        "iteration_review": _confirmation,
        "user_input": _user_input,
        "route_selection": _route_selection,
        "executor_input": _executor_input,
        "error_decision": _error_decision,
    }


def _choice(key: str, label: str | None, description: str | None) -> str:
    named = key if label in (None, key) else f"{key}: {label}"
    return f"{named} ({description})" if description else named


def _option(option: JsonValue) -> str:
    return str(option.get("label", option)) if isinstance(option, dict) else str(option)


def _faults(refused: InvalidDecision) -> str:
    """The server's sentence, and each wrong field."""
    details = refused.details if isinstance(refused.details, list) else []
    faults = [f"{fault.get('field')} {fault.get('error')}" for fault in details if isinstance(fault, dict)]
    return "\n".join([refused.message, *(f"  {fault}" for fault in faults if fault not in refused.message)])
