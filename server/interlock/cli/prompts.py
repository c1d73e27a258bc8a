"""Asks the questions of each kind of pause in a terminal, and sends the answers.

Laws:
- The server judges. If it refuses an answer as invalid, the question is asked again, with the server's sentence, and
  with the previous answers as defaults. If somebody else has decided meanwhile, that is shown, and the question closes.
- Every answer is one line, except a text that is rewritten. The end of the input answers nothing, and leaves the pause
  open.
- Each tool is decided separately: a decision stays, whatever happens to the others.
- A question may be cancelled while it waits for its line, but not while its answer is being sent (`sending`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal, TypeAlias, TypeVar

from interlock.cli.answers import (
    LEFT,
    Left,
    all_picked,
    as_text,
    field_value,
    from_json_text,
    given,
    is_numbered,
    like,
    object_or_nothing,
    picked,
    shown,
    verdict,
    yes_or_no,
)
from interlock.cli.editor import EditorFailed, edited, editor_of
from interlock.cli.files import uploaded
from interlock.cli.halts import asked_by_schema, is_at_work, is_halt, is_message, judged, kind_of, takes_anything
from interlock.cli.lines import Lines
from interlock.cli.screen import Screen
from interlock.cli.words import decision, in_short
from interlock_client import ActionRefused, Conflict, InvalidDecision, NotFound, Pause, Question, TooLate, ToolCall
from interlock_client.files import Files
from interlock_client.tools import tools_in
from interlock_protocol.messages import ServerMessage, StepExecutorContinued
from interlock_protocol.requirements import Choice, DecidedExecutorRequirement, UserInputField
from interlock_protocol.types import JsonValue, OnReject

_T = TypeVar("_T")
_Before: TypeAlias = dict[str, Any]
"""The previous answers, used as defaults."""

_Judge: TypeAlias = Callable[[UserInputField, JsonValue], JsonValue]
"""Returns the value of a field that is sent, or raises a `ValueError`."""

_REJECTIONS = {
    "skip": "skip it and go on",
    "cancel": "cancel the run",
    "else": "take the other branch",
    "retry": "do it again",
}


SAID_SECONDS = 1.0
"""How long to wait for the event of a decision on a tool before asking about the next tool."""

TICK_SECONDS = 0.2
"""How often the countdown is updated."""

END_OF_TEXT = "."
"""The line that ends a text of several lines."""

_WAYS: Final[tuple[Literal["retry", "skip", "cancel"], ...]] = ("retry", "skip", "cancel")

_ANEW: Final = "edit"
"""The choice that retries a step with other input."""

_ERROR_WAYS: Final = {**_REJECTIONS, _ANEW: "do it again with other input"}


class EndOfInput(Exception):  # noqa: N818 - not an error
    """The input has ended, so nobody can answer."""


class Prompter:
    """Asks about one pause at a time.

    Args:
        files: where the files go whose paths are typed; without it, their ids are.

    Attributes:
        sending: True while an answer is being sent to the server.
        tool: the id of the tool that the open question is about.
    """

    def __init__(self, screen: Screen, lines: Lines, files: Files | None = None) -> None:
        self._files = files
        self.sending = False
        self.tool: str | None = None
        self._until: datetime | None = None
        self._decided: frozenset[str] = frozenset()  # the tools whose decisions were shown
        self._news = asyncio.Event()
        self._screen = screen
        self._lines = lines

    def shown(self, event: ServerMessage) -> None:
        """Note an event that was shown on the screen."""
        if isinstance(event, StepExecutorContinued):
            self._decided |= tools_in(event.decision)
            self._news.set()

    async def settle(self, current: Callable[[], Pause]) -> None:
        """Ask and send answers until the pause needs none any more.

        Args:
            current: returns the pause as it is known now; parts of it may arrive after its first question.

        Raises:
            EndOfInput: the input has ended; the pause stays open.
            Forbidden: this user may not decide it.
        """
        self._screen.pause(current())
        before: _Before = {}
        while True:
            self._until = current().timeout_at
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

    async def _confirmation(self, current: Callable[[], Pause], before: _Before) -> None:
        if await self._until_read(yes_or_no, "[y/n] "):
            await self._send(current().confirm())
        else:
            await self._reject(current)

    async def _review(self, current: Callable[[], Pause], before: _Before) -> None:
        answer = await self._until_read(verdict, "[y/n/e] ")
        if answer == "yes":
            await self._send(current().confirm())
        elif answer == "no":
            await self._reject(current)
        elif not isinstance(output := await self._edited(before.get("output", current().output)), Left):
            before["output"] = output
            await self._send(current().confirm(edited_output=output))
        else:
            await self._review(current, before)

    async def _reject(self, current: Callable[[], Pause]) -> None:
        on_reject = await self._on_reject(current())
        feedback = await self._line("Why? (optional) ")
        await self._send(current().reject(feedback.strip() or None, on_reject))

    async def _on_reject(self, pause: Pause) -> OnReject | None:
        allowed = pause.allowed_on_reject
        if len(allowed) < 2:
            return None
        usual = pause.on_reject if pause.on_reject in allowed else allowed[0]
        self._menu([f"{each}: {_REJECTIONS[each]}" for each in allowed])
        index = await self._until_read(
            lambda text: picked(allowed, text) if text.strip() else allowed.index(usual), f"What then? [{usual}] "
        )
        return allowed[index]

    async def _user_input(self, current: Callable[[], Pause], before: _Before) -> None:
        pause = current()
        values = await (self._halt_input(pause, before) if is_halt(pause) else self.form(pause.fields, before))
        before.update(values)
        await self._send(current().submit(**values))

    async def _halt_input(self, pause: Pause, before: _Before) -> dict[str, JsonValue]:
        """Ask what a halt of a state machine asks."""
        if is_message(pause):
            aside = " without waiting for what is at work" if is_at_work(pause) else ""
            await self._line(f"Press Enter to go on{aside}. ")
            return {}
        if takes_anything(pause):
            return await self._until_read(object_or_nothing, "Data, as a JSON object (optional) ")
        fields = pause.fields or asked_by_schema(pause)
        return await self.form(fields, before, judge=lambda field, value: judged(pause, field, value), kind=kind_of)

    async def _route_selection(self, current: Callable[[], Pause], before: _Before) -> None:
        choices, multiple = current().choices, current().multiple
        await self._send(current().choose(*await self._chosen(choices, multiple=multiple)))

    async def _response(self, current: Callable[[], Pause], before: _Before) -> None:
        asked = current().interaction
        assert asked is not None, "an interaction says what it asks"
        spec = asked.spec
        given: dict[str, Any]
        if spec.mode == "confirm":
            given = {"confirmed": await self._until_read(yes_or_no, "[y/n] ")}
        elif spec.mode in ("select", "multi_select"):
            options = spec.options or ()
            choices = [Choice(key=each.value, label=each.label, description=each.description) for each in options]
            chosen = await self._chosen(choices, multiple=spec.mode == "multi_select")
            given = {"selected": chosen if spec.mode == "multi_select" else chosen[0]}
        else:
            given = {"value": await self._value(current(), before)}
        comment = (await self._line("Comment (optional) ")).strip() if spec.mode != "input" else ""
        await self._send(current().respond(**given, comment=comment or None))

    async def _interaction(self, current: Callable[[], Pause], before: _Before) -> None:
        asked = current().widget
        assert asked is not None, "a widget says what it is shown with"
        self._screen.line(f"Widget {asked.bundle}: {as_text(asked.props)}")
        if asked.events is None:
            event = (await self._line("Event ")).strip()
        else:
            (event,) = await self._chosen([Choice(key=each, label=each) for each in asked.events], multiple=False)
        data = await self._until_read(object_or_nothing, "Its data, as a JSON object (optional) ")
        await self._send(current().interact(event, data))

    async def _value(self, pause: Pause, before: _Before) -> JsonValue:
        """Ask for the value of an interaction in the mode `input`."""
        if pause.fields:
            values = await self.form(pause.fields, before, kind=kind_of)
            before.update(values)
            return values
        if pause.interaction is not None and pause.interaction.spec.schema_ is not None:
            return await self._until_read(from_json_text, "Your answer, as JSON ")
        return await self._line("Your answer ")

    async def _executor_input(self, current: Callable[[], Pause], before: _Before) -> None:
        decided: set[str] = set()
        try:
            while (tool := next((each for each in current().tools if each.id not in decided), None)) is not None:
                self.tool = tool.id
                self._screen.tool(tool)
                answer = await self._tools[tool.kind](self, tool, before.setdefault(tool.id, {}))
                await self._send(current().resolve(answer))
                decided.add(tool.id)
                self.tool = None
                await self._said(tool.id)
        finally:
            self.tool = None

    async def _said(self, tool_id: str) -> None:
        """Wait until a tool's decision is on the screen, so that it doesn't look like the next tool's."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SAID_SECONDS):
                while tool_id not in self._decided:
                    self._news.clear()
                    await self._news.wait()

    async def _error_decision(self, current: Callable[[], Pause], before: _Before) -> None:
        ways = (*_WAYS[:1], _ANEW, *_WAYS[1:]) if current().fields else _WAYS
        self._menu([f"{each}: {_ERROR_WAYS[each]}" for each in ways])
        way = ways[await self._until_read(lambda text: picked(ways, text), "What now? ")]
        if way in _WAYS:
            await self._send(current().decide(way))
            return
        fields = current().fields
        values = await self.form(fields, {**_given_before(fields), **before})
        before.update(values)
        await self._send(current().decide("retry", user_input=values))

    # ── Parts of questions ──────────────────────────────────────────────────────────────────────────────

    async def form(
        self,
        fields: Sequence[UserInputField],
        before: Mapping[str, JsonValue] = MappingProxyType({}),
        *,
        judge: _Judge = lambda _, value: value,
        kind: Callable[[UserInputField], str] = lambda field: field.field_type,
    ) -> dict[str, JsonValue]:
        """Ask for each field and return the values; fields that were left out are missing.

        Args:
            before: the previous answers, used as defaults.
            judge: returns the value that is sent; raises a `ValueError` with a sentence for one that doesn't fit.
            kind: what a field takes, in few words.

        Raises:
            EndOfInput: the input has ended.
        """
        values: dict[str, JsonValue] = {}
        for field in fields:
            value = await self._field(field, before.get(field.name), judge, kind(field))
            if field.format == "file" and self._files is not None:
                value = await self._with_files(self._files, field, value, judge, kind(field))
            if not isinstance(value, Left):
                values[field.name] = value
        return values

    async def _with_files(
        self, files: Files, field: UserInputField, value: JsonValue | Left, judge: _Judge, kind: str
    ) -> JsonValue | Left:
        """Upload the files of a field, and return their ids; what can't be uploaded is asked for again."""
        while value and not isinstance(value, Left):
            try:
                return await uploaded(files, value)
            except ValueError as error:
                self._screen.line(str(error), "red")
                value = await self._field(field, None, judge, kind)
        return value

    async def _field(self, field: UserInputField, before: JsonValue, judge: _Judge, kind: str) -> JsonValue | Left:
        def read(text: str) -> JsonValue | Left:
            value = field_value(field, text, default=before)
            return value if isinstance(value, Left) else judge(field, value)

        if field.description:
            self._screen.line(field.description, "dim", indent=1)
        if field.options:
            choices = [Choice(**each.model_dump(exclude={"value"}), key=each.value) for each in field.options]
            self._menu([_choice(each) for each in choices], [each.key for each in choices])
        elif field.allowed_values:
            self._menu([shown(value) for value in field.allowed_values])
        if field.secret:
            before = None
        default = before if before is not None else field.default
        hint = kind if default is None else f"{kind}, {in_short(shown(default), 60)}"
        mark = "" if field.required or default is not None else ", optional"
        return await self._until_read(
            read,
            f"{field.name} [{'secret' if field.secret else hint}{mark}] ",
            hidden=bool(field.secret),
        )

    async def _chosen(self, choices: Sequence[Choice], *, multiple: bool) -> list[str]:
        keys = [choice.key for choice in choices]
        self._menu([_choice(choice) for choice in choices], keys)
        if multiple:
            chosen = await self._until_read(lambda text: all_picked(keys, text), "Which? (one or more, with commas) ")
        else:
            chosen = [await self._until_read(lambda text: picked(keys, text), "Which? ")]
        return [keys[index] for index in chosen]

    async def _edited(self, value: JsonValue) -> JsonValue | Left:
        """Return the value as edited by the person, which may be null; `LEFT` if it wasn't changed."""
        text = as_text(value)
        while (changed := await self._new_text(text, "txt" if isinstance(value, str) else "json")) != text:
            try:
                return like(value, changed)
            except ValueError as error:
                self._screen.line(str(error), "red")
                text = changed
        self._screen.line("Nothing was changed.", "dim")
        return LEFT

    async def _new_text(self, text: str, suffix: str) -> str:
        editor = editor_of() if self._lines.is_terminal else None
        if editor is not None:
            try:
                with self._screen.set_aside():
                    return await edited(editor, text, suffix=f".{suffix}")
            except EditorFailed as failed:
                self._screen.line(str(failed), "red")
                return text
        self._screen.line(f"Write it anew, on as many lines as it takes; a line with only {END_OF_TEXT!r} ends it.")
        lines = [await self._line("> ")]
        while lines[-1] != END_OF_TEXT:
            lines.append(await self._line("> ", discard=False))
        return "\n".join(lines[:-1])

    # ── Tools ───────────────────────────────────────────────────────────────────────────────────────────

    async def _approval(self, tool: ToolCall, before: _Before) -> DecidedExecutorRequirement:
        if not tool.editable:
            answer = "yes" if await self._until_read(yes_or_no, "Let it run? [y/n] ") else "no"
        else:
            answer = await self._until_read(verdict, "Let it run? [y/n/e] ")
        if answer == "yes":
            return tool.approved()
        if answer == "no":
            return tool.denied((await self._line("Why not? (optional) ")).strip() or None)
        args = await self._edited(before.get("args", dict(tool.args)))
        if not isinstance(args, dict):
            return await self._approval(tool, before)
        before["args"] = args
        return tool.approved(edited_args=args)

    async def _tool_form(self, tool: ToolCall, before: _Before) -> DecidedExecutorRequirement:
        values = await self.form(tool.fields, before)
        before.update(values)
        return tool.filled(**values)

    async def _feedback(self, tool: ToolCall, before: _Before) -> DecidedExecutorRequirement:
        return tool.selected({each.text: await self._selected(each) for each in tool.questions})

    async def _selected(self, asked: Question) -> list[str]:
        self._screen.line(asked.text or asked.header or "Your choice", indent=1)
        return await self._chosen(asked.options, multiple=asked.multiple)

    async def _result(self, tool: ToolCall, before: _Before) -> DecidedExecutorRequirement:
        return tool.handed_in(await self._until_read(given, f"The result of {tool.name}: "))

    # ── Lines ───────────────────────────────────────────────────────────────────────────────────────────

    def _menu(self, labels: Sequence[str], names: Sequence[str] | None = None) -> None:
        """Write what can be picked, by its name or its number; `names`, if these aren't the labels."""
        numbered = is_numbered(names or labels)
        for number, label in enumerate(labels, 1):
            self._screen.line(f"{number}) {label}" if numbered else label, indent=1)

    async def _until_read(self, read: Callable[[str], _T], prompt: str, *, hidden: bool = False) -> _T:
        """Ask until the answer can be parsed; a `hidden` answer isn't echoed."""
        while True:
            text = await self._line(prompt, hidden=hidden)
            try:
                return read(text)
            except ValueError as error:
                self._screen.line(str(error), "red")

    async def _line(self, prompt: str, *, discard: bool = True, hidden: bool = False) -> str:
        with self._lines.unseen() if hidden else contextlib.nullcontext():
            if discard:
                self._lines.discard_typed()
            self._screen.ask(prompt, self._until)
            line: str | None = None
            try:
                async with self._counting_down():
                    line = await self._lines.next()
            finally:
                self._screen.answered(typed=line is not None)
        if line is None:
            raise EndOfInput
        return line

    @contextlib.asynccontextmanager
    async def _counting_down(self) -> AsyncIterator[None]:
        counting = asyncio.create_task(self._count_down())
        try:
            yield
        finally:
            counting.cancel()

    async def _count_down(self) -> None:
        while self._until is not None:
            await asyncio.sleep(TICK_SECONDS)
            self._screen.tick()

    async def _send(self, answer: Awaitable[None]) -> None:
        self.sending = True
        try:
            await answer
        finally:
            self.sending = False

    _kinds: ClassVar[Mapping[str, Callable[[Prompter, Callable[[], Pause], _Before], Awaitable[None]]]] = {
        "confirmation": _confirmation,
        "output_review": _review,
        "iteration_review": _review,
        "user_input": _user_input,
        "route_selection": _route_selection,
        "executor_input": _executor_input,
        "error_decision": _error_decision,
        "response": _response,
        "interaction": _interaction,
    }

    _tools: ClassVar[Mapping[str, Callable[[Prompter, ToolCall, _Before], Awaitable[DecidedExecutorRequirement]]]] = {
        "confirmation": _approval,
        "user_input": _tool_form,
        "user_feedback": _feedback,
        "external_execution": _result,
    }


def _given_before(fields: Sequence[UserInputField]) -> _Before:
    """The values with which the form of a failed step was filled in."""
    return {field.name: field.value for field in fields if field.value is not None}


def _choice(choice: Choice) -> str:
    named = choice.key if choice.label in (None, choice.key) else f"{choice.key}: {choice.label}"
    return f"{named} ({choice.description})" if choice.description else named


def _faults(refused: InvalidDecision) -> str:
    """The server's sentence, plus each wrong field that the sentence doesn't name."""
    details = refused.details if isinstance(refused.details, list) else []
    faults = [
        ": ".join(str(fault[key]) for key in ("field", "error") if fault.get(key))
        for fault in details
        if isinstance(fault, dict)
    ]
    return "\n".join([refused.message, *(f"  {fault}" for fault in faults if fault not in refused.message)])
